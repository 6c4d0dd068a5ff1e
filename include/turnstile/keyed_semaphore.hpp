// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_KEYED_SEMAPHORE_HPP
#define TURNSTILE_KEYED_SEMAPHORE_HPP

#include <turnstile/detail/initiate_keyed.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/detail/token.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>
#include <turnstile/semaphore.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

/// The limits of a keyed semaphore.
struct keyed_limits {
  /// How many permits one key may hold.
  std::size_t per_key = 1;
  /// How many permits all keys together may hold.
  std::size_t total = (semaphore::max)();
  /// How many acquires of one key may wait.
  std::size_t max_waiting_per_key = (semaphore::max)();
  /// How many acquires of all keys together may wait. This bound is not shared fairly: when it is reached, it refuses
  /// the acquires of every key. It limits memory. So let it be larger than what you expect to wait.
  std::size_t max_waiting = (semaphore::max)();
};

/// An asynchronous semaphore with a limit for each key, a limit for all keys together, and fairness between the
/// keys.
///
/// Permits are counted for each key: a client's address, a tenant's name, the number of a shard. Use it for a
/// resource that several parties share, so that none of them can take all of it.
///
/// @par Order
/// A permit that becomes free is granted to the waiting key that holds the fewest permits. Of several such keys, it
/// goes to the one whose first acquire has waited longest. That acquire is *next*. Within a key, acquires are
/// granted in the order of the initiating calls. A key is passed over while the permits that its first acquire needs
/// would bring it above `per_key`. So a free permit stays unused in two cases only: every waiting key is
/// passed over, or the acquire that is next needs more permits than are free. In the second case the other
/// acquires wait behind it, so that large requests are not starved.
///
/// @par Counting
/// An acquire gets the permits of its key and of the total together, or none. While it waits, it holds nothing. At
/// most `per_key` permits are held by one key, and at most `total` by all of them.
///
/// @par Keys
/// A key exists while permits of it are held, or acquires of it wait. If a wait ends with an error, the key exists
/// until the handler has been called or destroyed. Each key takes one allocation from `operator new`, which
/// holds a copy of the key. There are no timers, and no work in the background. If `permit::forget()` is
/// called, the key exists until the semaphore is destroyed, since no call can give these permits back.
///
/// @par Completion, coroutines, cancellation, work and memory
/// As for `basic_semaphore`, with two differences. With `use_awaitable`, a coroutine gives others a turn even if a
/// permit is free. And if another thread is working on the queue, that thread decides the acquire, perhaps after the
/// initiating call has returned. Until then `in_use()` and `waiting()` do not count it.
///
/// @par Complexity
/// An acquire looks its key up in O(log keys). A grant and a cancellation take O(log waiting keys), a change of
/// `per_key` O(waiting acquires). A release looks no key up.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: safe, except for constructing, moving, assigning and
/// destroying. A mutex guards the table of keys. It is held to find, insert or remove a key, and while
/// `Compare` is called, and never while other user code runs. A release locks it only if it gives the last permit of
/// a key back.
///
/// @par Lifetime
/// As for `basic_semaphore`. Permits may outlive the semaphore. A `key_reference` refers to the semaphore object,
/// which must not be moved or destroyed while the reference is used.
///
/// @tparam Key the type of the keys. It can be copied and moved.
/// @tparam Executor the type of the executor that handlers are posted to by default.
/// @tparam Compare a strict weak order of the keys. It must not call this semaphore.
///
/// @par Example
/// @code
/// turnstile::keyed_semaphore<std::string> tenants(io, {.per_key = 10,
///                                                      .total = 100,
///                                                      .max_waiting_per_key = 50});
///
/// boost::asio::awaitable<void> handle(request r) {
///   auto permit = co_await tenants[r.tenant].async_acquire_permit();
///   co_await query_the_database(r);
/// }
/// @endcode
template <typename Key, typename Executor = boost::asio::any_io_executor,
          typename Compare = std::less<Key>>
class basic_keyed_semaphore {
  using table = detail::key_table<Key, Compare>;
  using implementation = detail::implementation<Executor, table>;

  static_assert(
      !std::is_same_v<Compare, std::less<Key>> || requires(const Key& a, const Key& b) {
        bool(a < b);
      }, "turnstile: the keys of a keyed semaphore need operator<, or a Compare");

 public:
  /// The type of the semaphore's executor.
  using executor_type = Executor;

  /// The type of the keys.
  using key_type = Key;

  /// The semaphore type for another executor.
  /// @tparam Executor1 that executor's type.
  template <typename Executor1>
  struct rebind_executor {
    /// That semaphore type.
    using other = basic_keyed_semaphore<Key, Executor1, Compare>;
  };

  /// One key of a keyed semaphore, to acquire permits of. It is `acquirable`, and can be copied.
  ///
  /// Making one looks nothing up. It stays valid while the semaphore object lives and stays in its place.
  class key_reference {
   public:
    /// The type of the semaphore's executor.
    using executor_type = Executor;

