// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SEMAPHORE_HPP
#define TURNSTILE_SEMAPHORE_HPP

#include <turnstile/detail/acquire_op.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/assert.hpp>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

template <typename Executor>
class basic_bounded_semaphore;

namespace detail {

// Asserted in the functions instead of required of them, for the sake of the message.
template <typename Token, typename Signature>
constexpr bool is_token_for =
#if defined(BOOST_ASIO_HAS_CONCEPTS)
    boost::asio::completion_token_for<Token, Signature>;
#else
    true;  // Asio cannot tell
#endif

// What is meant as a number. A handler may be convertible to bool, and so to a number.
template <typename T, typename Signature>
concept count_not_token = std::is_convertible_v<T, std::size_t>
#if defined(BOOST_ASIO_HAS_CONCEPTS)
    && !is_token_for<T, Signature>
#endif
    ;

// What async_with_permit without a token gets if its first argument is no semaphore.
struct no_token {};

// That of the executor; `deferred` if it has none, as all executors in newer versions of Asio.
template <typename Executor>
struct default_token {
  using type = typename boost::asio::default_completion_token<Executor>::type;
};
template <typename Executor>
requires std::is_void_v<typename boost::asio::default_completion_token<Executor>::type>
struct default_token<Executor> {
  using type = boost::asio::deferred_t;
};
template <typename Executor>
using default_token_t = typename default_token<Executor>::type;

}  // namespace detail

