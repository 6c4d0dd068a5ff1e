// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A keyed semaphore: limits for each key and for all, fairness between keys, and keys that are forgotten.

#define BOOST_TEST_MODULE keyed
#include "context_executor.hpp"
#include "keyed_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace test;

static_assert(turnstile::acquirable<keyed::key_reference>);
static_assert(std::is_copy_constructible_v<keyed::key_reference>);
static_assert(std::is_nothrow_move_constructible_v<keyed>);

// ---- Limits -------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(limits, keyed_fixture)

BOOST_AUTO_TEST_CASE(a_key_holds_at_most_its_limit) {
  make({.per_key = 2});
  for (int i = 0; i < 3; ++i) acquire("a");
  BOOST_TEST((*sem)["a"].in_use() == 2u);  // taken inside the initiating calls
  BOOST_TEST((*sem)["a"].waiting() == 1u);
  BOOST_TEST(poll() == "a1 a2");
  acquire("b");
  BOOST_TEST(poll() == "b1");
  BOOST_TEST(drop("a2") == "a3");
  check(3, 0, 2);
}

BOOST_AUTO_TEST_CASE(all_keys_hold_at_most_the_total) {
  make({.per_key = 2, .total = 3});
  for (auto key : {"a", "a", "b", "b", "c"}) acquire(key);
  BOOST_TEST(poll() == "a1 a2 b1");
  check(3, 2, 3);
  BOOST_TEST(drop("b1") == "b2");  // both hold none, and b waits longer
  BOOST_TEST(drop("b2") == "c1");
  check(3, 0, 2);
}

