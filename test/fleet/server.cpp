// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The server's half of a semaphore that many processes use: what one request does.

#define BOOST_TEST_MODULE fleet_server

#include "fleet/server.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <map>
#include <ostream>
#include <string>

namespace turnstile::inline v1::detail::fleet {

static std::ostream& operator<<(std::ostream& s, status x) { return s << static_cast<int>(x); }

}  // namespace turnstile::inline v1::detail::fleet

namespace {

namespace fleet = turnstile::detail::fleet;
using namespace fleet;

constexpr number lease = 15'000'000, slice = 10'000;

// A server, and members that do what it says: they count on the share that they have heard of.
struct fixture {
  fleet::state state;
  server_facts server{"first run", 1'000'000'000'000, 10 * lease};
  std::map<std::string, request> members;
  std::map<std::string, news> heard;

  request& member(const std::string& id) {
    request& r = members[id];
    r.id = id;
    r.lease = lease;
    r.slice = slice;
    if (r.limit == 0) r.limit = 8;
    return r;
  }
  // The next request of a member that uses `in_use`, wants `want`, and keeps its share.
  reply ask(const std::string& id, number in_use, number want, number need = 0) {
    request& r = member(id);
    ++r.serial;
    r.in_use = in_use;
    r.want = want;
    r.need = need;
    r.held = r.keep = std::max(in_use, heard[id].share);
    return send(id);
  }
  reply give_back(const std::string& id, number keep) {
    request& r = member(id);
    ++r.serial;
    r.held = heard[id].share;
    r.in_use = r.want = r.keep = keep;
    r.need = 0;
    return send(id);
  }
  reply send(const std::string& id) {
    const result x = sync(state, members[id], server);
    for (const push& p : x.pushes) hear(p.id, p.news);
    if (x.reply.status != status::late) hear(id, x.reply.news);
    return x.reply;
  }
  void hear(const std::string& id, const news& n) {
    heard[id] = n;
    members[id].epoch = n.epoch;
    members[id].version = n.version;
  }
  number share(const std::string& id) { return state.sessions[id].share; }
  number recall(const std::string& id) { return state.sessions[id].recall; }
  void pass(number time) { server.wall += time; }
  void restart(const std::string& run) { server.run_id = run; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(shares, fixture)

BOOST_AUTO_TEST_CASE(what_is_free_is_granted_at_once) {
  BOOST_TEST(ask("a", 0, 5).news.share == 5);
  BOOST_TEST(ask("b", 0, 3).news.share == 3);
  BOOST_TEST(state.used == 8);
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_recalled_down_to_equal_shares) {
  ask("a", 0, 20);
  ask("a", 8, 20);
  BOOST_TEST(ask("b", 0, 20).news.share == 0);
  BOOST_TEST(heard["a"].recall == 4);
  give_back("a", 6);
  BOOST_TEST(heard["b"].share == 2);
}

BOOST_AUTO_TEST_CASE(nothing_is_recalled_that_nothing_waits_for) {
  ask("a", 0, 8);
  ask("a", 0, 0);
  ask("b", 0, 0);
  BOOST_TEST(recall("a") == 0);
}

BOOST_AUTO_TEST_CASE(
    a_member_that_starves_comes_first_and_the_one_that_had_its_turn_longest_ago_gives) {
  member("a").limit = 2;
  ask("a", 0, 9);
  ask("b", 0, 9, 1);
  give_back("a", 1);
  ask("a", 1, 9);
  ask("b", 1, 9);
  BOOST_TEST(share("b") == 1);
  pass(slice);
  ask("c", 0, 9);
  BOOST_TEST(recall("a") + recall("b") == 0);  // it has not waited in vain yet
  ask("c", 0, 9, 1);
  BOOST_TEST(recall("a") == 1);
  BOOST_TEST(recall("b") == 0);
}

BOOST_AUTO_TEST_CASE(starving_members_have_their_turn_in_the_order_in_which_they_came) {
  member("a").limit = 1;
  ask("a", 0, 9);
  ask("a", 1, 9);
  ask("c", 0, 9, 1);
  ask("b", 0, 9, 1);
  give_back("a", 0);
  BOOST_TEST(share("c") == 1);
  BOOST_TEST(share("b") == 0);
}

BOOST_AUTO_TEST_CASE(a_turn_lasts_a_slice) {
  member("a").limit = 1;
  ask("a", 0, 9, 1);
  ask("a", 1, 9);
  ask("b", 0, 9, 1);
  give_back("a", 0);
  ask("b", 1, 9);
  ask("c", 0, 9, 1);
  BOOST_TEST(recall("b") == 0);
  pass(slice);
  ask("c", 0, 9, 1);
  BOOST_TEST(recall("b") == 1);
}

BOOST_AUTO_TEST_CASE(a_request_for_many_collects_and_is_not_starved) {
  ask("a", 0, 20);
  ask("a", 8, 20);
  ask("b", 0, 6, 6);
  BOOST_TEST(heard["a"].recall == 6);
  for (number left = 7; left >= 2; --left) give_back("a", left), ask("a", left, 20);
  BOOST_TEST(share("b") == 6);
}

BOOST_AUTO_TEST_CASE(two_that_want_most_of_the_limit_do_not_block_each_other) {
  member("a").limit = 100;
  ask("a", 0, 50);
  ask("b", 0, 50);
  ask("a", 0, 60, 60);
  ask("b", 0, 60, 60);
  BOOST_TEST(recall("b") == 10);
  ask("c", 0, 40);
  BOOST_TEST(recall("b") == 50);  // it keeps nothing idle meanwhile, if another one can use it
  give_back("b", 0);
  BOOST_TEST(share("a") == 60);
  BOOST_TEST(share("c") == 40);
}

BOOST_AUTO_TEST_CASE(a_place_in_the_queue_is_for_what_is_needed_now) {
  ask("a", 0, 20);
  ask("a", 8, 20);
  ask("b", 0, 6, 6);
  ask("b", 0, 0);
  BOOST_TEST(recall("a") == 0);
}

BOOST_AUTO_TEST_CASE(more_than_the_limit_has_no_place_in_the_queue) {
  ask("a", 0, 20);
  ask("a", 8, 20);
  ask("b", 0, 9, 9);
  BOOST_TEST(state.sessions["b"].turn == 0);
}

BOOST_AUTO_TEST_CASE(a_member_that_is_silent_is_granted_nothing_more) {
  ask("a", 0, 20);
  ask("a", 8, 20);
  ask("b", 0, 20, 1);
  pass(lease / 3);
  ask("c", 0, 20);
  give_back("a", 6);
  BOOST_TEST(share("b") == 0);
  BOOST_TEST(share("c") == 2);
}

BOOST_AUTO_TEST_CASE(idle_permits_of_others_are_asked_for_once_a_demand_is_not_met) {
  ask("a", 0, 3);
  ask("b", 0, 3);
  BOOST_TEST(ask("c", 0, 2).news.share == 2);
  BOOST_TEST(heard["a"].idle_wanted == 0);
  ask("c", 2, 3);
  BOOST_TEST(recall("a") + recall("b") == 0);  // for all that the server knows, they use them
  BOOST_TEST(heard["a"].idle_wanted == 1);
  BOOST_TEST(heard["b"].idle_wanted == 1);
  give_back("b", 2);
  BOOST_TEST(heard["c"].share == 3);
  BOOST_TEST(state.idle_wanted == 0);
}

BOOST_AUTO_TEST_CASE(idle_permits_are_not_asked_for_again_while_the_demand_stays) {
  ask("a", 0, 4);
  ask("b", 0, 4);
  ask("b", 4, 5);
  const number told = heard["a"].version;
  ask("b", 4, 6);
  ask("b", 4, 7);
  BOOST_TEST(heard["a"].version == told);
  BOOST_TEST(heard["a"].idle_wanted > 0);
}

BOOST_AUTO_TEST_CASE(a_token_grows_with_each_grant_of_a_share) {
  const number first = ask("a", 0, 1).news.token;
  const number second = ask("b", 0, 1).news.token;
  BOOST_TEST(second > first);
  BOOST_TEST(ask("a", 1, 1).news.token == first);
  BOOST_TEST(ask("a", 1, 2).news.token > second);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(requests, fixture)

BOOST_AUTO_TEST_CASE(a_request_is_executed_once) {
  ask("a", 0, 5);
  BOOST_TEST(send("a").status == status::late);
  BOOST_TEST(share("a") == 5);
}

BOOST_AUTO_TEST_CASE(an_older_request_is_not_executed) {
  ask("a", 0, 5);
  request late = member("a");
  ask("a", 0, 5);
  late.held = 5;
  late.keep = 0;
  BOOST_TEST(sync(state, late, server).reply.status == status::late);
  BOOST_TEST(share("a") == 5);
}

BOOST_AUTO_TEST_CASE(what_a_member_has_not_heard_of_is_not_given_back) {
  ask("a", 0, 20);
  ask("a", 8, 20);
  ask("b", 0, 3);
  const news before = heard["b"];
  give_back("a", 5);
  heard["b"] = before;
  BOOST_TEST(ask("b", 0, 3).news.share == 3);
}

BOOST_AUTO_TEST_CASE(the_news_of_a_new_session_are_newer_than_those_of_the_old_one) {
  const number before = ask("a", 0, 3).news.version;
  for (int i = 0; i < 4; ++i) pass(lease / 3), ask("b", 0, 0);
  ++member("a").serial;
  BOOST_TEST(ask("a", 0, 0).news.version > before);
}

BOOST_AUTO_TEST_CASE(the_first_sets_the_limit_and_a_different_one_is_told) {
  ask("a", 0, 0);
  member("b").limit = 3;
  BOOST_TEST(ask("b", 0, 0).news.limit == 8);
}

BOOST_AUTO_TEST_CASE(without_any_limit_there_is_no_semaphore) {
  request r;
  r.id = "a";
  r.serial = 1;
  BOOST_TEST(sync(state, r, server).reply.status == status::no_limit);
  BOOST_TEST(state.sessions.empty());
}

BOOST_AUTO_TEST_CASE(a_limit_may_be_set_before_there_is_one) {
  request r;
  r.id = "a";
  r.serial = 1;
  r.set_limit = 5;
  BOOST_TEST(sync(state, r, server).reply.news.limit == 5);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_may_leave) {
  ask("a", 0, 3);
  member("b").leave = true;
  BOOST_TEST(ask("b", 0, 0).status == status::ok);
  BOOST_TEST(state.sessions.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_takes_nothing_and_grants_nothing) {
  ask("a", 0, 8);
  member("a").set_limit = 3;
  ask("a", 8, 8);
  BOOST_TEST(share("a") == 8);
  BOOST_TEST(heard["a"].recall == 5);
  BOOST_TEST(ask("b", 0, 1).news.share == 0);
}

BOOST_AUTO_TEST_CASE(once_all_have_left_the_limit_is_left) {
  ask("a", 0, 8);
  give_back("a", 0);
  member("a").leave = true;
  ask("a", 0, 0);
  BOOST_TEST(state.sessions.empty());
  BOOST_TEST(state.used == 0);
  BOOST_TEST(state.limit == 8);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(leases, fixture)

BOOST_AUTO_TEST_CASE(a_share_is_granted_again_when_its_lease_has_ended) {
  ask("a", 0, 8);
  ask("b", 0, 8, 1);
  for (int i = 1; i < 5; ++i) {
    pass(lease / 5);
    ask("b", 0, 8, 1);
  }
  BOOST_TEST(share("b") == 0);
  pass(lease / 5);
  BOOST_TEST(ask("b", 0, 8, 1).news.share == 8);
}

BOOST_AUTO_TEST_CASE(a_jump_of_the_clock_ends_no_lease_before_its_deadline) {
  ask("a", 0, 8);
  pass(3'600'000'000);
  for (number t = 0; t < given_up_after(lease); t += lease / 30) {
    BOOST_TEST(ask("b", 0, 8, 1).news.share == 0);
    pass(lease / 30);
  }
}

BOOST_AUTO_TEST_CASE(a_clock_that_is_set_back_delays_nothing) {
  ask("a", 0, 8);
  pass(-3'600'000'000);
  for (int i = 0; i <= 5; ++i) {
    ask("b", 0, 8, 1);
    pass(lease / 5);
  }
  BOOST_TEST(ask("b", 0, 8, 1).news.share == 8);
}

BOOST_AUTO_TEST_CASE(what_is_in_use_under_a_lease_that_has_ended_is_counted_and_not_granted_again) {
  ask("a", 0, 3);
  for (int i = 0; i < 4; ++i) pass(lease / 3), ask("b", 0, 8, 1);
  ask("b", 8, 8);
  member("a").lost = true;
  const reply r = ask("a", 2, 5);
  BOOST_TEST(r.status == status::claimed);
  BOOST_TEST(r.news.share == 2);
  BOOST_TEST(r.news.recall == 2);
  BOOST_TEST(r.news.debt == 2);
  BOOST_TEST(state.used == 10);
  BOOST_TEST(ask("c", 0, 1, 1).news.share == 0);
}

BOOST_AUTO_TEST_CASE(a_member_that_gave_its_lease_up_goes_on_with_a_lease_that_was_kept) {
  ask("a", 0, 5);
  pass(lease / 2);
  member("a").lost = true;
  const reply r = ask("a", 2, 5);
  BOOST_TEST(r.status == status::ok);
  BOOST_TEST(r.news.share == 5);
  BOOST_TEST(r.news.recall == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(takeovers, fixture)

BOOST_AUTO_TEST_CASE(another_server_grants_nothing_new_for_a_lease) {
  ask("a", 0, 5);
  restart("second run");
  for (number t = 0; t < lease; t += lease / 5) {
    BOOST_TEST(ask("a", 5, 5).news.share == 5);
    BOOST_TEST(ask("b", 0, 3).news.share == 0);
    pass(lease / 5);
  }
  BOOST_TEST(ask("b", 0, 3).news.share == 3);
}

BOOST_AUTO_TEST_CASE(
    a_young_server_without_state_grants_nothing_new_even_if_a_newcomer_comes_first) {
  ask("a", 0, 5);
  state = {};
  server = {"second run", server.wall, 1'000'000};
  BOOST_TEST(ask("b", 0, 8).news.share == 0);
  BOOST_TEST(ask("a", 5, 5).status == status::claimed);
  BOOST_TEST(share("a") == 5);
}

BOOST_AUTO_TEST_CASE(a_server_that_misses_its_state_learns) {
  ask("a", 0, 5);
  state = {};
  BOOST_TEST(ask("a", 5, 8).news.share == 5);
  BOOST_TEST(ask("b", 0, 3).news.share == 0);
}

BOOST_AUTO_TEST_CASE(an_old_server_without_state_grants_at_once) {
  BOOST_TEST(ask("a", 0, 5).news.share == 5);
}

BOOST_AUTO_TEST_CASE(a_grant_that_a_failover_forgot_is_claimed_before_anything_is_granted_anew) {
  ask("a", 0, 2);
  const auto older = state;
  ask("a", 2, 6);
  state = older;
  restart("second run");
  ask("b", 0, 8);
  BOOST_TEST(ask("a", 6, 6).news.share == 6);
  BOOST_TEST(share("b") == 0);
}

BOOST_AUTO_TEST_CASE(a_token_that_a_failover_forgot_is_followed_by_a_larger_one) {
  ask("a", 0, 2);
  const auto older = state;
  give_back("a", 0);
  const number latest = ask("a", 0, 2).news.token;
  state = older;
  restart("second run");
  BOOST_TEST(ask("a", 2, 2).news.token > latest);
}

BOOST_AUTO_TEST_CASE(a_server_that_took_over_relies_on_a_lease_that_has_a_third_left) {
  ask("a", 0, 5);
  restart("second run");
  member("a").lost = true;
  BOOST_TEST(ask("a", 2, 5).news.share == 5);
}

BOOST_AUTO_TEST_CASE(a_server_that_took_over_may_have_forgotten_the_end_of_an_older_lease) {
  ask("a", 0, 5);
  for (int i = 0; i < 3; ++i) pass(lease / 4), ask("b", 0, 0);
  restart("second run");
  member("a").lost = true;
  const news n = ask("a", 2, 5).news;
  BOOST_TEST(n.share == 2);
  BOOST_TEST(n.debt == 2);
}

BOOST_AUTO_TEST_CASE(a_debt_outlives_a_takeover) {
  ask("a", 0, 5);
  state = {};
  restart("second run");
  member("a").debt = 2;
  BOOST_TEST(ask("a", 5, 5).news.debt == 2);
}

BOOST_AUTO_TEST_CASE(what_was_lost_and_claimed_while_the_server_learns_is_not_used_again) {
  ask("a", 0, 5);
  state = {};
  restart("second run");
  member("a").lost = true;
  const news n = ask("a", 2, 5).news;
  BOOST_TEST(n.share == 2);
  BOOST_TEST(n.debt == 2);
}

BOOST_AUTO_TEST_CASE(what_a_failover_brought_back_is_not_used_again) {
  ask("a", 0, 6);
  const auto older = state;
  give_back("a", 2);
  state = older;
  restart("second run");
  BOOST_TEST(ask("a", 2, 2).news.share == 2);
}

BOOST_AUTO_TEST_CASE(news_after_a_takeover_are_of_another_epoch_and_tokens_grow) {
  const news before = ask("a", 0, 5).news;
  state = {};
  restart("second run");
  pass(-3'600'000'000);
  const news after = ask("a", 5, 5).news;
  BOOST_TEST(after.epoch != before.epoch);
  BOOST_TEST(after.token > before.token);
}

BOOST_AUTO_TEST_SUITE_END()