/// An asynchronous counting semaphore.
///
/// Holds a number of permits. Acquiring takes permits, and waits, asynchronously and in a fair
/// queue, while there are too few; releasing gives permits back, or adds new ones, and serves those
/// who wait. No function of the class ever blocks the calling thread.
///
/// @par Order
/// First come, first served, by the order of the initiating calls, also where requests are of
/// different sizes: a request for many permits holds back those behind it, and is not starved by
/// small ones. Nobody overtakes the queue, `try_acquire` neither. A released permit goes from hand
/// to hand: nobody can take it between the release and the handler of the waiter it was given to.
///
/// @par Completion
/// Each acquire completes exactly once. Its handler is never called inside a function of this class:
/// it is posted to its associated executor, by default the semaphore's, in the order of the grants.
/// (Where that is the system's executor, or that of a future, it is called where the semaphore's
/// executor runs it, as by Asio's own operations.)
/// The one exception is Asio's own: where an acquire is decided inside the initiating call, the
/// handler's associated immediate executor is used (Boost 1.82 and newer).
///
/// @par Coroutines
/// A coroutine always resumes on its own executor. With `use_awaitable`, a coroutine that meets free
/// permits goes on at once if its executor runs in this thread, which is known for `io_context`,
/// `thread_pool`, their strands, and executors with `running_in_this_thread()`. It then does not give
/// other handlers a turn, except at every eighth acquire of the thread, and `co_spawn` may return only
/// after the coroutine has passed its acquire. With `deferred`, the default token, a coroutine always
/// gives others a turn, and awaiting needs no coroutine frame: faster for an acquire that has to wait,
/// slower for one that does not.
///
/// @par Cancellation
/// An acquire that waits supports per-operation cancellation of every type (terminal, partial,
/// total) with the same effect: it leaves the queue at once, having taken no permit, and completes
/// with `boost::asio::error::operation_aborted`. Those behind it are looked at again. A grant is
/// final: a cancellation that comes later has no effect. So success means that the permits are
/// yours, and an error that nothing was taken.
///
/// @par Permits are not lost
/// Where the handler of a granted acquire is destroyed instead of called, since its context was
/// destroyed, the permits go back to the semaphore. Where an executor throws as a completion is
/// handed to it, the waiter is put back at the head of the queue, and tried again by the next call
/// that looks at the queue. (Until then it is work of its handler's executor only. And a handler whose
/// executor cannot promise not to call it at once, such as `any_completion_executor`, is passed on by the
/// semaphore's: should that fail, it is destroyed, the permits go back, and the exception leaves the
/// semaphore's context as one of a handler would.)
///
/// @par Work and memory
/// While an acquire waits, it counts as outstanding work on the semaphore's and on the handler's
/// executor. It is one allocation from the handler's associated allocator, by default Asio's
/// recycling allocator, free again before the handler is called. An acquire that is granted at once
/// allocates what a bare `boost::asio::post` of its handler would.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: safe, but for constructing, moving, assigning and
/// destroying. What happened before a release is seen after the acquire that it satisfies.
///
/// @par Lifetime
/// The semaphore may be destroyed while acquires wait. Permits may outlive it, and it may outlive
/// its execution context. Where the context is destroyed first, the handlers of those who wait are
/// destroyed uncalled. As always in Asio, no other thread may use a context, also by giving back a
/// permit that serves a waiter on it, while it is destroyed; and a context that a handler's own
/// executor belongs to has to outlive the wait. (An executor of one's own that must not outlive a service
/// of its context: that service has to be there before the first semaphore on that context.)
///
/// @tparam Executor the type of the executor that handlers are posted to by default.
///
/// @par Example
/// @code
/// boost::asio::awaitable<void> work(turnstile::semaphore& sem) {
///   auto permit = co_await sem.async_acquire_permit(boost::asio::use_awaitable);
///   co_await use_what_bears_ten();
/// }  // the permit goes back here, or wherever an exception leaves
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
  /// @throws std::invalid_argument where `initial > max()`, as a negative number would be.
  explicit basic_semaphore(const executor_type& ex, std::size_t initial = 1)
      : basic_semaphore(ex, initial, (max)()) {}

  /// Constructs a semaphore that uses the executor of an execution context.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument where `initial > max()`.
  template <typename ExecutionContext>
  requires detail::context_for<ExecutionContext, Executor>
  explicit basic_semaphore(ExecutionContext& context, std::size_t initial = 1)
      : basic_semaphore(executor_type(context.get_executor()), initial) {}

  /// Moves the semaphore. Those who wait and the permits that are held follow it; the source may
  /// only be destroyed or assigned to.
  basic_semaphore(basic_semaphore&& other) noexcept = default;

  /// Moves the semaphore. What waited on the target completes with `operation_aborted`.
  basic_semaphore& operator=(basic_semaphore&& other) noexcept {
    if (this != &other) impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Moves the semaphore of a convertible executor type.
  /// @tparam Executor1 that type.
  template <typename Executor1>
  requires std::is_convertible_v<Executor1, Executor> basic_semaphore(
      basic_semaphore<Executor1>&& other)
      : impl_(std::move(other.impl_)) {}

  /// Moves the semaphore of a convertible executor type. What waited on the target completes with
  /// `operation_aborted`.
  /// @tparam Executor1 that type.
  template <typename Executor1>
  requires std::is_convertible_v<Executor1, Executor> basic_semaphore& operator=(
      basic_semaphore<Executor1>&& other) {
    impl_.assign(std::move(other.impl_));
    return *this;
  }

  /// Destroys the semaphore. What still waits completes with `operation_aborted`. Permits and
  /// granted handlers may outlive it: giving them back then does nothing.
  ~basic_semaphore() = default;

  /// The executor that handlers are posted to by default.
  executor_type get_executor() const noexcept { return impl_.get_executor(); }

  /// How many permits a semaphore can hold: 2^31 - 1.
  static constexpr std::size_t(max)() noexcept { return detail::core::max; }

  /// Acquires one permit asynchronously, to be given back with `release()`.
  ///
  /// Completes when
  /// @li the permit was granted: at once where one is available and nobody waits, else when its
  ///     turn in the queue has come; or
  /// @li the operation, or all of those queued, were cancelled, or the semaphore was destroyed:
  ///     `boost::asio::error::operation_aborted`; or
  /// @li the semaphore is closed, now or later: `errc::closed`; or
  /// @li a permit can never be granted, since the limit is zero: `errc::exceeds_limit`.
  ///
  /// A permit that can be granted at once is taken inside this call.
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
  requires(!detail::count_not_token<Token, void(error_code)>) decltype(auto)
      async_acquire(Token&& token = Token()) {
    return async_acquire(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once, to be given back with `release(n)`.
  ///
  /// As the function for one permit. The request waits until n permits are free, and holds back
  /// those behind it. Zero permits are granted at once, whoever waits, unless the semaphore is
  /// closed. Where `n > max()`, or more than the limit of a bounded semaphore:
  /// `errc::exceeds_limit`, at once.
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
    return boost::asio::async_initiate<Token, void(error_code)>(initiate_acquire<false>(*this),
                                                                token, n);
  }

  /// Acquires one permit asynchronously; it gives itself back.
  ///
  /// Completes as `async_acquire` does. With an error, the permit is empty.
  ///
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code, turnstile::permit)`
  ///
  /// @par Example
  /// @code
  /// sem.async_acquire_permit([](turnstile::error_code ec, turnstile::permit p) {
  ///   if (!ec) start_session(std::move(p));  // given back when the session is destroyed
  /// });
  /// @endcode
  template <typename Token = detail::default_token_t<executor_type>>
  requires(!detail::count_not_token<Token, void(error_code, permit)>) decltype(auto)
      async_acquire_permit(Token&& token = Token()) {
    return async_acquire_permit(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, all at once; they give themselves back.
  ///
  /// Completes as `async_acquire` for n permits does. With an error, and where n is zero, the permit
  /// is empty.
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
    return boost::asio::async_initiate<Token, void(error_code, permit)>(
        initiate_acquire<true>(*this), token, n);
  }

  /// Acquires one permit asynchronously, or gives up after a time.
  ///
  /// Completes like `async_acquire`, and also with `errc::timed_out` if the acquire is still queued
  /// when `patience` has passed. A grant is final: an acquire that was granted is not timed out. If
  /// `patience` is zero or less, the acquire does not wait: it completes with `errc::timed_out` if
  /// `try_acquire()` would return false.
  ///
  /// Safe on every executor, also if several threads run it; it needs no strand.
  ///
  /// @param patience how long the acquire may wait. The time is measured by a timer on the semaphore's
  /// execution context, which has to be run. An acquire that is granted at once uses no timer.
  /// @tparam Token a completion token for the signature.
  ///
  /// @par Signature
  /// `void(turnstile::error_code)`
  template <typename Token = detail::default_token_t<executor_type>>
  requires(!detail::count_not_token<Token, void(error_code)>) decltype(auto)
      async_acquire_for(std::chrono::steady_clock::duration patience, Token&& token = Token()) {
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
    return boost::asio::async_initiate<Token, void(error_code)>(initiate_acquire<false>(*this),
                                                                token, n, patience);
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
  requires(!detail::count_not_token<Token, void(error_code, permit)>) decltype(auto)
      async_acquire_permit_for(std::chrono::steady_clock::duration patience,
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
    return boost::asio::async_initiate<Token, void(error_code, permit)>(
        initiate_acquire<true>(*this), token, n, patience);
  }

  /// Takes n permits if that is possible at once: they are available, nobody waits, and the
  /// semaphore is not closed. @returns whether they were taken.
  [[nodiscard]] bool try_acquire(std::size_t n = 1) noexcept {
    return core().try_acquire(n) == detail::outcome::granted;
  }

  /// As `try_acquire`, with permits that give themselves back. @returns an empty permit where
  /// `try_acquire(n)` would be false.
  [[nodiscard]] permit try_acquire_permit(std::size_t n = 1) noexcept {
    return permit_for(core(), core().try_acquire(n, true), n);
  }

  /// Gives n permits back, or adds n new ones: all or nothing. Serves as many of those who wait as
  /// n suffices for; their handlers are posted.
  /// @throws boost::system::system_error with `errc::over_release`, having changed nothing, where
  /// that would pass `max()`, or the limit of a bounded semaphore (`n > in_use()`). Nothing else.
  void release(std::size_t n = 1) {
    if (!core().release(n))
      throw boost::system::system_error(errc::over_release, "turnstile::release");
  }

  /// As `release()`; ec says whether it failed, and is cleared where it did not.
  void release(error_code& ec) noexcept { release(1, ec); }

  /// As `release(n)`; ec says whether it failed, and is cleared where it did not.
  void release(std::size_t n, error_code& ec) noexcept {
    if (core().release(n))
      ec = {};
    else
      ec = errc::over_release;
  }

  /// Removes up to n available permits for good. Never waits, and takes nothing that is held or on
  /// its way to a waiter. @returns how many were removed.
  std::size_t shrink(std::size_t n) noexcept { return core().shrink(n); }

  /// How many permits nobody holds.
  std::size_t available() const noexcept { return core().available(); }

  /// How many acquires wait in the queue.
  std::size_t waiting() const noexcept { return core().waiting(); }

  /// True where `try_acquire()` would be false.
  bool locked() const noexcept { return core().locked(); }

  /// Cancels every queued acquire: `operation_aborted`.
  void cancel() noexcept {
    track("cancel");
    core().cancel();
  }

  /// Closes the semaphore: every queued and every later acquire completes with `errc::closed`,
  /// whether permits are available or not. Everything else still counts. Can be repeated, and not
  /// undone.
  void close() noexcept {
    track("close");
    core().close();
  }

  /// Whether the semaphore was closed.
  bool is_closed() const noexcept { return core().is_closed(); }

 private:
  template <typename>
  friend class basic_semaphore;
  template <typename>
  friend class basic_bounded_semaphore;

  template <bool WithPermit>
  class initiate_acquire {
   public:
    using executor_type = Executor;

    explicit initiate_acquire(basic_semaphore& s) noexcept : semaphore_(&s) {}

    executor_type get_executor() const noexcept { return semaphore_->get_executor(); }

    template <typename Handler, std::same_as<detail::patience>... Time>
    void operator()(Handler&& handler, std::size_t n, Time... time) const {
      constexpr bool timed = sizeof...(Time) != 0;
      const Executor& ex = semaphore_->impl_.get_executor();
      detail::core& c = semaphore_->core();

      detail::tracked tracked;
      BOOST_ASIO_HANDLER_CREATION((semaphore_->impl_.context(), tracked, "turnstile::semaphore",
                                   semaphore_, 0, name(timed)));

      detail::outcome o = c.acquire_at_once(n);
      if (o == detail::outcome::waiting && ((time <= detail::patience::zero()) || ...))
        o = detail::outcome::timed_out;
      if (o != detail::outcome::waiting)
        return complete_at_once(std::forward<Handler>(handler), o, permit_for(c, o, n), tracked);
      const auto handler_executor = boost::asio::get_associated_executor(handler, ex);
      detail::with_target<Executor>(handler_executor, [&]<typename E>(const E& handler_ex) {
        using operation = detail::acquire_op<std::decay_t<Handler>, E, Executor, WithPermit, timed>;
        auto op = operation::create(semaphore_->impl_, static_cast<std::uint32_t>(n),
                                    std::forward<Handler>(handler), handler_ex, ex, tracked);
        const detail::outcome late = op->connect_and_wait(time...);
        if (late == detail::outcome::waiting) return void(op.release());  // and it may be gone
        // Decided after all, since something changed meanwhile. The operation is given up, and until its
        // handler is posted, the contexts may have no other work than this.
        permit p = permit_for(semaphore_->core(), late, n);
        const detail::work<E> handler_work(handler_ex);
        const detail::work<Executor> semaphore_work(ex);
        complete_at_once(op.release()->take_apart().handler_, late, std::move(p), tracked);
      });
    }

   private:
    static constexpr const char* name([[maybe_unused]] bool timed) noexcept {
      if (WithPermit) return timed ? "async_acquire_permit_for" : "async_acquire_permit";
      return timed ? "async_acquire_for" : "async_acquire";
    }

    template <typename Handler>
    void complete_at_once(Handler&& handler, detail::outcome o, permit&& p,
                          const detail::tracked& tracked) const {
      detail::complete_at_once<WithPermit>(std::forward<Handler>(handler),
                                           semaphore_->impl_.get_executor(), o, std::move(p),
                                           tracked);
    }

    basic_semaphore* semaphore_;
  };

  // For Asio's handler tracking: an operation without a handler.
  void track([[maybe_unused]] const char* operation) noexcept {
    if (impl_.has_context())
      BOOST_ASIO_HANDLER_OPERATION((impl_.context(), "turnstile::semaphore", this, 0, operation));
  }

  static permit permit_for(detail::core& c, detail::outcome o, std::size_t n) noexcept {
    if (o != detail::outcome::granted || n == 0) return {};
    return detail::make_permit(c, n);  // with the reference that came with them
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
          co_return permit_for(core(), o, n);
        else
          co_return;
      }
    }
    using signature = std::conditional_t<WithPermit, void(error_code, permit), void(error_code)>;
    co_return co_await boost::asio::async_initiate<decltype(token), signature>(
        initiate_acquire<WithPermit>(*this), token, n);
  }

  basic_semaphore(const executor_type& ex, std::size_t initial, std::size_t limit)
      : impl_(ex, checked(initial, limit), limit) {}

  // The permits in use of a semaphore that starts with `initial` available.
  static std::size_t checked(std::size_t initial, std::size_t limit) {
    if (limit > (max)() || initial > (max)())
      throw std::invalid_argument("turnstile: more than max() permits");
    if (initial > limit)
      throw std::invalid_argument("turnstile: more initial permits than the limit allows");
    return limit - initial;
  }

  detail::core& core() const noexcept {
    BOOST_ASSERT_MSG(impl_.get_core(), "turnstile: this semaphore was moved from");
    return *impl_.get_core();
  }

  detail::implementation<Executor> impl_;
};

/// The semaphore for most uses.
using semaphore = basic_semaphore<>;

}  // namespace turnstile::inline v1

#endif
