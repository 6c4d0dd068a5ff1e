// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What a Redis engine sends to have the script executed, and when it connects, without I/O and with a clock of the test's
// own.

#define BOOST_TEST_MODULE redis_caller

#include "fake_wire.hpp"
#include "redis/caller.hpp"

#include <boost/test/unit_test.hpp>

namespace {

struct caller_fixture {
  explicit caller_fixture(const std::string& url = "redis://host") : address(parse_redis_url(url)) {
    c.start(now);
  }

  void sync(const std::string& key) {
    c.sync(
        {key, {"1", "2"}},
        [this, key](const turnstile::shared_engine::reply& r) {
          std::string line = key + ":" + r.error;
          for (const auto n : r.numbers) line += " " + std::to_string(n);
          replies.push_back(line);
        },
        now);
  }
  void become_ready() {
    c.connected(now);
    c.received(text("OK"), now);
    c.received(info("7.0.15"), now);
    BOOST_REQUIRE(c.is_ready());
    w.take();
  }
  void pass(duration d) {
    now += d;
    c.tick(now);
  }

  time_point now{1h};
  fake_wire w;
  redis_address address;
  lines replies;
  caller c{w, address, patience, {"TEXT", "SHA1"}, [](const auto& h, const auto& r) { h(r); }};
};

}  // namespace

