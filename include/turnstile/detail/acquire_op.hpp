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
//   3. deliver() posts a `completion`, an owning pointer: from then on the handler's executor. It
//      calls it, and the handler is moved out, the memory freed and the handler called; or destroys
//      it, and the handler is destroyed, the memory freed and the permits given back; or throws, and
//      the operation goes back to the strand.
//
// The cancellation slot is touched in 1 and, on the handler's executor, in 3 before the call, and
// nowhere else: a slot is not thread-safe.

#include <turnstile/detail/core.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/any_completion_executor.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/detail/handler_tracking.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 108200
#include <boost/asio/associated_immediate_executor.hpp>
#endif

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

// Declared here so that their headers are left to those who use them.
namespace boost::asio {
template <typename T, typename Executor>
class awaitable;
template <typename Executor>
struct use_awaitable_t;
namespace detail {
template <typename T, typename Blocking>
class promise_executor;  // of use_future
}
}  // namespace boost::asio

namespace turnstile::inline v1::detail {

namespace asio = boost::asio;

// Why an acquire was not granted.
inline error_code to_error_code(outcome o) noexcept {
  switch (o) {
    case outcome::aborted: return asio::error::operation_aborted;
    case outcome::closed: return errc::closed;
    default: return errc::exceeds_limit;
  }
}

// What Asio's handler tracking knows an acquire by. Nothing, and its macros do nothing, unless
// BOOST_ASIO_ENABLE_HANDLER_TRACKING is defined.
struct tracked BOOST_ASIO_INHERIT_TRACKED_HANDLER{};

// Calls the handler with the result; p holds the permits of a grant.
template <bool WithPermit, typename Handler>
void complete(Handler&& handler, outcome o, permit&& p, [[maybe_unused]] const tracked& t) {
  const error_code ec = o == outcome::granted ? error_code() : to_error_code(o);
  BOOST_ASIO_HANDLER_COMPLETION((t));
  BOOST_ASIO_HANDLER_INVOCATION_BEGIN((ec));
  if constexpr (WithPermit) {
    std::forward<Handler>(handler)(ec, std::move(p));
  } else {
    p.forget();  // they are the handler's now
    std::forward<Handler>(handler)(ec);
  }
  BOOST_ASIO_HANDLER_INVOCATION_END;
}

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
  requires(!asio::execution::is_executor<E>::value)
class work<E> {
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

// ---- Decided at once --------------------------------------------------------------------------

// The completion of an acquire that was decided in the initiating call. Destroyed instead of called,
// it gives its permits back.
template <typename Handler, bool WithPermit>
struct decided {
  Handler handler_;
  outcome outcome_;
  permit permit_;
  [[no_unique_address]] tracked tracked_;

