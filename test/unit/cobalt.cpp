// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Boost.Cobalt: its token, its coroutines and its cancellation.

#define BOOST_TEST_MODULE cobalt
#include <turnstile.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/cobalt.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace asio = boost::asio;
namespace cobalt = boost::cobalt;
using turnstile::error_code;
using turnstile::permit;

namespace {

cobalt::task<void> release(turnstile::semaphore& sem) {
  BOOST_TEST(sem.waiting() == 1u);
  sem.release();
  co_return;
}

cobalt::promise<int> acquire(turnstile::semaphore& sem, int result) {
  co_await sem.async_acquire(cobalt::use_op);
  co_return result;
}

template <typename Operation>
cobalt::task<error_code> error_of(Operation operation) {
  try {
    co_await operation;
  } catch (const boost::system::system_error& e) {
    co_return e.code();
  }
  co_return error_code();
}

cobalt::task<void> acquires() {
  turnstile::semaphore sem(co_await cobalt::this_coro::executor, 2);
  co_await sem.async_acquire(cobalt::use_op);
  permit p = co_await sem.async_acquire_permit(cobalt::use_op);
  BOOST_TEST(p.count() == 1u);
  BOOST_TEST(sem.locked());

  cobalt::promise<int> waits = acquire(sem, 7);
  co_await release(sem);
  const int seven = co_await waits;
  BOOST_TEST(seven == 7);
  BOOST_TEST(sem.locked());

  sem.close();
  const error_code ec = co_await error_of(sem.async_acquire(cobalt::use_op));
  BOOST_TEST((ec == turnstile::errc::closed));
}

// The loser of a race is cancelled, and leaves the queue.
cobalt::task<void> races() {
  turnstile::semaphore sem(co_await cobalt::this_coro::executor, 0);
  asio::steady_timer timer(co_await cobalt::this_coro::executor, std::chrono::milliseconds(1));
  const auto winner =
      co_await cobalt::race(sem.async_acquire(cobalt::use_op), timer.async_wait(cobalt::use_op));
  BOOST_TEST(winner == 1u);
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == 0u);
}

// What runs several at once ends with all, and each gives back its permit.
cobalt::task<void> limits() {
  turnstile::bounded_semaphore sem(co_await cobalt::this_coro::executor, 2);
  std::size_t most = 0;
  const auto work = [&]() -> cobalt::promise<void> {
    const permit p = co_await sem.async_acquire_permit(cobalt::use_op);
    most = std::max(most, sem.in_use());
    asio::steady_timer timer(co_await cobalt::this_coro::executor, std::chrono::milliseconds(1));
    co_await timer.async_wait(cobalt::use_op);
  };
  co_await cobalt::join(work(), work(), work(), work(), work());
  BOOST_TEST(most == 2u);
  BOOST_TEST(sem.in_use() == 0u);
}

}  // namespace

BOOST_AUTO_TEST_CASE(acquires_are_awaited) { cobalt::run(acquires()); }
BOOST_AUTO_TEST_CASE(the_loser_of_a_race_leaves_the_queue) { cobalt::run(races()); }
BOOST_AUTO_TEST_CASE(the_limit_holds_for_coroutines_of_cobalt) { cobalt::run(limits()); }