    /// Returns the executor that handlers are posted to by default.
    executor_type get_executor() const noexcept { return impl_->get_executor(); }

    /// Returns the key.
    const Key& key() const noexcept { return key_; }

    /// Acquires one permit of this key asynchronously. The permit releases itself.
    ///
    /// Completes when
    /// @li the permit is granted: at once if the limits allow it and no other acquire is next (see *Order*); or
    /// @li this acquire is cancelled, `cancel()` is called, or the semaphore is destroyed:
    ///     `boost::asio::error::operation_aborted`; or
    /// @li the semaphore is closed, now or later: `errc::closed`; or
    /// @li a permit can never be granted, since a limit is zero: `errc::exceeds_limit`; or
    /// @li it would have to wait, and `max_waiting_per_key` acquires of this key, or `max_waiting` of all keys, wait
    ///     already: `errc::queue_full`.
    ///
    /// @tparam Token a completion token for the signature.
    ///
    /// @par Signature
    /// `void(turnstile::error_code, turnstile::permit)`. With an error, the permit is empty.
    template <typename Token = detail::default_token_t<executor_type>>
      requires(!detail::count_not_token<Token, void(error_code, permit)>)
    decltype(auto) async_acquire_permit(Token&& token = Token()) const {
      return async_acquire_permit(std::size_t(1), std::forward<Token>(token));
    }

    /// Acquires n permits of this key asynchronously, all at once. The permits release themselves.
    ///
    /// Like the overload for one permit. Zero permits are granted at once, unless the semaphore is closed. If
    /// n is greater than `per_key` or `total`, the acquire completes at once with `errc::exceeds_limit`.
    ///
    /// @tparam Token a completion token for the signature.
    ///
    /// @par Signature
    /// `void(turnstile::error_code, turnstile::permit)`. With an error, or if n is zero, the permit is empty.
    template <typename Token = detail::default_token_t<executor_type>>
    decltype(auto) async_acquire_permit(std::size_t n, Token&& token = Token()) const {
      static_assert(detail::is_token_for<Token, void(error_code, permit)>,
                    "turnstile: async_acquire_permit takes a completion token for void(error_code, "
                    "permit): a handler that can be called with a turnstile::error_code and a "
                    "turnstile::permit, or use_awaitable and the like");
      return boost::asio::async_initiate<Token, void(error_code, permit)>(
          detail::initiate_keyed<Executor, Key, Compare>(*impl_, key_), token, n);
    }

    /// Acquires one permit of this key asynchronously, or gives up after a time. The permit releases itself.
    ///
    /// Completes like `async_acquire_permit`, and also with `errc::timed_out` if the acquire still waits when
    /// `patience` has passed; see `basic_semaphore::async_acquire_permit_for`.
    ///
    /// @tparam Token a completion token for the signature.
    ///
    /// @par Signature
    /// `void(turnstile::error_code, turnstile::permit)`. With an error, the permit is empty.
    template <typename Token = detail::default_token_t<executor_type>>
      requires(!detail::count_not_token<Token, void(error_code, permit)>)
    decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                            Token&& token = Token()) const {
      return async_acquire_permit_for(patience, std::size_t(1), std::forward<Token>(token));
    }

