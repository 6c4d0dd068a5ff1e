// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Timed acquires: a time-out ends a wait as a cancellation does, with another error, on every executor.

#define BOOST_TEST_MODULE timed
#include "context_executor.hpp"
#include "journal.hpp"
#include "support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace test;
using namespace std::chrono_literals;
using asio::cancellation_type;
using clock_type = std::chrono::steady_clock;

namespace {

struct fixture : journal {
  semaphore sem{io, 0};

  // Runs until all is done, the timers included.
  std::string run() {
    io.restart();
    io.run();
    return read();
  }
};

constexpr auto long_enough = std::chrono::hours(24 * 365);

}  // namespace

BOOST_AUTO_TEST_CASE(timed_out_is_the_generic_error) {
  const error_code ec = errc::timed_out;
  BOOST_TEST(static_cast<int>(errc::timed_out) == 5);
  BOOST_TEST((ec == boost::system::errc::timed_out));
  BOOST_TEST((ec.category() == turnstile::error_category()));
  BOOST_TEST(ec.category().name() == "turnstile");
  BOOST_TEST((error_code(errc::closed) != boost::system::errc::timed_out));
  BOOST_TEST(ec.message() == "No permit was granted in time");
}

BOOST_FIXTURE_TEST_SUITE(one_acquire, fixture)

BOOST_AUTO_TEST_CASE(a_timed_acquire_times_out_when_its_time_has_passed_and_not_before) {
  const auto start = clock_type::now();
  sem.async_acquire_for(20ms, (*this)("a"));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(poll() == "");
  BOOST_TEST(run() == "a!timed out");
  BOOST_TEST((clock_type::now() - start >= 20ms));
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_that_times_out_takes_nothing) {
  sem.release();
  sem.async_acquire_permit_for(1ms, 2, (*this)("a"));
  BOOST_TEST(run() == "a!timed out");
  BOOST_TEST(held.empty());
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_gets_a_free_permit_without_a_timer) {
  sem.release(3);
  sem.async_acquire_for(long_enough, (*this)("a"));
  sem.async_acquire_permit_for(long_enough, 2, (*this)("b"));
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "a b");
  BOOST_TEST(io.stopped());  // no timer is left
  BOOST_TEST(held["b"].count() == 2u);
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_that_was_granted_leaves_no_timer_behind) {
  sem.async_acquire_for(long_enough, (*this)("a"));
  sem.async_acquire_permit_for(long_enough, (*this)("b"));
  sem.release(2);
  BOOST_TEST(run() == "a b");  // else this would run for a year
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_without_time_does_not_wait) {
  for (const auto patience :
       {clock_type::duration(0), clock_type::duration(-1), clock_type::duration::min()}) {
    sem.async_acquire_for(patience, (*this)("a"));
    BOOST_TEST(sem.waiting() == 0u);
    BOOST_TEST(read() == "");
    BOOST_TEST(poll() == "a!timed out");
    sem.release();
    sem.async_acquire_permit_for(patience, (*this)("b"));
    BOOST_TEST(poll() == "b");
    BOOST_TEST(held.erase("b") == 1u);
    BOOST_TEST(sem.try_acquire());
  }
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_without_time_does_not_overtake) {
  sem.release();
  sem.async_acquire(2, (*this)("a"));
  sem.async_acquire_for(0ms, (*this)("b"));
  BOOST_TEST(poll() == "b!timed out");
  sem.release();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_may_wait_for_the_longest_duration) {
  sem.async_acquire_for(clock_type::duration::max(), (*this)("a"));
  BOOST_TEST(poll() == "");
  sem.release();
  BOOST_TEST(run() == "a");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_fails_as_others_do) {
  bounded_semaphore bounded(io, 0, 2);
  bounded.async_acquire_for(long_enough, 3, (*this)("a"));
  BOOST_TEST(poll() == "a!exceeds");
  bounded.async_acquire_for(long_enough, (*this)("b"));
  bounded.cancel();
  BOOST_TEST(run() == "b!aborted");
  bounded.async_acquire_for(long_enough, 2, (*this)("c"));
  bounded.set_limit(1);
  BOOST_TEST(run() == "c!exceeds");
  bounded.async_acquire_for(long_enough, (*this)("d"));
  bounded.close();
  bounded.async_acquire_for(0ms, (*this)("e"));
  BOOST_TEST(run() == "d!closed e!closed");
  {
    semaphore gone(io, 0);
    gone.async_acquire_permit_for(long_enough, (*this)("f"));
  }
  BOOST_TEST(run() == "f!aborted");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_of_zero_permits_is_granted) {
  sem.async_acquire(1, (*this)("a"));
  sem.async_acquire_for(0ms, 0, (*this)("b"));
  sem.async_acquire_permit_for(long_enough, 0, (*this)("c"));
  BOOST_TEST(poll() == "b c");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_that_times_out_lets_those_behind_it_go) {
  sem.release(2);
  sem.async_acquire_for(1ms, 3, (*this)("a"));
  sem.async_acquire(2, (*this)("b"));
  BOOST_TEST(run() == "a!timed out b");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_can_be_cancelled_by_its_slot) {
  asio::cancellation_signal signal;
  sem.async_acquire_for(long_enough, asio::bind_cancellation_slot(signal.slot(), (*this)("a")));
  signal.emit(cancellation_type::partial);
  BOOST_TEST(run() == "a!aborted");
  sem.async_acquire_for(1ms, asio::bind_cancellation_slot(signal.slot(), (*this)("b")));
  BOOST_TEST(run() == "b!timed out");
  signal.emit(cancellation_type::total);
  BOOST_TEST(run() == "");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_that_was_granted_does_not_time_out) {
  sem.async_acquire_permit_for(1ms, (*this)("a"));
  sem.release();
  const auto then = clock_type::now() + 5ms;
  while (clock_type::now() < then) {
  }
  BOOST_TEST(run() == "a");
  BOOST_TEST(held["a"].count() == 1u);
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_can_be_moved_with_its_semaphore) {
  sem.async_acquire_for(1ms, (*this)("a"));
  sem.async_acquire_for(long_enough, (*this)("b"));
  semaphore moved(std::move(sem));
  BOOST_TEST(moved.waiting() == 2u);
  const auto guard = asio::make_work_guard(io);
  io.restart();
  while (moved.waiting() != 1) io.run_one();
  moved.release();
  io.poll();
  BOOST_TEST(read() == "a!timed out b");
}

