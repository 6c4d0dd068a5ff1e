// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The script for Redis does what sync() does: the same histories go through both, on a redis-server of the test's own,
// and after each call the reply, the pushes and all that is stored are compared. Arguments after a `--`:
//
//   --histories N  so many instead of 500
//   --first N      the seed of the first one, instead of 1
//   --script FILE  in place of the script that is built in

#define BOOST_TEST_MODULE fleet_script

#include "history.hpp"
#include "scripted.hpp"
#include "stored.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace {

using namespace turnstile::detail::fleet;
using event = history::event;

// A state of the model, and the same in Redis.
struct saved {
  state model;
  std::string dump;  // empty if there is no key
};

void compare_states(const state& model, const stored& s) {
  BOOST_REQUIRE_EQUAL(to_text(model), to_text(s.state));
  for (const auto& [id, m] : s.state.sessions) BOOST_REQUIRE_LE(s.soonest_end, m.end);
}

void apply(event e, state& model, saved& save, scripted& script) {
  redis_connection& redis = script.redis();
  switch (e) {
    case event::none: return;
    case event::flush_scripts: redis({"SCRIPT", "FLUSH"}); return;
    case event::delete_key:
    case event::flush_all:
      e == event::delete_key ? redis({"DEL", key}) : redis({"FLUSHALL"});
      model = {};
      return;
    case event::save: {
      const redis_reply dump = redis({"DUMP", key});
      save = {model, dump.is_nil() ? "" : dump.text()};
      return;
    }
    case event::restore:
      redis({"DEL", key});
      if (!save.dump.empty()) redis({"RESTORE", key, "0", save.dump}).text();
      model = save.model;
      return;
  }
}

void run(std::uint64_t seed, scripted& script) {
  script.redis()({"FLUSHALL"});
  history h{seed};
  state model;
  saved save;
  for (int call = 0; call < h.calls(); ++call) {
    apply(h.next_event(), model, save, script);
    const request r = h.next_request();
    const server_facts f = h.facts();
    BOOST_TEST_CONTEXT("seed " << seed << ", call " << call << ", state before" << to_text(model)) {
      const result expected = sync(model, r, f);
      BOOST_REQUIRE_EQUAL(to_text(expected), to_text(script(r, f)));
      compare_states(model, read_stored(script.redis()({"HGETALL", key}).texts()));
      h.executed(r, expected);
    }
  }
}

// The number after these words; 0 if they are not there.
number info(redis_connection& redis, const std::string& section, const std::string& words) {
  const std::string text = redis({"INFO", section}).text();
  const auto found = text.find(words);
  return found == std::string::npos ? 0 : std::stoll(text.substr(found + words.size()));
}

