// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A coroutine that meets a free permit goes on at once, with use_awaitable. In everything but that it is
// as if it had waited: each case here is one way in which the shortcut could differ.

#define BOOST_TEST_MODULE coroutines
#include "journal.hpp"
#include "support.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <exception>
#include <optional>
#include <thread>

using namespace test;
using asio::awaitable;
using asio::use_awaitable;

namespace {

// Runs a coroutine on ex until it has ended, and passes its exception on.
template <typename Executor, typename Coroutine>
void run(asio::io_context& io, const Executor& ex, Coroutine coroutine) {
  std::exception_ptr problem;
  bool ended = false;
  auto guard = asio::make_work_guard(io);
  asio::co_spawn(ex, std::move(coroutine), [&](std::exception_ptr e) {
    problem = e;
    ended = true;
    guard.reset();
  });
  io.restart();
  io.run();
  BOOST_TEST(ended);
  if (problem) std::rethrow_exception(problem);
}

}  // namespace

// Rule: a coroutine resumes on its own executor. It has moved to another one by hand, as for work that
// would block, and awaits a permit there.
BOOST_AUTO_TEST_CASE(a_coroutine_that_moved_to_a_pool_comes_back_to_its_io_context) {
  asio::io_context io;
  asio::thread_pool pool(1);
  semaphore sem(io, 4);
  run(io, io.get_executor(), [&]() -> awaitable<void> {
    const auto here = [&] { return io.get_executor().running_in_this_thread(); };
    const auto move = [&] { return asio::post(asio::bind_executor(pool, use_awaitable)); };
    for (int i = 0; i != 20; ++i) {
      co_await move();
      BOOST_TEST(!here());
      co_await sem.async_acquire(use_awaitable);
      BOOST_TEST(here());
      sem.release();
      co_await move();
      {
        const permit p = co_await sem.async_acquire_permit(use_awaitable);
      }
      BOOST_TEST(here());
      co_await move();
      {
        const permit p = co_await sem.async_acquire_permit(2);
      }
      BOOST_TEST(here());
      co_await move();
      {
        const permit p = co_await sem.async_acquire_permit_for(std::chrono::hours(1));
      }
      BOOST_TEST(here());
      co_await move();
      auto [ec] = co_await sem.async_acquire(asio::as_tuple(use_awaitable));
      BOOST_TEST((!ec && here()));
      sem.release();
    }
  });
}

template <typename Strand>
void comes_back_to_its_strand(asio::io_context& io, const Strand& strand, semaphore& sem) {
  run(io, strand, [&]() -> awaitable<void> {
    for (int i = 0; i != 20; ++i) {
      BOOST_TEST(strand.running_in_this_thread());
      // On the io_context, beside its strand.
      co_await asio::post(asio::bind_executor(io, use_awaitable));
      BOOST_TEST(!strand.running_in_this_thread());
      const permit p = co_await sem.async_acquire_permit(use_awaitable);
      BOOST_TEST(strand.running_in_this_thread());
    }
  });
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_left_its_strand_comes_back_to_it) {
  asio::io_context io;
  semaphore sem(io, 1);
  comes_back_to_its_strand(io, asio::make_strand(io), sem);
  comes_back_to_its_strand(io, asio::make_strand(asio::any_io_executor(io.get_executor())), sem);
}

BOOST_AUTO_TEST_CASE(a_coroutine_whose_executor_is_not_erased_comes_back_to_it) {
  asio::io_context io;
  asio::thread_pool pool(1);
  using executor = asio::io_context::executor_type;
  turnstile::basic_semaphore<executor> sem(io, 1);
  constexpr asio::use_awaitable_t<executor> token;
  run(io, io.get_executor(), [&]() -> awaitable<void, executor> {
    for (int i = 0; i != 20; ++i) {
      co_await asio::post(asio::bind_executor(pool, token));
      const permit p = co_await sem.async_acquire_permit(token);
      BOOST_TEST(io.get_executor().running_in_this_thread());
    }
  });
}

// Of an executor that cannot tell where it runs, nothing is assumed.
BOOST_AUTO_TEST_CASE(a_coroutine_of_an_unknown_executor_waits_its_turn) {
  asio::io_context io;
  semaphore sem(io, 1);
  std::atomic<bool> done{false};
  std::atomic<bool> on_io{true};
  asio::co_spawn(
      asio::system_executor(),
      [&]() -> awaitable<void> {
        co_await asio::post(asio::bind_executor(io, use_awaitable));
        const permit p = co_await sem.async_acquire_permit(use_awaitable);
        on_io = io.get_executor().running_in_this_thread();
        done = true;
      },
      asio::detached);
  auto guard = asio::make_work_guard(io);
  BOOST_TEST(test::eventually([&] {
    io.poll();
    return done.load();
  }));
  BOOST_TEST(!on_io);
}

