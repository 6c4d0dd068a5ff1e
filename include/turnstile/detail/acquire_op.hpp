// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_ACQUIRE_OP_HPP
#define TURNSTILE_DETAIL_ACQUIRE_OP_HPP

// An acquire, from the initiating call to the handler.
//
// Decided at once: the handler is wrapped in a `decided`, together with its permits, and posted.
//
// Queued: the handler lives in an `acquire_op`, one allocation from its associated allocator, until
// it is called or destroyed. Who owns the operation, and so may touch it:
//   1. the initiating call, until core::wait();
//   2. the strand, while it is queued and until deliver();
//   3. deliver() hands it to the handler's executor: from then on that. It runs the operation, and
//      the handler is moved out, the memory freed and the handler called; or destroys it, and the
//      handler is destroyed, the memory freed and the permits given back; or throws, and the operation
//      goes back to the strand.
//
// The executors of io_context and thread_pool run an operation of Asio's kind, `scheduled`: nothing is
// allocated to post it, and nothing can throw. Others are given a `completion`, an owning pointer.
//
// The cancellation slot is touched in 1 and nowhere else: a slot is not thread-safe, and a parallel group
// may emit on one thread while an operation completes on another. What stays in the slot is a
// `cancel_handler`, which shares ownership of a `cancellation`, and so can be called at any time.
//
// A timed acquire has a timer, which is touched in 1, before core::wait(), and destroyed with the
// operation. Its handler, too, shares ownership of the `cancellation`, and touches nothing else.

#include <turnstile/detail/core.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/detail/handler_tracking.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 108200
#include <boost/asio/associated_immediate_executor.hpp>
#endif

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

// Declared here so that a program that does not use them need not include their headers. Since Boost 1.91
// Asio may have an inline namespace.
#if defined(BOOST_ASIO_INLINE_NAMESPACE_BEGIN)
#define TURNSTILE_ASIO_BEGIN \
  namespace boost::asio {    \
  BOOST_ASIO_INLINE_NAMESPACE_BEGIN
#define TURNSTILE_ASIO_END        \
  BOOST_ASIO_INLINE_NAMESPACE_END \
  }
#else
#define TURNSTILE_ASIO_BEGIN namespace boost::asio {
#define TURNSTILE_ASIO_END }
#endif
// clang-format off
TURNSTILE_ASIO_BEGIN
template <typename T, typename Executor>
class awaitable;
template <typename Executor>
struct use_awaitable_t;
namespace detail {
template <typename T, typename Blocking>
class promise_executor;  // of use_future
}
TURNSTILE_ASIO_END
// clang-format on
#undef TURNSTILE_ASIO_BEGIN
#undef TURNSTILE_ASIO_END

