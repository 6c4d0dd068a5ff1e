// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SHARED_SEMAPHORE_HPP
#define TURNSTILE_SHARED_SEMAPHORE_HPP

#include <turnstile/detail/initiate_shared.hpp>
#include <turnstile/detail/loss_relay.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/detail/shared_core.hpp>
#include <turnstile/detail/timer_alarm.hpp>
#include <turnstile/detail/token.hpp>
#include <turnstile/detail/with_permit.hpp>
#include <turnstile/error.hpp>
#include <turnstile/shared_engine.hpp>
#include <turnstile/shared_options.hpp>
#include <turnstile/shared_permit.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

/// An asynchronous semaphore with one limit for many processes.
///
/// All semaphore objects with the same name, in all processes, share one limit. Each object is a *member*. The server gives it a
/// *lease*, which is a time for which it may use permits, and a *share*, which is how many it may use. An acquire within the
/// share is granted in this process, at the price of an acquire of a `basic_semaphore` and a look at the clock. If the share does
/// not suffice, the acquire waits, and the member asks the server, which is one round trip for all that wait. How the limit is
/// divided is described in `src/fleet/README.md`.
///
/// @par Order
/// Within a process, acquires are served in the order of the initiating calls, as by `basic_semaphore`. Between processes,
/// shares are equal, unless a process needs less. A process whose first acquire has waited for `shared_options::slice` gets permits
/// before the others.
///
/// @par The lease
/// The member renews its lease every fifth of its length while it has a share or waiting acquires, and gives it up two thirds of
/// a lease after the last answered request was sent, by a clock that goes on while the machine sleeps. Then it is *lost*:
/// `async_wait_lost` completes, permits are not `valid()`, operations of `async_with_permit` are cancelled, and what happens to
/// acquires depends on `shared_options::when_unreachable`. Acquires that wait stay in the queue. Grants and `valid()` look at the
/// clock, and so are right at once. The rest waits for a timer, which stands still while the machine sleeps: then it comes up to
/// a fifth of a lease later. When the server answers again, the semaphore goes on. Permits that were held stay lost, and are
/// counted until they are released.
///
/// An operation that continues after its lease was lost can overlap operations of other processes that have been granted its
/// permits. If only one process may use a resource at a time, let the resource check `shared_permit::token()`.
///
/// @par Completion, executors, cancellation, work and memory
/// As for `basic_semaphore`, with these differences. With `use_awaitable`, a coroutine gives others a turn even if a permit is
/// free. An acquire that waits makes a second, small allocation even if it cannot be cancelled. While the semaphore has a lease,
/// its timer is outstanding work of its execution context. A semaphore that is not used gives its lease up after about the length
/// of a lease, and its work ends. After the semaphore was destroyed, its work ends when the share has been given back. Requests
/// allocate memory. If there is none, they are tried again: later, or if there is none for the timer either, by the next acquire
/// that has to wait.
///
/// @par Errors
/// Besides those of `basic_semaphore`:
/// @li `errc::exceeds_limit`: more permits than the limit of all processes, as soon as that is known;
/// @li `errc::no_limit`: the name has no limit, and the options bring none;
/// @li `errc::not_a_semaphore`: the key holds something else, was written by another version of the script, or the server is older
///     than Redis 6.0; `shared_engine::last_error()` says which;
/// @li `errc::unreachable`: with `unreachable::fail`, after the lease was lost.
///
/// Other errors of the server and the connection are no errors of acquires, which wait. See `shared_engine::last_error()`.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: safe, except for constructing, moving, assigning and destroying. No call waits for
/// a permit, a handler or the server. An acquire that waits locks a mutex for a few instructions. An acquire that is granted at
/// once, and the release of a permit that is not wanted elsewhere, lock nothing.
///
/// @par Lifetime
/// The semaphore, its engine, its execution context and its permits may be destroyed in any order. The destructor
/// completes what waits with `operation_aborted`, and gives the share back. For permits that are still held, the lease is renewed
/// until they have come back, while context and engine live. Without the engine, it is as if the server could not be reached. A
/// deferred operation refers to the semaphore object. No permit may be released on another thread while the context is destroyed. If
/// the engine runs on another context, that context may keep running: the destruction of this context waits for a call of the
/// engine that is in progress.
/// A handler whose own executor has a third context
/// may be posted there by any thread that calls the semaphore, or runs its context or the engine's. So the third context has to
/// outlive the wait: join those threads before you destroy it, or wait until the handler was called.
///
/// @tparam Executor the type of the executor that handlers are posted to by default.
///
/// @par Example
/// With `turnstile/memory_engine.hpp`:
/// @code
/// turnstile::memory_server server;  // of one process; turnstile::redis_engine is for many
/// turnstile::memory_engine engine(io, server);
/// turnstile::shared_semaphore connections(io, engine, {.name = "db", .limit = 100});
///
/// boost::asio::awaitable<void> query() {
///   auto permit = co_await connections.async_acquire_permit();
///   co_await use_the_database();
/// }
/// @endcode
template <typename Executor = boost::asio::any_io_executor>
class basic_shared_semaphore {
 public:
  /// The type of the semaphore's executor.
  using executor_type = Executor;

