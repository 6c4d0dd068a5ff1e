// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_HANDLER_EXECUTOR_HPP
#define TURNSTILE_DETAIL_HANDLER_EXECUTOR_HPP

// The executors and allocators that completions are posted with.

#include <turnstile/detail/asio_internals.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

// Whether E names no place to run: the system's executor, which Asio's parallel groups use if the final handler
// has no executor of its own, and the executor of Asio's futures.
template <typename E>
constexpr bool runs_anywhere = is_future_executor<E>;
template <typename... Ts>
constexpr bool runs_anywhere<asio::basic_system_executor<Ts...>> = true;

// Whether to post to E directly. Otherwise the completion is posted to the semaphore's executor and passed on
// from there, as Asio's own operations do it. any_completion_executor cannot promise not to call the function
// inside execute(). And a handler that may run anywhere should run on a thread of the program, not on one that
// the system's executor starts.
template <typename E, typename SemaphoreExecutor>
constexpr bool can_post = [] {
  if constexpr (asio::execution::is_executor<E>::value)
    return asio::can_require_v<E, asio::execution::blocking_t::never_t> &&
           (!runs_anywhere<E> || std::is_same_v<E, SemaphoreExecutor>);
  else
    return true;
}();

// Calls f with ex; or, if ex is an any_io_executor that holds an executor of the expected type, as those of
// coroutines do, with that executor: through any_io_executor a hand-off would cost nearly twice as much.
template <typename SemaphoreExecutor, typename E, typename Function>
void with_target(const E& ex, Function&& f) {
  if constexpr (std::is_same_v<E, asio::any_io_executor>) {
    using expected = std::conditional_t<std::is_same_v<SemaphoreExecutor, E>,
                                        asio::io_context::executor_type, SemaphoreExecutor>;
    if (const expected* const target = ex.template target<expected>()) return f(*target);
  }
  f(ex);
}

// Whether both are known to be the same, also if b is an any_io_executor that holds a.
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

template <typename E>
asio::execution_context& context_of(const E& ex) {
  if constexpr (asio::execution::is_executor<E>::value)
    return asio::query(ex, asio::execution::context);
  else
    return ex.context();
}

// Whether both are known to be of the same context.
template <typename E1, typename E2>
bool same_context(const E1& a, const E2& b) {
  if constexpr (requires {
                  { detail::context_of(a) };
                  { detail::context_of(b) };
                })
    return &detail::context_of(a) == &detail::context_of(b);
  else
    return false;
}

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

template <typename E, typename Function, typename Allocator>
void post(const E& ex, Function&& f, const Allocator& allocator) {
  if constexpr (asio::execution::is_executor<E>::value)
    asio::prefer(asio::require(ex, asio::execution::blocking.never),
                 asio::execution::relationship.fork, asio::execution::allocator(allocator))
        .execute(std::forward<Function>(f));
  else
    ex.post(std::forward<Function>(f), allocator);
}

// Keeps the context of an executor from running out of work, and gives the executor back.
template <typename E>
class work {
 public:
  explicit work(const E& ex)
      : executor_(asio::prefer(ex, asio::execution::outstanding_work.tracked)) {}
  auto executor() const {
    return asio::prefer(executor_, asio::execution::outstanding_work.untracked);
  }

 private:
  using tracked = asio::prefer_result<E, asio::execution::outstanding_work_t::tracked_t>;
  std::decay_t<typename tracked::type> executor_;
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

}  // namespace turnstile::inline v1::detail

#endif
