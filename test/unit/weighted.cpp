// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Requests for several permits: a large one is not starved, and holds no other back once it has left.

#define BOOST_TEST_MODULE weighted
#include "journal.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/test/unit_test.hpp>

#include <deque>
#include <random>
#include <vector>

using namespace test;

BOOST_FIXTURE_TEST_SUITE(the_head, journal)

BOOST_AUTO_TEST_CASE(the_head_waits_until_all_that_it_asked_for_is_free) {
  semaphore sem(io, 1);
  sem.async_acquire_permit(3, (*this)("a"));
  BOOST_TEST(sem.available() == 1u);  // it is not held
  sem.release();
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(poll() == "");
  sem.release();
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "a");
  BOOST_TEST(held["a"].count() == 3u);
}

BOOST_AUTO_TEST_CASE(the_head_holds_back_smaller_requests) {
  semaphore sem(io, 0);
  sem.async_acquire(5, (*this)("large"));
  sem.async_acquire((*this)("small"));
  for (int i = 0; i < 4; ++i) {
    sem.release();
    BOOST_TEST(!sem.try_acquire());
    BOOST_TEST(poll() == "");
  }
  sem.release();
  BOOST_TEST(poll() == "large");
  sem.release();
  BOOST_TEST(poll() == "small");
}

// Tasks that come and go with one permit do not keep it from five.
BOOST_AUTO_TEST_CASE(the_head_is_not_starved) {
  semaphore sem(io, 5);
  for (int i = 0; i < 5; ++i) sem.async_acquire_permit((*this)(std::to_string(i)));
  BOOST_TEST(poll() == "0 1 2 3 4");
  sem.async_acquire_permit(5, (*this)("large"));
  for (int i = 0; i < 5; ++i) {
    held.erase(std::to_string(i));
    sem.async_acquire_permit((*this)("next"));
    BOOST_TEST(poll() == (i < 4 ? "" : "large"));
  }
  held.clear();
  BOOST_TEST(poll() == "next next next next next");
}

