// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// No more acquires wait than max_waiting() allows; the others complete at once with errc::queue_full.

#define BOOST_TEST_MODULE bounded_waiting
#include "fake_waiter.hpp"
#include "journal.hpp"
#include "support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>
#include <vector>

using namespace test;
using turnstile::detail::core;
using turnstile::detail::outcome;

namespace {

struct bounded : journal {
  bounded_semaphore sem{io, 1};
  permit held = sem.try_acquire_permit();

  // Acquires of these names, one after the other.
  void acquire(std::initializer_list<const char*> names) {
    for (const char* name : names) sem.async_acquire((*this)(name));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(one_semaphore, bounded)

BOOST_AUTO_TEST_CASE(without_a_bound_any_number_waits) {
  BOOST_TEST(sem.max_waiting() == (semaphore::max)());
  for (int i = 0; i != 1000; ++i) sem.async_acquire((*this)("a"));
  BOOST_TEST(sem.waiting() == 1000u);
  BOOST_TEST(poll() == "");
}

BOOST_AUTO_TEST_CASE(an_acquire_beyond_the_bound_is_refused) {
  sem.set_max_waiting(2);
  BOOST_TEST(sem.max_waiting() == 2u);
  acquire({"a", "b", "c"});
  BOOST_TEST(sem.waiting() == 2u);
  BOOST_TEST(read() == "");  // never inside the call
  BOOST_TEST(poll() == "c!full");
  held.release();
  BOOST_TEST(poll() == "a");
  sem.release();
  BOOST_TEST(poll() == "b");
  sem.release();
  BOOST_TEST(sem.available() == 1u);  // the refused one took nothing
}

BOOST_AUTO_TEST_CASE(every_kind_of_acquire_is_refused) {
  sem.set_max_waiting(0);
  sem.async_acquire((*this)("a"));
  sem.async_acquire_permit((*this)("b"));
  sem.async_acquire_for(std::chrono::hours(1), (*this)("c"));
  sem.async_acquire_permit_for(std::chrono::hours(1), (*this)("d"));
  asio::steady_timer timer(io);
  turnstile::async_with_permit(
      sem, [&](auto token) { return timer.async_wait(std::move(token)); }, (*this)("e"));
  BOOST_TEST(poll() == "a!full b!full c!full d!full e!full");
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_bound_of_zero_lets_only_free_permits_be_had) {
  sem.set_max_waiting(0);
  acquire({"a"});
  BOOST_TEST(poll() == "a!full");
  held.release();
  acquire({"b"});
  BOOST_TEST(poll() == "b");
}

BOOST_AUTO_TEST_CASE(the_bound_counts_acquires_and_not_permits) {
  sem.set_limit(10);
  sem.set_max_waiting(1);
  sem.async_acquire(10, (*this)("a"));
  acquire({"b"});
  BOOST_TEST(poll() == "b!full");
  held.release();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(a_place_is_free_as_soon_as_the_wait_is_decided) {
  sem.set_max_waiting(1);
  acquire({"a"});
  held.release();
  acquire({"b", "c"});  // the handler of a has not run
  BOOST_TEST(poll() == "a c!full");
  BOOST_TEST(sem.waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(a_cancellation_frees_a_place) {
  sem.set_max_waiting(1);
  asio::cancellation_signal signal;
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), (*this)("a")));
  signal.emit(asio::cancellation_type::terminal);
  acquire({"b"});
  sem.cancel();
  acquire({"c", "d"});
  BOOST_TEST(poll() == "a!aborted b!aborted d!full");
}

BOOST_AUTO_TEST_CASE(a_time_out_frees_a_place) {
  sem.set_max_waiting(1);
  sem.async_acquire_for(std::chrono::milliseconds(1), (*this)("a"));
  io.restart();
  io.run();
  acquire({"b", "c"});
  BOOST_TEST(poll() == "a!timed out c!full");
}

BOOST_AUTO_TEST_CASE(an_acquire_without_time_needs_no_place) {
  sem.set_max_waiting(1);
  acquire({"a"});
  sem.async_acquire_for(std::chrono::seconds(0), (*this)("b"));
  BOOST_TEST(poll() == "b!timed out");
}

BOOST_AUTO_TEST_CASE(errors_of_the_state_come_before_a_full_queue) {
  sem.set_max_waiting(0);
  sem.async_acquire(2, (*this)("a"));
  BOOST_TEST(poll() == "a!exceeds");
  sem.close();
  sem.async_acquire(2, (*this)("b"));
  acquire({"c"});
  BOOST_TEST(poll() == "b!closed c!closed");
}

BOOST_AUTO_TEST_CASE(a_lower_bound_ends_no_wait) {
  acquire({"a", "b", "c"});
  sem.set_max_waiting(1);
  BOOST_TEST(sem.waiting() == 3u);
  acquire({"d"});
  BOOST_TEST(poll() == "d!full");
  for (const char* name : {"a", "b"}) {
    held.forget();
    sem.release();
    BOOST_TEST(poll() == name);
  }
  acquire({"e"});  // c waits
  BOOST_TEST(poll() == "e!full");
  sem.set_max_waiting(2);
  acquire({"f", "g"});
  BOOST_TEST(poll() == "g!full");
}

BOOST_AUTO_TEST_CASE(a_bound_above_the_largest_number_is_none) {
  sem.set_max_waiting(0);
  sem.set_max_waiting((semaphore::max)() + 1);
  BOOST_TEST(sem.max_waiting() == (semaphore::max)());
  acquire({"a"});
  BOOST_TEST(sem.waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(a_bound_moves_with_the_state) {
  sem.set_max_waiting(1);
  acquire({"a"});
  bounded_semaphore moved(std::move(sem));
  BOOST_TEST(moved.max_waiting() == 1u);
  moved.async_acquire((*this)("b"));
  BOOST_TEST(poll() == "b!full");
}

BOOST_AUTO_TEST_CASE(queue_full_is_an_error_of_the_category) {
  const error_code ec = errc::queue_full;
  BOOST_TEST(static_cast<int>(errc::queue_full) == 4);
  BOOST_TEST((ec.category() == turnstile::error_category()));
  BOOST_TEST(ec.message() == "As many acquires wait as the semaphore allows");
}

BOOST_AUTO_TEST_SUITE_END()

// Calls of user code during a delivery find the strand busy.
BOOST_FIXTURE_TEST_CASE(the_bound_holds_beside_a_busy_strand, fixture) {
  make(0);
  c->set_max_waiting(2);
  queued("a").then([&] {
    BOOST_TEST(c->waiting() == 1u);  // a has left
    BOOST_TEST(((*this)("d").wait() == outcome::waiting));
    BOOST_TEST(((*this)("e").wait() == outcome::queue_full));
    BOOST_TEST(c->waiting() == 2u);
  });
  queued("b");
  BOOST_TEST(((*this)("c").wait() == outcome::queue_full));
  c->release(1);
  BOOST_TEST(read() == "a");
  c->release(2);
  BOOST_TEST(read() == "b d");
  BOOST_TEST(c->waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_refused_waiter_may_exceed_the_bound, fixture) {
  make(0);
  c->set_max_waiting(1);
  queued("a").refuse().then([&] { BOOST_TEST(((*this)("b").wait() == outcome::waiting)); });
  c->release(1);
  c->set_limit(core::max);
  run();
  BOOST_TEST(c->waiting() == 1u);
  BOOST_TEST(((*this)("c").wait() == outcome::queue_full));
  c->release(1);
  BOOST_TEST(c->waiting() == 0u);
}

// Else the queue would stay full although permits are free, since no release comes.
BOOST_FIXTURE_TEST_CASE(an_acquire_that_finds_the_queue_full_has_refused_waiters_tried_again,
                        fixture) {
  make(1, 1);
  c->set_max_waiting(1);
  BOOST_TEST((c->try_acquire(1) == outcome::granted));
  queued("a").refuse();
  c->release(1);
  BOOST_TEST(read() == "a?");
  BOOST_TEST(c->available() == 1u);
  BOOST_TEST(((*this)("b").wait() == outcome::waiting));  // in the place of a
  BOOST_TEST(read() == "a");
  c->release(1);
  BOOST_TEST(read() == "b");
}

// Threads that all come at once: exactly as many wait as may.
BOOST_AUTO_TEST_CASE(the_bound_is_strict_for_threads_that_come_at_once) {
  const test::watchdog guard;
  for (int round = 0; round != 200; ++round) {
    asio::io_context io;
    semaphore sem(io, 0);
    const std::size_t places = static_cast<std::size_t>(round) % 5;
    sem.set_max_waiting(places);
    std::atomic<int> full{0}, others{0};
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (int t = 0; t != 3; ++t)
      threads.emplace_back([&] {
        while (!go) std::this_thread::yield();
        for (int i = 0; i != 4; ++i)
          sem.async_acquire([&](error_code ec) { ++(ec == errc::queue_full ? full : others); });
      });
    go = true;
    for (auto& t : threads) t.join();
    BOOST_TEST(sem.waiting() == places);
    io.poll();
    BOOST_TEST(full == 12 - static_cast<int>(places));
    sem.cancel();
    io.restart();
    io.poll();
    BOOST_TEST(others == static_cast<int>(places));
  }
}

// While permits move, waiting() never passes the bound, and nothing is lost.
BOOST_AUTO_TEST_CASE(the_bound_holds_while_permits_move) {
  const test::watchdog guard;
  constexpr std::size_t places = 3;
  asio::thread_pool pool(2);
  turnstile::semaphore sem(pool, 2);
  sem.set_max_waiting(places);
  std::atomic<int> granted{0}, full{0}, wrong{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (int t = 0; t != 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i != 5000; ++i) {
        sem.async_acquire_permit([&](error_code ec, const permit&) {
          ++(!ec ? granted : ec == errc::queue_full ? full : wrong);
        });
        if (sem.waiting() > places) exceeded = true;
      }
    });
  for (auto& t : threads) t.join();
  pool.join();
  BOOST_TEST(!exceeded);
  BOOST_TEST(granted + full == 15000);
  BOOST_TEST(wrong == 0);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(sem.waiting() == 0u);
}
