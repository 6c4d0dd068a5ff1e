// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// After close() no acquire succeeds, and everything else still counts.

#define BOOST_TEST_MODULE closing
#include "journal.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/test/unit_test.hpp>

using namespace test;

BOOST_FIXTURE_TEST_SUITE(what_close_does, journal)

BOOST_AUTO_TEST_CASE(close_ends_all_waiters_in_order) {
  semaphore sem(io, 1);
  sem.async_acquire(3, (*this)("a"));
  sem.async_acquire_permit((*this)("b"));
  sem.async_acquire((*this)("c"));
  BOOST_TEST(!sem.is_closed());
  sem.close();
  BOOST_TEST(sem.is_closed());
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == 1u);  // no permit was taken
  BOOST_TEST(read() == "");
  BOOST_TEST(poll() == "a!closed b!closed c!closed");
  BOOST_TEST(held.empty());
}

BOOST_AUTO_TEST_CASE(close_refuses_later_acquires_even_if_permits_are_free) {
  for (std::size_t free : {0u, 5u}) {
    semaphore sem(io, free);
    sem.close();
    BOOST_TEST(sem.available() == free);
    BOOST_TEST(sem.locked());
    BOOST_TEST(!sem.try_acquire());
    BOOST_TEST(!sem.try_acquire(0));
    BOOST_TEST(!sem.try_acquire_permit());
    sem.async_acquire((*this)("a"));
    sem.async_acquire_permit(2, (*this)("b"));
    sem.async_acquire(0, (*this)("c"));
    BOOST_TEST(sem.waiting() == 0u);
    BOOST_TEST(read() == "");
    BOOST_TEST(poll() == "a!closed b!closed c!closed");
    BOOST_TEST(sem.available() == free);
  }
}

BOOST_AUTO_TEST_CASE(closed_comes_before_exceeds_limit) {
  semaphore sem(io);
  bounded_semaphore bounded(io, 2);
  sem.close();
  bounded.close();
  sem.async_acquire(semaphore::max() + 1, (*this)("a"));
  bounded.async_acquire(3, (*this)("b"));
  bounded.set_limit(0);
  bounded.async_acquire_permit((*this)("c"));
  BOOST_TEST(poll() == "a!closed b!closed c!closed");
}

BOOST_AUTO_TEST_CASE(close_leaves_grants_alone) {
  semaphore sem(io, 1);
  sem.async_acquire_permit((*this)("a"));
  sem.async_acquire_permit((*this)("b"));
  sem.async_acquire_permit((*this)("c"));
  sem.release();
  sem.close();
  BOOST_TEST(poll() == "a b c!closed");
  BOOST_TEST(held.size() == 2u);
  BOOST_TEST(sem.available() == 0u);
  held.clear();
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(close_can_be_repeated) {
  semaphore sem(io, 0);
  sem.async_acquire((*this)("a"));
  sem.close();
  sem.close();
  sem.async_acquire((*this)("b"));
  sem.close();
  BOOST_TEST(poll() == "a!closed b!closed");
  BOOST_TEST(sem.is_closed());
}

BOOST_AUTO_TEST_CASE(close_is_not_undone_by_anything) {
  bounded_semaphore bounded(io, 0, 2);
  semaphore sem(io, 4);
  bounded.close();
  sem.close();
  bounded.release(2);
  bounded.set_limit(5);
  bounded.set_limit(0);
  bounded.set_limit(5);
  sem.release(3);
  sem.shrink(4);
  sem.cancel();
  semaphore moved = std::move(sem);
  BOOST_TEST(bounded.is_closed());
  BOOST_TEST(moved.is_closed());
  BOOST_TEST(!bounded.try_acquire());
  BOOST_TEST(!moved.try_acquire());
  sem = semaphore(io);  // another one
  BOOST_TEST(sem.try_acquire());
}

BOOST_AUTO_TEST_CASE(close_wins_over_what_comes_after_it) {
  semaphore sem(io, 0);
  asio::cancellation_signal signal;
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), (*this)("a")));
  sem.close();
  signal.emit(asio::cancellation_type::all);
  sem.cancel();
  sem.release();
  BOOST_TEST(poll() == "a!closed");
}

BOOST_AUTO_TEST_CASE(close_does_not_change_what_came_before_it) {
  semaphore sem(io, 0);
  sem.async_acquire((*this)("a"));
  sem.cancel();
  sem.close();
  BOOST_TEST(poll() == "a!aborted");
}

BOOST_AUTO_TEST_CASE(close_in_a_handler_ends_the_remaining_waiters) {
  semaphore sem(io, 1);
  sem.async_acquire([&](error_code) {
    sem.close();
    sem.async_acquire((*this)("c"));
    write("a");
  });
  sem.async_acquire((*this)("b"));
  BOOST_TEST(poll() == "a b!closed c!closed");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(a_closed_semaphore, journal)

BOOST_AUTO_TEST_CASE(a_closed_semaphore_counts_releases_and_their_errors) {
  semaphore sem(io, semaphore::max() - 2);
  sem.close();
  sem.release();
  error_code ec = errc::closed;
  sem.release(ec);
  BOOST_TEST(!ec);
  BOOST_TEST(sem.available() == semaphore::max());
  sem.release(1, ec);
  BOOST_TEST(ec == errc::over_release);
  BOOST_CHECK_THROW(sem.release(), boost::system::system_error);
  BOOST_TEST(sem.available() == semaphore::max());
}

BOOST_AUTO_TEST_CASE(a_closed_semaphore_counts_permits) {
  semaphore sem(io, 3);
  permit p = sem.try_acquire_permit(3);
  sem.close();
  p.release(1);
  BOOST_TEST(sem.available() == 1u);
  p = {};
  BOOST_TEST(sem.available() == 3u);
}

BOOST_AUTO_TEST_CASE(a_closed_semaphore_can_shrink) {
  semaphore sem(io, 3);
  sem.close();
  BOOST_TEST(sem.shrink(2) == 2u);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(sem.shrink(2) == 1u);
  BOOST_TEST(sem.is_closed());
}

BOOST_AUTO_TEST_CASE(a_closed_semaphore_can_change_its_limit) {
  bounded_semaphore sem(io, 1, 3);
  sem.close();
  sem.set_limit(5);
  BOOST_TEST(sem.available() == 3u);
  sem.set_limit(1);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.in_use() == 2u);
  sem.release(2);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(sem.is_closed());
}

BOOST_AUTO_TEST_SUITE_END()
