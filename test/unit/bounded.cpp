// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The limit: what passes it, and what happens when it changes.

#define BOOST_TEST_MODULE bounded
#include "journal.hpp"

#include <boost/test/unit_test.hpp>

#include <stdexcept>

using namespace test;

namespace {

constexpr std::size_t max = bounded_semaphore::max();

template <typename S>
constexpr bool can_shrink = requires(S& s) { s.shrink(1); };
static_assert(can_shrink<semaphore> && !can_shrink<bounded_semaphore>);

bool over_release(bounded_semaphore& sem, std::size_t n) {
  error_code ec;
  sem.release(n, ec);
  return ec == errc::over_release;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(construction, journal)

BOOST_AUTO_TEST_CASE(all_permits_are_available_unless_told_otherwise) {
  bounded_semaphore one(io), five(io.get_executor(), 5), some(io, 2, 5),
      none(io.get_executor(), 0, 0), all(io, max);
  BOOST_TEST(one.limit() == 1u);
  BOOST_TEST(one.available() == 1u);
  BOOST_TEST(five.available() == 5u);
  BOOST_TEST(five.in_use() == 0u);
  BOOST_TEST(some.limit() == 5u);
  BOOST_TEST(some.available() == 2u);
  BOOST_TEST(some.in_use() == 3u);
  BOOST_TEST(none.limit() == 0u);
  BOOST_TEST(none.locked());
  BOOST_TEST(all.available() == max);
}

BOOST_AUTO_TEST_CASE(too_many_permits_or_too_high_a_limit_are_refused) {
  const auto ex = io.get_executor();
  BOOST_CHECK_THROW(bounded_semaphore(io, 3, 2), std::invalid_argument);
  BOOST_CHECK_THROW(bounded_semaphore(ex, 3, 2), std::invalid_argument);
  BOOST_CHECK_THROW(bounded_semaphore(io, max + 1), std::invalid_argument);
  BOOST_CHECK_THROW(bounded_semaphore(ex, static_cast<std::size_t>(-1)), std::invalid_argument);
  BOOST_CHECK_THROW(bounded_semaphore(io, 1, max + 1), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(permits_held_at_construction_can_be_released) {
  bounded_semaphore sem(io, 1, 3);
  sem.release(2);
  BOOST_TEST(sem.in_use() == 0u);
  BOOST_TEST(over_release(sem, 1));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(more_than_the_limit, journal)

BOOST_AUTO_TEST_CASE(an_acquire_above_the_limit_is_refused_at_once) {
  bounded_semaphore sem(io, 0, 2);
  sem.async_acquire((*this)("a"));
  sem.async_acquire(3, (*this)("b"));
  sem.async_acquire_permit(max + 1, (*this)("c"));
  sem.async_acquire(static_cast<std::size_t>(-1), (*this)("d"));
  sem.async_acquire(2, (*this)("e"));
  BOOST_TEST(sem.waiting() == 2u);
  BOOST_TEST(poll() == "b!exceeds c!exceeds d!exceeds");
  BOOST_TEST(held.empty());
  BOOST_TEST(!sem.try_acquire(3));
  sem.release(2);
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(an_acquire_above_max_is_refused) {
  semaphore sem(io, 1);
  sem.async_acquire(max + 1, (*this)("a"));
  sem.async_acquire(std::size_t(1) << 32 | 1, (*this)("b"));  // not taken for one
  BOOST_TEST(poll() == "a!exceeds b!exceeds");
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(closed_comes_before_exceeds_limit) {
  bounded_semaphore sem(io, 1);
  sem.close();
  sem.async_acquire(2, (*this)("a"));
  BOOST_TEST(poll() == "a!closed");
}

BOOST_AUTO_TEST_CASE(release_above_the_limit_is_an_error) {
  bounded_semaphore sem(io, 2);
  BOOST_TEST(over_release(sem, 1));
  BOOST_TEST(sem.try_acquire());
  BOOST_TEST(over_release(sem, 2));
  BOOST_TEST(sem.in_use() == 1u);
  sem.release();
  BOOST_TEST(sem.available() == 2u);
}

// A permit cannot be told that it failed.
BOOST_AUTO_TEST_CASE(a_permit_never_releases_above_the_limit) {
  bounded_semaphore sem(io, 3);
  permit p = sem.try_acquire_permit(2);
  sem.release();  // what the permit has
  p.release();
  BOOST_TEST(sem.available() == 3u);
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(raising, journal)

BOOST_AUTO_TEST_CASE(a_raised_limit_makes_room_at_once) {
  bounded_semaphore sem(io, 1);
  BOOST_TEST(sem.try_acquire());
  sem.set_limit(3);
  BOOST_TEST(sem.limit() == 3u);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(sem.in_use() == 1u);
  BOOST_TEST(sem.try_acquire(2));
  sem.release(3);
  BOOST_TEST(over_release(sem, 1));
}

BOOST_AUTO_TEST_CASE(a_raised_limit_serves_as_many_as_there_is_room_for) {
  bounded_semaphore sem(io, 0, 2);
  for (auto name : {"a", "b", "c"}) sem.async_acquire((*this)(name));
  sem.set_limit(4);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.in_use() == 4u);
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(poll() == "a b");
  sem.set_limit(max);
  BOOST_TEST(poll() == "c");
  BOOST_TEST(sem.available() == max - 5);
}

BOOST_AUTO_TEST_CASE(a_raised_limit_admits_larger_requests) {
  bounded_semaphore sem(io, 1);
  sem.set_limit(2);
  sem.async_acquire(2, (*this)("a"));
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(a_limit_above_max_is_refused) {
  bounded_semaphore sem(io, 1);
  BOOST_CHECK_THROW(sem.set_limit(max + 1), std::invalid_argument);
  BOOST_CHECK_THROW(sem.set_limit(static_cast<std::size_t>(-1)), std::invalid_argument);
  BOOST_TEST(sem.limit() == 1u);
  sem.set_limit(max);
  BOOST_TEST(sem.limit() == max);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(lowering, journal)

BOOST_AUTO_TEST_CASE(a_lowered_limit_takes_nothing_from_holders) {
  bounded_semaphore sem(io, 5);
  BOOST_TEST(sem.try_acquire(4));
  sem.set_limit(2);
  BOOST_TEST(sem.limit() == 2u);
  BOOST_TEST(sem.in_use() == 4u);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.locked());
  BOOST_TEST(over_release(sem, 5));
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_is_paid_first) {
  bounded_semaphore sem(io, 5);
  permit p = sem.try_acquire_permit(5);
  sem.set_limit(2);
  sem.async_acquire((*this)("a"));
  for (std::size_t left = 4; left >= 2; --left) {
    p.release(1);
    BOOST_TEST(sem.in_use() == left);
    BOOST_TEST(sem.available() == 0u);
    BOOST_TEST(!sem.try_acquire());
    BOOST_TEST(poll() == "");
  }
  p.release(1);
  BOOST_TEST(poll() == "a");
  BOOST_TEST(sem.in_use() == 2u);
  p.release();
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(one_release_pays_a_lowered_limit_and_serves_with_the_rest) {
  bounded_semaphore sem(io, 6);
  BOOST_TEST(sem.try_acquire(6));
  sem.set_limit(3);
  for (auto name : {"a", "b", "c", "d"}) sem.async_acquire((*this)(name));
  sem.release(5);
  BOOST_TEST(poll() == "a b");
  BOOST_TEST(sem.in_use() == 3u);
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_ends_larger_requests) {
  bounded_semaphore sem(io, 0, 5);
  sem.async_acquire(3, (*this)("a"));
  sem.async_acquire(5, (*this)("b"));
  sem.async_acquire_permit(4, (*this)("c"));
  sem.async_acquire(2, (*this)("d"));
  sem.set_limit(3);
  BOOST_TEST(sem.waiting() == 2u);
  BOOST_TEST(poll() == "b!exceeds c!exceeds");
  sem.set_limit(5);  // they do not come back
  sem.release(5);
  BOOST_TEST(poll() == "a d");
}

BOOST_AUTO_TEST_CASE(a_limit_of_zero_ends_all_waiters) {
  bounded_semaphore sem(io, 1);
  BOOST_TEST(sem.try_acquire());
  sem.async_acquire((*this)("a"));
  sem.set_limit(0);
  BOOST_TEST(poll() == "a!exceeds");
  sem.release();
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.in_use() == 0u);
  sem.set_limit(1);
  BOOST_TEST(sem.try_acquire());
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_leaves_grants_alone) {
  bounded_semaphore sem(io, 2);
  sem.async_acquire_permit(2, (*this)("a"));
  sem.set_limit(1);
  BOOST_TEST(poll() == "a");
  BOOST_TEST(held["a"].count() == 2u);
  held.clear();
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_may_be_raised_before_it_is_paid) {
  bounded_semaphore sem(io, 4);
  BOOST_TEST(sem.try_acquire(4));
  sem.set_limit(1);
  sem.async_acquire((*this)("a"));
  sem.set_limit(3);
  BOOST_TEST(poll() == "");
  sem.set_limit(5);
  BOOST_TEST(poll() == "a");
  BOOST_TEST(sem.in_use() == 5u);
}

BOOST_AUTO_TEST_CASE(a_limit_counts_on_a_closed_semaphore) {
  bounded_semaphore sem(io, 3);
  BOOST_TEST(sem.try_acquire(3));
  sem.close();
  sem.set_limit(1);
  BOOST_TEST(sem.limit() == 1u);
  sem.release(2);
  BOOST_TEST(sem.available() == 0u);
  sem.set_limit(4);
  BOOST_TEST(sem.available() == 3u);
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(over_release(sem, 2));
}

BOOST_AUTO_TEST_SUITE_END()