BOOST_AUTO_TEST_CASE(greeting_names_the_connection_and_asks_for_the_version) {
  caller_fixture f;
  f.c.connected(f.now);
  BOOST_TEST(f.w.take() == (lines{"CLIENT SETNAME turnstile", "INFO server"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(greeting_logs_in_and_selects_the_database) {
  caller_fixture f{"redis://user:secret@host/3"};
  f.c.connected(f.now);
  BOOST_TEST(f.w.take() ==
                 (lines{"AUTH user secret", "CLIENT SETNAME turnstile", "SELECT 3", "INFO server"}),
             boost::test_tools::per_element());
  caller_fixture g{"redis://:secret@host"};
  g.c.connected(g.now);
  BOOST_TEST(g.w.take()[0] == "AUTH secret");
  caller_fixture h{"redis://user@host"};
  h.c.connected(h.now);
  BOOST_TEST(h.w.take()[0] == "AUTH user ");
}

BOOST_AUTO_TEST_CASE(request_waits_for_the_greeting_and_is_sent_as_evalsha) {
  caller_fixture f;
  f.sync("a");
  BOOST_TEST(f.w.take().empty());
  f.c.connected(f.now);
  f.w.take();
  f.c.received(text("OK"), f.now);
  BOOST_TEST(f.w.take().empty());
  f.c.received(info("6.0.0"), f.now);
  BOOST_TEST(f.w.take() == lines{"EVALSHA SHA1 1 a 1 2"}, boost::test_tools::per_element());
  f.sync("b");
  BOOST_TEST(f.w.take() == lines{"EVALSHA SHA1 1 b 1 2"}, boost::test_tools::per_element());
  f.c.received(array({integer(1), integer(-2)}), f.now);
  f.c.received(array({}), f.now);
  BOOST_TEST(f.replies == (lines{"a: 1 -2", "b:"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(after_noscript_the_text_is_sent_once) {
  caller_fixture f;
  f.become_ready();
  f.sync("a");
  f.sync("b");
  f.w.take();
  f.c.received(error("NOSCRIPT No matching script. Please use EVAL."), f.now);
  BOOST_TEST(f.w.take() == lines{"EVAL TEXT 1 a 1 2"}, boost::test_tools::per_element());
  f.c.received(array({integer(2)}), f.now);
  f.c.received(error("NOSCRIPT"), f.now);
  BOOST_TEST(f.w.take().empty());
  BOOST_TEST(f.replies == (lines{"b: 2", "a:NOSCRIPT"}), boost::test_tools::per_element());
  BOOST_TEST(f.c.is_ready());
}

BOOST_AUTO_TEST_CASE(errors_of_a_server_that_is_the_wrong_one_drop_the_connection) {
  for (const std::string e :
       {"READONLY You can't write against a read only replica.", "LOADING Redis is loading",
        "MASTERDOWN Link", "CLUSTERDOWN Hash slot not served", "MOVED 1 127.0.0.1:7000",
        "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -READONLY You "
        "can't write. "}) {
    caller_fixture f;
    f.become_ready();
    f.sync("a");
    f.sync("b");
    f.c.received(error(e), f.now);
    BOOST_TEST(f.replies == (lines{"a:" + e, "b:" + e}), boost::test_tools::per_element());
    BOOST_TEST(f.w.closes == 1);
    BOOST_TEST(f.w.problem == e);
    f.pass(10ms);
    BOOST_TEST(f.w.connects == 2);
  }
}

BOOST_AUTO_TEST_CASE(other_errors_keep_the_connection) {
  for (const std::string e :
       {"MISCONF Redis is configured to save", "OOM command not allowed", "NOREPLICAS Not enough",
        "BUSY Redis is busy", "NOAUTH Authentication required.", "NOPERM this user",
        "TURNSTILE the key holds something else", "ERR Error running script", "no code",
        "ERR Error running script (call to f_1): @user_script:9: @user_script: 9: -OOM command not "
        "allowed. "}) {
    caller_fixture f;
    f.become_ready();
    f.sync("a");
    f.c.received(error(e), f.now);
    BOOST_TEST(f.replies == lines{"a:" + e}, boost::test_tools::per_element());
    BOOST_TEST(f.w.closes == 0);
    BOOST_TEST(f.w.problem == e);
  }
}

BOOST_AUTO_TEST_CASE(reply_that_is_no_list_of_numbers_is_an_error) {
  caller_fixture f;
  f.become_ready();
  for (const answer& a : {text("x"), integer(1), answer{}, array({integer(1), text("x")})}) {
    f.sync("a");
    f.c.received(a, f.now);
  }
  BOOST_TEST(f.replies == lines(4, "a:the script replied something else than numbers"),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(requests_get_an_error_when_the_connection_is_lost_and_while_there_is_none) {
  caller_fixture f;
  f.become_ready();
  f.sync("a");
  f.c.lost("cut", f.now);
  f.sync("b");
  BOOST_TEST(f.replies == (lines{"a:cut", "b:cut"}), boost::test_tools::per_element());
  f.pass(10ms);
  BOOST_TEST(f.w.connects == 2);
  f.c.connected(f.now);
  f.w.take();
  f.c.received(text("OK"), f.now);
  f.c.received(info("7.0.15"), f.now);
  BOOST_TEST(f.c.is_ready());
  BOOST_TEST(f.w.take().empty());  // nothing is sent twice
}

BOOST_AUTO_TEST_CASE(delays_double_from_10_to_250_ms_until_a_request_succeeds) {
  caller_fixture f;
  for (const auto d : {10ms, 20ms, 40ms, 80ms, 160ms, 250ms, 250ms}) {
    const int before = f.w.connects;
    f.c.lost("refused", f.now);
    BOOST_TEST(!(f.c.wake_at() != f.now + d));
    f.pass(d - 1ms);
    BOOST_TEST(f.w.connects == before);
    f.pass(1ms);
    BOOST_TEST(f.w.connects == before + 1);
  }
  f.become_ready();
  f.sync("a");
  f.c.received(array({}), f.now);
  f.c.lost("cut", f.now);
  f.pass(10ms);
  f.become_ready();  // without a request
  f.c.lost("cut", f.now);
  BOOST_TEST(!(f.c.wake_at() != f.now + 20ms));
}

BOOST_AUTO_TEST_CASE(greeting_that_is_refused_is_tried_again_after_250_ms) {
  caller_fixture f{"redis://:wrong@host"};
  f.sync("a");
  f.c.connected(f.now);
  const std::string e = "WRONGPASS invalid username-password pair or user is disabled.";
  f.c.received(error(e), f.now);
  BOOST_TEST(f.replies == lines{"a:" + e}, boost::test_tools::per_element());
  BOOST_TEST(f.w.problem == e);
  f.pass(249ms);
  BOOST_TEST(f.w.connects == 1);
  f.pass(1ms);
  BOOST_TEST(f.w.connects == 2);
}

BOOST_AUTO_TEST_CASE(connection_without_a_name_or_version_is_used) {
  for (const std::string e : {"NOPERM this user has no permissions", "ERR unknown command 'CLIENT'",
                              "ERR Unknown subcommand"}) {
    caller_fixture f;
    f.c.connected(f.now);
    f.c.received(error(e), f.now);
    f.c.received(error(e), f.now);
    BOOST_TEST(f.c.is_ready());
    BOOST_TEST(f.w.problem == "");
  }
  caller_fixture f;
  f.c.connected(f.now);
  f.c.received(error("ERR max number of clients reached"), f.now);
  BOOST_TEST(f.w.problem == "ERR max number of clients reached");
  BOOST_TEST(f.w.closes == 1);
}

BOOST_AUTO_TEST_CASE(server_before_6_0_gets_no_request) {
  caller_fixture f;
  f.sync("a");
  f.c.connected(f.now);
  f.c.received(text("OK"), f.now);
  f.w.take();
  f.c.received(info("5.0.14"), f.now);
  f.sync("b");
  const std::string e = "TURNSTILE the server is Redis 5.0.14, and turnstile needs 6.0 or newer";
  BOOST_TEST(f.replies == (lines{"a:" + e, "b:" + e}), boost::test_tools::per_element());
  BOOST_TEST(f.w.take().empty());
  BOOST_TEST(f.w.problem == e);
  // Another server may be there next.
  f.c.lost("cut", f.now);
  f.pass(10ms);
  f.become_ready();
  f.sync("c");
  BOOST_TEST(f.w.take().size() == 1U);
}

BOOST_AUTO_TEST_CASE(silent_server_is_left_after_the_time_out) {
  caller_fixture f;
  f.pass(patience);
  BOOST_TEST(f.w.problem == "the server cannot be reached in time");
  f.pass(10ms);
  f.c.connected(f.now);
  f.pass(patience);
  BOOST_TEST(f.w.problem == "the server does not answer");
  BOOST_TEST(f.w.closes == 2);
  f.pass(20ms);
  f.become_ready();
  f.pass(1s);
  f.sync("a");
  f.pass(1s);
  f.sync("b");
  f.pass(patience - 1001ms);
  BOOST_TEST(f.w.closes == 2);
  f.pass(1ms);
  BOOST_TEST(f.w.closes == 3);
  BOOST_TEST(f.replies == (lines{"a:the server does not answer", "b:the server does not answer"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(idle_connection_is_asked_for_a_sign_of_life) {
  caller_fixture f;
  f.become_ready();
  f.pass(5 * patience - 1ms);
  BOOST_TEST(f.w.take().empty());
  f.pass(1ms);
  BOOST_TEST(f.w.take() == lines{"PING"}, boost::test_tools::per_element());
  f.sync("a");
  f.c.received(text("PONG"), f.now);
  f.c.received(array({integer(1)}), f.now);
  BOOST_TEST(f.replies == lines{"a: 1"}, boost::test_tools::per_element());
  f.pass(5 * patience);
  BOOST_TEST(f.w.take().size() == 2U);
  f.pass(patience);
  BOOST_TEST(f.w.closes == 1);
}

BOOST_AUTO_TEST_CASE(answer_that_was_not_asked_for_drops_the_connection) {
  caller_fixture f;
  f.become_ready();
  f.c.received(text("OK"), f.now);
  BOOST_TEST(f.w.closes == 1);
  f.c.received(text("OK"), f.now);
  BOOST_TEST(f.w.closes == 1);
}

BOOST_AUTO_TEST_CASE(versions_are_compared_by_their_first_number) {
  BOOST_TEST(is_too_old("5.0.14"));
  BOOST_TEST(is_too_old("2.8"));
  BOOST_TEST(!is_too_old("6.0.0"));
  BOOST_TEST(!is_too_old("10.1"));
  BOOST_TEST(!is_too_old(""));
  BOOST_TEST(!is_too_old("unstable"));
  BOOST_TEST(version_in("a:1\r\nredis_version:7.2.4\r\nvalkey_version:9.0\r\n") == "7.2.4");
  BOOST_TEST(version_in("a:1") == "");
}
