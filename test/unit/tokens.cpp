// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Every completion token of Asio works, for what is granted at once and for what waits.

#define BOOST_TEST_MODULE tokens
#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/prepend.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <exception>
#include <future>
#include <memory>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;
using turnstile::semaphore;

namespace {

// Runs a coroutine to its end, which must come; releases one permit when only that goes on.
template <typename Body>
void run(asio::io_context& context, semaphore& sem, Body body) {
  bool done = false;
  asio::co_spawn(context, std::move(body), [&](std::exception_ptr e) {
    done = true;
    if (e) std::rethrow_exception(e);
  });
  context.poll();
  while (!done && sem.waiting() != 0) {
    sem.release();
    context.poll();
  }
  BOOST_TEST(done);
}

// Is told by an initiation which executor it uses.
struct inspecting_token {};

// Has a result that is referred to.
struct counting_token {
  int* count;
};

}  // namespace

// Has names that the library has, too.
namespace other_library {

template <typename T>
struct allocator : std::allocator<T> {
  allocator() = default;
  template <typename U>
  explicit(false) allocator(const allocator<U>&) noexcept {}
};

struct handler {
  int* called;

  explicit(false) operator bool() const { return true; }
  void operator()(error_code ec, auto&&...) const { *called += !ec; }
};

template <typename T>
void allocator_of(const T&) = delete;
template <typename T, typename E, typename Function>
void with_target(const E&, Function&&) = delete;

}  // namespace other_library

template <typename Signature>
struct boost::asio::async_result<inspecting_token, Signature> {
  template <typename Initiation, typename... Args>
  static auto initiate(Initiation&& initiation, inspecting_token, Args&&...) {
    boost::asio::any_io_executor ex;
    if constexpr (requires { typename std::decay_t<Initiation>::executor_type; })
      ex = initiation.get_executor();
    return ex;
  }
};

template <typename Signature>
struct boost::asio::async_result<counting_token, Signature> {
  template <typename Initiation, typename... Args>
  static int& initiate(Initiation&& initiation, counting_token t, Args&&... args) {
    std::forward<Initiation>(initiation)([t](auto&&...) { ++*t.count; },
                                         std::forward<Args>(args)...);
    return *t.count;
  }
};

BOOST_AUTO_TEST_CASE(callbacks) {
  asio::io_context context;
  semaphore sem(context, 2);
  int called = 0;
  auto handler = [&](error_code ec) { called += !ec; };
  const auto constant = handler;
  sem.async_acquire(handler);
  sem.async_acquire(constant);
  sem.async_acquire(std::move(handler));
  sem.async_acquire(1, constant);
  sem.async_acquire_permit([&](error_code ec, permit p) { called += !ec && p.count() == 1; });
  sem.async_acquire_permit(2, [&](error_code ec, permit&& p) { called += !ec && p.count() == 2; });
  sem.async_acquire_permit([&](const error_code& ec, const permit& p) { called += !ec && p; });
  sem.release(6);
  context.run();
  BOOST_TEST(called == 7);
  BOOST_TEST(sem.available() == 4u);  // what the permits gave back
}

BOOST_AUTO_TEST_CASE(callbacks_that_cannot_be_copied) {
  asio::io_context context;
  semaphore sem(context, 2);
  int called = 0;
  auto handler = [&] {
    return [&, unique = std::make_unique<int>(1)](error_code ec, auto&&...) {
      if (!ec) called += *unique;
    };
  };
  sem.async_acquire(handler());
  sem.async_acquire_permit(handler());
  sem.async_acquire(handler());
  sem.async_acquire_permit(handler());
  sem.release(2);
  context.run();
  BOOST_TEST(called == 4);
}

// Which makes it a number, as well; but it is the handler that is meant.
BOOST_AUTO_TEST_CASE(callbacks_that_are_convertible_to_bool) {
  asio::io_context context;
  semaphore sem(context, 2);
  int called = 0;
  other_library::handler handler{&called};
  sem.async_acquire(handler);
  sem.async_acquire_permit(other_library::handler{&called});
  sem.async_acquire(1, handler);
  sem.async_acquire(asio::bind_executor(
      asio::prefer(context.get_executor(),
                   asio::execution::allocator(other_library::allocator<void>())),
      handler));
  sem.release(2);
  context.run();
  BOOST_TEST(called == 4);
}