// Its handler is another context's, and the timer the semaphore's: that may be gone when the handler runs.
BOOST_AUTO_TEST_CASE(a_timed_acquire_that_was_granted_outlives_the_context_of_its_semaphore) {
  for (const bool strand : {false, true}) {
    std::optional<asio::io_context> gone(std::in_place);
    std::optional<semaphore> s;
    strand ? s.emplace(asio::make_strand(*gone), 0) : s.emplace(*gone, 0);
    s->async_acquire_permit_for(long_enough, asio::bind_executor(io, (*this)("io")));
    s->async_acquire_permit_for(long_enough,
                                asio::bind_executor(asio::make_strand(io), (*this)("strand")));
    s->async_acquire_permit_for(
        long_enough,
        asio::bind_executor(asio::any_io_executor(asio::make_strand(io)), (*this)("any")));
    s->release(3);
    if (strand) s.reset();
    gone.reset();
    BOOST_TEST(run() == "io strand any");
    held.clear();
  }
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_whose_grant_was_refused_times_out_later) {
  asio::io_context other;
  int refusals = 1;
  sem.async_acquire_for(20ms, asio::bind_executor(refusing{{&other}, &refusals}, (*this)("a")));
  sem.release();
  BOOST_TEST(refusals == 0);
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(run() == "");
  BOOST_TEST(sem.waiting() == 0u);
  other.run();
  BOOST_TEST(read() == "a!timed out");
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_is_destroyed_uncalled_with_its_context) {
  const auto alive = std::make_shared<int>();
  std::optional<semaphore> gone;
  {
    asio::io_context context;
    gone.emplace(context, 0);
    gone->async_acquire_for(long_enough, [alive](error_code) {});
    gone->async_acquire_permit_for(1ms, [alive](error_code, permit) {});
    BOOST_TEST(alive.use_count() == 3);
  }
  BOOST_TEST(alive.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(token, fixture)

BOOST_AUTO_TEST_CASE(a_timed_acquire_is_deferred_by_default) {
  auto operation = sem.async_acquire_for(1ms);
  BOOST_TEST(sem.waiting() == 0u);
  std::move(operation)((*this)("a"));
  sem.async_acquire_permit_for(1ms, 2)((*this)("b"));
  BOOST_TEST(run() == "a!timed out b!timed out");
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_can_be_awaited) {
  bool done = false;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        auto [ec] = co_await sem.async_acquire_for(1ms, asio::as_tuple(asio::use_awaitable));
        BOOST_TEST(ec == errc::timed_out);
        BOOST_CHECK_EXCEPTION((void)co_await sem.async_acquire_permit_for(1ms),
                              boost::system::system_error,
                              [](auto& e) { return e.code() == boost::system::errc::timed_out; });
        sem.release();
        const permit p = co_await sem.async_acquire_permit_for(1ms, asio::use_awaitable);
        done = p.count() == 1;
      },
      asio::detached);
  io.run();
  BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(a_future_on_a_plain_thread_waits_with_a_limit) {
  asio::thread_pool pool(1);
  semaphore on_pool(pool, 0);
  BOOST_CHECK_EXCEPTION((void)on_pool.async_acquire_permit_for(1ms, asio::use_future).get(),
                        boost::system::system_error,
                        [](auto& e) { return e.code() == errc::timed_out; });
  BOOST_TEST(on_pool.waiting() == 0u);
  on_pool.release();
  const permit p = on_pool.async_acquire_permit_for(long_enough, asio::use_future).get();
  BOOST_TEST(p.count() == 1u);
  auto later = on_pool.async_acquire_permit_for(long_enough, asio::use_future);
  on_pool.release();
  BOOST_TEST(later.get().count() == 1u);
  pool.join();  // nothing is left behind that would keep it
}

BOOST_AUTO_TEST_SUITE_END()

// The time-outs race with grants, cancellations and the end of the semaphore, on several threads.
BOOST_AUTO_TEST_SUITE(threads)

namespace {

template <typename Executor>
void race(const Executor& ex, std::size_t rounds) {
  turnstile::basic_semaphore<Executor> sem(ex, 0);
  for (std::size_t round = 0; round != rounds; ++round) {
    std::atomic<int> left{8}, got{0};
    const auto patience = std::chrono::microseconds(100);
    const auto then = clock_type::now() + patience;
    std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
    for (int i = 0; i != 8; ++i) {
      signals.push_back(std::make_unique<asio::cancellation_signal>());
      sem.async_acquire_permit_for(
          patience,
          asio::bind_cancellation_slot(signals.back()->slot(), [&](error_code ec, permit p) {
            if (!ec != (p.count() == 1)) std::abort();
            if (ec && ec != errc::timed_out) std::abort();
            if (p) ++got;
            p.release();
            --left;
          }));
    }
    while (clock_type::now() < then) {
    }
    sem.release(4);
    BOOST_TEST_REQUIRE(test::eventually([&] { return left == 0; }));
    BOOST_TEST_REQUIRE(test::eventually([&] { return sem.available() == 4; }));
    BOOST_TEST_REQUIRE(sem.shrink(4) == 4u);
    BOOST_TEST_REQUIRE(sem.waiting() == 0u);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(timed_acquires_lose_nothing_on_a_pool) {
  asio::thread_pool pool(4);
  race(pool.get_executor(), 300);
  race(asio::any_io_executor(pool.get_executor()), 100);
  race(asio::make_strand(pool), 100);
}

BOOST_AUTO_TEST_CASE(timed_acquires_lose_nothing_on_an_io_context_with_two_threads) {
  asio::io_context io;
  auto guard = asio::make_work_guard(io);
  std::thread one([&] { io.run(); }), two([&] { io.run(); });
  race(io.get_executor(), 300);
  guard.reset();
  one.join();
  two.join();
}

BOOST_AUTO_TEST_SUITE_END()