  /// The semaphore type for another executor.
  /// @tparam Executor1 that executor's type.
  template <typename Executor1>
  struct rebind_executor {
    /// That semaphore type.
    using other = basic_shared_semaphore<Executor1>;
  };

  /// Constructs a semaphore. This makes no request: the semaphore joins the others when it is used.
  /// @throws std::invalid_argument if an option is out of its range.
  basic_shared_semaphore(const executor_type& ex, shared_engine& engine, shared_options options)
      : impl_(ex, setup(ex, engine, std::move(options))) {}

  /// Constructs a semaphore that uses the executor of an execution context.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument as the other constructor.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  basic_shared_semaphore(ExecutionContext& context, shared_engine& engine, shared_options options)
      : basic_shared_semaphore(executor_type(context.get_executor()), engine, std::move(options)) {}

  /// Moves the semaphore, with what waits, its permits and its lease. The source may only be destroyed or assigned to.
  basic_shared_semaphore(basic_shared_semaphore&&) noexcept = default;

  /// Moves the semaphore. What waited at the target completes with `operation_aborted`.
  basic_shared_semaphore& operator=(basic_shared_semaphore&& other) noexcept {
    if (this != &other) impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_shared_semaphore(basic_shared_semaphore<Executor1>&& other)
      : impl_(std::move(other.impl_)) {}

  /// Moves the semaphore of a convertible executor type. What waited at the target completes with `operation_aborted`.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_shared_semaphore& operator=(basic_shared_semaphore<Executor1>&& other) {
    impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Destroys the semaphore. What waits completes with `operation_aborted`. See *Lifetime*.
  ~basic_shared_semaphore() = default;

  /// Returns the executor that handlers are posted to by default.
  executor_type get_executor() const noexcept { return impl_.get_executor(); }

  /// Returns the largest limit: 2^30 - 1.
  static constexpr std::size_t(max)() noexcept { return detail::shared_core::most; }

  /// Acquires one permit asynchronously. Give it back with `release()`.
  ///
  /// Completes when
  /// @li the permit is granted; or
  /// @li the acquire is cancelled, `cancel()` is called, or the semaphore is destroyed:
  ///     `boost::asio::error::operation_aborted`; or
  /// @li the semaphore is closed, now or later: `errc::closed`; or
  /// @li it would have to wait, and as many as `max_waiting()` wait already: `errc::queue_full`; or
  /// @li one of the *Errors* above happens.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire(Token&& token = Token()) {
    return async_acquire(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once. Give them back with `release(n)`. Zero permits are granted at once unless
  /// the semaphore is closed.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire(std::size_t n, Token&& token = Token()) {
    return acquire<false, Token>(token, n);
  }

  /// Acquires one permit asynchronously. The permit releases itself. Completes like `async_acquire`. With an error, the permit is
  /// empty. A handler may take a `permit` instead.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::shared_permit)`
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, shared_permit)>)
  decltype(auto) async_acquire_permit(Token&& token = Token()) {
    return async_acquire_permit(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once. The permits release themselves.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::shared_permit)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit(std::size_t n, Token&& token = Token()) {
    return acquire<true, Token>(token, n);
  }

  /// Acquires one permit asynchronously, or gives up after a time, with `errc::timed_out`. As `basic_semaphore` does, without a
  /// strand.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience,
                                   Token&& token = Token()) {
    return async_acquire_for(patience, std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once, or gives up after a time.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience, std::size_t n,
                                   Token&& token = Token()) {
    return acquire<false, Token>(token, n, patience);
  }

  /// Acquires one permit asynchronously, or gives up after a time. The permit releases itself.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::shared_permit)`
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, shared_permit)>)
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          Token&& token = Token()) {
    return async_acquire_permit_for(patience, std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once, or gives up after a time. The permits release themselves.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::shared_permit)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          std::size_t n, Token&& token = Token()) {
    return acquire<true, Token>(token, n, patience);
  }

  /// Takes n permits if this process's share suffices. Never makes a request, and never asks for a larger share: it fails until an
  /// asynchronous acquire has brought a share, and again after idle permits were given back (`shared_options::linger`). A program
  /// that only calls `try_acquire` never gets a permit. @returns whether they were taken.
  [[nodiscard]] bool try_acquire(std::size_t n = 1) noexcept {
    return core().try_acquire(n) == detail::outcome::granted;
  }

  /// Like `try_acquire`, with permits that release themselves. @returns an empty permit if `try_acquire(n)` would return false, or
  /// n is zero.
  [[nodiscard]] shared_permit try_acquire_permit(std::size_t n = 1) noexcept {
    detail::shared_core& c = core();
    detail::grant_mark m = c.mark();
    permit p = detail::permit_for(c.gate(), c.try_acquire(n, true), n);
    if (p) m = c.mark_since(m);
    return detail::make_shared_permit(std::move(p), m);
  }

  /// Gives n permits back, all or nothing.
  /// @throws boost::system::system_error with `errc::over_release`, and changes nothing, if `n > in_use()`. Throws nothing else.
  void release(std::size_t n = 1) {
    if (!core().release(n))
      throw boost::system::system_error(errc::over_release, "turnstile::release");
  }
  /// Like `release()`, but reports a failure in ec. On success, ec is cleared.
  void release(error_code& ec) noexcept { release(1, ec); }
  /// Like `release(n)`, but reports a failure in ec. On success, ec is cleared.
  void release(std::size_t n, error_code& ec) noexcept {
    if (core().release(n))
      ec = {};
    else
      ec = errc::over_release;
  }

  /// Changes the limit for all processes, and completes when the server has it. A lower limit takes nothing from those that
  /// hold permits. If a later call of this object sets another limit before that, this one may complete together with the later
  /// one. A cancellation ends the wait only.
  /// @tparam Token a completion token for the signature.
  /// @throws std::invalid_argument in this call if the limit is zero or more than `max()`.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_set_limit(std::size_t limit, Token&& token = Token()) {
    if (limit == 0 || limit > (max)())
      throw std::invalid_argument("turnstile: the limit of a shared semaphore is of 1 to max()");
    return wait<Token>(token, detail::shared_core::limit_set, limit);
  }

  /// Waits until this semaphore loses a lease under which it had a share or permits in use, and completes with `errc::lease_lost`: at
  /// the deadline, or if the machine sleeps then, up to a fifth of a lease after it wakes. A cancellation, `cancel()` or the
  /// destruction of the semaphore completes it with `operation_aborted`. To wait for the next loss, call it again.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_wait_lost(Token&& token = Token()) {
    return wait<Token>(token, detail::shared_core::lease_lost);
  }

  /// Closes the semaphore, waits until its permits have come back, gives the share and the lease back, and completes then, without
  /// an error also if the lease was lost meanwhile. If the server does not answer, that is when the lease has ended, after two thirds of
  /// it at most. Use it to shut down: the destructor starts the same, but nothing tells when it is done. A cancellation ends the wait
  /// only.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_leave(Token&& token = Token()) {
    return wait<Token>(token, detail::shared_core::left);
  }

  /// Completes everything that waits with `operation_aborted`.
  void cancel() noexcept { core().cancel_all(); }
  /// Closes this object: completes every queued and every later acquire with `errc::closed`. Permits stay, and can be released.
  void close() noexcept { core().close(); }
  /// Returns whether the semaphore was closed.
  bool is_closed() const noexcept { return core().is_closed(); }

  /// Returns the limit of all processes as it was told last, without a request; 0 if it is not known yet.
  std::size_t limit() const noexcept { return core().total_limit(); }
  /// Returns how many of these permits this process may use, as it was told last. After a loss, it stays as it was until there is
  /// another lease.
  std::size_t share() const noexcept { return core().share(); }
  /// Returns how many permits this process uses.
  std::size_t in_use() const noexcept { return core().in_use(); }
  /// Returns the number of queued acquires of this process.
  std::size_t waiting() const noexcept { return core().waiting(); }
  /// Returns what is known about the lease. This looks at the clock.
  lease_state lease() const noexcept { return core().lease(); }
  /// Returns how long the lease is valid if no request is answered any more; zero without one.
  std::chrono::microseconds valid_for() const noexcept {
    return std::chrono::microseconds(core().valid_for());
  }
  /// Returns the `shared_permit::token()` of what is granted now.
  std::uint64_t token() const noexcept { return core().mark().token; }

  /// Returns how many acquires may wait at once, as set.
  std::size_t max_waiting() const noexcept { return core().max_waiting(); }
  /// Bounds how many acquires of this process may wait, as `basic_semaphore::set_max_waiting`. An acquire before the first answer
  /// of the server waits.
  void set_max_waiting(std::size_t n) noexcept {
    core().set_max_waiting((std::min<std::size_t>)(n, detail::core::max));
  }

 private:
  template <typename>
  friend class basic_shared_semaphore;

  template <bool WithPermit, typename Token, typename... Args>
  decltype(auto) acquire(Token& token, Args... args) {
    using signature =
        std::conditional_t<WithPermit, void(error_code, shared_permit), void(error_code)>;
    static_assert(detail::is_token_for<Token, signature>,
                  "turnstile: an acquire takes a completion token for void(error_code), or for "
                  "void(error_code, shared_permit) if it completes with a permit");
    return boost::asio::async_initiate<Token, signature>(
        detail::initiate_shared<Executor, WithPermit>(impl_), token, args...);
  }

  template <typename Token>
  decltype(auto) wait(Token& token, detail::shared_core::event e, std::size_t limit = 0) {
    static_assert(detail::is_token_for<Token, void(error_code)>,
                  "turnstile: this takes a completion token for void(error_code): a handler that "
                  "can be called with one turnstile::error_code, or use_awaitable and the like");
    return boost::asio::async_initiate<Token, void(error_code)>(
        detail::initiate_event<Executor>(impl_), token, e, limit);
  }

  static detail::shared_setup setup(const Executor& ex, shared_engine& engine,
                                    shared_options options) {
    const auto time = engine.manual();
    return {std::move(options), engine.link_, time,
            [ex, time](const std::function<void()>& ring, const std::function<void(bool)>& end) {
              return std::make_shared<detail::timer_alarm<Executor>>(ex, time.get(), ring, end);
            }};
  }

  detail::shared_core& core() const noexcept { return *impl_.get_core(); }

  detail::implementation<Executor, detail::shared_core> impl_;
};

/// The shared semaphore for most uses.
using shared_semaphore = basic_shared_semaphore<>;

}  // namespace turnstile::inline v1

#endif