BOOST_AUTO_TEST_CASE(a_result_may_be_a_reference) {
  asio::io_context context;
  semaphore sem(context, 2);
  int count = 0;
  BOOST_TEST(&sem.async_acquire(counting_token{&count}) == &count);
  BOOST_TEST(&sem.async_acquire_permit(counting_token{&count}) == &count);
  context.run();
  BOOST_TEST(count == 2);
}

BOOST_AUTO_TEST_CASE(use_future) {
  asio::io_context context;
  semaphore sem(context, 1);
  std::future<void> first = sem.async_acquire(asio::use_future);
  std::future<permit> second = sem.async_acquire_permit(asio::use_future);
  std::future<void> third = sem.async_acquire(2, asio::use_future);
  std::future<int> fourth =
      sem.async_acquire(asio::use_future([](error_code ec) { return ec ? -1 : 1; }));
  sem.release();
  // As with Asio's own operations, it is the context that completes them.
  BOOST_TEST((first.wait_for(std::chrono::milliseconds(0)) == std::future_status::timeout));
  context.poll();
  BOOST_TEST((first.wait_for(std::chrono::milliseconds(0)) == std::future_status::ready));
  first.get();
  BOOST_TEST(second.get().count() == 1u);
  sem.cancel();
  context.run();
  BOOST_CHECK_EXCEPTION(third.get(), boost::system::system_error,
                        [](const auto& e) { return e.code() == asio::error::operation_aborted; });
  BOOST_TEST(fourth.get() == -1);
}

BOOST_AUTO_TEST_CASE(use_awaitable) {
  asio::io_context context;
  semaphore sem(context, 1);
  run(context, sem, [&]() -> asio::awaitable<void> {
    co_await sem.async_acquire(asio::use_awaitable);
    co_await sem.async_acquire(2, asio::use_awaitable);  // waits
    permit p = co_await sem.async_acquire_permit(asio::use_awaitable);
    BOOST_TEST(p.count() == 1u);
  });
  BOOST_TEST(sem.available() == 1u);
}

// It has nothing to wait for, and no reason to give its thread away.
BOOST_AUTO_TEST_CASE(a_coroutine_that_meets_permits_goes_on) {
  asio::io_context context;
  semaphore sem(context, 2);
  int rounds = 0;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        for (; rounds != 10; ++rounds) {
          const permit p = co_await sem.async_acquire_permit(asio::use_awaitable);
          BOOST_TEST(p.count() == 1u);
          BOOST_TEST(sem.available() == 1u);
          co_await sem.async_acquire(asio::use_awaitable);
          BOOST_TEST(sem.available() == 0u);
          sem.release();
        }
      },
      asio::detached);
  BOOST_TEST(rounds == 0);
  std::size_t turns = 0;
  while (rounds != 10) turns += context.poll_one();
  BOOST_TEST(turns <= 1u + 20 / 8 + 1);
  BOOST_TEST(sem.available() == 2u);
}

// But for ever it does not.
BOOST_AUTO_TEST_CASE(a_coroutine_that_never_waits_gives_others_their_turn) {
  const test::watchdog dog;
  asio::io_context context;
  semaphore sem(context, 1);
  bool done = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        while (!done) const permit p = co_await sem.async_acquire_permit(asio::use_awaitable);
      },
      asio::detached);
  asio::post(context, [&] { done = true; });
  context.run();
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(every_8th_time_it_takes_its_turn) {
  asio::io_context context;
  semaphore sem(context, 1);
  std::vector<int> acquired(1);  // in each turn
  bool done = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        for (int i = 0; i != 8 * 4; ++i) {
          const permit p = co_await sem.async_acquire_permit(asio::use_awaitable);
          ++acquired.back();
        }
        done = true;
      },
      asio::detached);
  while (!done) {
    context.run_one();
    acquired.push_back(0);
  }
  // The count of the thread began elsewhere, and the last turn was cut short.
  for (std::size_t i = 2; i + 2 < acquired.size(); ++i) BOOST_TEST(acquired[i] == 8);
  BOOST_TEST(acquired.size() >= 5u);
}