BOOST_AUTO_TEST_CASE(a_cancellation_before_the_acquire_does_not_end_it) {
  asio::io_context io;
  for (const bool available : {true, false}) {
    semaphore sem(io, available);
    asio::cancellation_signal signal;
    bool granted = false;
    asio::co_spawn(
        io,
        [&]() -> awaitable<void> {
          co_await asio::this_coro::throw_if_cancelled(false);
          signal.emit(asio::cancellation_type::terminal);
          if (!available) asio::post(io, [&] { sem.release(); });
          const permit p = co_await sem.async_acquire_permit(use_awaitable);
          granted = true;
          const auto state = co_await asio::this_coro::cancellation_state;
          BOOST_TEST((state.cancelled() == asio::cancellation_type::terminal));
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    io.restart();
    io.run();
    BOOST_TEST(granted);
  }
}

BOOST_AUTO_TEST_CASE(throw_if_cancelled_throws_before_anything_is_taken) {
  asio::io_context io;
  for (const bool available : {true, false}) {
    semaphore sem(io, available);
    asio::cancellation_signal signal;
    bool thrown = false;
    asio::co_spawn(
        io,
        [&]() -> awaitable<void> {
          signal.emit(asio::cancellation_type::terminal);
          try {
            co_await sem.async_acquire(use_awaitable);
          } catch (const boost::system::system_error& e) {
            thrown = e.code() == asio::error::operation_aborted;
          }
          co_await asio::this_coro::reset_cancellation_state();
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    io.restart();
    io.run();
    BOOST_TEST(thrown);
    BOOST_TEST(sem.available() == std::size_t(available));
  }
}

// co_spawn runs a coroutine until it first suspends. That is later, but not by much.
BOOST_AUTO_TEST_CASE(co_spawn_inside_a_handler_may_return_after_the_acquire) {
  asio::io_context io;
  semaphore sem(io, 1);
  int inline_acquires = 0;
  bool inside = true;
  asio::post(io, [&] {
    asio::co_spawn(
        io,
        [&]() -> awaitable<void> {
          for (;;) {
            const permit p = co_await sem.async_acquire_permit(use_awaitable);
            if (!inside) co_return;
            ++inline_acquires;
          }
        },
        asio::detached);
    inside = false;
  });
  io.run();
  BOOST_TEST(inline_acquires <= 8);
}

// A chain of coroutines, each started by the one before it, does not use up the stack.
BOOST_AUTO_TEST_CASE(coroutines_that_start_each_other_do_not_nest_without_bound) {
  asio::io_context io;
  semaphore sem(io, 1);
  int depth = 0, deepest = 0, left = 1000;
  std::function<awaitable<void>()> link = [&]() -> awaitable<void> {
    {
      const permit p = co_await sem.async_acquire_permit(use_awaitable);
    }
    deepest = std::max(deepest, ++depth);
    if (--left > 0) asio::co_spawn(io, link, asio::detached);
    --depth;
  };
  asio::co_spawn(io, link, asio::detached);
  io.run();
  BOOST_TEST(left == 0);
  BOOST_TEST(deepest <= 8);
}

// The awaitable refers to the semaphore, and takes nothing before it is awaited.
BOOST_AUTO_TEST_CASE(an_awaitable_that_is_never_awaited_takes_nothing) {
  asio::io_context io;
  std::optional<semaphore> sem(std::in_place, io, 1);
  run(io, io.get_executor(), [&]() -> awaitable<void> {
    {
      auto never = sem->async_acquire_permit(use_awaitable);
      const auto neither = sem->async_acquire_permit();
      (void)neither;
    }
    BOOST_TEST(sem->available() == 1u);
    auto gone = sem->async_acquire(use_awaitable);
    sem.reset();
    co_return;
  });
}

BOOST_AUTO_TEST_CASE(the_default_token_is_awaited) {
  asio::io_context io;
  semaphore sem(io, 1);
  bounded_semaphore bounded(io, 1);
  run(io, io.get_executor(), [&]() -> awaitable<void> {
    co_await sem.async_acquire();
    sem.release();
    const permit p = co_await sem.async_acquire_permit();
    const permit q = co_await bounded.async_acquire_permit(1);
    BOOST_TEST(p.count() + q.count() == 2u);
  });
}

BOOST_AUTO_TEST_CASE(the_default_token_is_that_of_the_executor_if_it_has_one) {
  asio::io_context io;
  using semaphore_type = asio::use_awaitable_t<>::as_default_on_t<semaphore>;
  semaphore_type sem(io, 1);
  static_assert(std::is_same_v<decltype(sem.async_acquire_permit()), awaitable<permit>>);
  run(io, io.get_executor(), [&]() -> awaitable<void> {
    const permit p = co_await sem.async_acquire_permit();
    BOOST_TEST(p.count() == 1u);
  });
}