namespace turnstile::inline v1::detail {

// Why an acquire was not granted.
inline error_code to_error_code(outcome o) noexcept {
  switch (o) {
    case outcome::aborted: return asio::error::operation_aborted;
    case outcome::closed: return errc::closed;
    case outcome::timed_out: return errc::timed_out;
    default: return errc::exceeds_limit;
  }
}

// What Asio's handler tracking knows an acquire by. Nothing, and its macros do nothing, unless
// BOOST_ASIO_ENABLE_HANDLER_TRACKING is defined.
struct tracked BOOST_ASIO_INHERIT_TRACKED_HANDLER {};

// ---- Executors --------------------------------------------------------------------------------

// Whether E stands for no place of its own to run: the system's executor, which Asio's parallel groups
// have where the final handler names none, and that of its futures.
template <typename E>
constexpr bool runs_anywhere = false;
template <typename... Ts>
constexpr bool runs_anywhere<asio::basic_system_executor<Ts...>> = true;
template <typename T, typename Blocking>
constexpr bool runs_anywhere<asio::detail::promise_executor<T, Blocking>> = true;

// Whether to post to E. Where not, the completion is posted to the semaphore's executor and passed
// on from there, as Asio's own operations do it: any_completion_executor cannot promise not to call
// inside execute(), and a handler that may run anywhere is not to be called on a thread of its own,
// beside those of its program.
template <typename E, typename SemaphoreExecutor>
constexpr bool can_post = [] {
  if constexpr (asio::execution::is_executor<E>::value)
    return asio::can_require_v<E, asio::execution::blocking_t::never_t> &&
           (!runs_anywhere<E> || std::is_same_v<E, SemaphoreExecutor>);
  else
    return true;
}();

// Calls f with ex; or with what that stands for, where it is an any_io_executor over what one may
// expect there, as coroutines have it: through it a hand-off would cost nearly twice as much.
template <typename SemaphoreExecutor, typename E, typename Function>
void with_target(const E& ex, Function&& f) {
  if constexpr (std::is_same_v<E, asio::any_io_executor>) {
    using expected = std::conditional_t<std::is_same_v<SemaphoreExecutor, E>,
                                        asio::io_context::executor_type, SemaphoreExecutor>;
    if (const expected* const target = ex.template target<expected>()) return f(*target);
  }
  f(ex);
}

// Whether both are known to be the same, also where one of them stands for the other.
template <typename E1, typename E2>
bool same_executor(const E1& a, const E2& b) noexcept {
  if constexpr (std::is_same_v<E1, E2>) {
    return a == b;
  } else if constexpr (std::is_same_v<E2, asio::any_io_executor>) {
    const E1* const target = b.template target<E1>();
    return target && *target == a;
  } else {
    return false;
  }
}

template <typename E, typename Function, typename Allocator>
void post(const E& ex, Function&& f, const Allocator& allocator) {
  if constexpr (asio::execution::is_executor<E>::value)
    asio::prefer(asio::require(ex, asio::execution::blocking.never),
                 asio::execution::relationship.fork, asio::execution::allocator(allocator))
        .execute(std::forward<Function>(f));
  else
    ex.post(std::forward<Function>(f), allocator);
}

// Keeps an executor's context from running out of work, and gives the executor back.
template <typename E>
class work {
 public:
  explicit work(const E& ex)
      : tracked_(asio::prefer(ex, asio::execution::outstanding_work.tracked)) {}
  auto executor() const {
    return asio::prefer(tracked_, asio::execution::outstanding_work.untracked);
  }

 private:
  using tracked = asio::prefer_result<E, asio::execution::outstanding_work_t::tracked_t>;
  std::decay_t<typename tracked::type> tracked_;
};

template <typename E>
requires(!asio::execution::is_executor<E>::value) class work<E> {
 public:
  explicit work(const E& ex) : guard_(ex) {}
  E executor() const { return guard_.get_executor(); }

 private:
  asio::executor_work_guard<E> guard_;
};

// The handler's allocator. Asio's recycling allocator stands for std::allocator, as in Asio itself.
template <typename Handler>
auto allocator_of(const Handler& handler) noexcept {
  const auto a = asio::get_associated_allocator(handler, asio::recycling_allocator<void>());
  using type = std::remove_const_t<decltype(a)>;
  if constexpr (std::is_same_v<type, std::allocator<typename type::value_type>>)
    return asio::recycling_allocator<void>();
  else
    return a;
}

// ---- Decided ----------------------------------------------------------------------------------

// A handler and what became of its acquire. Destroyed instead of called, it gives its permits back.
template <typename Handler, bool WithPermit>
struct decided {
  Handler handler_;
  outcome outcome_;
  permit permit_;
  [[no_unique_address]] tracked tracked_;

