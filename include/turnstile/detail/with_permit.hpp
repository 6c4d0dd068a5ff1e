// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_WITH_PERMIT_HPP
#define TURNSTILE_DETAIL_WITH_PERMIT_HPP

// async_with_permit, from the initiating call to the handler.
//
// A `with_permit_op` holds the handler, the operation and the permits, in one allocation from the handler's
// associated allocator. References keep it:
//   1. one is passed on from step to step: from the handler of the acquire to the handler of the operation;
//   2. the call that initiates the operation has one until it returns, since the operation may end before;
//   3. an emission that cancels the running operation has one until it returns.
// The thread that gives up the last reference takes the with_permit_op apart: it moves the handler out,
// destroys the operation, frees the memory, gives the permits back and calls the handler. So the operation
// lives for as long as any of its code runs, and is gone before the handler is called. If the operation
// ends while there are other references, its result is kept for the last of them.
//
// Cancellation: the handler's slot is touched once, in the initiating call: it gets a `relay`, which both
// sides share and which may outlive the with_permit_op. The acquire and the operation have a signal each
// in it, so an emission never touches a slot that a step is being connected to. While the operation is
// being initiated, emissions are only recorded. The initiating thread passes them on afterwards.

#include <turnstile/detail/asio_internals.hpp>
#include <turnstile/detail/handler_executor.hpp>
#include <turnstile/detail/relay.hpp>
#include <turnstile/detail/signature.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

// Whether the permits may be lost while the operation runs, by their type. Those of a shared semaphore may
// (loss_relay.hpp): then the relay emits a cancellation, and the handler gets errc::lease_lost in place of the operation's
// error.
struct no_watch {
  static constexpr bool watches = false;
  template <typename Executor>
  using relay_type = relay;
};
template <typename Permit>
struct watch_of {
  using type = no_watch;
};

// Where a with_permit_op goes on: as the handler of the acquire, or of the operation; or when a result that
// was kept can be delivered.
enum class step_kind { acquired, ended, deliver };

// Owns one reference to the op. A pointer that delivers a kept result has none: all references are gone then,
// and it is the only owner.
template <step_kind Kind>
struct give_up {
  template <typename Op>
  void operator()(Op* op) const noexcept {
    if (Kind == step_kind::deliver || op->leave()) Op::take_apart(op);
  }
};
template <typename Op, step_kind Kind>
using step_pointer = std::unique_ptr<Op, give_up<Kind>>;

template <typename Op, step_kind Kind>
class step {
 public:
  explicit step(step_pointer<Op, Kind> op) noexcept : op_(std::move(op)) {}

  using executor_type = typename Op::executor_type;
  executor_type get_executor() const noexcept { return op_->get_executor(); }

  using cancellation_slot_type = asio::cancellation_slot;
  cancellation_slot_type get_cancellation_slot() const noexcept {
    return op_->template slot_for<Kind>();
  }

  const auto& handler() const noexcept { return op_->handler(); }

  template <typename... Args>
  void operator()(Args&&... args) {
    if constexpr (Kind == step_kind::acquired)
      Op::acquired(std::move(op_), std::forward<Args>(args)...);
    else if constexpr (Kind == step_kind::ended)
      Op::complete(std::move(op_), std::forward<Args>(args)...);
    else
      Op::deliver(std::move(op_));
  }

 private:
  step_pointer<Op, Kind> op_;
};

// The type in which an argument of type T is kept: a copy, unless it has to be the object itself.
template <typename T>
using kept = std::conditional_t<std::is_constructible_v<std::remove_cvref_t<T>, T> &&
                                    !(std::is_lvalue_reference_v<T> &&
                                      !std::is_const_v<std::remove_reference_t<T>>),
                                std::remove_cvref_t<T>, T>;

// The type in which an argument of type T is passed on: an error that is constant as a copy, so that it can be replaced.
template <typename T>
using passed = std::conditional_t<is_error<T> && std::is_const_v<std::remove_reference_t<T>>,
                                  std::remove_cvref_t<T>, T>;

// The end of the operation with one of its signatures.
template <typename Op, typename Signature>
class operation_result;

template <typename Op, typename... Ts>
class operation_result<Op, void(Ts...)> {
 public:
  static void complete(step_pointer<Op, step_kind::ended> op, passed<Ts>... args) {
    op->note_loss(args...);
    if (op->leave_if_last()) {
      Op::take_apart(op.release())(static_cast<Ts&&>(args)...);
      return;
    }
    static_cast<operation_result&>(*op).kept_.emplace(static_cast<Ts&&>(args)...);
    Op* const p = op.release();
    if (p->leave()) Op::deliver(step_pointer<Op, step_kind::deliver>(p));
  }