    /// Acquires n permits of this key asynchronously, all at once, or gives up after a time. The permits release
    /// themselves.
    /// @tparam Token a completion token for `void(turnstile::error_code, turnstile::permit)`.
    template <typename Token = detail::default_token_t<executor_type>>
    decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                            std::size_t n, Token&& token = Token()) const {
      static_assert(detail::is_token_for<Token, void(error_code, permit)>,
                    "turnstile: async_acquire_permit_for takes a completion token for "
                    "void(error_code, permit): a handler that can be called with a "
                    "turnstile::error_code and a turnstile::permit, or use_awaitable and the like");
      return boost::asio::async_initiate<Token, void(error_code, permit)>(
          detail::initiate_keyed<Executor, Key, Compare>(*impl_, key_), token, n, patience);
    }

    /// Takes n permits of this key if that is possible at once: if the limits allow it, no acquire of the key
    /// waits, and no other acquire is next. Waiting acquires of keys that are passed over do not matter.
    ///
    /// It may also fail at a moment at which another thread queues an acquire or changes the limits, or at which an
    /// acquire of the same key finds too few permits of the total. @returns an empty permit if it fails, or n is zero.
    /// @throws std::bad_alloc if there is no memory for a new key; and what `Compare` or copying the key throws.
    [[nodiscard]] permit try_acquire_permit(std::size_t n = 1) const {
      const auto found = impl_->get_core()->acquire(key_, n, false);
      return found.node ? detail::make_permit(*found.node, n) : permit();
    }

    /// Returns how many permits the key holds. If other threads use the semaphore, this and the other readings may be
    /// out of date when they return. Each looks the key up.
    std::size_t in_use() const {
      return read(0, [](const detail::key_node& k) { return k.held(); });
    }

    /// Returns how many acquires of the key wait.
    std::size_t waiting() const {
      return read(0, [](const detail::key_node& k) { return k.waiting(); });
    }

    /// Returns how many permits the key could take now, if no acquire waited.
    std::size_t available() const {
      const std::size_t most = impl_->get_core()->per_key();
      const std::size_t left = read(most, [&](const detail::key_node& k) {
        return most - (std::min<std::size_t>)(most, k.held());
      });
      return (std::min)(left, impl_->get_core()->available());
    }

   private:
    friend basic_keyed_semaphore;

    key_reference(const implementation& i, Key&& key) : impl_(&i), key_(std::move(key)) {}

    template <typename Function>
    std::size_t read(std::size_t otherwise, Function f) const {
      return impl_->get_core()->read(key_, otherwise, f);
    }

    const implementation* impl_;
    Key key_;
  };

  /// Constructs a semaphore with these limits, all permits available.
  /// @throws std::invalid_argument if `per_key` or `total` is greater than `semaphore::max()`. A bound of the queue that
  /// is as large as that is no bound.
  basic_keyed_semaphore(const executor_type& ex, keyed_limits limits)
      : impl_(ex, checked(limits)) {}

  /// Constructs a semaphore that uses the executor of an execution context.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument as the other constructor.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  basic_keyed_semaphore(ExecutionContext& context, keyed_limits limits)
      : basic_keyed_semaphore(executor_type(context.get_executor()), limits) {}

  /// Moves the semaphore, like `basic_semaphore`. References to keys of the source must not be used any more.
  basic_keyed_semaphore(basic_keyed_semaphore&&) noexcept = default;

  /// Moves the semaphore. Acquires that waited at the target complete with `operation_aborted`.
  basic_keyed_semaphore& operator=(basic_keyed_semaphore&& other) noexcept {
    if (this != &other) impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_keyed_semaphore(basic_keyed_semaphore<Key, Executor1, Compare>&& other)
      : impl_(std::move(other.impl_)) {}

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_keyed_semaphore& operator=(basic_keyed_semaphore<Key, Executor1, Compare>&& other) {
    impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Destroys the semaphore. Waiting acquires complete with `operation_aborted`.
  ~basic_keyed_semaphore() = default;

  /// Returns the executor that handlers are posted to by default.
  executor_type get_executor() const noexcept { return impl_.get_executor(); }

  /// Returns a reference to a key, to acquire permits of.
  key_reference operator[](Key key) const { return {impl_, std::move(key)}; }

  /// Returns the limits.
  keyed_limits limits() const {
    const detail::lane_limits l = core().limits();
    return {l.per_key, l.total, l.max_waiting_per_key, l.max_waiting};
  }

  /// Changes all four limits at once. To change one of them, start from `limits()`: a limit that is left out becomes what it is by
  /// default.
  ///
  /// If a limit is raised, waiting acquires are granted at once. If it is lowered, nothing is taken from keys that hold
  /// permits: such a key gets no permit until it holds fewer than the new limit. Waiting acquires that need
  /// more permits than the new limits allow complete with `errc::exceeds_limit`. So a limit of zero ends all waits, and
  /// is no way to pause. If more acquires wait than the new bounds allow, they still go on waiting.
  /// @throws std::invalid_argument if `per_key` or `total` is greater than `semaphore::max()`; then nothing is changed.
  void set_limits(keyed_limits limits) { core().set_limits(checked(limits)); }

  /// Returns how many keys exist: those that hold permits or have waiting acquires, and those with a failed acquire
  /// whose handler has not run yet.
  std::size_t size() const { return core().size(); }

  /// Returns how many permits all keys together hold.
  std::size_t in_use() const noexcept { return core().in_use(); }

  /// Returns how many acquires of all keys together wait.
  std::size_t waiting() const noexcept { return core().waiting(); }

  /// Completes every waiting acquire with `operation_aborted`.
  void cancel() noexcept { core().cancel(); }

  /// Closes the semaphore: completes every waiting and every later acquire with `errc::closed`. Can be repeated, and
  /// cannot be undone.
  void close() noexcept { core().close(); }

  /// Returns whether the semaphore was closed.
  bool is_closed() const noexcept { return core().is_closed(); }

 private:
  template <typename, typename, typename>
  friend class basic_keyed_semaphore;

  static detail::lane_limits checked(const keyed_limits& l) {
    constexpr std::size_t most = (semaphore::max)();
    if (l.per_key > most || l.total > most)
      throw std::invalid_argument("turnstile: a limit of more than max() permits");
    return {static_cast<std::uint32_t>(l.per_key), static_cast<std::uint32_t>(l.total),
            (std::min)(l.max_waiting_per_key, most), (std::min)(l.max_waiting, most)};
  }

  table& core() const noexcept { return *impl_.get_core(); }

  implementation impl_;
};

/// The keyed semaphore for most uses.
/// @tparam Key the type of the keys.
template <typename Key>
using keyed_semaphore = basic_keyed_semaphore<Key>;

}  // namespace turnstile::inline v1

#endif