  void operator()() {
    complete<WithPermit>(std::move(handler_), outcome_, std::move(permit_), tracked_);
  }
};

// Posts the completion to the handler's executor, or passes it to its immediate executor.
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
    with_target<Executor>(handler_executor, [&]<typename E>(const E& ex) {
      if constexpr (can_post<E, Executor>) {
        const auto allocator = allocator_of(f.handler_);
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

// Whether a coroutine that meets a free permit goes on at once. Not always: one that never waits
// would keep its thread from everything else. Every 128th time costs a nanosecond for each, and is what
// tokio lets its tasks do before they have to yield.
inline bool goes_on_at_once() noexcept {
  static thread_local constinit unsigned char count = 0;
  return ++count % 128 != 0;
}

// ---- Queued -----------------------------------------------------------------------------------

// What a cancellation slot holds.
class cancel_handler {
 public:
  // Takes over a reference.
  explicit cancel_handler(cancellation& c) noexcept : cancellation_(&c) {}
  cancel_handler(const cancel_handler&) = delete;
  cancel_handler& operator=(const cancel_handler&) = delete;
  ~cancel_handler() { cancellation_->drop_reference(); }

  void operator()(asio::cancellation_type_t type) noexcept {
    using enum asio::cancellation_type;
    if ((type & (terminal | partial | total)) == none) return;
    // What is posted or destroyed by this may clear the slot, and *this with it.
    cancellation& c = *cancellation_;
    c.add_reference();
    c.request();
    c.drop_reference();
  }

 private:
  cancellation* const cancellation_;
};

// On this thread's stack while it hands an operation over to an executor. A completion that is
// destroyed meanwhile, on this thread, has come back: whether to the queue or to be destroyed is
// known when execute() has thrown or returned. One that is destroyed on another thread, or later,
// was accepted.
class handing_over {
 public:
  explicit handing_over(const waiter& op) noexcept
      : op_(&op), outer_(std::exchange(innermost_, this)) {}
  handing_over(const handing_over&) = delete;
  handing_over& operator=(const handing_over&) = delete;
  ~handing_over() { innermost_ = outer_; }

  bool came_back() const noexcept { return came_back_; }

  // The completion of op is called: whatever has its address from now on is another one.
  static void called(const waiter& op) noexcept { find(op); }

  // The completion of op is destroyed uncalled. True where this thread is handing op over, and is
  // told.
  static bool come_back(const waiter& op) noexcept {
    handing_over* const h = find(op);
    if (h) h->came_back_ = true;
    return h;
  }

 private:
  static handing_over* find(const waiter& op) noexcept {
    handing_over* h = innermost_;
    while (h && h->op_ != &op) h = h->outer_;
    if (h) h->op_ = nullptr;
    return h;
  }

  const waiter* op_;
  bool came_back_ = false;
  handing_over* const outer_;

  static inline thread_local constinit handing_over* innermost_ = nullptr;
};

// Whether E allocates one block for a posted function, within `room_size`, and frees it before it
// calls or destroys the function, so that the block may lie inside the operation.
template <typename E>
constexpr bool fits_in_room = false;
template <typename A, auto Bits>
constexpr bool fits_in_room<asio::io_context::basic_executor_type<A, Bits>> = true;
template <typename A, auto Bits>
constexpr bool fits_in_room<asio::thread_pool::basic_executor_type<A, Bits>> = true;

// The room that an executor's block is allocated from: then a release allocates nothing, and cannot
// fail for want of memory.
class room {
 public:
  void* take(std::size_t n, std::size_t alignment) noexcept {
    if (taken_ || n > sizeof(bytes_) || alignment > alignof(void*)) return nullptr;
    taken_ = true;
    return bytes_;
  }
  bool give_back(void* p) noexcept {
    if (p != bytes_) return false;
    taken_ = false;
    return true;
  }

 private:
  // What Asio's executors add to a function: two links, a result and the allocator.
  alignas(void*) unsigned char bytes_[5 * sizeof(void*)];
  bool taken_ = false;
};

struct no_room {};

template <typename Handler, typename HandlerExecutor, typename Executor, bool WithPermit>
class acquire_op final : public waiter, private tracked {
  using handler_allocator = decltype(allocator_of(std::declval<const Handler&>()));
  template <typename T>
  using rebound = typename std::allocator_traits<handler_allocator>::template rebind_alloc<T>;

  // Asio's name for "the handler has no executor of its own"; should it vanish, both are kept.
  static constexpr bool no_executor = requires {
    typename asio::associated_executor<Handler,
                                       Executor>::asio_associated_executor_is_unspecialised;
  };
  static constexpr bool posts = can_post<HandlerExecutor, Executor>;
  static constexpr bool has_room = posts && fits_in_room<HandlerExecutor>;

 public:
  // Allocates the operation; where that throws, nothing has happened to the handler.
  template <typename H>
  static acquire_op* create(core& c, std::uint32_t permits, H&& handler,
                            const HandlerExecutor& handler_ex, const Executor& ex,
                            const tracked& t) {
    rebound<acquire_op> allocator(allocator_of(static_cast<const Handler&>(handler)));
    acquire_op* const p = std::allocator_traits<rebound<acquire_op>>::allocate(allocator, 1);
    try {
      return ::new (static_cast<void*>(p))
          acquire_op(c, permits, std::forward<H>(handler), handler_ex, ex, t);
    } catch (...) {
      std::allocator_traits<rebound<acquire_op>>::deallocate(allocator, p, 1);
      throw;
    }
  }

  // Initiating call only. Makes the operation known to the handler's cancellation slot, if that is
  // connected, and queues it. Where this says `waiting`, the operation is not ours any more.
  outcome connect_and_wait() {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) {
      try {
        cancellation_ = new cancellation(*core_, *this);  // two references
        try {
          slot.template emplace<cancel_handler>(*cancellation_);
        } catch (...) {
          cancellation_->drop_reference();
          throw;
        }
      } catch (...) {
        discard();
        throw;
      }
    }
    return core_->wait(*this);
  }

  // Frees the operation and returns what was in it. On the thread that may touch the slot.
  struct contents {
    Handler handler;
    permit held;
  };
  contents take_apart() {
    if (cancellation_) asio::get_associated_cancellation_slot(handler_).clear();
    return take_apart_uncalled();
  }

  bool deliver() noexcept override {
    const handing_over hand(*this);
    try {
      completion c(*this);
      if constexpr (posts) {
        // The wait is over, and with it the work on the semaphore's executor. Dropped before: once
        // the handler has run, that context may be gone. (A waiter that is refused goes back with
        // the work on its handler's executor alone.)
        semaphore_work_.reset();
        if constexpr (has_room)
          detail::post(handler_work_.executor(), std::move(c), room_allocator<void>(*this));
        else
          detail::post(handler_work_.executor(), std::move(c), allocator_of(handler_));
      } else {
        const auto ex = semaphore_work_->executor();
        detail::post(ex, std::move(c), allocator_of(handler_));
      }
    } catch (...) {
      return !hand.came_back();
    }
    if (hand.came_back()) discard();  // the executor is shut down
    return true;
  }

  void discard() noexcept override {
    BOOST_ASIO_HANDLER_COMPLETION((*this));  // not invoked
    take_apart_uncalled();
  }

 private:
  // What is posted: owns the operation.
  class completion {
   public:
    explicit completion(acquire_op& op) noexcept : op_(&op) {}
    completion(completion&& other) noexcept : op_(std::exchange(other.op_, nullptr)) {}
    completion& operator=(completion&&) = delete;
    ~completion() {
      if (op_ && !handing_over::come_back(*op_)) op_->discard();
    }

    void operator()() {
      handing_over::called(*op_);
      std::exchange(op_, nullptr)->call();
    }

   private:
    acquire_op* op_;
  };

  // Allocates in the room, and what does not fit with the handler's allocator.
  template <typename T>
  class room_allocator {
   public:
    using value_type = T;

    explicit room_allocator(acquire_op& op) noexcept : op_(&op) {}
    template <typename U>
    room_allocator(const room_allocator<U>& other) noexcept : op_(other.op_) {}

    T* allocate(std::size_t n) {
      if (void* const p = op_->room_.take(n * sizeof(T), alignof(T))) return static_cast<T*>(p);
      return rebound<T>(allocator_of(op_->handler_)).allocate(n);
    }
    void deallocate(T* p, std::size_t n) noexcept {
      if (!op_->room_.give_back(p)) rebound<T>(allocator_of(op_->handler_)).deallocate(p, n);
    }

    template <typename U>
    bool operator==(const room_allocator<U>& other) const noexcept {
      return op_ == other.op_;
    }

   private:
    template <typename U>
    friend class room_allocator;

    acquire_op* op_;
  };

  template <typename H>
  acquire_op(core& c, std::uint32_t permits, H&& handler, const HandlerExecutor& handler_ex,
             const Executor& ex, const tracked& t)
      : waiter(permits),
        tracked(t),
        core_(&c),
        handler_(std::forward<H>(handler)),
        handler_work_(handler_ex) {
    if constexpr (!posts) {
      semaphore_work_.emplace(ex);
    } else if constexpr (!no_executor) {
      if (!detail::same_executor(handler_ex, ex)) semaphore_work_.emplace(ex);
    }
  }

  ~acquire_op() {
    if (cancellation_) cancellation_->drop_reference();
  }

  // On the handler's executor.
  void call() {
    if constexpr (!posts) {
      // Posted to the semaphore's executor so far. From here the handler's may run it as it likes.
      if (!std::exchange(passed_on_, true)) {
        semaphore_work_.reset();
        const auto ex = handler_work_.executor();
        asio::prefer(ex, asio::execution::allocator(allocator_of(handler_)))
            .execute(completion(*this));
        return;
      }
    }
    const outcome o = decided();
    const auto t = static_cast<const tracked&>(*this);  // out of the memory
    contents c = take_apart();
    complete<WithPermit>(std::move(c.handler), o, std::move(c.held), t);
  }

  // The handler is moved out before the memory is freed, for it may own that memory.
  contents take_apart_uncalled() noexcept {
    rebound<acquire_op> allocator(allocator_of(handler_));
    contents c{std::move(handler_),
               decided() == outcome::granted ? make_permit(*core_, permits()) : permit()};
    this->~acquire_op();
    std::allocator_traits<rebound<acquire_op>>::deallocate(allocator, this, 1);
    return c;
  }

  core* core_;  // from the grant on with a reference, which is passed on to a permit
  [[no_unique_address]] Handler handler_;
  [[no_unique_address]] std::conditional_t<has_room, room, no_room> room_;
  work<HandlerExecutor> handler_work_;
  // Where the executors differ: outstanding work for both.
  struct none {
    void reset() noexcept {}
  };
  [[no_unique_address]] std::conditional_t<no_executor && posts, none,
                                           std::optional<work<Executor>>> semaphore_work_;
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
