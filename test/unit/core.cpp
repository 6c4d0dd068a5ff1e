// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The core alone, without Asio: which waiter is served, when and in which order, also if user code calls
// back while the strand is busy, where an executor refuses, and where the core dies meanwhile.

#define BOOST_TEST_MODULE core
#include "fake_waiter.hpp"

#include <turnstile/detail/core.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

namespace {

using test::fake;
using test::fixture;
using turnstile::detail::core;
using turnstile::detail::outcome;
using turnstile::detail::waiter;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(uncontended, fixture)

BOOST_AUTO_TEST_CASE(what_can_be_decided_at_once_is_not_queued) {
  make(2, 2);
  BOOST_TEST((*this)("a").wait() == outcome::granted);
  BOOST_TEST(c->available() == 1u);
  BOOST_TEST((*this)("b", 3).wait() == outcome::exceeds_limit);
  BOOST_TEST((*this)("c", 2).wait() == outcome::waiting);
  BOOST_TEST(c->acquire_at_once(0) == outcome::granted);
  c->close();
  BOOST_TEST(read() == "c!closed");
  BOOST_TEST((*this)("e").wait() == outcome::closed);
  BOOST_TEST((*this)("f", 3).wait() == outcome::closed);
  BOOST_TEST(c->acquire_at_once(0) == outcome::closed);
  BOOST_TEST(read() == "");
}

BOOST_AUTO_TEST_CASE(one_release_serves_as_many_as_it_suffices_for) {
  make(0);
  for (auto name : {"a", "b", "c"}) queued(name);
  BOOST_TEST(c->waiting() == 3u);
  BOOST_TEST(c->release(2));
  BOOST_TEST(read() == "a b");
  BOOST_TEST(c->waiting() == 1u);
  BOOST_TEST(c->release(2));
  BOOST_TEST(read() == "c");
  BOOST_TEST(c->available() == 1u);
}

BOOST_AUTO_TEST_CASE(the_head_holds_back_those_behind_it) {
  make(0);
  fake& big = queued("big", 3);
  queued("small");
  c->release(2);
  BOOST_TEST(read() == "");
  BOOST_TEST((c->try_acquire(1) == outcome::waiting));
  big.cancel();
  BOOST_TEST(read() == "big!aborted small");
  BOOST_TEST(c->available() == 1u);
}

BOOST_AUTO_TEST_CASE(any_waiter_of_the_queue_can_be_cancelled) {
  make(0);
  fake &a = queued("a"), &b = queued("b"), &d = queued("d");
  queued("e");
  b.cancel();
  d.cancel();
  a.cancel();
  BOOST_TEST(read() == "b!aborted d!aborted a!aborted");
  BOOST_TEST(c->waiting() == 1u);
  queued("f");
  c->release(2);
  BOOST_TEST(read() == "e f");
}

BOOST_AUTO_TEST_CASE(a_late_cancellation_does_nothing) {
  make(0);
  fake& a = queued("a");
  c->release(1);
  a.cancel();
  a.cancel();
  BOOST_TEST(read() == "a");
  c->add_reference();
  core* const kept = c;
  drop();
  BOOST_TEST(kept->in_use() == core::max);
  kept->drop_reference();
  a.cancel();  // its reference keeps the core
  BOOST_TEST(read() == "");
}

// A timer may be that early.
BOOST_AUTO_TEST_CASE(a_cancellation_before_the_wait_begins_counts) {
  make(0);
  fake& a = (*this)("a");
  a.make_cancellable().cancel(outcome::timed_out);
  BOOST_TEST(a.wait() == outcome::waiting);
  BOOST_TEST(read() == "a!timed out");
  BOOST_TEST(c->waiting() == 0u);
}

// More of them than the word can count.
BOOST_AUTO_TEST_CASE(each_grant_comes_with_a_reference) {
  make(300);
  core& it = *c;
  for (int i = 0; i != 100; ++i) {
    BOOST_TEST(it.acquire_at_once(1) == outcome::granted);
    BOOST_TEST(it.try_acquire(1, true) == outcome::granted);
    BOOST_TEST((*this)("").wait() == outcome::granted);
  }
  for (int i = 0; i != 10; ++i) queued("");
  it.release(5);
  BOOST_TEST(it.acquire_at_once(0) == outcome::granted);  // none with no permits
  drop();
  for (int i = 0; i != 200; ++i) {
    BOOST_TEST(it.in_use() == core::max);
    it.drop_reference();
  }
  BOOST_TEST(it.in_use() == core::max);  // held by the waiters
}

BOOST_AUTO_TEST_CASE(shrink_takes_nothing_that_is_reserved_for_the_queue) {
  make(1);
  fake& a = queued("a", 3);
  BOOST_TEST(c->shrink(5) == 1u);
  BOOST_TEST(c->available() == 0u);
  c->release(3);
  BOOST_TEST(read() == "a");
  BOOST_TEST(c->shrink(5) == 0u);
  a.cancel();
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_ends_the_waiters_that_it_excludes) {
  make(0, 5);
  queued("a", 2);
  queued("b", 4);
  queued("c", 3);
  queued("d", 5);
  c->set_limit(3);
  BOOST_TEST(read() == "b!exceeds d!exceeds");
  BOOST_TEST(c->waiting() == 2u);
  c->set_limit(7);  // five in use
  BOOST_TEST(read() == "a");
}

// The limit's epoch has 19 bits. It wraps around.
BOOST_AUTO_TEST_CASE(a_limit_may_change_more_often_than_epochs_can_be_told_apart) {
  make(0, 1);
  for (std::uint32_t i = 0; i <= 1u << 19; ++i) c->set_limit(i % 2 + 2);
  BOOST_TEST(c->limit() == 2u);
  queued("a", 2);
  c->set_limit(3);
  BOOST_TEST(read() == "a");
}

BOOST_AUTO_TEST_SUITE_END()

// The strand is busy while deliver() runs: what is called from there goes through the mailbox, or is
// left behind as a flag, and is looked at when deliver() has returned.
BOOST_FIXTURE_TEST_SUITE(calls_back, fixture)

BOOST_AUTO_TEST_CASE(decisions_are_published_before_they_are_delivered) {
  make(0);
  queued("a").then([&] {
    BOOST_TEST(c->waiting() == 1u);
    BOOST_TEST(c->available() == 1u);
    BOOST_TEST(c->in_use() == core::max - 1);
    BOOST_TEST((c->try_acquire(1) == outcome::waiting));
  });
  queued("b");
  queued("d", 2);
  c->release(3);
  BOOST_TEST(read() == "a b");
}

BOOST_AUTO_TEST_CASE(waits_are_queued_in_their_order) {
  make(0);
  queued("a").then([&] {
    queued("d");
    queued("e");
    BOOST_TEST(c->waiting() == 3u);
    c->release(1);
    BOOST_TEST(read() == "a");
  });
  queued("b");
  c->release(1);
  BOOST_TEST(read() == "b");
  BOOST_TEST(c->waiting() == 2u);
  c->release(5);
  BOOST_TEST(read() == "d e");
  BOOST_TEST(c->available() == 3u);
}

// The queue is empty when these come, and was announced as such.
BOOST_AUTO_TEST_CASE(the_delivery_to_the_last_waiter_may_wait_again) {
  make(0);
  queued("a").then([&] {
    BOOST_TEST(c->waiting() == 0u);
    queued("b");
    BOOST_TEST((c->try_acquire(1) == outcome::waiting));
  });
  c->release(1);
  BOOST_TEST(c->waiting() == 1u);
  c->release(1);
  BOOST_TEST(read() == "a b");
}

BOOST_AUTO_TEST_CASE(what_is_kept_cannot_be_released) {
  make(0, 3);
  BOOST_TEST(!c->release(2, 2));
  BOOST_TEST(c->in_use() == 3u);
  queued("a");
  BOOST_TEST(!c->release(2, 2));
  BOOST_TEST(read() == "");
  BOOST_TEST(c->release(1, 2));
  BOOST_TEST(read() == "a");
  BOOST_TEST(c->release(1, 2));
  BOOST_TEST(!c->release(1, 2));
  BOOST_TEST(c->in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(a_release_is_enough_for_a_wait_that_comes_after_it) {
  make(0);
  queued("a").then([&] {
    c->release(1);
    BOOST_TEST((c->try_acquire(1) == outcome::granted));
    queued("d");
    c->release(1);
    BOOST_TEST(c->shrink(1) == 0u);  // it is d's
  });
  c->release(1);
  BOOST_TEST(read() == "a d");
  BOOST_TEST(c->available() == 0u);
}

BOOST_AUTO_TEST_CASE(cancellations_reach_the_queue_and_the_mail_and_not_the_granted) {
  make(0);
  fake &a = queued("a"), &b = queued("b"), &d = queued("d"), &e = (*this)("e");
  queued("f");
  a.then([&] {
    for (fake* x : {&a, &b, &d}) x->cancel();
    BOOST_TEST(e.wait() == outcome::waiting);
    for (fake* x : {&e, &d, &b}) x->cancel();  // again: at most one mail each
  });
  c->release(2);
  BOOST_TEST(read() == "a b d!aborted e!aborted");
  BOOST_TEST(c->waiting() == 1u);
  c->release(1);
  BOOST_TEST(read() == "f");
}

BOOST_AUTO_TEST_CASE(cancel_aborts_only_earlier_waiters) {
  make(0);
  queued("a").then([&] {
    queued("d");
    c->cancel();
    queued("e");
    queued("f").cancel();
    c->cancel();
    c->cancel();
    queued("g");
  });
  queued("b");
  c->release(1);
  BOOST_TEST(read() == "a b!aborted d!aborted f!aborted e!aborted");
  BOOST_TEST(c->waiting() == 1u);
  c->release(1);
  BOOST_TEST(read() == "g");
}

BOOST_AUTO_TEST_CASE(cancel_without_waiters_leaves_no_mark) {
  make(0);
  queued("a").then([&] {
    c->cancel();
    queued("b");
  });
  c->cancel();
  BOOST_TEST(read() == "a!aborted");
  BOOST_TEST(c->waiting() == 1u);
  c->release(1);
  BOOST_TEST(read() == "b");
}

BOOST_AUTO_TEST_CASE(cancel_as_the_only_and_as_the_last_mail) {
  make(0);
  queued("a").then([&] { c->cancel(); });
  queued("b").then([&] {
    queued("d");
    c->cancel();
  });
  c->release(1);
  BOOST_TEST(read() == "a b!aborted d!aborted");
  BOOST_TEST(c->waiting() == 0u);
  c->release(1);
  BOOST_TEST((c->try_acquire(1) == outcome::granted));
}

BOOST_AUTO_TEST_CASE(set_limit_raises_and_lowers) {
  make(0, 3);
  queued("a").then([&] {
    c->set_limit(5);
    BOOST_TEST(c->available() == 2u);
    BOOST_TEST((c->try_acquire(1) == outcome::waiting));
    queued("e", 5);
  });
  queued("b", 2).then([&] {
    c->set_limit(2);
    BOOST_TEST(c->available() == 0u);
  });
  queued("d", 3);
  c->release(1);
  BOOST_TEST(read() == "a b d!exceeds e!exceeds");
  BOOST_TEST(c->in_use() == 5u);
}

BOOST_AUTO_TEST_CASE(a_mailed_wait_meets_the_limit_that_came_after_it) {
  make(1, 4);
  fake& a = queued("a", 2);
  a.then([&] {
    queued("b", 4);
    c->set_limit(3);
    BOOST_TEST((*this)("d", 4).wait() == outcome::exceeds_limit);
    queued("e", 3);
  });
  a.cancel();
  BOOST_TEST(read() == "a!aborted b!exceeds");
  c->release(3);
  BOOST_TEST(read() == "e");
}

// Of two reasons to end a wait that came while the strand was busy, closed is told.
BOOST_AUTO_TEST_CASE(close_comes_before_a_lowered_limit) {
  make(0, 4);
  queued("a").then([&] {
    queued("b", 4);
    c->close();
    c->set_limit(1);
  });
  c->release(1);
  BOOST_TEST(read() == "a b!closed");
}

BOOST_AUTO_TEST_CASE(close_ends_the_queue_and_the_mail) {
  make(0);
  queued("a").then([&] {
    queued("d");
    c->close();
    BOOST_TEST((*this)("e").wait() == outcome::closed);
    c->cancel();  // too late
    c->release(1);
  });
  queued("b");
  c->release(1);
  BOOST_TEST(read() == "a b!closed d!closed");
  BOOST_TEST(c->available() == 1u);
}

BOOST_AUTO_TEST_CASE(orphan_aborts_all_waiters) {
  make(0);
  queued("a").then([&] {
    queued("d");
    c->orphan();
  });
  queued("b");
  c->release(1);
  BOOST_TEST(read() == "a b!aborted d!aborted");
}

// The last to come are served while the semaphore goes.
BOOST_AUTO_TEST_CASE(an_acquire_in_the_delivery_of_an_aborted_waiter_has_a_reference) {
  make(1);
  core& it = *c;
  queued("a", 2).then([&] { BOOST_TEST(it.try_acquire(1, true) == outcome::granted); });
  drop();
  BOOST_TEST(read() == "a!aborted");
  BOOST_TEST(it.in_use() == core::max);
  it.drop_reference();
}

BOOST_AUTO_TEST_CASE(abandon_discards_all_waiters) {
  make(0);
  queued("a").then([&] {
    queued("e");
    c->abandon();
  });
  queued("b");
  queued("d");
  c->release(2);
  BOOST_TEST(read() == "a b!discarded d!discarded e!discarded");
  BOOST_TEST(c->available() == 1u);  // b's
  queued("f", 2);
  BOOST_TEST(read() == "f!discarded");
}

BOOST_AUTO_TEST_CASE(deliveries_do_not_nest) {
  make(0);
  constexpr int steps = 10'000;
  int n = 0;
  std::function<void()> step = [&] {
    if (++n == steps) return;
    queued("").then(step);
    c->release(1);
  };
  queued("").then(step);
  c->release(1);
  run();
  BOOST_TEST(n == steps);
}

BOOST_AUTO_TEST_CASE(the_last_reference_goes_inside_deliver) {
  make(0);
  struct last final : waiter {
    explicit last(fixture& s) : waiter(1), f(s) {}
    bool deliver() noexcept override {
      f.write("last");
      core* const granted_by = f.c;
      f.drop();
      granted_by->drop_reference();
      delete this;
      return true;
    }
    void post_resumption() noexcept override {}
    void discard() noexcept override {}
    fixture& f;
  };
  BOOST_TEST(c->wait(*new last(*this)) == outcome::waiting);
  c->release(1);
  BOOST_TEST(read() == "last");
  BOOST_TEST(!c);  // and the leak checker says that it is gone
}

BOOST_AUTO_TEST_SUITE_END()

// Where deliver() returns false, the waiter is back at the head of the queue, its permits are back in
// the count, and it is tried again by the next call that looks at the queue.
BOOST_FIXTURE_TEST_SUITE(refusals, fixture)

BOOST_AUTO_TEST_CASE(refused_waiters_are_the_head_again_in_their_order) {
  make(0);
  queued("a").refuse();
  queued("b");
  queued("d", 2);
  c->release(3);
  BOOST_TEST(read() == "a?");
  BOOST_TEST(c->waiting() == 3u);
  BOOST_TEST(c->available() == 3u);
  BOOST_TEST((c->try_acquire(1) == outcome::waiting));
  c->release(1);
  BOOST_TEST(read() == "a b d");
  BOOST_TEST(c->available() == 0u);
}

BOOST_AUTO_TEST_CASE(waiters_delivered_before_a_refusal_are_not_delivered_again) {
  make(0);
  queued("a");
  queued("b").refuse();
  queued("d");
  c->release(3);
  BOOST_TEST(read() == "a b?");
  BOOST_TEST(c->waiting() == 2u);
  BOOST_TEST(c->available() == 2u);
  c->set_limit(core::max);
  BOOST_TEST(read() == "b d");
}

BOOST_AUTO_TEST_CASE(one_call_tries_a_refused_waiter_once) {
  make(0);
  fake &a = queued("a").refuse(100), &b = queued("b");
  c->release(1);
  BOOST_TEST(read() == "a?");
  c->release(1);
  BOOST_TEST(read() == "a?");
  queued("d");
  BOOST_TEST(read() == "a?");
  c->set_limit(core::max);
  BOOST_TEST(read() == "a?");
  b.cancel();
  BOOST_TEST(read() == "b!aborted a?");
  a.refuse(1).cancel();
  BOOST_TEST(read() == "a?!aborted");
  c->release(0);
  BOOST_TEST(read() == "");
  c->set_limit(core::max);
  BOOST_TEST(read() == "a!aborted d");
}

BOOST_AUTO_TEST_CASE(a_new_wait_has_refused_waiters_tried_first) {
  make(0);
  queued("a").refuse();
  c->release(1);
  queued("b");
  BOOST_TEST(read() == "a? a");
  c->release(1);
  BOOST_TEST(read() == "b");
}

BOOST_AUTO_TEST_CASE(a_call_inside_a_refusal_has_the_waiter_tried_at_once) {
  make(0);
  queued("a").refuse().then([&] { c->release(1); });
  queued("b");
  c->release(1);
  BOOST_TEST(read() == "a? a b");
}

BOOST_AUTO_TEST_CASE(a_grant_that_was_refused_can_be_cancelled) {
  make(0);
  fake& a = queued("a").refuse();
  queued("b").refuse();
  c->release(1);
  BOOST_TEST(read() == "a?");
  a.cancel();
  BOOST_TEST(read() == "a!aborted b?");
  c->cancel();
  BOOST_TEST(read() == "b!aborted");
  BOOST_TEST(c->available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_cancellation_between_grant_and_refusal_counts) {
  make(0);
  fake& a = queued("a").refuse();
  a.then([&] { a.cancel(); });
  c->release(1);
  BOOST_TEST(read() == "a? a!aborted");
  BOOST_TEST(c->available() == 1u);
}

// Acquires that are granted at once while the strand is busy pass through the mail, too.
BOOST_AUTO_TEST_CASE(a_cancellation_that_was_mailed_after_a_grant_counts) {
  make(0);
  fake& b = (*this)("b").refuse();
  queued("a").then([&] {
    c->release(1);
    BOOST_TEST(b.wait() == outcome::waiting);
    BOOST_TEST(c->available() == 0u);
    BOOST_TEST(c->waiting() == 0u);
    b.cancel();
  });
  c->release(1);
  BOOST_TEST(read() == "a b?");
  c->set_limit(core::max);
  BOOST_TEST(read() == "b!aborted");
  BOOST_TEST(c->available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_limit_that_was_lowered_after_a_grant_counts) {
  make(0, 4);
  fake& b = (*this)("b", 2).refuse();
  queued("a").then([&] {
    c->release(2);
    BOOST_TEST(b.wait() == outcome::waiting);
    queued("d");
    c->set_limit(1);
  });
  c->release(1);
  BOOST_TEST(read() == "a b?");
  c->release(1);
  BOOST_TEST(read() == "b!exceeds");
  c->release(1);
  BOOST_TEST(read() == "d");
}

BOOST_AUTO_TEST_CASE(cancel_close_and_a_lowered_limit_inside_a_refusal_count) {
  for (auto [call, result] :
       {std::pair<void (*)(core&), const char*>{[](core& k) { k.cancel(); }, "!aborted"},
        {[](core& k) { k.close(); }, "!closed"},
        {[](core& k) { k.set_limit(1); }, "!exceeds"}}) {
    make(0, 4);
    queued("a", 2).refuse().then([&, f = call] { f(*c); });
    queued("b", 2);
    c->release(2);
    BOOST_TEST(read() == std::string("a? a") + result + " b" + result);
    BOOST_TEST(c->in_use() == 2u);
    drop();
  }
}

BOOST_AUTO_TEST_CASE(a_refused_cancellation_stands) {
  make(0);
  fake& a = queued("a").refuse();
  a.cancel();
  BOOST_TEST(read() == "a?!aborted");
  BOOST_TEST(c->waiting() == 1u);
  c->release(1);
  BOOST_TEST(read() == "a!aborted");
  BOOST_TEST(c->available() == 1u);
  BOOST_TEST(c->waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_refused_close_stands) {
  make(0);
  queued("a").refuse();
  queued("b");
  c->close();
  BOOST_TEST(read() == "a?!closed");
  c->cancel();
  c->close();
  BOOST_TEST(read() == "a!closed b!closed");
}

// b's cancellation came between its grant and a's refusal; a cannot be granted again so soon.
BOOST_AUTO_TEST_CASE(a_cancelled_waiter_does_not_wait_behind_a_refused_one) {
  make(0, 3);
  fake &a = queued("a").refuse(), &b = queued("b");
  a.then([&] {
    b.cancel();
    c->set_limit(1);
  });
  c->release(2);  // one in use, one allowed
  BOOST_TEST(read() == "a? b!aborted");
  BOOST_TEST(c->waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(orphan_discards_waiters_that_are_refused) {
  make(0);
  queued("a").refuse();
  queued("b").refuse();
  c->release(1);
  BOOST_TEST(read() == "a?");
  queued("d");
  BOOST_TEST(read() == "a");
  c->orphan();
  BOOST_TEST(read() == "b?!aborted b!discarded d!aborted");
}

BOOST_AUTO_TEST_CASE(orphan_and_abandon_inside_a_refusal_discard_the_waiter) {
  for (auto call : {&turnstile::detail::counter::orphan, &turnstile::detail::counter::abandon}) {
    make(0);
    queued("a").refuse().then([&] { (c->*call)(); });
    c->release(1);
    BOOST_TEST(read() == "a? a!discarded");
    BOOST_TEST(c->available() == 1u);  // granted, and given back
    drop();
  }
}

BOOST_AUTO_TEST_CASE(permits_released_inside_a_refusal_are_not_given_back_twice) {
  make(0, 2);
  queued("a", 2).refuse().then([&] { BOOST_TEST(c->release(1)); });
  c->release(2);
  BOOST_TEST(read() == "a?");
  BOOST_TEST(c->in_use() == 0u);
  BOOST_TEST(c->available() == 2u);
  c->set_limit(2);
  BOOST_TEST(read() == "a");
}

BOOST_AUTO_TEST_SUITE_END()

// While other threads keep the strand busy, one thread changes the limit: no waiter that the limit in force
// allows is told that it exceeds the limit.
BOOST_FIXTURE_TEST_CASE(a_raised_limit_holds_for_later_acquires, fixture) {
  make(0, 2);
  struct quiet final : waiter {
    quiet(core& c, std::uint32_t n) : waiter(n), of(c) {}
    bool deliver() noexcept override {
      result.store(get_outcome(), std::memory_order_release);
      return true;
    }
    void post_resumption() noexcept override { of.resume(false); }  // it cannot be posted
    void discard() noexcept override {}
    outcome cancelled() {
      if (const outcome o = of.wait(*this); o != outcome::waiting) return o;
      for (;;) {
        of.cancel();
        const outcome o = result.load(std::memory_order_acquire);
        if (o != outcome::waiting) return o;
        std::this_thread::yield();
      }
    }
    core& of;
    std::atomic<outcome> result{outcome::waiting};
  };
  std::atomic<bool> stop = false;
  auto work = [&] {
    while (!stop.load(std::memory_order_relaxed)) quiet(*c, 1).cancelled();
  };
  std::thread others[] = {std::thread(work), std::thread(work), std::thread(work)};
  int wrong = 0;
  // Two seconds are enough for all of them, unless another program wants the processors, too.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (int i = 0; i < 20'000 && std::chrono::steady_clock::now() < end; ++i) {
    c->set_limit(1);
    std::this_thread::yield();
    c->set_limit(2);
    if (quiet(*c, 2).cancelled() != outcome::aborted) ++wrong;
  }
  stop = true;
  for (auto& t : others) t.join();
  BOOST_TEST(wrong == 0);
}

// Every four calls, from inside deliver() and from outside. What the busy strand puts off, it does in
// the order of the waits and cancellations, then of close(), then of the permits that came back.
namespace {

struct world : fixture {
  enum call { wait, wait_for_two, cancel_b, cancel_d, cancel_all, close, release, release_two };

  world() {
    make(0, 20);
    for (std::uint32_t n : {1u, 1u, 2u, 1u}) add(n);
  }
  void add(std::uint32_t n) {
    const std::string name(1, static_cast<char>('a' + fakes.size()));
    const outcome o = (*this)(name, n).wait();
    if (o != outcome::waiting) write(o == outcome::granted ? name : name + "!closed");
  }
  void make_call(int which) {
    switch (which) {
      case wait: return add(1);
      case wait_for_two: return add(2);
      case cancel_b: return std::next(fakes.begin(), 1)->cancel();
      case cancel_d: return std::next(fakes.begin(), 3)->cancel();
      case cancel_all: return c->cancel();
      case close: return c->close();
      case release: return void(c->release(1));
      case release_two: return void(c->release(2));
    }
  }
  // The grants in their order; the refused ones, in any; how many are in use and wait.
  std::string result() {
    std::istringstream entries(read());
    std::string granted, entry;
    std::set<std::string> refused;
    while (entries >> entry) {
      if (entry.find('!') == std::string::npos)
        granted += entry + ' ';
      else
        refused.insert(entry);
    }
    for (auto& r : refused) granted += r + ' ';
    return granted + std::to_string(c->in_use()) + " in use, " + std::to_string(c->waiting()) +
           " waiting";
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(calls_inside_a_delivery_have_the_effect_that_they_have_outside) {
  std::array<int, 4> calls;
  for (int sequence = 0; sequence < 8 * 8 * 8 * 8; ++sequence) {
    int rest = sequence;
    for (int& call : calls) call = std::exchange(rest, rest / 8) % 8;
    world inside, outside;
    inside.fakes.front().then([&] {
      for (int call : calls) inside.make_call(call);
    });
    inside.c->release(1);

    outside.c->release(1);
    const auto closed = std::find(calls.begin(), calls.end(), world::close);
    const auto last = std::remove(closed, calls.end(), world::cancel_all);  // too late
    auto rank = [](int call) { return (call >= world::close) + (call >= world::release); };
    // A stable sort; std::stable_sort of libstdc++ 12 makes clang 19 warn.
    auto less = [&](int x, int y) { return rank(x) < rank(y); };
    for (auto call = calls.begin(); call != last; ++call)
      std::rotate(std::upper_bound(calls.begin(), call, *call, less), call, std::next(call));
    std::for_each(calls.begin(), last, [&](int call) { outside.make_call(call); });
    const std::string expected = outside.result();
    BOOST_TEST(inside.result() == expected, "sequence " << sequence << ": not " << expected);
  }
}
