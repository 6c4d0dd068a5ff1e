// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_BOUNDED_SEMAPHORE_HPP
#define TURNSTILE_BOUNDED_SEMAPHORE_HPP

#include <turnstile/semaphore.hpp>

namespace turnstile::inline v1 {

/// An asynchronous semaphore with a limit that releases cannot pass.
///
/// Like `basic_semaphore`, with two differences: a release of more permits than are in use is an error
/// and adds none, and the limit can be changed at any time. Use it for a resource with a limited
/// capacity. The documentation of `basic_semaphore` holds for everything that is not described here,
/// and for its members `async_acquire`, `async_acquire_permit`, `async_acquire_for`,
/// `async_acquire_permit_for`, `try_acquire`, `try_acquire_permit`, `release`, `cancel`, `close`,
/// `is_closed`, `available`, `waiting`, `max_waiting`, `set_max_waiting`, `locked`, `max` and `get_executor`. There
/// is no `shrink`: use `set_limit`.
///
/// @tparam Executor the type of the executor that handlers are posted to by default.
///
/// @par Example
/// @code
/// boost::asio::io_context io;
/// turnstile::bounded_semaphore connections(io, 100);
/// connections.set_limit(50);  // takes nothing from those that hold a permit; 50 from now on
/// @endcode
template <typename Executor = boost::asio::any_io_executor>
class basic_bounded_semaphore : private basic_semaphore<Executor> {
  using base = basic_semaphore<Executor>;

 public:
  /// The type of the semaphore's executor.
  using executor_type = Executor;

  /// The semaphore type for another executor.
  /// @tparam Executor1 that executor's type.
  template <typename Executor1>
  struct rebind_executor {
    /// That semaphore type.
    using other = basic_bounded_semaphore<Executor1>;
  };

  /// Constructs a semaphore with a limit, all permits available. A limit of zero is valid.
  /// @throws std::invalid_argument if `limit > max()`.
  explicit basic_bounded_semaphore(const executor_type& ex, std::size_t limit = 1)
      : base(ex, limit, limit) {}

  /// Constructs a semaphore with `initial` permits available, and `limit - initial` already held.
  /// @throws std::invalid_argument if `initial > limit` or `limit > max()`.
  basic_bounded_semaphore(const executor_type& ex, std::size_t initial, std::size_t limit)
      : base(ex, initial, limit) {}

  /// Constructs a semaphore that uses the executor of an execution context, all permits available.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument if `limit > max()`.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  explicit basic_bounded_semaphore(ExecutionContext& context, std::size_t limit = 1)
      : base(executor_type(context.get_executor()), limit, limit) {}

  /// Constructs a semaphore that uses the executor of an execution context, with `initial` permits
  /// available, and `limit - initial` already held.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument if `initial > limit` or `limit > max()`.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  basic_bounded_semaphore(ExecutionContext& context, std::size_t initial, std::size_t limit)
      : base(executor_type(context.get_executor()), initial, limit) {}

  /// Moves the semaphore, like `basic_semaphore`.
  basic_bounded_semaphore(basic_bounded_semaphore&&) noexcept = default;

  /// Moves the semaphore, like `basic_semaphore`.
  basic_bounded_semaphore& operator=(basic_bounded_semaphore&&) noexcept = default;

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_bounded_semaphore(basic_bounded_semaphore<Executor1>&& other)
      : base(static_cast<basic_semaphore<Executor1>&&>(other)) {}

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_bounded_semaphore& operator=(basic_bounded_semaphore<Executor1>&& other) {
    base::operator=(static_cast<basic_semaphore<Executor1>&&>(other));
    return *this;
  }

  using base::async_acquire;
  using base::async_acquire_for;
  using base::async_acquire_permit;
  using base::async_acquire_permit_for;
  using base::available;
  using base::cancel;
  using base::close;
  using base::get_executor;
  using base::is_closed;
  using base::locked;
  using base::max;
  using base::max_waiting;
  using base::release;
  using base::set_max_waiting;
  using base::try_acquire;
  using base::try_acquire_permit;
  using base::waiting;

  /// Returns how many permits may be in use at once.
  std::size_t limit() const noexcept { return base::core().limit(); }

  /// Returns how many permits are in use: `limit()` less the available ones. More than `limit()` if that was
  /// lowered below what was in use. If other threads use the semaphore, this may be out of date when it returns.
  std::size_t in_use() const noexcept { return base::core().in_use(); }

  /// Changes the limit at once.
  ///
  /// Raising it grants the new room to queued acquires. Lowering it takes nothing from those that hold permits: no
  /// permit is granted until `in_use()` has fallen below the new limit. Queued acquires that need more permits
  /// than the new limit complete with `errc::exceeds_limit`. So `set_limit(0)` ends all waits, and is no
  /// way to pause.
  /// @throws std::invalid_argument if `limit > max()`; then nothing is changed.
  void set_limit(std::size_t limit) {
    if (limit > (max)())
      throw std::invalid_argument("turnstile: a limit of more than max() permits");
    base::core().set_limit(limit);
  }

 private:
  template <typename>
  friend class basic_bounded_semaphore;
};

/// The bounded semaphore for most uses.
using bounded_semaphore = basic_bounded_semaphore<>;

}  // namespace turnstile::inline v1

#endif
