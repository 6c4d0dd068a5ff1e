// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// One process's half of a semaphore that many processes use: when it speaks, and what it grants meanwhile.

#define BOOST_TEST_MODULE fleet_member

#include "fleet/member.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <ostream>

namespace turnstile::inline v1 {

static std::ostream& operator<<(std::ostream& s, lease_state x) { return s << static_cast<int>(x); }

}  // namespace turnstile::inline v1

namespace {

namespace fleet = turnstile::detail::fleet;
using namespace fleet;

constexpr number ms = 1000, lease = 15'000 * ms, slice = 10 * ms, deadline = lease / 3 * 2;

struct fixture {
  explicit fixture(unreachable policy = unreachable::stop)
      : m({.id = "m",
           .limit = 8,
           .lease = lease,
           .slice = slice,
           .linger = 1000 * ms,
           .when_unreachable = policy}) {}

  number now = 77'000'000'000;
  fleet::local local;
  fleet::member m;
  orders o;
  number version = 0;

  orders& step() {
    do o = m.step(now, local);
    while (o.again);
    return o;
  }
  orders& step_at(number t) {
    now = t;
    return step();
  }
  void want(number in_use, number waiting, number head = 1) {
    local = {in_use, in_use + waiting, waiting > 0 ? head : 0, now};
  }
  reply answer(number serial, number share, number recall = 0) {
    reply r;
    r.serial = serial;
    r.news = {1, ++version, share, recall, 0, 0, version, 8, lease, slice};
    return r;
  }
  // Joins with a share, all of it in use.
  void join(number share) {
    want(0, share);
    const request sent = *step().send;
    m.answered(now, answer(sent.serial, share));
    want(share, 0);
    step();
  }
};

struct keeping : fixture {
  keeping() : fixture(unreachable::keep) {}
};
struct failing : fixture {
  failing() : fixture(unreachable::fail) {}
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(the_lease, fixture)

BOOST_AUTO_TEST_CASE(a_member_without_waiters_says_nothing) {
  BOOST_TEST(!step().send);
  BOOST_TEST(o.wake_at == largest);
}

BOOST_AUTO_TEST_CASE(the_deadline_counts_from_sending) {
  want(0, 1);
  const number sent = now;
  step();
  now += 1000 * ms;
  m.answered(now, answer(1, 1));
  BOOST_TEST(m.deadline() == sent + deadline);
}

BOOST_AUTO_TEST_CASE(an_answer_that_comes_after_its_deadline_grants_nothing) {
  want(0, 1);
  step();
  now += deadline;
  m.answered(now, answer(1, 1));
  step();
  BOOST_TEST(o.usable == 0);
  BOOST_TEST(!m.may_grant(now));
}

// A process that was stopped may read an answer before it looks at the clock.
BOOST_AUTO_TEST_CASE(a_loss_is_reported_if_an_answer_is_read_first) {
  join(3);
  while (!o.send) step_at(o.wake_at);
  now += deadline;  // that of the answer, too
  m.answered(now, answer(2, 3));
  BOOST_TEST(step().lost);
  BOOST_TEST(o.usable == 0);
  BOOST_TEST(!step().lost);
}

BOOST_AUTO_TEST_CASE(a_loss_is_reported_if_the_answer_begins_a_new_lease) {
  join(3);
  const number end = now + deadline;
  while (!o.send) step_at(o.wake_at);
  now = end;
  m.answered(now, answer(2, 3));
  BOOST_TEST(step().lost);
  BOOST_TEST(o.usable == 3);
  BOOST_TEST(m.may_grant(now));
  BOOST_TEST(!step().lost);
}

BOOST_AUTO_TEST_CASE(a_loss_is_reported_if_the_answer_makes_the_lease_shorter) {
  join(3);
  while (!o.send) step_at(o.wake_at);
  now += 2000 * ms;
  reply r = answer(2, 3);
  r.news.lease = 1000 * ms;
  m.answered(now, r);
  BOOST_TEST(step().lost);
  BOOST_TEST(!m.may_grant(now));
}

BOOST_AUTO_TEST_CASE(it_is_renewed_every_fifth_of_it) {
  join(3);
  const number joined = now;
  while (!o.send) step_at(o.wake_at);
  BOOST_TEST(now == joined + lease / 5);
}

BOOST_AUTO_TEST_CASE(a_failure_is_tried_again_after_10_ms_doubling_to_250) {
  join(3);
  while (!o.send) step_at(o.wake_at);
  for (const number pause : {10, 20, 40, 80, 160, 250, 250}) {
    m.failed(now, o.send->serial);
    const number failed = now;
    step();
    while (!o.send) step_at(o.wake_at);
    BOOST_TEST(now - failed == pause * ms);
  }
}

BOOST_AUTO_TEST_CASE(a_request_without_an_answer_is_sent_anew_four_times_before_the_deadline) {
  join(3);
  const number last = now + deadline;
  int sent = 0;
  while (now < last) {
    sent += o.send ? 1 : 0;
    step_at(o.wake_at);
  }
  BOOST_TEST(sent >= 4);
  BOOST_TEST(o.lost);
}

BOOST_AUTO_TEST_CASE(before_each_grant_the_clock_is_asked) {
  join(3);
  BOOST_TEST(m.may_grant(now + deadline - 1));
  BOOST_TEST(!m.may_grant(now + deadline));
  BOOST_TEST(m.state(now + deadline) == lease_state::lost);
}

BOOST_AUTO_TEST_CASE(it_is_lost_at_the_deadline_once) {
  join(3);
  step_at(now + deadline);
  BOOST_TEST(o.lost);
  BOOST_TEST(o.usable == 0);
  BOOST_TEST(!o.refuse);
  BOOST_TEST(m.state(now) == lease_state::lost);
  BOOST_TEST(!step().lost);
}

BOOST_AUTO_TEST_CASE(without_a_share_and_permits_in_use_there_is_no_loss) {
  for (const number in_use : {0, 1}) {
    fixture f;
    f.want(0, 1);
    f.m.answered(f.now, f.answer(f.step().send->serial, 0));
    f.want(in_use, 1);
    f.step_at(f.now + deadline);
    BOOST_TEST(f.o.lost == (in_use > 0));
  }
}

BOOST_AUTO_TEST_CASE(a_member_that_lost_it_says_so_and_what_it_counted_on) {
  join(3);
  want(2, 0);
  step_at(now + deadline);
  BOOST_TEST(o.send->lost);
  BOOST_TEST(o.send->held == 3);
  BOOST_TEST(o.send->in_use == 2);
}

BOOST_AUTO_TEST_CASE(new_grants_go_on_once_it_is_answered) {
  join(3);
  step_at(now + deadline);
  m.answered(now, answer(o.send->serial, 3));
  BOOST_TEST(step().usable == 3);
  BOOST_TEST(m.state(now) == lease_state::valid);
}

BOOST_AUTO_TEST_CASE(an_idle_member_leaves_after_a_lease_and_is_silent_then) {
  join(1);
  want(0, 0);
  int sent = 0;
  while (o.wake_at != largest && sent < 20) {
    if (!step_at(o.wake_at).send) continue;
    ++sent;
    m.answered(now, answer(o.send->serial, o.send->keep));
    step();
  }
  BOOST_TEST(sent <= 12);
  BOOST_TEST(m.share() == 0);
}

BOOST_FIXTURE_TEST_CASE(with_keep_it_goes_on_with_the_last_share, keeping) {
  join(3);
  step_at(now + deadline);
  BOOST_TEST(o.lost);
  BOOST_TEST(o.usable == 3);
  BOOST_TEST(m.may_grant(now));
}

BOOST_FIXTURE_TEST_CASE(with_fail_acquires_are_refused_until_it_is_answered, failing) {
  join(3);
  BOOST_TEST(step_at(now + deadline).refuse);
  m.answered(now, answer(o.send->serial, 3));
  BOOST_TEST(!step().refuse);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(the_share, fixture)

BOOST_AUTO_TEST_CASE(a_waiter_that_does_not_fit_asks_at_once_and_later_ones_do_not) {
  join(3);
  want(3, 1);
  BOOST_TEST(step().send->want == 4);
  m.answered(now, answer(o.send->serial, 3));
  want(3, 2);
  BOOST_TEST(!step().send);
}

BOOST_AUTO_TEST_CASE(a_head_that_waits_in_vain_asks_every_slice) {
  join(3);
  want(3, 2, 2);
  BOOST_TEST(step().send->need == 0);
  for (int i = 0; i < 3; ++i) {
    m.answered(now, answer(o.send->serial, 3));
    const number before = now;
    step();
    step_at(o.wake_at);
    BOOST_TEST(now == before + slice);
    BOOST_REQUIRE(o.send);
    BOOST_TEST(o.send->need == 2);
  }
}

BOOST_AUTO_TEST_CASE(once_nothing_waits_any_more_it_says_so_after_a_slice) {
  join(3);
  want(3, 2);
  m.answered(now, answer(step().send->serial, 3));
  want(3, 0);
  BOOST_TEST(!step().send);
  BOOST_TEST(o.wake_at == now + slice);
  BOOST_TEST(step_at(now + slice).send->want == 3);
}

BOOST_AUTO_TEST_CASE(what_was_offered_back_is_not_used_before_a_later_request_was_answered) {
  join(3);
  want(1, 0);
  m.pushed({1, ++version, 3, 2, 0, 0, version, 8, lease, slice});
  step();
  const request offer = *o.send;
  BOOST_TEST(offer.keep == 1);
  m.failed(now, offer.serial);
  want(1, 2);
  m.pushed({1, ++version, 3, 0, 0, 0, version, 8, lease, slice});
  BOOST_TEST(step().usable == 1);
  step_at(now + 10 * ms);
  BOOST_TEST(o.send->held == 1);
  m.answered(now, answer(offer.serial, 3));  // of the request that was given up
  BOOST_TEST(step().usable == 1);
  m.answered(now, answer(offer.serial + 1, 3));
  BOOST_TEST(step().usable == 3);
}

BOOST_AUTO_TEST_CASE(older_news_are_ignored) {
  join(3);
  m.pushed({1, version - 1, 8, 0, 0, 0, 1, 8, lease, slice});
  BOOST_TEST(m.share() == 3);
}

BOOST_AUTO_TEST_CASE(news_of_another_server_are_ignored_until_it_has_answered) {
  join(3);
  m.pushed({2, version + 100, 8, 0, 0, 0, 1, 8, lease, slice});
  BOOST_TEST(m.share() == 3);
}

BOOST_AUTO_TEST_CASE(what_another_server_answers_holds_though_its_version_is_smaller) {
  join(3);
  while (!o.send) step_at(o.wake_at);
  reply r = answer(o.send->serial, 2);
  r.news.epoch = 2;
  r.news.version = 0;
  m.answered(now, r);
  BOOST_TEST(m.share() == 2);
}

BOOST_AUTO_TEST_CASE(
    recalled_permits_are_not_granted_again_and_are_given_back_as_they_become_free) {
  join(3);
  m.pushed({1, ++version, 3, 2, 0, 0, version, 8, lease, slice});
  BOOST_TEST(step().usable == 1);
  BOOST_TEST(!o.send);
  want(2, 0);
  BOOST_TEST(step().send->keep == 2);
}

BOOST_AUTO_TEST_CASE(a_share_that_has_grown_is_used_once_before_a_recall_counts) {
  join(1);
  want(1, 2);
  step();
  m.answered(now, answer(o.send->serial, 3, 2));
  o = m.step(now, local);
  BOOST_TEST(o.again);
  BOOST_TEST(o.usable == 3);
  want(3, 0);
  BOOST_TEST(step().usable == 1);
}

BOOST_AUTO_TEST_CASE(a_share_that_has_grown_is_used_once_though_news_follow) {
  join(1);
  want(1, 2);
  step();
  m.answered(now, answer(o.send->serial, 3));
  m.pushed({1, ++version, 3, 2, 0, 0, version, 8, lease, slice});
  o = m.step(now, local);
  BOOST_TEST(o.again);
  BOOST_TEST(o.usable == 3);
}

BOOST_AUTO_TEST_CASE(a_claim_without_room_is_not_used) {
  join(1);
  want(1, 2);
  step();
  reply r = answer(o.send->serial, 3, 3);
  r.news.debt = 3;
  m.answered(now, r);
  BOOST_TEST(m.step(now, local).usable == 0);
}

BOOST_AUTO_TEST_CASE(idle_permits_are_given_back_after_linger) {
  join(3);
  want(1, 0);
  const number since = now;
  while (!o.send || o.send->keep == 3) {
    if (o.send) m.answered(now, answer(o.send->serial, 3));
    step_at(o.wake_at);
  }
  BOOST_TEST(o.send->keep == 1);
  BOOST_TEST(now - since >= 1000 * ms);
  BOOST_TEST(now - since <= 2000 * ms);
}

BOOST_AUTO_TEST_CASE(idle_permits_that_are_wanted_are_given_back_at_once) {
  join(3);
  want(1, 0);
  m.pushed({1, ++version, 3, 0, 0, 1, version, 8, lease, slice});
  BOOST_TEST(step().send->keep == 2);
}

BOOST_AUTO_TEST_CASE(
    permits_that_become_idle_one_by_one_while_they_are_wanted_are_given_back_each_slice) {
  join(3);
  want(2, 0);
  m.pushed({1, ++version, 3, 0, 0, 5, version, 8, lease, slice});
  BOOST_TEST(step().send->keep == 2);
  reply r = answer(o.send->serial, 2);
  r.news.idle_wanted = 4;
  m.answered(now, r);
  want(1, 0);
  BOOST_TEST(!step().send);
  BOOST_TEST(o.wake_at == now + slice);
  want(0, 0);
  BOOST_TEST(!step().send);
  BOOST_TEST(step_at(now + slice).send->keep == 0);
}

BOOST_AUTO_TEST_CASE(it_leaves_when_its_permits_have_come_back_and_not_before) {
  join(3);
  m.leave();
  want(2, 0);
  BOOST_TEST(step().usable == 0);
  BOOST_TEST(!o.send->leave);
  BOOST_TEST(o.send->keep == 2);
  m.answered(now, answer(o.send->serial, 2));
  want(0, 0);
  BOOST_TEST(step().send->leave);
  m.answered(now, answer(o.send->serial, 0));
  BOOST_TEST(step().wake_at == largest);
  BOOST_TEST(m.state(now) == lease_state::left);
}

BOOST_AUTO_TEST_CASE(a_limit_is_sent_until_it_was_answered) {
  join(1);
  m.set_limit(5);
  BOOST_TEST(step().send->set_limit == 5);
  m.failed(now, o.send->serial);
  BOOST_TEST(step_at(now + 10 * ms).send->set_limit == 5);
  m.answered(now, answer(o.send->serial, 1));
  while (!step().send) now = o.wake_at;
  BOOST_TEST(o.send->set_limit == 0);
}

BOOST_AUTO_TEST_CASE(an_idle_member_sets_a_limit_before_it_leaves) {
  want(0, 1);
  m.answered(now, answer(step().send->serial, 0));
  want(0, 0);
  const number end = now + lease;
  step();
  while (now < end - 1)
    if (step_at(std::min(o.wake_at, end - 1)).send) m.answered(now, answer(o.send->serial, 0));
  m.set_limit(5);
  BOOST_TEST(step_at(end).send->set_limit == 5);
  BOOST_TEST(!o.send->leave);
  m.answered(now, answer(o.send->serial, 0));
  while (!step().send) now = o.wake_at;
  BOOST_TEST(o.send->leave);
}

BOOST_AUTO_TEST_CASE(an_answer_that_comes_twice_confirms_once) {
  join(1);
  m.set_limit(5);
  const number serial = step().send->serial;
  m.answered(now, answer(serial, 1));
  BOOST_TEST(!m.has_new_limit());
  m.set_limit(5);
  m.answered(now, answer(serial, 1));
  BOOST_TEST(m.has_new_limit());
}

BOOST_AUTO_TEST_CASE(what_comes_of_an_older_request_is_not_that_of_the_latest) {
  join(1);
  want(1, 1);
  const number serial = step().send->serial;
  m.failed(now, serial - 1);
  BOOST_TEST(m.state(now) == lease_state::valid);
  reply late = answer(serial - 1, 5);
  late.status = status::late;
  m.answered(now, late);
  BOOST_TEST(m.share() == 1);
  m.answered(now, answer(serial, 2));
  m.failed(now, serial);
  BOOST_TEST(m.state(now) == lease_state::valid);
}

BOOST_AUTO_TEST_SUITE_END()
