// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_ACQUIRE_OP_HPP
#define TURNSTILE_DETAIL_ACQUIRE_OP_HPP

// A queued acquire: it holds the handler, in one allocation from its associated allocator, until the
// handler is called or destroyed. Its owner, and so the only one that may touch it, is
//   1. the initiating call, until core::wait();
//   2. the strand, while the acquire is queued, and until deliver();
//   3. from deliver() on, the handler's executor. If it calls the operation, the handler is moved out,
//      the memory freed and the handler called. If it destroys the operation, the handler is destroyed,
//      the memory freed and the permits given back. If the executor throws, and has not kept the operation,
//      the strand owns it again.
//
// The executors of io_context and thread_pool run an operation of Asio's kind, `scheduled`: nothing is
// allocated to post it, and nothing can throw. Others are given a `handle`, an owning pointer.
//
// The cancellation slot is touched in 1 and nowhere else: a slot is not thread-safe, and a parallel group
// may emit on one thread while an operation completes on another. A timed acquire has a timer on the
// semaphore's context. It is started in 1, before core::wait(), and destroyed before another context gets the
// operation, since the semaphore's may be gone by the time that the handler runs.

#include <turnstile/detail/cancel_request.hpp>
#include <turnstile/detail/completion.hpp>
#include <turnstile/detail/delivery.hpp>
#include <turnstile/detail/resumption.hpp>
#include <turnstile/detail/service.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

// What the operation waits at: a core, or a key of a keyed semaphore. It is a base of the operation's permits, and
// needs
//   waiter_type            the base of the operation, which passes itself to wait()
//   get_counter()          what a cancellation and a resumption refer to
//   begin_wait()           called for each operation
//   end_wait()             called for each operation that was not granted, after it is gone
// If it also has
//   departure              made when an operation is delivered, see listed_core.hpp
// then each operation can be cancelled.
template <typename Owner>
concept lists_waiters = requires { typename Owner::departure; };

// For the others.
struct no_departure {
  explicit no_departure(void*) noexcept {}
  template <typename Operation, typename Handler>
  static bool begins(Operation&, Handler&) noexcept {
    return true;
  }
  static bool ends(bool is_passed_on) noexcept { return is_passed_on; }
};
template <typename Owner>
struct departure_type {
  using type = no_departure;
};
template <lists_waiters Owner>
struct departure_type<Owner> {
  using type = typename Owner::departure;
};
template <typename Owner>
using departure_of = typename departure_type<Owner>::type;

template <typename Handler, typename HandlerExecutor, typename Executor, typename Owner,
          bool WithPermit, bool Timed>
class acquire_op;

// A base of the operation, which keeps the handler's executor from running out of work.
template <typename Operation, typename HandlerExecutor>
using handler_work =
    std::conditional_t<is_scheduled<HandlerExecutor>,
                       scheduled<Operation, typename scheduler_of<HandlerExecutor>::type>,
                       work<HandlerExecutor>>;

template <typename Handler, typename HandlerExecutor, typename Executor, typename Owner,
          bool WithPermit, bool Timed>
