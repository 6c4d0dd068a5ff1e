// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SEMAPHORE_HPP
#define TURNSTILE_SEMAPHORE_HPP

#include <turnstile/detail/initiate_acquire.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/detail/token.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

template <typename Executor>
class basic_bounded_semaphore;

/// An asynchronous counting semaphore.
///
/// Holds a number of permits. An acquire takes permits, or waits in a fair queue, without blocking a
/// thread, until there are enough. A release gives permits back, or adds new ones, and grants them to the
/// acquires that wait. No function of this class waits for a permit, for a handler, or for another thread
/// that uses the semaphore.
///
/// @par Order
/// Acquires are served in the order of the initiating calls, also if they differ in size: a request for
/// many permits holds back the requests behind it, so that small ones do not starve it. `try_acquire`
/// does not overtake the queue either. A released permit goes straight to the waiter it is granted to: no
/// other call can take it before the handler runs.
///
/// @par Completion
/// Each acquire completes exactly once. Its handler is never called inside a function of this class.
/// It is posted to its associated executor, by default the semaphore's, and handlers are posted in the
/// order of the grants. If the associated executor is the system's or a future's, the handler is called
/// on the semaphore's executor, as with Asio's own operations. There is one exception, and it is
/// Asio's own: an acquire that is decided inside the initiating call uses the handler's associated
/// immediate executor (Boost 1.82 and newer).
///
/// @par Coroutines
/// A coroutine always resumes on its own executor. With `use_awaitable`, a coroutine that meets free
/// permits goes on at once if its executor runs in this thread. That is known for `io_context`,
/// `thread_pool`, their strands, and executors with `running_in_this_thread()`. Such a coroutine gives
/// other handlers a turn at every eighth acquire of the thread only, and `co_spawn` may return after the
/// coroutine has passed its acquire. With `deferred`, the default token of most executors, a coroutine
/// always gives others a turn, and awaiting needs no coroutine frame. So `use_awaitable` is faster in a
/// loop that rarely waits, and `deferred` in one that often waits.
///
/// @par Cancellation
/// A queued acquire supports per-operation cancellation of every type (terminal, partial, total), with
/// the same effect: it leaves the queue at once, takes no permit, and completes with
/// `boost::asio::error::operation_aborted`. The acquires behind it are reconsidered immediately. A grant
/// is final: a cancellation that comes later has no effect. So success means that you hold the permits,
/// and an error means that nothing was taken. An operator such as `||` may drop the result of
/// an acquire that succeeded: a permit from `async_acquire_permit` then releases itself, but what
/// `async_acquire` has taken is lost.
///
/// @par No permit is lost
/// If the handler of a granted acquire is destroyed instead of called, for example because its context
/// was destroyed, the permits go back to the semaphore. If an executor throws when it is given a
/// completion, the acquire returns to the head of the queue, where it can be cancelled and time out
/// again. The next call that works on the queue tries again. Until then the acquire counts as work of its
/// handler's executor only. A handler whose executor cannot promise to post, such as
/// `any_completion_executor`, is first posted to the semaphore's executor. If its own executor then
/// throws, the handler is destroyed, the permits go back, and the exception leaves the semaphore's
/// context like one of a handler. A `boost::asio::strand` that finds no memory to begin its work keeps the
/// completion, but runs neither that nor anything later (seen with Boost 1.81). Then the permits come
/// back when the strand's context is destroyed.
///
/// @par Work and memory
/// A queued acquire counts as outstanding work of the semaphore's and of the handler's executor. It is
/// one allocation from the handler's associated allocator, by default Asio's recycling allocator, and the
/// memory is free again before the handler is called. If the handler has a cancellation slot, or the
/// acquire is timed, there is a second, small allocation from Asio's recycling allocator, besides what
/// Asio allocates for the slot's handler and for the timer. The slot keeps the second allocation until
/// the slot is used again or destroyed. An acquire that is granted at once allocates what a bare
/// `boost::asio::post` of its handler would.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: safe, except for constructing, moving, assigning and
/// destroying. What happened before a release is visible after the acquire that it satisfies. Calls take
/// no lock of the semaphore. Asio may lock a mutex for a moment when a handler is posted. Constructing,
/// moving and destroying a semaphore lock a mutex of its execution context.
///
/// @par Work for other threads
/// A call delivers the completions of the acquires that it ends, and at most 64 of those that other threads
/// have ended meanwhile. The next call, or a function that this call has posted to the semaphore's
/// context, goes on from there. There is no such
/// bound if the executor refuses that function, while the semaphore is destroyed, or while acquires wait
/// whose handlers run on another context than the semaphore's. Once such an acquire has waited, the bound
/// holds again after the queue was empty.
///
/// @par Order of calls
/// The calls of one thread take effect in their order, with one exception. If another thread is working
/// on the queue at that moment, `cancel()`, `close()`, `set_limit()` and a per-operation cancellation may
/// take effect before permits that the same thread released just before. The opposite order,
/// `cancel()` and then `release()`, is always kept.
///
/// @par Lifetime
/// The semaphore may be destroyed while acquires wait. Permits may outlive it, and it may outlive its
/// execution context. If the context is destroyed first, the handlers of queued acquires are destroyed
/// uncalled. As always in Asio, no other thread may use a context while it is destroyed. That includes a
/// release that grants to a waiter on that context, and a release that overlaps the destructor of the
/// semaphore, since it may deliver the aborted acquires after the destructor has returned: join the
/// threads that release before you destroy the context. The context of a handler's own executor has to
/// outlive the wait. If your own executor type must not outlive a service of its context, make that
/// service before the first semaphore on that context. A deferred operation refers to the semaphore
/// object, as with Asio's own I/O objects: the object must not be moved or destroyed before the operation
/// is started. After the context was destroyed, `get_executor()` returns an empty executor if the
/// executor's type has one, as `any_io_executor` does. For other types, such as `strand`, it must not be
/// called then.
///
/// @tparam Executor the type of the executor that handlers are posted to by default.
///
/// @par Example
/// @code
/// boost::asio::awaitable<void> work(turnstile::semaphore& sem) {
///   auto permit = co_await sem.async_acquire_permit();
///   co_await use_the_resource();
/// }  // the permit releases itself here, also if an exception leaves
/// @endcode
/// @code
/// boost::asio::io_context io;
/// turnstile::semaphore sem(io, 10);
/// for (int i = 0; i < 30; ++i) co_spawn(io, work(sem), boost::asio::detached);
/// io.run();
/// @endcode
template <typename Executor = boost::asio::any_io_executor>
class basic_semaphore {
  static_assert(
      boost::asio::execution::is_executor<Executor>::value ||
          boost::asio::is_executor<Executor>::value,
      "turnstile: the Executor of a semaphore is not an executor; it takes the type of one, "
      "such as any_io_executor or io_context::executor_type, and not that of a context");