// Nothing is taken before co_await: by then there may be nothing left.
BOOST_AUTO_TEST_CASE(a_coroutine_that_is_not_awaited_takes_nothing) {
  asio::io_context context;
  semaphore sem(context, 1);
  int acquired = 0;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        {
          auto never = sem.async_acquire(asio::use_awaitable);
        }
        BOOST_TEST(sem.available() == 1u);
        auto first = sem.async_acquire(asio::use_awaitable);
        auto second = sem.async_acquire_permit(asio::use_awaitable);
        co_await std::move(first);
        ++acquired;
        const permit p = co_await std::move(second);
        ++acquired;
      },
      asio::detached);
  context.poll();
  BOOST_TEST(acquired == 1);
  BOOST_TEST(sem.waiting() == 1u);
  sem.release();
  context.poll();
  BOOST_TEST(acquired == 2);
  BOOST_TEST(sem.available() == 1u);
}

// An error_code of another library's type would be a value of the coroutine, not an exception.
BOOST_AUTO_TEST_CASE(a_cancelled_coroutine_throws) {
  asio::io_context context;
  semaphore sem(context, 0);
  asio::cancellation_signal signal;
  error_code seen;
  bool went_on = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        co_await sem.async_acquire(asio::use_awaitable);
        went_on = true;
      },
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) {
        try {
          if (e) std::rethrow_exception(e);
        } catch (const boost::system::system_error& error) {
          seen = error.code();
        }
      }));
  context.poll();
  BOOST_TEST(sem.waiting() == 1u);
  signal.emit(asio::cancellation_type::terminal);
  context.run();
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(seen == asio::error::operation_aborted);
  BOOST_TEST(!went_on);
}

BOOST_AUTO_TEST_CASE(as_tuple) {
  asio::io_context context;
  semaphore sem(context, 1);
  run(context, sem, [&]() -> asio::awaitable<void> {
    auto [ec] = co_await sem.async_acquire(asio::as_tuple(asio::use_awaitable));
    BOOST_TEST(!ec);
    auto [ec1, p] = co_await sem.async_acquire_permit(asio::as_tuple(asio::use_awaitable));
    BOOST_TEST(!ec1);
    BOOST_TEST(p.count() == 1u);
    sem.close();
    auto [ec2, none] = co_await sem.async_acquire_permit(asio::as_tuple(asio::use_awaitable));
    BOOST_TEST((ec2 == errc::closed));
    BOOST_TEST(!none);
  });
}

BOOST_AUTO_TEST_CASE(redirect_error) {
  asio::io_context context;
  semaphore sem(context, 1);
  run(context, sem, [&]() -> asio::awaitable<void> {
    error_code ec = errc::closed;
    co_await sem.async_acquire(asio::redirect_error(asio::use_awaitable, ec));
    BOOST_TEST(!ec);
    permit p = co_await sem.async_acquire_permit(asio::redirect_error(asio::use_awaitable, ec));
    BOOST_TEST(p.count() == 1u);
    sem.close();
    p = co_await sem.async_acquire_permit(asio::redirect_error(asio::use_awaitable, ec));
    BOOST_TEST((ec == errc::closed));
    BOOST_TEST(!p);
  });
}

BOOST_AUTO_TEST_CASE(deferred) {
  asio::io_context context;
  semaphore sem(context, 1);
  auto acquire = sem.async_acquire(asio::deferred);
  auto acquire_permit = sem.async_acquire_permit(asio::deferred);
  static_assert(
      std::same_as<asio::completion_signature_of<decltype(acquire)>::type, void(error_code)>);
  static_assert(std::same_as<asio::completion_signature_of<decltype(acquire_permit)>::type,
                             void(error_code, permit)>);
  BOOST_TEST(sem.available() == 1u);  // nothing has been started
  int called = 0;
  std::move(acquire)([&](error_code ec) { called += !ec; });
  BOOST_TEST(sem.available() == 0u);
  std::move(acquire_permit)([&](error_code ec, permit p) { called += !ec && p; });
  BOOST_TEST(sem.waiting() == 1u);
  sem.release();
  context.run();
  BOOST_TEST(called == 2);
}