 protected:
  static bool is_kept(const operation_result& r) noexcept { return r.kept_.has_value(); }

  static void deliver_kept(Op* op) {
    auto values = std::move(*static_cast<operation_result&>(*op).kept_);
    auto handler = Op::take_apart(op);
    std::apply([&](auto&... args) { std::move(handler)(static_cast<Ts&&>(args)...); }, values);
  }

 private:
  std::optional<std::tuple<kept<Ts>...>> kept_;
};

template <typename Handler, typename Operation, typename Executor, typename Watch,
          typename... Signatures>
class with_permit_op final
    : private relay::owner,
      public operation_result<with_permit_op<Handler, Operation, Executor, Watch, Signatures...>,
                              Signatures>... {
  template <step_kind Kind>
  using pointer = step_pointer<with_permit_op, Kind>;
  template <typename, typename>
  friend class operation_result;

  using handler_allocator = decltype(detail::allocator_of(std::declval<const Handler&>()));
  using allocator =
      typename std::allocator_traits<handler_allocator>::template rebind_alloc<with_permit_op>;
  using allocator_traits = std::allocator_traits<allocator>;

 public:
  using handler_type = Handler;
  using executor_type = asio::associated_executor_t<Handler, Executor>;

  // In the initiating call.
  template <typename H, typename O>
  static pointer<step_kind::acquired> create(H&& handler, O&& operation, const Executor& ex) {
    allocator a(detail::allocator_of(static_cast<const Handler&>(handler)));
    with_permit_op* const p = allocator_traits::allocate(a, 1);
    try {
      ::new (static_cast<void*>(p))
          with_permit_op(std::forward<H>(handler), std::forward<O>(operation), ex);
    } catch (...) {
      allocator_traits::deallocate(a, p, 1);
      throw;
    }
    pointer<step_kind::acquired> op(p);
    auto slot = asio::get_associated_cancellation_slot(op->handler_);
    if (Watch::watches ? slot.is_connected() : op->relay_ != nullptr)
      slot.template emplace<relay_handler>(relay_handler{op->relay_});
    return op;
  }

  // Ends the op and returns its handler. No references may be left.
  static Handler take_apart(with_permit_op* op) noexcept {
    allocator a(detail::allocator_of(op->handler_));
    if constexpr (Watch::watches) op->relay_->unwatch();
    const permit p = std::move(op->permit_);  // released last, on return
    Handler handler(std::move(op->handler_));
    op->~with_permit_op();
    allocator_traits::deallocate(a, op, 1);
    return handler;
  }

  template <typename Permit>
  static void acquired(pointer<step_kind::acquired> op, error_code ec, Permit p) {
    // A grant is final, so a cancellation may have come too late for the acquire.
    if (op->relay_ && op->relay_->start() != asio::cancellation_type::none && !ec)
      ec = asio::error::operation_aborted;
    if constexpr (Watch::watches) {
      if (!ec && !op->relay_->watch(p)) ec = errc::lease_lost;
    }
    op->permit_ = std::move(p);
    if (ec) return fail<Signatures...>(op.release(), ec);
    op->progress_.add_reference();
    pointer<step_kind::ended> initiation(op.get());
    {
      TURNSTILE_HANDLER_LOCATION((__FILE__, __LINE__, "async_with_permit"));
      std::move(initiation->operation_)(
          step<with_permit_op, step_kind::ended>(pointer<step_kind::ended>(op.release())));
    }
    if (initiation->relay_) initiation->relay_->run();
    with_permit_op* const last = initiation.release();
    if (!last->leave()) return;
    // Usually on the handler's executor, but on its immediate executor if the permits were free.
    pointer<step_kind::deliver> kept(last);
    if (last->has_result())
      asio::dispatch(step<with_permit_op, step_kind::deliver>(std::move(kept)));
  }

  using operation_result<with_permit_op, Signatures>::complete...;

  static void deliver(pointer<step_kind::deliver> op) {
    with_permit_op* const p = op.release();
    static_cast<void>(((operation_result<with_permit_op, Signatures>::is_kept(*p) &&
                        (operation_result<with_permit_op, Signatures>::deliver_kept(p), true)) ||
                       ...));
  }

  // The first argument is the error, unless it is of another type.
  template <typename... Ts>
  void note_loss([[maybe_unused]] Ts&... args) {
    if constexpr (Watch::watches && sizeof...(Ts) != 0) {
      [&]<typename First>(First& first, auto&...) {
        if constexpr (is_error<First>)
          if (first && relay_->is_lost()) first = detail::make_error<First>(errc::lease_lost);
      }(args...);
    }
  }

  bool leave() noexcept { return progress_.leave(); }
  bool leave_if_last() noexcept { return progress_.leave_if_last(); }
  const Handler& handler() const noexcept { return handler_; }
  executor_type get_executor() const noexcept { return handler_work_.get_executor(); }

  template <step_kind Kind>
  asio::cancellation_slot slot_for() const noexcept {
    if (Kind == step_kind::deliver || !relay_) return {};
    return (Kind == step_kind::acquired ? relay_->acquire_ : relay_->operation_).slot();
  }

 private:
  // The handler is moved last: if anything throws, nothing has happened to it.
  template <typename H, typename O>
  with_permit_op(H&& handler, O&& operation, const Executor& ex)
      : work_(ex),
        handler_work_(asio::get_associated_executor(handler, ex)),
        relay_(make_relay(asio::get_associated_cancellation_slot(handler).is_connected())),
        progress_(relay_ ? relay_->progress_ : own_progress_),
        operation_(std::forward<O>(operation)),
        handler_(std::forward<H>(handler)) {}
  ~with_permit_op() = default;

  using relay_type = typename Watch::template relay_type<executor_type>;

  std::shared_ptr<relay_type> make_relay(bool connected) {
    const asio::recycling_allocator<relay_type> a;
    relay::owner& o = *this;
    if constexpr (Watch::watches)
      return std::allocate_shared<relay_type>(a, o, get_executor());
    else
      return connected ? std::allocate_shared<relay_type>(a, o) : nullptr;
  }

  bool has_result() const noexcept {
    return (operation_result<with_permit_op, Signatures>::is_kept(*this) || ...);
  }

  // Reports a failed acquire by the first signature that can do so.
  template <typename Signature, typename... Others>
  static void fail(with_permit_op* op, error_code ec) {
    if constexpr (can_report<Signature, Executor, executor_type>) {
      const Executor ex = op->work_.get_executor();
      const executor_type handler_ex = op->get_executor();
      op->leave();
      detail::report(take_apart(op), static_cast<Signature*>(nullptr), ec, ex, handler_ex);
    } else {
      fail<Others...>(op, ec);
    }
  }

  // This may run on another thread than the handler's executor does, so a kept result is posted.
  void emission_ended() override {
    if (!leave()) return;
    pointer<step_kind::deliver> kept(this);
    if (!has_result()) return;
    const Executor ex = work_.get_executor();
    asio::post(ex, step<with_permit_op, step_kind::deliver>(std::move(kept)));
  }

  asio::executor_work_guard<Executor> work_;
  asio::executor_work_guard<executor_type> handler_work_;
  const std::shared_ptr<relay_type>
      relay_;              // if the handler's slot is connected, or the permits may be lost
  progress own_progress_;  // otherwise
  progress& progress_;
  permit permit_;
  Operation operation_;
  Handler handler_;
};

