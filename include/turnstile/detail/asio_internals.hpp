// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_ASIO_INTERNALS_HPP
#define TURNSTILE_DETAIL_ASIO_INTERNALS_HPP

// All that depends on what is not public in Asio. It is the same in every version that the matrix tests. If a
// later version changes it, define TURNSTILE_NO_ASIO_INTERNALS, the same in all of a program: then waits
// on an io_context or a thread_pool are posted like those on any other executor, which allocates memory
// and takes longer (test/bench), the header of futures is included, and Asio's handler tracking does not know
// acquires.

#include <turnstile/detail/config.hpp>

#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#if defined(TURNSTILE_NO_ASIO_INTERNALS)
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/use_future.hpp>
#endif

#include <cstddef>
#include <type_traits>
#include <utility>

// Since Boost 1.91, Asio may have an inline namespace, also for what is public and declared here so that a
// program that does not use coroutines need not include their headers.
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

namespace asio = boost::asio;

// What runs the functions of E, if that is Asio's scheduler.
template <typename E>
struct scheduler_of {
  using type = void;
};
template <typename E>
constexpr bool is_scheduled = !std::is_void_v<typename scheduler_of<E>::type>;

// Whether E is the executor of a future.
template <typename E>
constexpr bool is_future_executor = false;

}  // namespace turnstile::inline v1::detail

#if !defined(TURNSTILE_NO_ASIO_INTERNALS)

#include <boost/asio/detail/handler_tracking.hpp>

namespace turnstile::inline v1::detail {

// The same, except on Windows.
using io_context_scheduler = asio::detail::io_context_impl;
using thread_pool_scheduler = asio::detail::scheduler;

template <typename A, auto Bits>
struct scheduler_of<asio::io_context::basic_executor_type<A, Bits>> {
  using type = io_context_scheduler;
};
template <typename A, auto Bits>
struct scheduler_of<asio::thread_pool::basic_executor_type<A, Bits>> {
  using type = thread_pool_scheduler;
};

template <typename T, typename Blocking>
constexpr bool is_future_executor<asio::detail::promise_executor<T, Blocking>> = true;

// Finds the scheduler of a context. That of an io_context is at hand. That of a thread_pool is looked up under a
// mutex: once for the context that this object was made with, and at each call for another context.
class scheduler_finder {
 public:
  explicit scheduler_finder(asio::execution_context& context)
      : context_(&context),
        scheduler_(asio::has_service<thread_pool_scheduler>(context)
                       ? &asio::use_service<thread_pool_scheduler>(context)
                       : nullptr) {}

  static io_context_scheduler& find(asio::io_context& context) {
    return asio::use_service<io_context_scheduler>(context);
  }
  thread_pool_scheduler& find(asio::execution_context& context) const {
    if (scheduler_ && context_ == &context) return *scheduler_;
    return asio::use_service<thread_pool_scheduler>(context);
  }

 private:
  asio::execution_context* const context_;
  thread_pool_scheduler* const scheduler_;  // null if the context has none
};

// Makes the service of strands, if it is not there yet.
inline void make_strand_service(asio::execution_context& context) {
  asio::use_service<asio::detail::strand_executor_service>(context);
}

// What a Scheduler has a queue of.
template <typename Scheduler>
using scheduler_operation =
    std::conditional_t<std::is_same_v<Scheduler, io_context_scheduler>, asio::detail::operation,
                       asio::detail::scheduler_operation>;

// The base of an Operation that is run by Asio's scheduler, as the operations of Asio's own I/O objects
// are: it is itself an element of the scheduler's queue. So a release allocates nothing, and does not fail if
// memory is exhausted. The operation counts as outstanding work until it has been run or destroyed.
template <typename Operation, typename Scheduler>
class scheduled : public scheduler_operation<Scheduler> {
  using operation = scheduler_operation<Scheduler>;

 protected:
  explicit scheduled(Scheduler& s) : operation(&run), scheduler_(&s) { s.work_started(); }
  scheduled(const scheduled&) = delete;
  scheduled& operator=(const scheduled&) = delete;
  ~scheduled() {
    if (scheduler_) scheduler_->work_finished();
  }

  Scheduler* get_scheduler() const noexcept { return scheduler_; }

  // From here on *this belongs to the scheduler, with the work that it counts as, and may be gone.
  void schedule() noexcept { std::exchange(scheduler_, nullptr)->post_deferred_completion(this); }
  // The same, when it has been run: the scheduler counts it as work anew.
  void schedule_again(Scheduler& s) noexcept { s.post_immediate_completion(this, false); }

 private:
  // Without an owner, the operation is to be destroyed.
  static void run(void* owner, operation* base, const boost::system::error_code&, std::size_t) {
    auto& op = static_cast<Operation&>(static_cast<scheduled&>(*base));
    if (owner)
      op.call();
    else
      op.discard();
  }

  Scheduler* scheduler_;
};

// What Asio's handler tracking knows an acquire by. It is empty, and the macros do nothing, unless
// BOOST_ASIO_ENABLE_HANDLER_TRACKING is defined.
struct tracking BOOST_ASIO_INHERIT_TRACKED_HANDLER{};

}  // namespace turnstile::inline v1::detail

#define TURNSTILE_HANDLER_CREATION(args) BOOST_ASIO_HANDLER_CREATION(args)
#define TURNSTILE_HANDLER_COMPLETION(args) BOOST_ASIO_HANDLER_COMPLETION(args)
#define TURNSTILE_HANDLER_INVOCATION_BEGIN(args) BOOST_ASIO_HANDLER_INVOCATION_BEGIN(args)
#define TURNSTILE_HANDLER_INVOCATION_END BOOST_ASIO_HANDLER_INVOCATION_END
#define TURNSTILE_HANDLER_OPERATION(args) BOOST_ASIO_HANDLER_OPERATION(args)
#define TURNSTILE_HANDLER_LOCATION(args) BOOST_ASIO_HANDLER_LOCATION(args)

#else

namespace turnstile::inline v1::detail {

// The executors of all futures are of one template.
template <typename E, typename Other>
constexpr bool is_same_template = false;
template <template <typename, typename> class Template, typename... Ts, typename... Us>
constexpr bool is_same_template<Template<Ts...>, Template<Us...>> = true;

using handler_of_a_future =
    asio::async_result<asio::use_future_t<>, void()>::completion_handler_type;

template <typename E>
  requires is_same_template<E, asio::associated_executor_t<handler_of_a_future>>
constexpr bool is_future_executor<E> = true;

class scheduler_finder {
 public:
  explicit scheduler_finder(asio::execution_context&) noexcept {}
  template <typename Context>
  void find(Context&) const;  // never called
};

// Just enough of an executor to make a strand of.
struct context_only {
  asio::execution_context* context;

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }
  template <typename Function>
  void execute(Function&&) const {}
  bool operator==(const context_only&) const = default;
};

inline void make_strand_service(asio::execution_context& context) {
  const asio::strand<context_only> s(context_only{&context});
}

template <typename Operation, typename Scheduler>
class scheduled {};  // of no operation

struct tracking {};

}  // namespace turnstile::inline v1::detail

#define TURNSTILE_HANDLER_CREATION(args) (void)0
#define TURNSTILE_HANDLER_COMPLETION(args) (void)0
#define TURNSTILE_HANDLER_INVOCATION_BEGIN(args) (void)0
#define TURNSTILE_HANDLER_INVOCATION_END (void)0
#define TURNSTILE_HANDLER_OPERATION(args) (void)0
#define TURNSTILE_HANDLER_LOCATION(args) (void)0

#endif

#endif