BOOST_AUTO_TEST_CASE(deferred_one_after_the_other) {
  asio::io_context context;
  semaphore first(context, 1), second(context, 0);
  bool called = false;
  first.async_acquire(asio::deferred([&](error_code) {
    return second.async_acquire(asio::deferred);
  }))([&](error_code ec) { called = !ec; });
  context.poll();
  BOOST_TEST(second.waiting() == 1u);
  second.release();
  context.restart();
  context.run();
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(detached) {
  asio::io_context context;
  semaphore sem(context, 1);
  sem.async_acquire(asio::detached);
  sem.async_acquire(asio::detached);
  sem.async_acquire_permit(asio::detached);
  sem.release();
  sem.release();
  context.run();
  BOOST_TEST(sem.available() == 1u);  // the permit gave itself back, the others did not
}

#if !defined(WITHOUT_BOOST_CONTEXT)
BOOST_AUTO_TEST_CASE(yield_context) {
  asio::io_context context;
  semaphore sem(context, 1);
  bool done = false;
  asio::spawn(
      context,
      [&](asio::yield_context yield) {
        sem.async_acquire(yield);
        permit p = sem.async_acquire_permit(yield);  // waits
        BOOST_TEST(p.count() == 1u);
        error_code ec;
        sem.async_acquire(2, yield[ec]);  // waits, and is aborted
        BOOST_TEST(ec == asio::error::operation_aborted);
        sem.close();  // not without an ec: sanitizers cannot follow exceptions on this stack
        p = sem.async_acquire_permit(yield[ec]);
        BOOST_TEST((ec == errc::closed && !p));
        done = true;
      },
      asio::detached);
  context.poll();
  sem.release();
  context.poll();
  sem.cancel();
  context.run();
  BOOST_TEST(done);
}
#endif

BOOST_AUTO_TEST_CASE(bound_tokens) {
  asio::io_context context, other;
  semaphore sem(context, 1);
  asio::cancellation_signal signal;
  int called = 0;
  auto bound = asio::bind_cancellation_slot(
      signal.slot(), asio::bind_allocator(std::allocator<void>(),
                                          asio::bind_executor(other, [&](error_code ec, auto&&...) {
                                            called += ec ? 100 : 1;
                                          })));
  sem.async_acquire(bound);
  sem.async_acquire_permit(bound);
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(context.poll() == 0u);
  other.run();
  BOOST_TEST(called == 101);
  std::future<void> future = sem.async_acquire(asio::bind_executor(other, asio::use_future));
  sem.release();
  other.restart();
  other.run();
  future.get();
}

BOOST_AUTO_TEST_CASE(adapters_that_add_and_pack) {
  asio::io_context context;
  semaphore sem(context, 1);
  int sum = 0;
  auto acquire = [&] {
    sem.async_acquire(asio::append([&](error_code, int n) { sum += n; }, 1));
    sem.async_acquire_permit(asio::prepend([&](int n, error_code, permit) { sum += n; }, 10));
    sem.async_acquire(asio::consign([&](error_code) { sum += 100; }, std::make_unique<int>()));
  };
  acquire();
  sem.release(2);
  context.run();
  BOOST_TEST(sum == 111);
}

BOOST_AUTO_TEST_CASE(use_promise) {
  using asio::experimental::use_promise;
  asio::io_context context;
  semaphore sem(context, 1);
  auto first = sem.async_acquire(use_promise);
  auto second = sem.async_acquire_permit(use_promise);
  BOOST_TEST(sem.available() == 0u);  // started at once
  BOOST_TEST(sem.waiting() == 1u);
  int called = 0;
  first([&](error_code ec) { called += !ec; });
  context.poll();
  sem.release();
  context.poll();
  BOOST_TEST(second.completed());  // up to Boost 1.81, a promise that waits moves its result twice
  second([&](error_code ec, permit p) { called += !ec && p; });
  context.restart();
  context.run();
  BOOST_TEST(called == 2);
  {
    BOOST_TEST(sem.try_acquire());
    auto dropped = sem.async_acquire(use_promise);  // cancelled when it is destroyed
    BOOST_TEST(sem.waiting() == 1u);
  }
  context.restart();
  context.run();
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(any_completion_handler) {
  asio::io_context context;
  semaphore sem(context, 1);
  int called = 0;
  auto start = [&](asio::any_completion_handler<void(error_code)> handler) {
    sem.async_acquire(std::move(handler));
  };
  auto start_permit = [&](asio::any_completion_handler<void(error_code, permit)> handler) {
    sem.async_acquire_permit(std::move(handler));
  };
  asio::cancellation_signal signal;
  start([&](error_code ec) { called += !ec; });
  start([&](error_code ec) { called += !ec; });
  start_permit([&](error_code ec, permit p) { called += !ec && p; });
  start(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) { called += !!ec; }));
  signal.emit(asio::cancellation_type::partial);
  sem.release(2);
  for (int i = 0; i != 3; ++i) {
    context.restart();
    context.poll();
  }
  BOOST_TEST(called == 4);
  BOOST_TEST(context.stopped());  // no work left
}