template <typename Executor, typename Watch, typename... Signatures>
class initiate_with_permit {
 public:
  using executor_type = Executor;

  explicit initiate_with_permit(const Executor& ex) : executor_(ex) {}

  executor_type get_executor() const noexcept { return executor_; }

  template <typename Handler, typename Acquire, typename Operation>
  void operator()(Handler&& handler, Acquire&& acquire, Operation&& operation) const {
    using handler_type = std::decay_t<Handler>;
    static_assert(
        (can_report<Signatures, Executor, asio::associated_executor_t<handler_type, Executor>> ||
         ...),
        "turnstile: async_with_permit cannot make the values that the handler gets if the "
        "acquire fails; each type that the operation completes with has to have a default "
        "constructor, or a constructor from the executor of the semaphore or of the "
        "handler, as sockets have");
    using op =
        with_permit_op<handler_type, std::decay_t<Operation>, Executor, Watch, Signatures...>;
    step<op, step_kind::acquired> acquired(
        op::create(std::forward<Handler>(handler), std::forward<Operation>(operation), executor_));
    TURNSTILE_HANDLER_LOCATION((__FILE__, __LINE__, "async_with_permit"));
    std::forward<Acquire>(acquire)(std::move(acquired));
  }

 private:
  Executor executor_;
};

}  // namespace turnstile::inline v1::detail

/// @cond
template <template <typename, typename> class Associator, typename Op,
          turnstile::detail::step_kind Kind, typename Default>
struct boost::asio::associator<Associator, turnstile::detail::step<Op, Kind>, Default>
    : Associator<typename Op::handler_type, Default> {
  using base = Associator<typename Op::handler_type, Default>;
  static auto get(const turnstile::detail::step<Op, Kind>& s) noexcept {
    return base::get(s.handler());
  }
  static auto get(const turnstile::detail::step<Op, Kind>& s, const Default& value) noexcept {
    return base::get(s.handler(), value);
  }
};
/// @endcond

#endif