  void operator()() {
    error_code ec;
    if (outcome_ != outcome::granted) [[unlikely]]
      ec = to_error_code(outcome_);
    BOOST_ASIO_HANDLER_COMPLETION((tracked_));
    BOOST_ASIO_HANDLER_INVOCATION_BEGIN((ec));
    if constexpr (WithPermit) {
      std::move(handler_)(ec, std::move(permit_));
    } else {
      permit_.forget();  // they are the handler's now
      std::move(handler_)(ec);
    }
    BOOST_ASIO_HANDLER_INVOCATION_END;
  }
};

// Posts what was decided in the initiating call to the handler's executor, or passes it to its immediate
// executor.
template <bool WithPermit, typename Handler, typename Executor>
void complete_at_once(Handler&& handler, const Executor& io_executor, outcome o, permit&& p,
                      const tracked& t) {
  using handler_type = std::decay_t<Handler>;
  decided<handler_type, WithPermit> f{std::forward<Handler>(handler), o, std::move(p), t};
#if BOOST_VERSION >= 108200
  // Asio's name for "the handler has no opinion"; should it vanish, dispatching posts as well.
  constexpr bool no_opinion = requires {
    typename asio::associated_immediate_executor<
        handler_type, Executor>::asio_associated_immediate_executor_is_unspecialised;
  };
  if constexpr (!no_opinion) {
    auto ex = asio::get_associated_immediate_executor(f.handler_, io_executor);
    asio::dispatch(std::move(ex), std::move(f));
    return;
  } else
#endif
  {
    const auto handler_executor = asio::get_associated_executor(f.handler_, io_executor);
    detail::with_target<Executor>(handler_executor, [&]<typename E>(const E& ex) {
      if constexpr (can_post<E, Executor>) {
        const auto allocator = detail::allocator_of(f.handler_);
        detail::post(ex, std::move(f), allocator);
      } else {
        asio::post(io_executor, std::move(f));  // and from there to the handler's
      }
    });
  }
}

// ---- Coroutines -------------------------------------------------------------------------------

template <typename Token>
constexpr bool is_use_awaitable = false;
template <typename Executor>
constexpr bool is_use_awaitable<asio::use_awaitable_t<Executor>> = true;

// Whether a function that is dispatched to ex would be called at once on this thread. False if that
// is not known.
template <typename E>
bool runs_in_this_thread(const E& ex) noexcept {
  if constexpr (std::is_same_v<E, asio::any_io_executor>) {
    using io = asio::io_context::executor_type;
    using pool = asio::thread_pool::executor_type;
    const auto is_here = [&ex]<typename... Targets>(std::type_identity<Targets>...) {
      const auto target_is_here = [](const auto* target) {
        return target && detail::runs_in_this_thread(*target);
      };
      return (target_is_here(ex.template target<Targets>()) || ...);
    };
    return is_here(std::type_identity<io>(), std::type_identity<asio::strand<io>>(),
                   std::type_identity<pool>(), std::type_identity<asio::strand<pool>>(),
                   std::type_identity<asio::strand<E>>());
  } else if constexpr (requires {
                         { ex.running_in_this_thread() } -> std::convertible_to<bool>;
                       }) {
    return ex.running_in_this_thread();
  } else {
    return false;
  }
}

// Whether a coroutine that meets a free permit goes on at once. Not always: a coroutine that never waits
// would keep its thread from everything else. Measured, with two coroutines that work 1 ms for each permit:
// a timer on their context is late by 131 ms if they wait their turn every 128th time, 51 ms for every
// 32nd, 11 ms for every 8th; and the price of every 8th is within the noise of one acquire (66 ns).
inline bool goes_on_at_once() noexcept {
  static thread_local constinit unsigned char count = 0;
  return ++count % 8 != 0;
}

// ---- Queued -----------------------------------------------------------------------------------

// A cancellation in memory that Asio recycles, as that of a slot's handler is. It cannot be the acquire's:
// the slot may keep it for longer than the handler's allocator lives.
class recycled_cancellation final : public cancellation {
  using allocator = asio::recycling_allocator<recycled_cancellation>;

 public:
  using cancellation::cancellation;

  static void* operator new(std::size_t) { return allocator().allocate(1); }
  static void operator delete(void* p) noexcept {
    allocator().deallocate(static_cast<recycled_cancellation*>(p), 1);
  }
};

// A share in a cancellation, for what may request it.
class cancellation_share {
 public:
  explicit cancellation_share(cancellation& c) noexcept : cancellation_(&c) { c.add_reference(); }
  cancellation_share(cancellation_share&& other) noexcept
      : cancellation_(std::exchange(other.cancellation_, nullptr)) {}
  cancellation_share& operator=(cancellation_share&&) = delete;
  ~cancellation_share() {
    if (cancellation_) cancellation_->drop_reference();
  }