class acquire_op final
    : public Owner::waiter_type,
      private handler_work<acquire_op<Handler, HandlerExecutor, Executor, Owner, WithPermit, Timed>,
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
      TURNSTILE_HANDLER_COMPLETION((op->tracking_));  // not invoked
      op->take_apart();
    }
  };
  using pointer = std::unique_ptr<acquire_op, give_up>;

  // Allocates the operation. If the allocation throws, nothing has happened to the handler.
  template <typename H>
  static pointer create(const registration& sem, Owner& owner, std::uint32_t permits, H&& handler,
                        const HandlerExecutor& handler_ex, const Executor& ex, const tracking& t) {
    rebound<acquire_op> allocator(detail::allocator_of(static_cast<const Handler&>(handler)));
    acquire_op* const p = std::allocator_traits<rebound<acquire_op>>::allocate(allocator, 1);
    try {
      return pointer(::new (static_cast<void*>(p)) acquire_op(
          sem, owner, permits, std::forward<H>(handler), handler_ex, ex, t));
    } catch (...) {
      std::allocator_traits<rebound<acquire_op>>::deallocate(allocator, p, 1);
      throw;
    }
  }

  // Initiating call only. Makes the operation known to the handler's cancellation slot, if that is
  // connected, and to a timer, if it is timed, and queues it. If this returns `waiting`, the operation
  // belongs to the strand.
  template <std::same_as<patience>... Time>
    requires(sizeof...(Time) == Timed)
  outcome connect_and_wait([[maybe_unused]] const Executor& ex, Time... time) {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    const bool connected = slot.is_connected();
    if (connected || Timed || lists_waiters<Owner>)
      this->cancellation_ = new recycled_cancellation(owner_->get_counter());
    if (connected) slot.template emplace<cancel_handler>(*this->cancellation_);
    (limit_wait(ex, time), ...);
    return owner_->wait(*this);
  }

  // Frees the operation and returns what was in it.
  // The handler is moved out before the memory is freed, for it may own that memory.
  completion<Handler, WithPermit> take_apart() noexcept {
    rebound<acquire_op> allocator(detail::allocator_of(handler_));
    const outcome o = this->get_outcome();
    Owner& owner = *owner_;
    completion<Handler, WithPermit> c{
        std::move(handler_), o,
        o == outcome::granted ? make_permit(owner, this->permits()) : permit(), tracking_};
    this->~acquire_op();
    std::allocator_traits<rebound<acquire_op>>::deallocate(allocator, this, 1);
    if (o != outcome::granted) owner.end_wait();
    return c;
  }

  bool deliver() noexcept override {
    departure_of<Owner> departure(owner_);
    if (!departure.begins(*this, handler_)) return false;
    // The wait is over, and with it the work on the semaphore's executor. That is dropped before the
    // operation is posted: once the handler has run, the semaphore's context may be gone. A waiter that its
    // executor refuses goes back to the queue with the work on its handler's executor alone.
    if constexpr (is_scheduled<HandlerExecutor>) {
      expiry_.reset();
      semaphore_work_.reset();
      this->schedule();
      return departure.ends(true);
    } else {
      const delivery d(this);
      stopped_timer stopped;
      try {
        handle h(*this, d);
        if constexpr (posts) {
          stopped = stop_timer();
          semaphore_work_.reset();
          detail::post(this->executor(), std::move(h), detail::allocator_of(handler_));
        } else {
          const auto ex = semaphore_work_->executor();
          detail::post(ex, std::move(h), detail::allocator_of(handler_));
        }
      } catch (...) {
        if (!d.came_back()) return departure.ends(true);
        restart_timer(stopped);
        return departure.ends(false);
      }
      if (d.came_back()) discard();  // the executor is shut down
      return departure.ends(true);
    }
  }

  TURNSTILE_COLD void discard() noexcept override {
    TURNSTILE_HANDLER_COMPLETION((tracking_));  // not invoked
    take_apart();
  }

  TURNSTILE_COLD void post_resumption() noexcept override {
    if constexpr (is_scheduled<HandlerExecutor>)
      scheduled_resumption<typename scheduler_of<HandlerExecutor>::type>::post(
          owner_->get_counter(), *this->get_scheduler());
    else if constexpr (posts)
      detail::post_resumption(owner_->get_counter(), this->executor());
    else
      detail::post_resumption(owner_->get_counter(), semaphore_work_->executor());
  }

 private:
  // What is posted: owns the operation.
  class handle {
   public:
    explicit handle(acquire_op& op) noexcept : op_(&op) {}
    handle(acquire_op& op, const delivery& d) noexcept : op_(&op), delivery_(&d) {}
    handle(handle&& other) noexcept
        : op_(std::exchange(other.op_, nullptr)), delivery_(other.delivery_) {}
    handle& operator=(handle&&) = delete;
    ~handle() {
      if (op_ && !delivery::come_back(delivery_, op_)) op_->discard();
    }

    void operator()() { std::exchange(op_, nullptr)->call(); }

   private:
    acquire_op* op_;
    const delivery* delivery_ = nullptr;  // may be gone
  };

  template <typename H>
  acquire_op(const registration& sem, Owner& owner, std::uint32_t permits, H&& handler,
             const HandlerExecutor& handler_ex, const Executor& ex, const tracking& t)
      : Owner::waiter_type(permits),
        handler_work_type(run_by(sem, handler_ex)),
        owner_(&owner),
        handler_(std::forward<H>(handler)),
        tracking_(t) {
    owner.begin_wait();
    if constexpr (!posts) {
      semaphore_work_.emplace(ex);
    } else if constexpr (!no_executor) {
      if (detail::same_executor(handler_ex, ex)) return;
      semaphore_work_.emplace(ex);
      if (!detail::same_context(handler_ex, ex)) this->set_elsewhere();
    }
  }

  ~acquire_op() {
    if constexpr (lists_waiters<Owner>) this->leave_list();
    if (this->cancellation_) this->cancellation_->finish();
  }

  // What handler_work is constructed from.
  static decltype(auto) run_by(const registration& sem, const HandlerExecutor& ex) {
    if constexpr (is_scheduled<HandlerExecutor>)
      return (sem.schedulers().find(asio::query(ex, asio::execution::context)));
    else
      return (ex);
  }

  // On the handler's executor.
  void call() {
    if constexpr (!posts) {
      // Posted to the semaphore's executor so far. From here the handler's may run it as it likes.
      if (!std::exchange(passed_on_, true)) {
        expiry_.reset();
        semaphore_work_.reset();
        const auto ex = this->executor();
        asio::prefer(ex, asio::execution::allocator(detail::allocator_of(handler_)))
            .execute(handle(*this));
        return;
      }
    }
    take_apart()();
  }

  // The timer of a wait that is delivered to another executor than the semaphore's, to be started again
  // if that refuses.
  struct no_timer {
    void reset() noexcept {}
  };
  using stopped_timer =
      std::conditional_t<Timed, std::optional<typename expiry<Executor>::stopped>, no_timer>;

  stopped_timer stop_timer() {
    stopped_timer s;
    if constexpr (Timed && !no_executor) {
      if (expiry_ && semaphore_work_) {
        s = expiry_->stop();
        expiry_.reset();
      }
    }
    return s;
  }
  void restart_timer([[maybe_unused]] const stopped_timer& s) noexcept {
    if constexpr (Timed) {
      if (!s || this->get_outcome() != outcome::granted) return;  // a decision stands
      try {
        expiry_.emplace(s->executor).start(s->time, *this->cancellation_);
      } catch (...) {
        this->cancellation_->request(outcome::timed_out);  // rather than never
      }
    }
  }

  void limit_wait(const Executor& ex, patience time) {
    // Without time it cannot wait. But core::wait() still grants it if no other acquire waits, even if the
    // strand is busy and has to deliver it.
    if (time <= patience::zero())
      this->cancellation_->request(outcome::timed_out);
    else
      expiry_.emplace(ex).start(time, *this->cancellation_);
  }

  Owner* owner_;  // from the grant on, a reference, which take_apart() passes on to a permit
  [[no_unique_address]] Handler handler_;
  [[no_unique_address]] tracking tracking_;
  [[no_unique_address]] std::conditional_t<Timed, std::optional<expiry<Executor>>, no_timer>
      expiry_;
  // If the executors differ: outstanding work for both.
  struct none {
    void reset() noexcept {}
  };
  [[no_unique_address]] std::conditional_t<no_executor && posts, none,
                                           std::optional<work<Executor>>> semaphore_work_;
  bool passed_on_ = false;
};

}  // namespace turnstile::inline v1::detail

#endif