BOOST_AUTO_TEST_CASE(the_head_may_ask_for_all_permits) {
  semaphore sem(io, semaphore::max() - 1);
  sem.async_acquire(semaphore::max(), (*this)("a"));
  sem.async_acquire(semaphore::max() + 1, (*this)("b"));
  BOOST_TEST(poll() == "b!exceeds");
  sem.release();
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_CASE(one_release_serves_what_it_suffices_for_in_order, journal) {
  semaphore sem(io, 0);
  sem.async_acquire(2, (*this)("a2"));
  sem.async_acquire(3, (*this)("b3"));
  sem.async_acquire(1, (*this)("c1"));
  sem.async_acquire(4, (*this)("d4"));
  sem.async_acquire(1, (*this)("e1"));
  sem.release(9);
  BOOST_TEST(poll() == "a2 b3 c1");
  BOOST_TEST(sem.available() == 3u);
  BOOST_TEST(sem.waiting() == 2u);
  sem.release(2);
  BOOST_TEST(poll() == "d4 e1");
}

// When the head leaves, the queue is looked at again, without a release.
BOOST_FIXTURE_TEST_SUITE(those_behind_a_head_that_leaves, journal)

BOOST_AUTO_TEST_CASE(a_cancelled_head_lets_those_behind_it_go) {
  semaphore sem(io, 3);
  asio::cancellation_signal signal;
  sem.async_acquire(4, asio::bind_cancellation_slot(signal.slot(), (*this)("a")));
  sem.async_acquire(2, (*this)("b"));
  sem.async_acquire(1, (*this)("c"));
  sem.async_acquire(1, (*this)("d"));
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(poll() == "a!aborted b c");
}

BOOST_AUTO_TEST_CASE(a_cancelled_head_lets_nothing_go_if_the_next_is_too_large) {
  semaphore sem(io, 2);
  asio::cancellation_signal first, second;
  sem.async_acquire(4, asio::bind_cancellation_slot(first.slot(), (*this)("a")));
  sem.async_acquire(3, asio::bind_cancellation_slot(second.slot(), (*this)("b")));
  sem.async_acquire(2, (*this)("c"));
  first.emit(asio::cancellation_type::total);
  BOOST_TEST(poll() == "a!aborted");
  second.emit(asio::cancellation_type::total);
  BOOST_TEST(poll() == "b!aborted c");
}

BOOST_AUTO_TEST_CASE(a_cancelled_waiter_behind_the_head_lets_nothing_go) {
  semaphore sem(io, 1);
  asio::cancellation_signal signal;
  sem.async_acquire(2, (*this)("a"));
  sem.async_acquire(1, asio::bind_cancellation_slot(signal.slot(), (*this)("b")));
  sem.async_acquire(1, (*this)("c"));
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(poll() == "b!aborted");
  BOOST_TEST(sem.waiting() == 2u);
  sem.release(2);
  BOOST_TEST(poll() == "a c");
}

BOOST_AUTO_TEST_CASE(a_head_that_a_lowered_limit_excludes_lets_those_behind_it_go) {
  bounded_semaphore sem(io, 3, 5);
  sem.async_acquire(4, (*this)("a"));
  sem.async_acquire(1, (*this)("b"));
  sem.set_limit(3);
  BOOST_TEST(poll() == "a!exceeds b");
  BOOST_TEST(sem.in_use() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()

// Against a model: whatever is called, the same are waiting, granted and cancelled, in the same order.
BOOST_FIXTURE_TEST_CASE(grants_are_as_in_a_simple_model, journal) {
  struct request {
    std::size_t n;
    std::string name;
  };
  std::mt19937 random(1);
  auto up_to = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n)(random);
  };

  for (int round = 0; round < 200; ++round) {
    std::size_t limit = up_to(6), used = up_to(limit);
    std::deque<request> queue;
    std::string expected;
    auto tell = [&](const std::string& entry) {
      expected += (expected.empty() ? "" : " ") + entry;
    };
    auto serve = [&] {
      for (; !queue.empty() && used + queue.front().n <= limit; queue.pop_front()) {
        used += queue.front().n;
        tell(queue.front().name);
      }
    };

    bounded_semaphore sem(io, limit - used, limit);
    std::vector<asio::cancellation_signal> signals(60);
    for (std::size_t step = 0; step < signals.size(); ++step) {
      const std::size_t n = up_to(4);
      const std::string name = std::to_string(step);
      switch (up_to(9)) {
        case 0:
        case 1:
        case 2:
        case 3:
          sem.async_acquire(n, asio::bind_cancellation_slot(signals[step].slot(), (*this)(name)));
          if (n > limit)
            tell(name + "!exceeds");
          else if (n == 0 || (queue.empty() && used + n <= limit))
            used += n, tell(name);
          else
            queue.push_back({n, name});
          break;
        case 4:
        case 5:
        case 6: {
          error_code ec;
          sem.release(n, ec);
          BOOST_TEST(ec.failed() == (n > used));
          if (!ec) used -= n, serve();
          break;
        }
        case 7:
          if (const std::size_t i = up_to(step); true) {
            signals[i].emit(asio::cancellation_type::terminal);
            if (std::erase_if(queue, [&](auto& r) { return r.name == std::to_string(i); }) != 0)
              tell(std::to_string(i) + "!aborted");
            serve();
          }
          break;
        case 8:
          limit = up_to(6);
          sem.set_limit(limit);
          for (auto& r : queue)
            if (r.n > limit) tell(r.name + "!exceeds");
          std::erase_if(queue, [&](auto& r) { return r.n > limit; });
          serve();
          break;
        case 9: {
          const bool taken = n <= limit && (n == 0 || (queue.empty() && used + n <= limit));
          BOOST_TEST(sem.try_acquire(n) == taken);
          if (taken) used += n;
          break;
        }
      }
      BOOST_TEST(sem.in_use() == used);
      BOOST_TEST(sem.available() == (limit > used ? limit - used : 0));
      BOOST_TEST(sem.waiting() == queue.size());
      if (up_to(3) == 0) BOOST_TEST_REQUIRE(poll() == std::exchange(expected, {}));
    }
    sem.cancel();
    for (auto& r : queue) tell(r.name + "!aborted");
    BOOST_TEST_REQUIRE(poll() == expected, "round " << round);
  }
}