BOOST_AUTO_TEST_CASE(permits_of_key_and_total_are_taken_together) {
  make({.per_key = 2, .total = 2});
  acquire("a");
  acquire("b", 2);  // its key has room, the total has not
  BOOST_TEST(poll() == "a1");
  BOOST_TEST((*sem)["b"].in_use() == 0u);
  BOOST_TEST(drop("a1") == "b1");
  BOOST_TEST((*sem)["b"].in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(what_can_never_be_granted_exceeds_the_limit) {
  make({.per_key = 3, .total = 2});
  acquire("a", 3);
  acquire("a", 4);
  acquire("a", std::size_t(1) << 40);
  BOOST_TEST(poll() == "a1!exceeds a2!exceeds a3!exceeds");
  check(0, 0, 0);
}

BOOST_AUTO_TEST_CASE(zero_permits_are_granted_whoever_waits) {
  make({.per_key = 1});
  acquire("a");
  acquire("a");
  acquire("a", 0);
  BOOST_TEST(poll() == "a1 a3");
  sem->close();
  acquire("a", 0);
  BOOST_TEST(poll() == "a2!closed a4!closed");
}

BOOST_AUTO_TEST_CASE(set_limits_grants_at_once) {
  make({.per_key = 1, .total = 2});
  for (auto key : {"a", "a", "b", "c"}) acquire(key);
  BOOST_TEST(poll() == "a1 b1");
  sem->set_limits({.per_key = 1, .total = 3});
  BOOST_TEST(poll() == "c1");
  sem->set_limits({.per_key = 2, .total = 4});
  BOOST_TEST(poll() == "a2");
  BOOST_TEST(sem->limits().per_key == 2u);
  BOOST_TEST(sem->limits().total == 4u);
  BOOST_TEST(sem->limits().max_waiting == semaphore::max());
}

BOOST_AUTO_TEST_CASE(lower_limits_take_nothing_from_keys_that_hold) {
  make({.per_key = 2, .total = 4});
  for (auto key : {"a", "a", "b", "b"}) acquire(key);
  BOOST_TEST(poll() == "a1 a2 b1 b2");
  sem->set_limits({.per_key = 1, .total = 2});
  acquire("a");
  BOOST_TEST(drop("a1") == "");
  BOOST_TEST(drop("a2") == "");  // a holds none, but b holds the total
  BOOST_TEST(drop("b1") == "a3");
  check(2, 0, 2);
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_refuses_what_waits_in_vain) {
  make({.per_key = 3, .total = 3});
  acquire("a");
  acquire("b", 3);
  acquire("c", 2);
  BOOST_TEST(poll() == "a1");
  sem->set_limits({.per_key = 2, .total = 3});
  BOOST_TEST(poll() == "b1!exceeds c1");
  sem->set_limits({.per_key = 2, .total = 1});
  acquire("d", 2);
  BOOST_TEST(poll() == "d1!exceeds");
}

BOOST_AUTO_TEST_CASE(limits_above_the_maximum_are_refused) {
  BOOST_CHECK_THROW(keyed(io, {.per_key = semaphore::max() + 1}), std::invalid_argument);
  BOOST_CHECK_THROW(keyed(io, {.per_key = 1, .total = std::size_t(-1)}), std::invalid_argument);
  make({.per_key = 1, .total = 1, .max_waiting_per_key = std::size_t(-1)});
  BOOST_CHECK_THROW(sem->set_limits({.per_key = std::size_t(-1)}), std::invalid_argument);
  BOOST_TEST(sem->limits().per_key == 1u);
  BOOST_TEST(sem->limits().max_waiting_per_key == semaphore::max());
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Fairness -----------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(fairness, keyed_fixture)

BOOST_AUTO_TEST_CASE(a_permit_goes_to_the_key_that_holds_fewest) {
  make({.per_key = 4, .total = 4});
  for (auto key : {"a", "a", "a", "b", "a", "b", "c"}) acquire(key);
  BOOST_TEST(poll() == "a1 a2 a3 b1");
  BOOST_TEST(drop("a1") == "c1");  // a holds two, b one, c none
  BOOST_TEST(drop("a2") == "a4");  // a and b hold one, and a waits longer
  BOOST_TEST(drop("a3") == "b2");
}

BOOST_AUTO_TEST_CASE(a_release_counts_for_its_own_key_first) {
  make({.per_key = 2, .total = 2});
  for (auto key : {"a", "b", "b", "a"}) acquire(key);
  BOOST_TEST(poll() == "a1 b1");
  BOOST_TEST(drop("a1") == "a2");  // though b waits longer
}

BOOST_AUTO_TEST_CASE(of_equal_keys_the_one_that_waits_longest_comes_first) {
  make({.per_key = 1, .total = 1});
  for (auto key : {"x", "c", "a", "b"}) acquire(key);
  BOOST_TEST(poll() == "x1");
  BOOST_TEST(drop("x1") == "c1");
  BOOST_TEST(drop("c1") == "a1");
  BOOST_TEST(drop("a1") == "b1");
}

BOOST_AUTO_TEST_CASE(keys_at_their_limit_are_passed_over) {
  make({.per_key = 1, .total = 3});
  for (auto key : {"a", "a", "b", "c"}) acquire(key);
  BOOST_TEST(poll() == "a1 b1 c1");
  acquire("d");
  BOOST_TEST(drop("b1") == "d1");
  BOOST_TEST((*sem)["a"].waiting() == 1u);
  BOOST_TEST(drop("c1") == "");  // a permit is idle, since a is at its limit
  BOOST_TEST((*sem)["e"].try_acquire_permit().count() == 1u);
}

BOOST_AUTO_TEST_CASE(a_large_request_whose_turn_it_is_is_not_overtaken) {
  make({.per_key = 2, .total = 2});
  acquire("a");
  acquire("b");
  acquire("c", 2);
  acquire("d");
  BOOST_TEST(poll() == "a1 b1");
  BOOST_TEST(drop("a1") == "");
  BOOST_TEST(!(*sem)["d"].try_acquire_permit());
  BOOST_TEST(drop("b1") == "c1");
}

BOOST_AUTO_TEST_CASE(one_heavy_key_does_not_delay_a_light_one) {
  make({.per_key = 10, .total = 10});
  for (int i = 0; i < 200; ++i) acquire("heavy");
  poll();
  acquire("light");
  BOOST_TEST(drop("heavy1") == "light1");
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Bounded queues -----------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(bounded, keyed_fixture)

BOOST_AUTO_TEST_CASE(at_most_so_many_acquires_of_a_key_wait) {
  make({.per_key = 1, .max_waiting_per_key = 1});
  for (auto key : {"a", "a", "a", "b", "b", "b"}) acquire(key);
  BOOST_TEST(poll() == "a1 a3!full b1 b3!full");
  check(2, 2, 2);
  BOOST_TEST(drop("a1") == "a2");
  acquire("a");
  acquire("a");
  BOOST_TEST(poll() == "a5!full");
}

BOOST_AUTO_TEST_CASE(at_most_so_many_acquires_of_all_keys_wait) {
  make({.per_key = 1, .max_waiting = 2});
  for (auto key : {"a", "a", "b", "b", "c", "c", "d"}) acquire(key);
  BOOST_TEST(poll() == "a1 b1 c1 c2!full d1");
  check(4, 2, 4);
}

BOOST_AUTO_TEST_CASE(zero_means_never_wait) {
  make({.per_key = 1, .total = 2, .max_waiting = 0});
  for (auto key : {"a", "a", "b", "c"}) acquire(key);
  BOOST_TEST(poll() == "a1 a2!full b1 c1!full");
  check(2, 0, 2);
}

BOOST_AUTO_TEST_CASE(closed_comes_before_exceeds_limit_before_full) {
  make({.per_key = 1, .max_waiting = 0});
  acquire("a");
  acquire("a", 2);
  BOOST_TEST(poll() == "a1 a2!exceeds");
  sem->close();
  acquire("a", 2);
  BOOST_TEST(poll() == "a3!closed");
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Keys ---------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(keys, keyed_fixture)

BOOST_AUTO_TEST_CASE(a_key_exists_while_it_holds_or_waits) {
  make({.per_key = 1});
  check(0, 0, 0);
  acquire("a");
  acquire("a");
  check(1, 1, 1);
  poll();
  BOOST_TEST(drop("a1") == "a2");
  check(1, 0, 1);
  BOOST_TEST(drop("a2") == "");
  check(0, 0, 0);
}

BOOST_AUTO_TEST_CASE(a_refused_or_cancelled_acquire_leaves_no_key) {
  make({.per_key = 1, .total = 1, .max_waiting_per_key = 1});
  acquire("a");
  asio::cancellation_signal signal;
  (*sem)["b"].async_acquire_permit(asio::bind_cancellation_slot(signal.slot(), (*this)("b1")));
  acquire("b");
  (void)(*sem)["c"].try_acquire_permit();
  BOOST_TEST(poll() == "a1 b1!full");  // the second, which the fixture calls the first
  check(1, 1, 2);
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(poll() == "b1!aborted");
  check(1, 0, 1);
}

BOOST_AUTO_TEST_CASE(a_reference_looks_nothing_up) {
  make({});
  auto a = (*sem)["a"];
  auto copy = a;
  check(0, 0, 0);
  BOOST_TEST(copy.key() == "a");
  BOOST_TEST((copy.get_executor() == sem->get_executor()));
  permit p = a.try_acquire_permit();
  BOOST_TEST(!copy.try_acquire_permit());
  check(1, 0, 1);
}

BOOST_AUTO_TEST_CASE(available_is_what_the_key_could_take) {
  make({.per_key = 3, .total = 4});
  BOOST_TEST((*sem)["a"].available() == 3u);
  permit a = (*sem)["a"].try_acquire_permit(2);
  BOOST_TEST((*sem)["a"].available() == 1u);
  BOOST_TEST((*sem)["b"].available() == 2u);
}

BOOST_AUTO_TEST_CASE(keys_are_ordered_by_the_comparison) {
  turnstile::basic_keyed_semaphore<int, asio::io_context::executor_type, std::greater<>> sem2(
      io.get_executor(), {});
  permit a = sem2[1].try_acquire_permit(), b = sem2[2].try_acquire_permit();
  BOOST_TEST(a.count() == 1u);
  BOOST_TEST(b.count() == 1u);
  BOOST_TEST(!sem2[1].try_acquire_permit());
  BOOST_TEST(sem2.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_look_up_compares_few_keys) {
  static int compared = 0;
  struct counting {
    bool operator()(int a, int b) const { return ++compared, a < b; }
  };
  turnstile::basic_keyed_semaphore<int, asio::any_io_executor, counting> sem2(io, {});
  std::vector<permit> all;
  for (int i = 0; i != 10'000; ++i) all.push_back(sem2[i].try_acquire_permit());
  compared = 0;
  BOOST_TEST(!sem2[5'000].try_acquire_permit());
  BOOST_TEST(compared <= 40);  // a balanced tree of 10,000 keys has at most 27 levels
  compared = 0;
  all.clear();
  BOOST_TEST(compared == 0);  // a release looks nothing up
  BOOST_TEST(sem2.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_destructor_of_a_key_may_use_the_semaphore) {
  struct key {
    int n;
    std::function<void()> destroyed;
    ~key() {
      if (destroyed) destroyed();
    }
    key(int i, std::function<void()> f) : n(i), destroyed(std::move(f)) {}
    key(const key&) = default;
    bool operator<(const key& other) const { return n < other.n; }
  };
  const watchdog w;
  turnstile::keyed_semaphore<key> sem2(io, {});
  int calls = 0;
  const auto uses = [&] {
    ++calls;
    BOOST_TEST(sem2.size() <= 1u);
    BOOST_TEST(sem2[key(2, {})].try_acquire_permit().count() == 1u);
  };
  permit p = sem2[key(1, uses)].try_acquire_permit();
  calls = 0;
  p.release();
  BOOST_TEST(calls == 1);
  BOOST_TEST(sem2.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_comparison_that_throws_changes_nothing) {
  struct throwing {
    bool* throws;
    bool operator()(int x, int y) const {
      if (*throws) throw std::runtime_error("compare");
      return x < y;
    }
    throwing(bool* t = nullptr) : throws(t ? t : &never()) {}
    static bool& never() {
      static bool b = false;
      return b;
    }
  };
  turnstile::basic_keyed_semaphore<int, asio::any_io_executor, throwing> sem2(io, {});
  permit p = sem2[1].try_acquire_permit();
  throwing::never() = true;
  BOOST_CHECK_THROW((void)sem2[2].try_acquire_permit(), std::runtime_error);
  BOOST_CHECK_THROW(sem2[2].async_acquire_permit(asio::detached), std::runtime_error);
  p.release();  // compares no keys
  throwing::never() = false;
  BOOST_TEST(sem2.size() == 0u);
  BOOST_TEST(sem2[2].try_acquire_permit().count() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Permits ------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(permits, keyed_fixture)

BOOST_AUTO_TEST_CASE(split_and_merged_permits_belong_to_the_key) {
  make({.per_key = 4});
  permit p = (*sem)["a"].try_acquire_permit(4);
  permit q = p.split(1);
  p.release(1);
  BOOST_TEST((*sem)["a"].in_use() == 3u);
  p.merge(std::move(q));
  BOOST_TEST(p.count() == 3u);
  p = {};
  check(0, 0, 0);
}

BOOST_AUTO_TEST_CASE(permits_of_different_keys_do_not_merge) {
  make({});
  permit a = (*sem)["a"].try_acquire_permit(), b = (*sem)["b"].try_acquire_permit();
  BOOST_CHECK_THROW(a.merge(std::move(b)), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(forgotten_permits_are_held_until_the_semaphore_is_gone) {
  make({.per_key = 2});
  permit p = (*sem)["a"].try_acquire_permit();
  BOOST_TEST(p.forget() == 1u);
  check(1, 0, 1);
  BOOST_TEST((*sem)["a"].try_acquire_permit().count() == 1u);
  p = (*sem)["b"].try_acquire_permit();
  sem.reset();
  BOOST_TEST(p.forget() == 1u);  // the leak check finds what stays
}

BOOST_AUTO_TEST_CASE(permits_may_outlive_the_semaphore_and_its_context) {
  permit p;
  {
    asio::io_context other;
    keyed sem2(other, {.per_key = 2});
    p = sem2["a"].try_acquire_permit(2);
  }
  p.release(1);
  p.release();
}

BOOST_AUTO_TEST_CASE(a_grant_whose_handler_is_destroyed_goes_back) {
  make({.per_key = 1});
  {
    asio::io_context other;
    (*sem)["a"].async_acquire_permit(asio::bind_executor(other, (*this)("lost")));
    BOOST_TEST((*sem)["a"].in_use() == 1u);
  }
  check(0, 0, 0);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Ends ---------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(ends, keyed_fixture)

BOOST_AUTO_TEST_CASE(a_cancelled_head_lets_the_next_one_pass) {
  make({.per_key = 2, .total = 2});
  acquire("a");
  asio::cancellation_signal signal;
  (*sem)["b"].async_acquire_permit(2, asio::bind_cancellation_slot(signal.slot(), (*this)("b")));
  acquire("c");
  BOOST_TEST(poll() == "a1");
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(poll() == "b!aborted c1");
}

BOOST_AUTO_TEST_CASE(cancel_ends_all_waits) {
  make({.per_key = 1});
  for (auto key : {"a", "a", "b", "b"}) acquire(key);
  sem->cancel();
  check(2, 0, 2);
  poll();
  acquire("a");
  BOOST_TEST(sem->waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(close_ends_all_waits_and_all_later_acquires) {
  make({.per_key = 1});
  for (auto key : {"a", "a"}) acquire(key);
  sem->close();
  sem->close();
  BOOST_TEST(sem->is_closed());
  acquire("b");
  BOOST_TEST(!(*sem)["b"].try_acquire_permit());
  BOOST_TEST(poll() == "a1 a2!closed b1!closed");
  held.clear();
  check(0, 0, 0);
}

BOOST_AUTO_TEST_CASE(the_end_of_the_semaphore_aborts_what_waits) {
  make({.per_key = 1});
  for (auto key : {"a", "a", "b", "b"}) acquire(key);
  sem.reset();
  BOOST_TEST(poll() == "a1 b1 a2!aborted b2!aborted");
  held.clear();
}

BOOST_AUTO_TEST_CASE(the_end_of_the_context_destroys_what_waits_uncalled) {
  std::optional<keyed> outer;
  {
    asio::io_context other;
    outer.emplace(other, turnstile::keyed_limits{.per_key = 1});
    auto p = std::make_shared<permit>((*outer)["a"].try_acquire_permit());
    (*outer)["a"].async_acquire_permit(
        [p, h = (*this)("a")](error_code ec, permit q) mutable { h(ec, std::move(q)); });
  }
  BOOST_TEST(read() == "");
  BOOST_TEST(alive() == 0);
  BOOST_TEST(outer->size() == 0u);
}

BOOST_AUTO_TEST_CASE(waits_and_permits_follow_a_move) {
  make({.per_key = 1});
  acquire("a");
  acquire("a");
  poll();
  keyed moved(std::move(*sem));
  sem.reset();
  BOOST_TEST(drop("a1") == "a2");
  turnstile::basic_keyed_semaphore<std::string, asio::io_context::executor_type> typed(
      io.get_executor(), {.per_key = 7});
  moved = std::move(typed);  // aborts nothing: none waits
  BOOST_TEST(moved.limits().per_key == 7u);
}

BOOST_AUTO_TEST_CASE(a_move_to_itself_changes_nothing) {
  keyed& same = make({.per_key = 1});
  acquire("a");
  acquire("a");
  *sem = std::move(same);
  BOOST_TEST(poll() == "a1");
  BOOST_TEST(drop("a1") == "a2");
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Completion ---------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(completion, keyed_fixture)

BOOST_AUTO_TEST_CASE(handlers_are_never_called_inside_a_call) {
  make({.per_key = 1, .max_waiting = 1});
  acquire("a");
  acquire("a");
  acquire("a");
  BOOST_TEST(read() == "");
  BOOST_TEST(poll() == "a1 a3!full");
  held["a1"].release();
  BOOST_TEST(read() == "");
  BOOST_TEST(poll() == "a2");
}

BOOST_AUTO_TEST_CASE(a_handler_may_use_the_semaphore) {
  make({.per_key = 1});
  permit p = (*sem)["a"].try_acquire_permit();
  (*sem)["a"].async_acquire_permit([&](error_code, permit q) {
    acquire("a");
    q.release();
    acquire("b");
    write("first");
  });
  p.release();
  BOOST_TEST(poll() == "first a1 b1");
}

BOOST_AUTO_TEST_CASE(an_executor_that_throws_loses_no_permit) {
  int times = 0;
  make({.per_key = 1, .total = 2});
  acquire("a");
  acquire("b");
  poll();
  (*sem)["a"].async_acquire_permit(
      asio::bind_executor(refusing{{&io}, &times}, (*this)("refused")));
  acquire("c");
  times = 1;
  BOOST_TEST(drop("a1") == "");
  check(1, 2, 3);
  // The next call that looks at the queue tries again: the refused one waits longest.
  acquire("d");
  BOOST_TEST(poll() == "refused");
  BOOST_TEST(drop("b1") == "c1");
}

BOOST_AUTO_TEST_CASE(a_refused_waiter_that_was_granted_as_it_came_has_the_place_of_its_arrival) {
  int times = 0;
  make({.per_key = 20, .total = 11});
  permit most = (*sem)["h"].try_acquire_permit(9);
  acquire("h", 3);  // has the turn, and needs more than is free
  for (auto key : {"a", "b"}) {
    times = 1;
    (*sem)[key].async_acquire_permit(asio::bind_executor(refusing{{&io}, &times}, (*this)(key)));
  }
  check(9, 3, 3);
  most.release();
  BOOST_TEST(poll() == "h1 a b");
}

BOOST_AUTO_TEST_CASE(every_token_works) {
  make({.per_key = 1});
  auto a = (*sem)["a"];
  std::future<permit> f = a.async_acquire_permit(asio::use_future);
  poll();
  f.get().release();
  auto lazy = a.async_acquire_permit();  // `deferred` is the default
  check(0, 0, 0);
  std::move(lazy)((*this)("deferred"));
  BOOST_TEST(poll() == "deferred");
  held.clear();
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        permit p = co_await (*sem)["a"].async_acquire_permit(asio::use_awaitable);
        auto [ec, q] = co_await (*sem)["b"].async_acquire_permit(asio::as_tuple(asio::deferred));
        permit r = co_await (*sem)["c"].async_acquire_permit();
        write("coroutine");
      },
      asio::detached);
  BOOST_TEST(poll() == "coroutine");
  check(0, 0, 0);
}

BOOST_AUTO_TEST_CASE(a_timed_acquire_gives_up) {
  make({.per_key = 1});
  const auto timed = [&](std::chrono::milliseconds patience, const std::string& name) {
    (*sem)["a"].async_acquire_permit_for(patience, (*this)(name));
  };
  timed(patience, "granted");
  timed(std::chrono::milliseconds(-1), "no time");
  BOOST_TEST(poll() == "granted no time!timed out");
  timed(std::chrono::milliseconds(1), "1 ms");
  timed(patience, "waits");
  BOOST_TEST(sem->waiting() == 2u);
  io.restart();
  io.run_one();
  BOOST_TEST(poll() == "1 ms!timed out");
  check(1, 1, 1);
  BOOST_TEST(drop("granted") == "waits");
  (*sem)["b"].async_acquire_permit_for(std::chrono::seconds(0), (*this)("free"));
  BOOST_TEST(poll() == "free");
}

BOOST_AUTO_TEST_CASE(readings_take_a_const_semaphore) {
  const keyed& constant = make({.per_key = 2});
  permit p = constant["a"].try_acquire_permit();
  BOOST_TEST(constant["a"].in_use() == 1u);
}

BOOST_AUTO_TEST_CASE(async_with_permit_and_measured_take_a_key) {
  make({.per_key = 1});
  turnstile::wait_statistics stats;
  auto a_measured = turnstile::measured((*sem)["a"], stats);
  a_measured.async_acquire_permit((*this)("counted"));
  turnstile::async_with_permit((*sem)["a"], asio::post(io, asio::deferred) | asio::deferred([] {
                                              return asio::deferred.values(error_code());
                                            }),
                               (*this)("with"));
  BOOST_TEST(poll() == "counted");
  held.clear();
  BOOST_TEST(poll() == "with");
  BOOST_TEST(stats.read().granted == 1u);
  static_assert(!noexcept(a_measured.try_acquire_permit()));
  check(0, 0, 0);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Threads ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_SUITE(threads)

// Each thread takes and gives permits of few keys, so that keys are forgotten and made again all the time.
BOOST_AUTO_TEST_CASE(limits_hold_across_the_forgetting_of_keys) {
  constexpr int keys = 2, rounds = 20'000;
  const watchdog w;
  asio::thread_pool pool(2);
  turnstile::basic_keyed_semaphore<int, asio::thread_pool::executor_type> sem(
      pool.get_executor(), {.per_key = 1, .total = 1});
  std::atomic<int> inside[keys] = {}, all = 0, over = 0, ended = 0;
  std::function<void(int, int)> go = [&](int key, int left) {
    sem[key].async_acquire_permit([&, key, left](error_code ec, permit p) {
      if (ec || ++inside[key] > 1 || ++all > 1) ++over;
      --inside[key];
      --all;
      p.release();
      if (left == 0)
        ++ended;
      else
        go(key, left - 1);
    });
  };
  for (int i = 0; i < 4; ++i) go(i % keys, rounds);
  pool.wait();
  BOOST_TEST(over == 0);
  BOOST_TEST(ended == 4);
  BOOST_TEST(sem.size() == 0u);
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(try_acquire_does_not_fail_without_a_reason) {
  const watchdog w;
  asio::io_context io;
  turnstile::keyed_semaphore<int> sem(io, {.per_key = 1});
  std::atomic<int> failed = 0;
  std::vector<std::thread> users;
  for (int key = 0; key < 3; ++key)
    users.emplace_back([&, key] {
      for (int i = 0; i < 50'000; ++i)
        if (!sem[key].try_acquire_permit()) ++failed;
    });
  for (std::thread& t : users) t.join();
  BOOST_TEST(failed == 0);
  BOOST_TEST(sem.size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