number wall_clock() {
  using namespace std::chrono;
  return duration_cast<microseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

BOOST_FIXTURE_TEST_CASE(histories_go_as_in_the_model, scripted_fixture) {
  for (std::uint64_t seed = given.first; seed < given.first + given.histories; ++seed)
    run(seed, script);
}

BOOST_FIXTURE_TEST_CASE(numbers_up_to_the_largest_keep_their_digits, scripted_fixture) {
  state model;
  request r = first_request("a");
  r.limit = r.want = largest;
  const server_facts f{"1", 1'700'000'000'000'000, 2'000'000'000};
  const result expected = sync(model, r, f);
  BOOST_TEST(expected.reply.news.share == largest);
  BOOST_TEST(to_text(expected) == to_text(script(r, f)));
  compare_states(model, read_stored(script.redis()({"HGETALL", key}).texts()));

  // Published as text: the share is recalled for another member.
  request other = first_request("b");
  other.want = other.need = largest;
  const result second = sync(model, other, f);
  BOOST_REQUIRE(second.pushes.size() == 1U);
  BOOST_TEST(second.pushes[0].news.recall == largest);
  BOOST_TEST(to_text(second) == to_text(script(other, f)));
}

// More than the script passes to Redis by one command.
BOOST_FIXTURE_TEST_CASE(hundreds_of_sessions_change_and_end_at_once, scripted_fixture) {
  state model;
  server_facts f{"1", 1'700'000'000'000'000, 2'000'000'000};
  const auto call = [&](const request& r) {
    const result expected = sync(model, r, f);
    BOOST_REQUIRE_EQUAL(to_text(expected), to_text(script(r, f)));
    compare_states(model, read_stored(script.redis()({"HGETALL", key}).texts()));
    return expected.pushes.size();
  };
  for (int i = 0; i < 250; ++i) {
    request r = first_request(std::to_string(i));
    r.limit = 250;
    r.want = 1;
    call(r);
  }
  request lowers = first_request("f");
  lowers.set_limit = 1;
  BOOST_TEST(call(lowers) == 249U);
  for (int i = 2; i < 6; ++i) {
    f.wall += longest_step(lowers.lease);
    lowers.serial = i;
    call(lowers);
  }
  BOOST_TEST(model.sessions.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(one_hash_without_a_time_to_live_stays_when_the_last_member_has_left,
                        scripted_fixture) {
  request r = first_request("a");
  script.with_real_facts(r);
  r.serial = 2;
  r.leave = true;
  script.with_real_facts(r);
  redis_connection& redis = script.redis();
  BOOST_TEST(redis({"DBSIZE"}).integer() == 1);
  BOOST_TEST(redis({"HKEYS", key}).texts() == std::vector<std::string>{"state"},
             boost::test_tools::per_element());
  BOOST_TEST(redis({"TTL", key}).integer() == -1);
  BOOST_TEST(read_stored(redis({"HGETALL", key}).texts()).state.limit == 8);
}

BOOST_FIXTURE_TEST_CASE(time_run_id_and_age_are_those_of_the_server, scripted_fixture) {
  request r = first_request("a");
  const number before = wall_clock();
  const reply first = script.with_real_facts(r).reply;
  BOOST_TEST(first.learning_left == 600'000'000);  // a young server without state may have lost it
  BOOST_TEST(first.news.epoch >= before);
  BOOST_TEST(first.news.epoch <= wall_clock());

  const state s = read_stored(script.redis()({"HGETALL", key}).texts()).state;
  const std::string info = script.redis()({"INFO", "server"}).text();
  BOOST_TEST(info.find("run_id:" + s.run_id + "\r\n") != std::string::npos);
  BOOST_TEST(s.wall == first.news.epoch);

  r.serial = 2;
  BOOST_TEST(script.with_real_facts(r).reply.news.epoch == first.news.epoch);
}

BOOST_FIXTURE_TEST_CASE(an_older_server_without_state_grants_at_once, scripted_fixture) {
  request r = first_request("a");
  r.lease = 1'000'000;
  r.want = 1;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  for (;;) {
    script.redis()({"FLUSHALL"});
    const reply x = script.with_real_facts(r).reply;
    BOOST_TEST(x.news.share == (x.learning_left == 0 ? 1 : 0));
    if (x.learning_left == 0 || std::chrono::steady_clock::now() > deadline) break;
  }
  BOOST_TEST((std::chrono::steady_clock::now() < deadline));
}

BOOST_FIXTURE_TEST_CASE(another_server_with_the_same_state_learns, scripted_fixture) {
  request r = first_request("a");
  const number epoch = script.with_real_facts(r).reply.news.epoch;
  redis_server other_server;
  scripted other{other_server.socket(), given.script};
  other.redis()({"RESTORE", key, "0", script.redis()({"DUMP", key}).text()}).text();
  r.serial = 2;
  const reply x = other.with_real_facts(r).reply;
  BOOST_TEST(x.news.epoch > epoch);
  BOOST_TEST(x.learning_left == 600'000'000);
}

BOOST_FIXTURE_TEST_CASE(a_server_that_hides_its_run_id_is_taken_for_a_new_one_once,
                        scripted_fixture) {
  request r = first_request("a");
  r.lease = 1'000'000;
  const server_facts hidden{"", 1'700'000'000'000'000, 2'000'000'000};
  const reply first = script(r, hidden).reply;
  BOOST_TEST(first.learning_left == r.lease);
  r.serial = 2;
  BOOST_TEST(script(r, hidden).reply.news.epoch == first.news.epoch);
  const state s = read_stored(script.redis()({"HGETALL", key}).texts()).state;
  BOOST_TEST(s.run_id == "unknown");
}

BOOST_FIXTURE_TEST_CASE(only_what_has_changed_is_written_and_without_a_waiter_no_other_session_read,
                        scripted_fixture) {
  redis_connection& redis = script.redis();
  std::vector<request> members;
  const auto renew = [&](request& r) {
    ++r.serial;
    const reply x = script.with_real_facts(r).reply;
    r.epoch = x.news.epoch;
    r.version = x.news.version;
  };
  for (const char* id : {"a", "b", "c", "d"}) {
    members.push_back(first_request(id));
    members.back().limit = 4;
    members.back().held = members.back().keep = members.back().in_use = members.back().want = 1;
    renew(members.back());
  }
  for (const bool waits : {false, true}) {
    members[0].want = waits ? 4 : 1;
    members[0].need = waits ? 4 : 0;
    renew(members[0]);
    redis({"CONFIG", "RESETSTAT"});
    const number before = info(redis, "persistence", "rdb_changes_since_last_save:");
    renew(members[1]);
    BOOST_TEST(info(redis, "commandstats", "cmdstat_hgetall:calls=") == (waits ? 1 : 0));
    BOOST_TEST(info(redis, "persistence", "rdb_changes_since_last_save:") - before <= 2);
  }
}

BOOST_FIXTURE_TEST_CASE(what_is_free_is_granted_without_reading_other_sessions, scripted_fixture) {
  state model;
  const server_facts f{"1", 1'700'000'000'000'000, 2'000'000'000};
  request a = first_request("a"), b = first_request("b");
  const auto wants = [&](request& r, number want) {
    r.want = want;
    const result expected = sync(model, r, f);
    BOOST_TEST(to_text(expected) == to_text(script(r, f)));
    ++r.serial;
    r.epoch = expected.reply.news.epoch;
    r.version = expected.reply.news.version;
    r.held = r.keep = expected.reply.news.share;
    return expected.reply.news.share;
  };
  const auto sessions_read = [&] {
    return info(script.redis(), "commandstats", "cmdstat_hgetall:calls=");
  };
  wants(a, 1);
  wants(b, 1);
  script.redis()({"CONFIG", "RESETSTAT"});
  BOOST_TEST(wants(a, 5) == 5);
  BOOST_TEST(wants(b, 3) == 3);
  BOOST_TEST(sessions_read() == 0);
  BOOST_TEST(wants(b, 4) == 3);
  BOOST_TEST(sessions_read() == 1);
}

BOOST_FIXTURE_TEST_CASE(a_key_that_holds_something_else_is_refused_and_kept, scripted_fixture) {
  redis_connection& redis = script.redis();
  const std::string another_version = "\x01";
  const std::vector<std::vector<std::string>> others{
      {"SET", key, "text"},       {"RPUSH", key, "element"},
      {"HSET", key, "a", "b"},    {"HSET", key, "state", "text"},
      {"HSET", key, "state", ""}, {"HSET", key, "state", another_version}};
  for (const auto& command : others) {
    redis({"FLUSHALL"});
    redis(command);
    const std::string before = redis({"DUMP", key}).text();
    const std::string error = script.error(first_request("a"));
    BOOST_TEST(error.starts_with("TURNSTILE the key "), error);
    BOOST_TEST(redis({"DUMP", key}).text() == before);
  }
}

BOOST_FIXTURE_TEST_CASE(an_error_of_redis_is_passed_on, scripted_fixture) {
  script.redis()({"ACL", "SETUSER", "default", "-hmget"}).text();
  const std::string error = script.error(first_request("a"));
  BOOST_TEST(!error.empty());
  BOOST_TEST(!error.starts_with("TURNSTILE"), error);
}

BOOST_FIXTURE_TEST_CASE(an_id_that_is_no_hexadecimal_number_is_refused, scripted_fixture) {
  for (const char* id : {"", "state", "A", "a b"})
    BOOST_TEST(script.error(first_request(id)) ==
               "ERR the id must be of lower-case hexadecimal digits");
  BOOST_TEST(script.redis()({"DBSIZE"}).integer() == 0);
}

// A refusal leaves the state as it was: the script writes at its end, and Redis refuses the first command that does.
BOOST_FIXTURE_TEST_CASE(a_server_that_refuses_to_write_changes_nothing, scripted_fixture) {
  redis_connection& redis = script.redis();
  request r = first_request("a");
  r.want = 1;
  script.with_real_facts(r);
  const auto before = redis({"HGETALL", key}).texts();
  r.serial = 2;
  redis({"CONFIG", "SET", "maxmemory", "1"}).text();
  BOOST_TEST(script.error(r).find("OOM") != std::string::npos);
  redis({"CONFIG", "SET", "maxmemory", "0"}).text();
  // Redis 6.0 lets scripts write all the same.
  if (redis({"INFO", "server"}).text().find("redis_version:6.0.") == std::string::npos) {
    redis({"CONFIG", "SET", "min-replicas-to-write", "1"}).text();
    BOOST_TEST(script.error(r).find("NOREPLICAS") != std::string::npos);
    redis({"CONFIG", "SET", "min-replicas-to-write", "0"}).text();
  }
  BOOST_TEST(redis({"HGETALL", key}).texts() == before, boost::test_tools::per_element());
  BOOST_TEST(script.error(r).empty());
}
