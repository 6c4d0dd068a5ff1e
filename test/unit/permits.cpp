// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Class permit.

#define BOOST_TEST_MODULE permits
#include "journal.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

using namespace test;

static_assert(std::is_nothrow_default_constructible_v<permit>);
static_assert(std::is_nothrow_move_constructible_v<permit>);
static_assert(std::is_nothrow_move_assignable_v<permit>);
static_assert(std::is_nothrow_swappable_v<permit>);
static_assert(!std::is_copy_constructible_v<permit> && !std::is_copy_assignable_v<permit>);
static_assert(!std::is_convertible_v<permit, bool>);

namespace {

struct fixture : journal {
  bounded_semaphore sem{io, 10};

  permit take(std::size_t n) { return sem.try_acquire_permit(n); }
};

bool invalid(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument&) {
    return true;
  }
  return false;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(an_empty_permit, fixture)

BOOST_AUTO_TEST_CASE(an_empty_permit_owns_nothing_and_gives_nothing_back) {
  permit p;
  BOOST_TEST(!p);
  BOOST_TEST(p.count() == 0u);
  p.release();
  p.release(0);
  BOOST_TEST(p.forget() == 0u);
  BOOST_TEST(!p.split(0));
  p.merge(permit());
  BOOST_TEST(invalid([&] { p.release(1); }));
  BOOST_TEST(invalid([&] { (void)p.split(1); }));
  p = permit();
  BOOST_TEST(!p);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(try_acquire_permit, fixture)

BOOST_AUTO_TEST_CASE(try_acquire_permit_takes_what_try_acquire_takes) {
  permit one = sem.try_acquire_permit();
  BOOST_TEST(one.count() == 1u);
  BOOST_TEST(!!one);
  permit more = take(9);
  BOOST_TEST(more.count() == 9u);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(!sem.try_acquire_permit());
}

BOOST_AUTO_TEST_CASE(try_acquire_permit_is_empty_if_it_takes_nothing) {
  BOOST_TEST(!take(0));
  BOOST_TEST(!take(11));
  BOOST_TEST(!take(static_cast<std::size_t>(-1)));
  permit p = take(9);
  sem.async_acquire(2, (*this)("a"));
  BOOST_TEST(!take(1));  // an acquire waits
  sem.close();
  BOOST_TEST(!take(1));
  BOOST_TEST(sem.in_use() == 9u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(giving_back, fixture)

BOOST_AUTO_TEST_CASE(the_destructor_gives_back_all) {
  {
    permit p = take(3);
  }
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(release_gives_back_all) {
  permit p = take(3);
  p.release();
  BOOST_TEST(!p);
  BOOST_TEST(sem.in_use() == 0u);
  p.release();
  BOOST_TEST(sem.try_acquire(10));  // and not twice
  p.release();
  BOOST_TEST(sem.in_use() == 10u);
}

BOOST_AUTO_TEST_CASE(release_gives_back_some) {
  permit p = take(5);
  p.release(0);
  BOOST_TEST(p.count() == 5u);
  p.release(2);
  BOOST_TEST(p.count() == 3u);
  BOOST_TEST(sem.in_use() == 3u);
  BOOST_TEST(invalid([&] { p.release(4); }));
  BOOST_TEST(invalid([&] { p.release(static_cast<std::size_t>(-1)); }));
  BOOST_TEST(p.count() == 3u);
  BOOST_TEST(sem.in_use() == 3u);
  p.release(3);
  BOOST_TEST(!p);
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(forget_gives_back_nothing) {
  permit p = take(4);
  BOOST_TEST(p.forget() == 4u);
  BOOST_TEST(!p);
  BOOST_TEST(p.forget() == 0u);
  BOOST_TEST(sem.in_use() == 4u);
  sem.release(4);
}

BOOST_AUTO_TEST_CASE(a_permit_that_is_given_back_serves_waiters_and_not_inline) {
  permit p = take(10);
  sem.async_acquire_permit(2, (*this)("a"));
  sem.async_acquire_permit(3, (*this)("b"));
  p.release(3);
  BOOST_TEST(read() == "");
  BOOST_TEST(poll() == "a");
  p = {};
  BOOST_TEST(read() == "");
  BOOST_TEST(poll() == "b");
}

// Rule 6: by a caller's fault, there is no room for all of it.
BOOST_AUTO_TEST_CASE(a_permit_that_is_given_back_stays_at_the_limit) {
  permit p = take(4), q = take(2);
  sem.release(5);
  p.release(2);
  BOOST_TEST(sem.in_use() == 0u);
  p.release();
  q.release();
  BOOST_TEST(sem.available() == 10u);
}

BOOST_AUTO_TEST_CASE(a_permit_that_is_given_back_stays_at_max) {
  semaphore unbounded(io, 3);
  permit p = unbounded.try_acquire_permit(3);
  unbounded.release(semaphore::max() - 1);
  p.release();
  BOOST_TEST(unbounded.available() == semaphore::max());
}

BOOST_AUTO_TEST_CASE(a_permit_that_is_given_back_stays_at_the_limit_and_serves_waiters) {
  permit p = take(9);
  sem.async_acquire(10, (*this)("a"));
  sem.release(7);
  BOOST_TEST(poll() == "");
  p.release();  // two of nine
  BOOST_TEST(poll() == "a");
  BOOST_TEST(sem.in_use() == 10u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(moving, fixture)

BOOST_AUTO_TEST_CASE(a_move_leaves_the_source_empty) {
  permit p = take(3);
  permit q = std::move(p);
  BOOST_TEST(!p);
  BOOST_TEST(q.count() == 3u);
  p.release();
  BOOST_TEST(sem.in_use() == 3u);
  p = std::move(q);
  BOOST_TEST(!q);
  BOOST_TEST(p.count() == 3u);
  BOOST_TEST(sem.in_use() == 3u);
}

BOOST_AUTO_TEST_CASE(a_move_gives_back_what_the_target_held) {
  permit p = take(3), q = take(5);
  p = std::move(q);
  BOOST_TEST(sem.in_use() == 5u);
  BOOST_TEST(p.count() == 5u);
  p = permit();
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(a_move_to_itself_changes_nothing) {
  permit p = take(3);
  permit& same = p;
  p = std::move(same);
  BOOST_TEST(p.count() == 3u);
  BOOST_TEST(sem.in_use() == 3u);
}

BOOST_AUTO_TEST_CASE(permits_can_be_swapped) {
  bounded_semaphore other(io, 2);
  permit p = take(3), q = other.try_acquire_permit(2), none;
  swap(p, q);
  BOOST_TEST(p.count() == 2u);
  BOOST_TEST(q.count() == 3u);
  swap(p, p);
  BOOST_TEST(p.count() == 2u);
  swap(p, none);
  BOOST_TEST(!p);
  none.release();
  BOOST_TEST(other.in_use() == 0u);
  BOOST_TEST(sem.in_use() == 3u);
}

BOOST_AUTO_TEST_CASE(permits_can_be_moved_into_a_container) {
  std::vector<permit> held_by_all;
  for (int i = 0; i < 10; ++i) held_by_all.push_back(take(1));
  BOOST_TEST(sem.locked());
  held_by_all.erase(held_by_all.begin() + 2, held_by_all.begin() + 5);
  BOOST_TEST(sem.available() == 3u);
  held_by_all.clear();
  BOOST_TEST(sem.available() == 10u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(parts, fixture)

BOOST_AUTO_TEST_CASE(split_takes_some_out) {
  permit p = take(5);
  permit q = p.split(2);
  BOOST_TEST(p.count() == 3u);
  BOOST_TEST(q.count() == 2u);
  BOOST_TEST(sem.in_use() == 5u);
  BOOST_TEST(!p.split(0));
  p.release();
  BOOST_TEST(sem.in_use() == 2u);
  permit all = q.split(2);
  BOOST_TEST(!q);
  BOOST_TEST(all.count() == 2u);
}

BOOST_AUTO_TEST_CASE(split_of_more_than_there_is_changes_nothing) {
  permit p = take(5);
  BOOST_TEST(invalid([&] { (void)p.split(6); }));
  BOOST_TEST(p.count() == 5u);
  BOOST_TEST(sem.in_use() == 5u);
}

BOOST_AUTO_TEST_CASE(merge_takes_over) {
  permit p = take(2), q = take(3);
  p.merge(std::move(q));
  BOOST_TEST(p.count() == 5u);
  BOOST_TEST(!q);
  BOOST_TEST(sem.in_use() == 5u);
  permit none;
  p.merge(std::move(none));
  BOOST_TEST(p.count() == 5u);
  none.merge(std::move(p));
  BOOST_TEST(none.count() == 5u);
  BOOST_TEST(!p);
  permit& same = none;
  none.merge(std::move(same));
  BOOST_TEST(none.count() == 5u);
  none.release();
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(merge_of_different_semaphores_changes_nothing) {
  bounded_semaphore other(io, 2);
  permit p = take(2), q = other.try_acquire_permit();
  BOOST_TEST(invalid([&] { p.merge(std::move(q)); }));
  BOOST_TEST(p.count() == 2u);
  BOOST_TEST(q.count() == 1u);
  BOOST_TEST(sem.in_use() == 2u);
  BOOST_TEST(other.in_use() == 1u);
  p.release();
  p.merge(std::move(q));  // empty: of no semaphore any more
  p.release();
  BOOST_TEST(other.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(merge_of_permits_that_came_differently) {
  sem.async_acquire_permit(2, (*this)("a"));
  poll();
  permit p = take(1);
  p.merge(std::move(held["a"]));
  BOOST_TEST(p.count() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(outliving_the_semaphore, fixture)

BOOST_AUTO_TEST_CASE(all_members_of_a_permit_work_without_its_semaphore) {
  std::optional<semaphore> gone(std::in_place, io, 9);
  permit p = gone->try_acquire_permit(9);
  gone.reset();
  BOOST_TEST(p.count() == 9u);
  permit q = p.split(4);
  p.release(1);
  p.merge(q.split(1));
  BOOST_TEST(p.count() == 5u);
  permit r = std::move(p);
  swap(r, q);
  BOOST_TEST(r.forget() == 3u);
  q.release();
}

BOOST_AUTO_TEST_CASE(a_permit_outlives_the_context) {
  permit p;
  {
    asio::io_context short_lived;
    semaphore gone(short_lived, 2);
    p = gone.try_acquire_permit(2);
  }
  BOOST_TEST(p.count() == 2u);
  p.release(1);
}

BOOST_AUTO_TEST_CASE(a_permit_gives_nothing_to_a_semaphore_in_the_place_of_its_own) {
  std::optional<bounded_semaphore> place(std::in_place, io, 1);
  permit p = place->try_acquire_permit();
  place.emplace(io, 0, 1);
  place->async_acquire((*this)("a"));
  p.release();
  BOOST_TEST(place->available() == 0u);
  BOOST_TEST(poll() == "");
}

BOOST_AUTO_TEST_CASE(a_permit_follows_its_semaphore_when_it_moves) {
  bounded_semaphore a(io, 2);
  permit p = a.try_acquire_permit(2);
  bounded_semaphore b = std::move(a);
  p.release(1);
  BOOST_TEST(b.available() == 1u);
  a = bounded_semaphore(io, 5);
  p.release();
  BOOST_TEST(b.available() == 2u);
  BOOST_TEST(a.available() == 5u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(from_handlers, fixture)

BOOST_AUTO_TEST_CASE(an_error_comes_with_an_empty_permit) {
  permit all = take(10);
  sem.async_acquire_permit([&](error_code ec, permit p) {
    BOOST_TEST(ec.failed());
    BOOST_TEST(!p);
    write("a");
  });
  sem.cancel();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(a_permit_that_its_handler_ignores_is_given_back) {
  sem.async_acquire_permit(3, [](error_code, permit) {});
  permit rest = take(7);
  sem.async_acquire_permit(3, [](error_code, permit) {});
  sem.async_acquire_permit(3, (*this)("a"));
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(permits_acquired_without_a_permit_object_are_given_back_by_release) {
  sem.async_acquire(3, (*this)("a"));
  permit rest = take(7);
  sem.async_acquire(3, (*this)("b"));
  BOOST_TEST(poll() == "a");
  BOOST_TEST(sem.in_use() == 10u);
  sem.release(3);
  BOOST_TEST(poll() == "b");
  BOOST_TEST(sem.in_use() == 10u);
}

BOOST_AUTO_TEST_SUITE_END()