  void request(outcome o) noexcept {
    // What is posted or destroyed by this may destroy *this.
    const cancellation_share share(*cancellation_);
    share.cancellation_->request(o);
  }

 private:
  cancellation* cancellation_;
};

// What a cancellation slot holds.
class cancel_handler {
 public:
  explicit cancel_handler(cancellation& c) noexcept : share_(c) {}

  void operator()(asio::cancellation_type_t type) noexcept {
    using enum asio::cancellation_type;
    if ((type & (terminal | partial | total)) != none) share_.request(outcome::aborted);
  }

 private:
  cancellation_share share_;
};

// How long a timed acquire may wait.
using patience = std::chrono::steady_clock::duration;

// Ends a wait when its time is up. What is left of it when the wait has ended is one cancelled wait for
// a timer, on its way to the semaphore's executor.
template <typename Executor>
class expiry {
 public:
  explicit expiry(const Executor& ex) : timer_(ex) {}

  void start(patience time, cancellation& c) {
    timer_.expires_after(time);
    timer_.async_wait([share = cancellation_share(c)](const error_code& ec) mutable {
      if (!ec) share.request(outcome::timed_out);
    });
  }

 private:
  using clock = std::chrono::steady_clock;
  asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor> timer_;
};

// On this thread's stack while it hands an operation over to an executor. A completion that is
// destroyed meanwhile, on this thread, has come back: whether to the queue or to be destroyed is
// known when execute() has thrown or returned. A completion that is destroyed on another thread, or later,
// was accepted.
class handing_over {
 public:
  explicit handing_over(const waiter& op) noexcept
      : op_(&op), outer_(std::exchange(innermost_, this)) {}
  handing_over(const handing_over&) = delete;
  handing_over& operator=(const handing_over&) = delete;
  ~handing_over() { innermost_ = outer_; }

  bool came_back() const noexcept { return came_back_; }

  // The completion that was handed over as `h` is destroyed uncalled. True if this thread is still handing
  // it over, and now knows. (Neither address is enough: a completion may be kept and destroyed while
  // another is handed over from the same place on the stack, and one that ran may have left its memory
  // to another operation. But two completions that exist at once are of two operations.)
  static bool come_back(const handing_over* h, const waiter& op) noexcept {
    handing_over* i = innermost_;
    while (i && i != h) i = i->outer_;
    if (!i || i->op_ != &op) return false;
    return i->came_back_ = true;
  }

 private:
  const waiter* const op_;
  bool came_back_ = false;
  handing_over* const outer_;

  static inline thread_local constinit handing_over* innermost_ = nullptr;
};

// Whether E's functions are run by Asio's scheduler.
template <typename E>
constexpr bool is_scheduled = false;
template <typename A, auto Bits>
constexpr bool is_scheduled<asio::io_context::basic_executor_type<A, Bits>> = true;
template <typename A, auto Bits>
constexpr bool is_scheduled<asio::thread_pool::basic_executor_type<A, Bits>> =
    std::is_same_v<scheduler, asio::detail::scheduler>;  // that of an io_context, too

// The base of an Operation that is run by Asio's scheduler, in the way of Asio's own I/O objects: it goes
// into the scheduler's queue as it is. So a release allocates nothing, and cannot fail for want of memory.
// It is outstanding work until it has been run, or destroyed. (None of this is public in Asio, and all of
// it is the same in every version that the matrix tests.)
template <typename Operation>
class scheduled : public asio::detail::operation {
  using operation = asio::detail::operation;

 protected:
  explicit scheduled(scheduler& s) : operation(&run), scheduler_(&s) { s.work_started(); }
  scheduled(const scheduled&) = delete;
  scheduled& operator=(const scheduled&) = delete;
  ~scheduled() {
    if (scheduler_) scheduler_->work_finished();
  }

  // From here on *this is the scheduler's, and may be gone; so is the work.
  void schedule() noexcept { std::exchange(scheduler_, nullptr)->post_deferred_completion(this); }

 private:
  // Without an owner, it is to be destroyed.
  static void run(void* owner, operation* base, const boost::system::error_code&, std::size_t) {
    auto& op = static_cast<Operation&>(static_cast<scheduled&>(*base));
    if (owner)
      op.call();
    else
      op.discard();
  }

