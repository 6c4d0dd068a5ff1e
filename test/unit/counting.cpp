// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The count: what acquires take, releases give, and calls report.

#define BOOST_TEST_MODULE counting
#include "journal.hpp"

#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <functional>
#include <stdexcept>
#include <system_error>
#include <type_traits>

using namespace test;

namespace {

constexpr std::size_t max = semaphore::max();

bool over_release(const boost::system::system_error& e) { return e.code() == errc::over_release; }

// What release(n, ec) says; ec is set before, so as to see it cleared.
template <typename Semaphore>
error_code release(Semaphore& sem, std::size_t n) {
  error_code ec = errc::closed;
  sem.release(n, ec);
  return ec;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(construction)

// From a context whose executor becomes the semaphore's, and no other.
static_assert(std::is_constructible_v<semaphore, asio::thread_pool&, int>);
static_assert(!std::is_constructible_v<semaphore, asio::execution_context&>);
static_assert(!std::is_constructible_v<turnstile::basic_semaphore<asio::io_context::executor_type>,
                                       asio::thread_pool&>);

BOOST_FIXTURE_TEST_CASE(a_semaphore_has_one_permit_unless_told_otherwise, journal) {
  BOOST_TEST(semaphore(io).available() == 1u);
  BOOST_TEST(semaphore(io.get_executor()).available() == 1u);
  BOOST_TEST(semaphore(io, 7).available() == 7u);
  BOOST_TEST(semaphore(io.get_executor(), max).available() == max);
}

BOOST_FIXTURE_TEST_CASE(more_than_max_permits_are_refused, journal) {
  BOOST_TEST(max >= 0x7fffffffu);
  BOOST_CHECK_THROW(semaphore(io, max + 1), std::invalid_argument);
  BOOST_CHECK_THROW(semaphore(io.get_executor(), static_cast<std::size_t>(-1)),
                    std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_CASE(zero_permits_are_valid, journal) {
  semaphore sem(io, 0);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.locked());
  BOOST_TEST(!sem.try_acquire());
  sem.async_acquire((*this)("a"));
  sem.async_acquire((*this)("b"));
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.waiting() == 2u);
  BOOST_TEST(poll() == "");
  sem.release(2);
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(poll() == "a b");
}

BOOST_FIXTURE_TEST_CASE(permits_are_taken_inside_the_initiating_call, journal) {
  semaphore sem(io, 6);
  sem.async_acquire((*this)("a"));
  BOOST_TEST(sem.available() == 5u);
  sem.async_acquire(2, (*this)("b"));
  BOOST_TEST(sem.available() == 3u);
  sem.async_acquire_permit((*this)("c"));
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(!sem.locked());
  sem.async_acquire_permit(2, (*this)("d"));
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.locked());
  BOOST_TEST(poll() == "a b c d");
  BOOST_TEST(held["c"].count() == 1u);
  BOOST_TEST(held["d"].count() == 2u);
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(try_acquire_takes_all_or_nothing, journal) {
  semaphore sem(io, 3);
  BOOST_TEST(sem.try_acquire());
  BOOST_TEST(!sem.try_acquire(3));
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(sem.try_acquire(2));
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(!sem.try_acquire(max + 1));
  BOOST_TEST(!sem.try_acquire(static_cast<std::size_t>(-1)));
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_SUITE(releasing)

BOOST_FIXTURE_TEST_CASE(release_of_more_than_was_acquired_adds_permits, journal) {
  semaphore sem(io, 0);
  sem.release();
  sem.release(4);
  BOOST_TEST(sem.available() == 5u);
  error_code ec = errc::closed;
  sem.release(ec);
  BOOST_TEST(!ec);
  BOOST_TEST(sem.available() == 6u);
}

BOOST_FIXTURE_TEST_CASE(release_past_max_changes_nothing, journal) {
  semaphore sem(io, max - 2);
  const std::size_t two_to_the_32 = std::size_t(1) << 16 << 16;  // 0 if it does not fit
  for (std::size_t n :
       {std::size_t(3), max, max + 1, max + 3, two_to_the_32, static_cast<std::size_t>(-1)}) {
    if (n == 0) continue;
    BOOST_CHECK_EXCEPTION(sem.release(n), boost::system::system_error, over_release);
    BOOST_TEST(release(sem, n) == errc::over_release, "n = " << n);
    BOOST_TEST(sem.available() == max - 2);
    BOOST_TEST(!sem.is_closed());
  }
  BOOST_TEST(!release(sem, 2));
  BOOST_TEST(sem.available() == max);
  BOOST_CHECK_EXCEPTION(sem.release(), boost::system::system_error, over_release);
  error_code ec;
  sem.release(ec);
  BOOST_TEST(ec == errc::over_release);
  BOOST_TEST(sem.available() == max);
  sem.release(0);
  BOOST_TEST(sem.try_acquire(max));
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(!release(sem, max));
}

// The same answers if acquires wait: they are given before the queue is looked at.
BOOST_FIXTURE_TEST_CASE(release_past_max_with_a_queue_changes_nothing, journal) {
  semaphore sem(io, max - 1);
  sem.async_acquire(max, (*this)("a"));
  BOOST_TEST(release(sem, 2) == errc::over_release);
  BOOST_TEST(release(sem, static_cast<std::size_t>(-1)) == errc::over_release);
  BOOST_TEST(sem.available() == max - 1);
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(!release(sem, 1));
  BOOST_TEST(poll() == "a");
}

BOOST_FIXTURE_TEST_CASE(release_past_the_limit_changes_nothing, journal) {
  bounded_semaphore sem(io, 3);
  BOOST_TEST(release(sem, 1) == errc::over_release);
  BOOST_CHECK_EXCEPTION(sem.release(), boost::system::system_error, over_release);
  BOOST_TEST(sem.try_acquire(2));
  BOOST_TEST(release(sem, 3) == errc::over_release);
  BOOST_TEST(release(sem, static_cast<std::size_t>(-1)) == errc::over_release);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(sem.in_use() == 2u);
  BOOST_TEST(!release(sem, 2));
  BOOST_TEST(sem.available() == 3u);
}

BOOST_FIXTURE_TEST_CASE(release_to_a_waiter_counts_as_in_use_all_along, journal) {
  bounded_semaphore sem(io, 1);
  BOOST_TEST(sem.try_acquire());
  sem.async_acquire((*this)("a"));
  sem.async_acquire((*this)("b"));
  BOOST_TEST(release(sem, 2) == errc::over_release);
  BOOST_TEST(sem.waiting() == 2u);
  BOOST_TEST(!release(sem, 1));  // from hand to hand: in use all along
  BOOST_TEST(!release(sem, 1));
  BOOST_TEST(!release(sem, 1));
  BOOST_TEST(release(sem, 1) == errc::over_release);
  BOOST_TEST(poll() == "a b");
}

BOOST_FIXTURE_TEST_CASE(release_inside_a_handler_reports_its_error, journal) {
  bounded_semaphore sem(io, 2);
  BOOST_TEST(sem.try_acquire(2));
  sem.async_acquire([&](error_code) {
    BOOST_TEST(release(sem, 3) == errc::over_release);
    BOOST_TEST(!release(sem, 2));
    BOOST_TEST(release(sem, 1) == errc::over_release);
    write("a");
  });
  sem.release();
  BOOST_TEST(poll() == "a");
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(zero)

BOOST_FIXTURE_TEST_CASE(release_zero_is_a_no_op, journal) {
  semaphore sem(io, 0);
  sem.async_acquire((*this)("a"));
  sem.release(0);
  BOOST_TEST(!release(sem, 0));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "");
}

BOOST_FIXTURE_TEST_CASE(acquire_zero_succeeds_beside_waiters, journal) {
  semaphore sem(io, 0);
  sem.async_acquire((*this)("waits"));
  BOOST_TEST(sem.try_acquire(0));
  sem.async_acquire(0, (*this)("a"));
  sem.async_acquire_permit(0, (*this)("b"));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(read() == "");  // not inline either
  BOOST_TEST(poll() == "a b");
  BOOST_TEST(held.empty());
  BOOST_TEST(sem.available() == 0u);
}

BOOST_FIXTURE_TEST_CASE(acquire_zero_succeeds_with_a_limit_of_zero, journal) {
  bounded_semaphore sem(io, 0);
  BOOST_TEST(sem.try_acquire(0));
  BOOST_TEST(!sem.try_acquire());
  sem.async_acquire(0, (*this)("a"));
  sem.async_acquire((*this)("b"));
  BOOST_TEST(poll() == "a b!exceeds");
}

BOOST_FIXTURE_TEST_CASE(acquire_zero_fails_once_closed, journal) {
  semaphore sem(io, 1);
  sem.close();
  BOOST_TEST(!sem.try_acquire(0));
  sem.async_acquire(0, (*this)("a"));
  BOOST_TEST(poll() == "a!closed");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(shrinking)

BOOST_FIXTURE_TEST_CASE(shrink_removes_available_permits_for_good, journal) {
  semaphore sem(io, 5);
  BOOST_TEST(sem.shrink(0) == 0u);
  BOOST_TEST(sem.shrink(2) == 2u);
  BOOST_TEST(sem.available() == 3u);
  BOOST_TEST(sem.try_acquire());
  BOOST_TEST(sem.shrink(static_cast<std::size_t>(-1)) == 2u);
  BOOST_TEST(sem.shrink(1) == 0u);
  sem.release();
  BOOST_TEST(sem.available() == 1u);
}

BOOST_FIXTURE_TEST_CASE(shrink_makes_room_for_releases, journal) {
  semaphore sem(io, max);
  BOOST_TEST(sem.shrink(max) == max);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(!release(sem, max));
  BOOST_TEST(sem.available() == max);
}

BOOST_FIXTURE_TEST_CASE(shrink_takes_nothing_that_was_granted, journal) {
  semaphore sem(io, 0);
  sem.async_acquire(2, (*this)("a"));
  sem.release(3);
  BOOST_TEST(sem.shrink(3) == 1u);
  BOOST_TEST(poll() == "a");
}

// Free permits that do not suffice for the head may go: it waits on.
BOOST_FIXTURE_TEST_CASE(shrink_may_take_what_the_head_cannot_use_yet, journal) {
  semaphore sem(io, 2);
  sem.async_acquire(3, (*this)("a"));
  BOOST_TEST(sem.shrink(5) == 2u);
  BOOST_TEST(sem.waiting() == 1u);
  sem.release(3);
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(errors)

BOOST_AUTO_TEST_CASE(errors_have_a_category_and_messages) {
  BOOST_TEST(turnstile::error_category().name() == std::string("turnstile"));
  std::string seen;
  for (errc e : {errc::closed, errc::over_release, errc::exceeds_limit, errc::lease_lost,
                 errc::unreachable, errc::not_a_semaphore, errc::no_limit}) {
    const error_code ec = e;
    BOOST_TEST(ec.failed());
    BOOST_CHECK(ec.category() == turnstile::error_category());
    BOOST_TEST(seen.find(ec.message()) == std::string::npos);
    seen += ec.message();
  }
  BOOST_TEST(static_cast<int>(errc::closed) == 1);
  BOOST_TEST(!error_code(0, turnstile::error_category()).failed());
  BOOST_TEST(!turnstile::error_category().message(99).empty());
  const std::error_code standard = error_code(errc::closed);  // as boost::system's do
  BOOST_TEST(standard.message() == error_code(errc::closed).message());
}

BOOST_AUTO_TEST_SUITE_END()