 public:
  /// The type of the semaphore's executor.
  using executor_type = Executor;

  /// The semaphore type for another executor.
  /// @tparam Executor1 that executor's type.
  template <typename Executor1>
  struct rebind_executor {
    /// That semaphore type.
    using other = basic_semaphore<Executor1>;
  };

  /// Constructs a semaphore with `initial` permits available. Zero is valid.
  /// @throws std::invalid_argument if `initial > max()`, as a negative number would be.
  explicit basic_semaphore(const executor_type& ex, std::size_t initial = 1)
      : basic_semaphore(ex, initial, (max)()) {}

  /// Constructs a semaphore that uses the executor of an execution context.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument if `initial > max()`.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  explicit basic_semaphore(ExecutionContext& context, std::size_t initial = 1)
      : basic_semaphore(executor_type(context.get_executor()), initial) {}

  /// Moves the semaphore. Queued acquires and held permits follow it. The source may only be destroyed
  /// or assigned to.
  basic_semaphore(basic_semaphore&& other) noexcept = default;

  /// Moves the semaphore. Acquires that were queued at the target complete with `operation_aborted`.
  basic_semaphore& operator=(basic_semaphore&& other) noexcept {
    if (this != &other) impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_semaphore(basic_semaphore<Executor1>&& other) : impl_(std::move(other.impl_)) {}

  /// Moves the semaphore of a convertible executor type. Acquires that were queued at the target
  /// complete with `operation_aborted`.
  /// @tparam Executor1 that type.
  template <typename Executor1>
    requires std::is_convertible_v<Executor1, Executor>
  basic_semaphore& operator=(basic_semaphore<Executor1>&& other) {
    impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Destroys the semaphore. Queued acquires complete with `operation_aborted`. Permits and granted
  /// handlers may outlive it: releasing such permits does nothing.
  ~basic_semaphore() = default;

  /// Returns the executor that handlers are posted to by default.
  executor_type get_executor() const noexcept { return impl_.get_executor(); }

  /// Returns the largest number of permits that a semaphore can hold: 2^31 - 1.
  static constexpr std::size_t(max)() noexcept { return detail::core::max; }

  /// Acquires one permit asynchronously. Give it back with `release()`.
  ///
  /// Completes when
  /// @li the permit is granted: at once if one is available and no acquire waits, otherwise when its
  ///     turn in the queue comes; or
  /// @li the operation is cancelled, all queued operations are, or the semaphore is destroyed:
  ///     `boost::asio::error::operation_aborted`; or
  /// @li the semaphore is closed, now or later: `errc::closed`; or
  /// @li a permit can never be granted, since the limit is zero: `errc::exceeds_limit`; or
  /// @li it would have to wait, and as many as `max_waiting()` wait already: `errc::queue_full`.
  ///
  /// A permit that can be granted at once is taken inside this call. With a lazy token, such as `use_awaitable`
  /// or `deferred`, which is the default of most executors, the call only makes an operation: nothing happens
  /// until that is awaited or started. Do not wait for a permit while you
  /// hold one of the same semaphore: if all tasks do, they wait for each other for ever.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  ///
  /// @par Example
  /// @code
  /// sem.async_acquire([&](turnstile::error_code ec) {
  ///   if (ec) return;
  ///   use();
  ///   sem.release();
  /// });
  /// @endcode
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire(Token&& token = Token()) {
    return async_acquire(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once. Give them back with `release(n)`.
  ///
  /// Like the one-permit overload, but waits until all n permits are available, and holds back the
  /// acquires behind it until then. Zero permits are granted at once, also if acquires wait, unless the
  /// semaphore is closed. If n is greater than `max()`, or than the limit of a bounded semaphore, the
  /// acquire completes at once with `errc::exceeds_limit`.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire(std::size_t n, Token&& token = Token()) {
    static_assert(
        detail::is_token_for<Token, void(error_code)>,
        "turnstile: async_acquire takes a completion token for void(error_code): a handler "
        "that can be called with one turnstile::error_code, or use_awaitable and the like");
    if constexpr (detail::is_use_awaitable<std::decay_t<Token>>) {
      if (core().would_grant(n)) return try_and_wait<false, void>(n, token);
    }
    return boost::asio::async_initiate<Token, void(error_code)>(initiation<false>(), token, n);
  }

  /// Acquires one permit asynchronously. The permit releases itself.
  ///
  /// Completes like `async_acquire`. With an error, the permit is empty.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::permit)`
  ///
  /// @par Example
  /// @code
  /// sem.async_acquire_permit([](turnstile::error_code ec, turnstile::permit p) {
  ///   if (!ec) start_session(std::move(p));  // released when the session is destroyed
  /// });
  /// @endcode
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, permit)>)
  decltype(auto) async_acquire_permit(Token&& token = Token()) {
    return async_acquire_permit(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once. The permits release themselves.
  ///
  /// Completes like `async_acquire(n)`. With an error, or if n is zero, the permit is empty.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::permit)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit(std::size_t n, Token&& token = Token()) {
    static_assert(detail::is_token_for<Token, void(error_code, permit)>,
                  "turnstile: async_acquire_permit takes a completion token for void(error_code, "
                  "permit): a handler that can be called with a turnstile::error_code and a "
                  "turnstile::permit, or use_awaitable and the like");
    if constexpr (detail::is_use_awaitable<std::decay_t<Token>>) {
      if (core().would_grant(n)) return try_and_wait<true, permit>(n, token);
    }
    return boost::asio::async_initiate<Token, void(error_code, permit)>(initiation<true>(), token,
                                                                        n);
  }

  /// Acquires one permit asynchronously, or gives up after a time.
  ///
  /// Completes like `async_acquire`, and also with `errc::timed_out` if the acquire is still queued
  /// when `patience` has passed. A grant is final: an acquire that was granted is not timed out. If
  /// `patience` is zero or less, the acquire does not wait: it completes with `errc::timed_out` if
  /// `async_acquire` would wait.
  ///
  /// This is safe on every executor, also if several threads run it, and needs no strand.
  ///
  /// The time is measured by a timer on the semaphore's execution context, which has to be run. An
  /// acquire that is granted at once uses no timer.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience,
                                   Token&& token = Token()) {
    return async_acquire_for(patience, 1, std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once, or gives up after a time.
  ///
  /// Like the overload for one permit, but acquires n permits as `async_acquire(n)` does.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience, std::size_t n,
                                   Token&& token = Token()) {
    static_assert(
        detail::is_token_for<Token, void(error_code)>,
        "turnstile: async_acquire_for takes a completion token for void(error_code): a handler "
        "that can be called with one turnstile::error_code, or use_awaitable and the like");
    return boost::asio::async_initiate<Token, void(error_code)>(initiation<false>(), token, n,
                                                                patience);
  }

  /// Acquires one permit asynchronously, or gives up after a time. The permit releases itself.
  ///
  /// Completes like `async_acquire_for`. With an error, the permit is empty.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::permit)`
  ///
  /// @par Example
  /// @code
  /// sem.async_acquire_permit_for(100ms, [](turnstile::error_code ec, turnstile::permit p) {
  ///   if (ec == turnstile::errc::timed_out) return reject();
  ///   if (!ec) start_session(std::move(p));
  /// });
  /// @endcode
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, permit)>)
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          Token&& token = Token()) {
    return async_acquire_permit_for(patience, 1, std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once, or gives up after a time. The permits release
  /// themselves.
  ///
  /// Like the overload for one permit, but acquires n permits as `async_acquire_permit(n)` does.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::permit)`
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          std::size_t n, Token&& token = Token()) {
    static_assert(
        detail::is_token_for<Token, void(error_code, permit)>,
        "turnstile: async_acquire_permit_for takes a completion token for void(error_code, "
        "permit): a handler that can be called with a turnstile::error_code and a "
        "turnstile::permit, or use_awaitable and the like");
    return boost::asio::async_initiate<Token, void(error_code, permit)>(initiation<true>(), token,
                                                                        n, patience);
  }

  /// Takes n permits if that is possible at once: if they are available, no acquire waits, and the
  /// semaphore is not closed. Zero permits are taken also if acquires wait. @returns whether they were taken.
  [[nodiscard]] bool try_acquire(std::size_t n = 1) noexcept {
    return core().try_acquire(n) == detail::outcome::granted;
  }

  /// Like `try_acquire`, with permits that release themselves. @returns an empty permit if
  /// `try_acquire(n)` would return false, or n is zero.
  [[nodiscard]] permit try_acquire_permit(std::size_t n = 1) noexcept {
    return detail::permit_for(core(), core().try_acquire(n, true), n);
  }

  /// Gives n permits back, or adds n new ones: all or nothing. Grants them to as many queued acquires as
  /// they suffice for, and posts their handlers. If another thread is working on the queue at that moment, that
  /// thread grants and posts instead. The same holds for `cancel()` and `close()`.
  /// @throws boost::system::system_error with `errc::over_release`, and changes nothing, if that would
  /// pass `max()`, or the limit of a bounded semaphore (`n > in_use()`). Throws nothing else.
  void release(std::size_t n = 1) {
    if (!core().release(n)) detail::throw_over_release();
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

  /// Removes up to n available permits for good. Never waits, and takes no permit that is held or reserved for
  /// a queued acquire. @returns how many were removed.
  std::size_t shrink(std::size_t n) noexcept { return core().shrink(n); }

  /// Returns the number of available permits: those that are neither held nor granted. If other threads use the
  /// semaphore, this and the other readings may be out of date when they return.
  std::size_t available() const noexcept { return core().available(); }

  /// Returns the number of queued acquires.
  std::size_t waiting() const noexcept { return core().waiting(); }

  /// Returns how many acquires may wait at once: `max()`, which is no bound, unless it was set.
  std::size_t max_waiting() const noexcept { return core().max_waiting(); }

  /// Bounds how many acquires may wait at once, from now on. An acquire that would have to wait while
  /// `waiting() >= n` completes at once with `errc::queue_full`, and takes nothing. So with zero no acquire
  /// waits. The bound counts acquires, not permits, and holds however many threads acquire. A place is free as
  /// soon as the wait is decided, before its handler is posted.
  ///
  /// Acquires that wait already go on waiting, also if they are more than n. So does an acquire that its
  /// executor refused, and that waits again. While other threads call, an acquire may be refused for a place that
  /// has just become free: if another thread is working on the queue, that thread has to see the release first. It
  /// may also be refused for the place of an acquire that another thread is just beginning, which `cancel()` does not
  /// reach yet.
  ///
  /// @par Example
  /// @code
  /// sem.set_max_waiting(1000);
  /// sem.async_acquire([&](turnstile::error_code ec) {
  ///   if (ec == turnstile::errc::queue_full) return;  // too busy: refuse the request
  /// });
  /// @endcode
  void set_max_waiting(std::size_t n) noexcept { core().set_max_waiting((std::min)(n, (max)())); }

  /// Returns whether `try_acquire()` would return false.
  bool locked() const noexcept { return core().locked(); }

  /// Completes every queued acquire with `operation_aborted`.
  void cancel() noexcept {
    track("cancel");
    core().cancel();
  }

  /// Closes the semaphore: completes every queued and every later acquire with `errc::closed`, also if
  /// permits are available. Permits can still be released, and count as available then. Can be repeated, and
  /// cannot be undone.
  void close() noexcept {
    track("close");
    core().close();
  }

  /// Returns whether the semaphore was closed.
  bool is_closed() const noexcept { return core().is_closed(); }

 private:
  template <typename>
  friend class basic_semaphore;
  template <typename>
  friend class basic_bounded_semaphore;

  template <bool WithPermit>
  auto initiation() noexcept {
    return detail::initiate_acquire<Executor, WithPermit>(impl_);
  }

  // For Asio's handler tracking: an operation without a handler.
  void track([[maybe_unused]] const char* operation) noexcept {
    if (impl_.has_context())
      TURNSTILE_HANDLER_OPERATION((impl_.context(), "turnstile::semaphore", this, 0, operation));
  }

  // A coroutine that meets free permits goes on with them, as if it had waited for no time at all.
  // Only for one that is likely to: having to wait after all costs a second coroutine.
  template <bool WithPermit, typename Result, typename CoroutineExecutor>
  boost::asio::awaitable<Result, CoroutineExecutor> try_and_wait(
      std::size_t n, boost::asio::use_awaitable_t<CoroutineExecutor> token) {
    // Only on its own executor, which it comes back to if it has to wait.
    if (detail::runs_in_this_thread(co_await boost::asio::this_coro::executor) &&
        detail::goes_on_at_once()) {
      const detail::outcome o = core().acquire_at_once(n, WithPermit);
      if (o == detail::outcome::granted) {
        if constexpr (WithPermit)
          co_return detail::permit_for(core(), o, n);
        else
          co_return;
      }
    }
    using signature = std::conditional_t<WithPermit, void(error_code, permit), void(error_code)>;
    co_return co_await boost::asio::async_initiate<decltype(token), signature>(
        initiation<WithPermit>(), token, n);
  }

  basic_semaphore(const executor_type& ex, std::size_t initial, std::size_t limit)
      : impl_(ex, checked(initial, limit), static_cast<std::uint32_t>(limit)) {}

  // The permits in use of a semaphore that starts with `initial` available.
  static std::uint32_t checked(std::size_t initial, std::size_t limit) {
    if (limit > (max)() || initial > (max)())
      throw std::invalid_argument("turnstile: more than max() permits");
    if (initial > limit)
      throw std::invalid_argument("turnstile: more initial permits than the limit allows");
    return static_cast<std::uint32_t>(limit - initial);
  }

  detail::core& core() const noexcept { return *impl_.get_core(); }

  detail::implementation<Executor, detail::core> impl_;
};

/// The semaphore for most uses.
using semaphore = basic_semaphore<>;

}  // namespace turnstile::inline v1

#endif