  scheduler* scheduler_;
};

template <typename Handler, typename HandlerExecutor, typename Executor, bool WithPermit,
          bool Timed>
class acquire_op;

// What the handler's executor has to do with the operation: keeps it from running out of work.
template <typename Operation, typename HandlerExecutor>
using handler_work =
    std::conditional_t<is_scheduled<HandlerExecutor>, scheduled<Operation>, work<HandlerExecutor>>;

template <typename Handler, typename HandlerExecutor, typename Executor, bool WithPermit,
          bool Timed>
class acquire_op final
    : public waiter,
      private handler_work<acquire_op<Handler, HandlerExecutor, Executor, WithPermit, Timed>,
                           HandlerExecutor> {
  using handler_work_type = handler_work<acquire_op, HandlerExecutor>;
  friend handler_work_type;

  using handler_allocator = decltype(detail::allocator_of(std::declval<const Handler&>()));
  template <typename T>
  using rebound = typename std::allocator_traits<handler_allocator>::template rebind_alloc<T>;

  // Asio's name for "the handler has no executor of its own"; should it vanish, both are kept.
  static constexpr bool no_executor = requires {
    typename asio::associated_executor<Handler,
                                       Executor>::asio_associated_executor_is_unspecialised;
  };
  static constexpr bool posts = can_post<HandlerExecutor, Executor>;

 public:
  // For an initiating call that ends by an exception.
  struct give_up {
    void operator()(acquire_op* op) const noexcept {
      BOOST_ASIO_HANDLER_COMPLETION((op->tracked_));  // not invoked
      op->take_apart();
    }
  };
  using pointer = std::unique_ptr<acquire_op, give_up>;

  // Allocates the operation; where that throws, nothing has happened to the handler.
  template <typename H>
  static pointer create(const registration& sem, std::uint32_t permits, H&& handler,
                        const HandlerExecutor& handler_ex, const Executor& ex, const tracked& t) {
    rebound<acquire_op> allocator(detail::allocator_of(static_cast<const Handler&>(handler)));
    acquire_op* const p = std::allocator_traits<rebound<acquire_op>>::allocate(allocator, 1);
    try {
      return pointer(::new (static_cast<void*>(p))
                         acquire_op(sem, permits, std::forward<H>(handler), handler_ex, ex, t));
    } catch (...) {
      std::allocator_traits<rebound<acquire_op>>::deallocate(allocator, p, 1);
      throw;
    }
  }

  // Initiating call only. Makes the operation known to the handler's cancellation slot, if that is
  // connected, and to a timer, if it is timed, and queues it. If this says `waiting`, the operation
  // is not ours any more.
  template <std::same_as<patience>... Time>
  requires(sizeof...(Time) == Timed) outcome connect_and_wait(Time... time) {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    const bool connected = slot.is_connected();
    if (connected || Timed) cancellation_ = new recycled_cancellation(*core_);
    if (connected) slot.template emplace<cancel_handler>(*cancellation_);
    (expiry_.start(time, *cancellation_), ...);
    return core_->wait(*this);
  }

  // Frees the operation and returns what was in it.
  // The handler is moved out before the memory is freed, for it may own that memory.
  decided<Handler, WithPermit> take_apart() noexcept {
    rebound<acquire_op> allocator(detail::allocator_of(handler_));
    const outcome o = get_outcome();
    core& c = *core_;
    const bool carries = carries_strand();
    decided<Handler, WithPermit> d{std::move(handler_), o,
                                   o == outcome::granted ? make_permit(c, permits()) : permit(),
                                   tracked_};
    this->~acquire_op();
    std::allocator_traits<rebound<acquire_op>>::deallocate(allocator, this, 1);
    if (carries) c.resume();
    return d;
  }

  bool deliver() noexcept override {
    // The wait is over, and with it the work on the semaphore's executor. Dropped before: once the
    // handler has run, that context may be gone. (A waiter that is refused goes back with the work on
    // its handler's executor alone.)
    if constexpr (is_scheduled<HandlerExecutor>) {
      semaphore_work_.reset();
      this->schedule();
      return true;
    } else {
      const handing_over hand(*this);
      try {
        completion c(*this, hand);
        if constexpr (posts) {
          semaphore_work_.reset();
          detail::post(this->executor(), std::move(c), detail::allocator_of(handler_));
        } else {
          const auto ex = semaphore_work_->executor();
          detail::post(ex, std::move(c), detail::allocator_of(handler_));
        }
      } catch (...) {
        return !hand.came_back();
      }
      if (hand.came_back()) discard();  // the executor is shut down
      return true;
    }
  }

  void discard() noexcept override {
    BOOST_ASIO_HANDLER_COMPLETION((tracked_));  // not invoked
    take_apart();
  }

 private:
  // What is posted: owns the operation.
  class completion {
   public:
    explicit completion(acquire_op& op) noexcept : op_(&op) {}
    completion(acquire_op& op, const handing_over& hand) noexcept : op_(&op), hand_(&hand) {}
    completion(completion&& other) noexcept
        : op_(std::exchange(other.op_, nullptr)), hand_(other.hand_) {}
    completion& operator=(completion&&) = delete;
    ~completion() {
      if (op_ && !handing_over::come_back(hand_, *op_)) op_->discard();
    }

    void operator()() { std::exchange(op_, nullptr)->call(); }

   private:
    acquire_op* op_;
    const handing_over* hand_ = nullptr;  // may be gone
  };

  template <typename H>
  acquire_op(const registration& sem, std::uint32_t permits, H&& handler,
             const HandlerExecutor& handler_ex, const Executor& ex, const tracked& t)
      : waiter(permits),
        handler_work_type(run_by(sem, handler_ex)),
        core_(sem.get_core()),
        handler_(std::forward<H>(handler)),
        tracked_(t),
        expiry_(ex) {
    if constexpr (!posts) {
      semaphore_work_.emplace(ex);
    } else if constexpr (!no_executor) {
      if (!detail::same_executor(handler_ex, ex)) semaphore_work_.emplace(ex);
    }
  }

  ~acquire_op() {
    if (cancellation_) cancellation_->finish();
  }

  // What handler_work is made of.
  static decltype(auto) run_by(const registration& sem, const HandlerExecutor& ex) {
    if constexpr (is_scheduled<HandlerExecutor>)
      return sem.scheduler_of(asio::query(ex, asio::execution::context));
    else
      return (ex);
  }

  // On the handler's executor.
  void call() {
    if constexpr (!posts) {
      // Posted to the semaphore's executor so far. From here the handler's may run it as it likes.
      if (!std::exchange(passed_on_, true)) {
        semaphore_work_.reset();
        const auto ex = this->executor();
        asio::prefer(ex, asio::execution::allocator(detail::allocator_of(handler_)))
            .execute(completion(*this));
        return;
      }
    }
    take_apart()();
  }

  core* core_;  // from the grant on with a reference, which is passed on to a permit
  [[no_unique_address]] Handler handler_;
  [[no_unique_address]] tracked tracked_;
  struct no_expiry {
    explicit no_expiry(const Executor&) noexcept {}
  };
  [[no_unique_address]] std::conditional_t<Timed, expiry<Executor>, no_expiry> expiry_;
  // If the executors differ: outstanding work for both.
  struct none {
    void reset() noexcept {}
  };
  [[no_unique_address]] std::conditional_t<no_executor && posts, none,
                                           std::optional<work<Executor>>>
      semaphore_work_;
  bool passed_on_ = false;
};

}  // namespace turnstile::inline v1::detail

template <template <typename, typename> class Associator, typename Handler, bool WithPermit,
          typename Default>
struct boost::asio::associator<Associator, turnstile::detail::decided<Handler, WithPermit>, Default>
    : Associator<Handler, Default> {
  static auto get(const turnstile::detail::decided<Handler, WithPermit>& d) noexcept {
    return Associator<Handler, Default>::get(d.handler_);
  }
  static auto get(const turnstile::detail::decided<Handler, WithPermit>& d,
                  const Default& value) noexcept {
    return Associator<Handler, Default>::get(d.handler_, value);
  }
};

#endif