BOOST_AUTO_TEST_CASE(parallel_group) {
  using namespace asio::experimental;
  asio::io_context context;
  semaphore first(context, 0), second(context, 0);
  std::array<std::size_t, 2> order{};
  error_code ec0, ec1;
  permit held;
  make_parallel_group(first.async_acquire(asio::deferred),
                      second.async_acquire_permit(asio::deferred))
      .async_wait(wait_for_one(),
                  [&](std::array<std::size_t, 2> o, error_code e0, error_code e1, permit p) {
                    order = o;
                    ec0 = e0;
                    ec1 = e1;
                    held = std::move(p);
                  });
  context.poll();
  BOOST_TEST(first.waiting() == 1u);
  second.release();
  context.poll();
  BOOST_TEST((order == std::array<std::size_t, 2>{1, 0}));
  BOOST_TEST(ec0 == asio::error::operation_aborted);
  BOOST_TEST(!ec1);
  BOOST_TEST(held.count() == 1u);
  BOOST_TEST(first.waiting() == 0u);  // the loser was cancelled
}

// Whose handlers' executor is the system's, where the last names none.
BOOST_AUTO_TEST_CASE(parallel_group_on_the_threads_of_its_program) {
  using namespace asio::experimental;
  asio::io_context context;
  semaphore sem(context, 1);
  std::vector<std::thread::id> where;
  auto group = [&] {
    make_parallel_group(sem.async_acquire(asio::deferred), sem.async_acquire(asio::deferred))
        .async_wait(wait_for_all(),
                    [&](auto&&...) { where.push_back(std::this_thread::get_id()); });
  };
  group();
  sem.release();
  group();
  sem.cancel();
  BOOST_TEST(where.empty());
  context.poll();
  BOOST_TEST(where.size() == 2u);
  for (const auto id : where) BOOST_TEST((id == std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(either_of_two_awaitables) {
  asio::io_context context;
  semaphore sem(context, 0);
  asio::steady_timer never(context, asio::steady_timer::time_point::max());
  bool expired = false, done = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        // The timer's turn: the acquire is cancelled.
        asio::steady_timer now(context, asio::steady_timer::time_point::min());
        auto timed_out = co_await (sem.async_acquire_permit(asio::use_awaitable) ||
                                   now.async_wait(asio::use_awaitable));
        BOOST_TEST(timed_out.index() == 1u);
        BOOST_TEST(sem.waiting() == 0u);
        expired = true;
        // The acquire's turn.
        auto granted = co_await (sem.async_acquire_permit(asio::use_awaitable) ||
                                 never.async_wait(asio::use_awaitable));
        BOOST_TEST(granted.index() == 0u);
        BOOST_TEST(std::get<0>(granted).count() == 1u);
        done = true;
      },
      asio::detached);
  // On Windows, another thread looks after the timers.
  BOOST_TEST(test::eventually([&] { return context.poll(), expired; }));
  BOOST_TEST(sem.waiting() == 1u);
  sem.release();
  context.poll();
  BOOST_TEST(done);
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(both_of_two_awaitables) {
  asio::io_context context;
  semaphore sem(context, 1), other(context, 0);
  run(context, other, [&]() -> asio::awaitable<void> {
    auto [a, b] = co_await (sem.async_acquire_permit(asio::use_awaitable) &&
                            other.async_acquire_permit(asio::use_awaitable));
    BOOST_TEST(a.count() + b.count() == 2u);
    co_await (sem.async_acquire(0, asio::use_awaitable) &&
              other.async_acquire(0, asio::use_awaitable));
  });
}

BOOST_AUTO_TEST_CASE(tokens_by_default) {
  asio::io_context context;
  using awaited = asio::use_awaitable_t<>::as_default_on_t<semaphore>;
  using tuple_awaited = asio::as_tuple_t<asio::use_awaitable_t<>>::as_default_on_t<semaphore>;
  using deferred_bounded = asio::deferred_t::as_default_on_t<turnstile::bounded_semaphore>;
  awaited sem(context, 5);
  tuple_awaited tuples(context.get_executor(), 2);
  deferred_bounded bounded(context, 1);
  auto made = asio::use_awaitable.as_default_on(semaphore(context, 1));
  bool done = false;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        co_await sem.async_acquire();
        co_await sem.async_acquire(2);
        permit one = co_await sem.async_acquire_permit();
        permit rest = co_await sem.async_acquire_permit(1);
        BOOST_TEST(sem.available() == 0u);
        auto [ec] = co_await tuples.async_acquire();
        auto [ec1, p] = co_await tuples.async_acquire_permit();
        BOOST_TEST((!ec && !ec1 && p));
        co_await bounded.async_acquire();
        co_await made.async_acquire();
        done = true;
      },
      asio::detached);
  context.run();
  BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(other_executors) {
  using strand = asio::strand<asio::io_context::executor_type>;
  static_assert(
      std::same_as<semaphore::rebind_executor<strand>::other, turnstile::basic_semaphore<strand>>);
  static_assert(std::same_as<turnstile::bounded_semaphore::rebind_executor<strand>::other,
                             turnstile::basic_bounded_semaphore<strand>>);
  asio::io_context context;
  semaphore::rebind_executor<strand>::other sem(asio::make_strand(context), 1);
  bool called = false;
  sem.async_acquire([&](error_code) { called = sem.get_executor().running_in_this_thread(); });
  context.run();
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(an_initiation_names_its_executor) {
  asio::io_context context;
  semaphore sem(context, 1);
  BOOST_TEST((sem.async_acquire(inspecting_token()) == sem.get_executor()));
  BOOST_TEST((sem.async_acquire_permit(2, inspecting_token()) == sem.get_executor()));
}

#if BOOST_VERSION >= 108200

BOOST_AUTO_TEST_CASE(immediate_executors) {
  asio::io_context context;
  semaphore sem(context, 1);
  bool called = false;
  sem.async_acquire(
      asio::bind_immediate_executor(asio::system_executor(), [&](error_code) { called = true; }));
  BOOST_TEST(called);
}

#endif

#if BOOST_VERSION >= 108600

BOOST_AUTO_TEST_CASE(timeouts) {
  using namespace std::chrono_literals;
  asio::io_context context;
  semaphore sem(context, 0);
  error_code after, at, awaited, granted = errc::closed;
  sem.async_acquire(asio::cancel_after(1ns, [&](error_code ec) { after = ec; }));
  sem.async_acquire_permit(
      asio::cancel_at(std::chrono::steady_clock::now(), [&](error_code ec, permit) { at = ec; }));
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        std::tie(awaited) = co_await sem.async_acquire(asio::cancel_after(1ns, asio::as_tuple));
      },
      asio::detached);
  context.run();
  BOOST_TEST(after == asio::error::operation_aborted);
  BOOST_TEST(at == asio::error::operation_aborted);
  BOOST_TEST(awaited == asio::error::operation_aborted);
  BOOST_TEST(sem.waiting() == 0u);
  sem.async_acquire(asio::cancel_after(24h, [&](error_code ec) { granted = ec; }));
  sem.release();
  context.restart();
  context.run();  // the timer does not outlast the acquire
  BOOST_TEST(!granted);
}

#endif
