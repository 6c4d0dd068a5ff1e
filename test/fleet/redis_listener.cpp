// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What a Redis engine sends to receive messages, without I/O and with a clock of the test's own.

#define BOOST_TEST_MODULE redis_listener

#include "fake_wire.hpp"
#include "redis/listener.hpp"

#include <boost/test/unit_test.hpp>

namespace {

struct listener_fixture {
  void become_ready() {
    l.connected(now);
    l.received(text("OK"), now);
    l.received(text("OK"), now);
    BOOST_REQUIRE(l.is_ready());
  }
  void listen(const std::string& channel) {
    l.listen(channel, [this](std::string_view m) { messages.emplace_back(m); }, now);
  }
  void pass(duration d) {
    now += d;
    l.tick(now);
  }

  time_point now{1h};
  fake_wire w;
  lines messages;
  listener l{w, parse_redis_url("redis://:secret@host/3"), patience,
             [](const auto& h, const std::string& m) { (*h)(m); }};
};

}  // namespace

BOOST_AUTO_TEST_CASE(channels_are_subscribed_to_and_again_after_each_connection) {
  listener_fixture f;
  BOOST_TEST(f.w.connects == 0);
  f.listen("a");
  BOOST_TEST(f.w.connects == 1);
  f.become_ready();
  BOOST_TEST(f.w.take() == (lines{"AUTH secret", "CLIENT SETNAME turnstile", "SUBSCRIBE a"}),
             boost::test_tools::per_element());
  f.l.received(array({text("subscribe"), text("a"), integer(1)}), f.now);
  f.listen("b");
  f.l.ignore("a", f.now);
  f.l.ignore("a", f.now);
  BOOST_TEST(f.w.take() == (lines{"SUBSCRIBE b", "UNSUBSCRIBE a"}),
             boost::test_tools::per_element());
  f.l.received(array({text("message"), text("a"), text("1")}), f.now);
  f.l.received(array({text("subscribe"), text("b"), integer(2)}), f.now);
  f.l.received(array({text("message"), text("b"), text("2")}), f.now);
  f.l.received(array({text("unsubscribe"), text("a"), integer(1)}), f.now);
  BOOST_TEST(f.messages == lines{"2"}, boost::test_tools::per_element());

  f.l.lost("cut", f.now);
  f.pass(10ms);
  f.l.connected(f.now);
  f.w.take();
  f.l.received(text("OK"), f.now);
  f.l.received(text("OK"), f.now);
  BOOST_TEST(f.w.take() == lines{"SUBSCRIBE b"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(silent_subscription_is_asked_for_a_sign_of_life_and_left) {
  listener_fixture f;
  f.listen("a");
  f.become_ready();
  f.l.received(array({text("subscribe"), text("a"), integer(1)}), f.now);
  f.w.take();
  f.pass(5 * patience);
  BOOST_TEST(f.w.take() == lines{"PING"}, boost::test_tools::per_element());
  f.l.received(array({text("pong"), text("")}), f.now);
  f.pass(5 * patience);
  f.pass(patience);
  BOOST_TEST(f.w.closes == 1);
  BOOST_TEST(f.w.problem == "the server does not answer");
}

BOOST_AUTO_TEST_CASE(channel_that_is_refused_keeps_the_connection) {
  listener_fixture f;
  f.listen("a");
  f.become_ready();
  f.l.received(error("NOPERM this user has no permissions to access one of the channels"), f.now);
  BOOST_TEST(f.w.closes == 0);
  BOOST_TEST(f.w.problem.starts_with("NOPERM"));
}

BOOST_AUTO_TEST_CASE(server_that_is_the_wrong_one_is_left) {
  listener_fixture f;
  f.listen("a");
  f.become_ready();
  f.l.received(error("LOADING Redis is loading the dataset in memory"), f.now);
  BOOST_TEST(f.w.closes == 1);
  BOOST_TEST(f.w.problem.starts_with("LOADING"));
}

BOOST_AUTO_TEST_CASE(answer_that_was_not_asked_for_drops_the_subscriptions) {
  listener_fixture f;
  f.listen("a");
  f.become_ready();
  f.l.received(array({text("subscribe"), text("a"), integer(1)}), f.now);
  f.l.received(text("OK"), f.now);
  BOOST_TEST(f.w.closes == 1);
}

BOOST_AUTO_TEST_CASE(message_for_a_channel_that_was_ignored_is_no_answer) {
  listener_fixture f;
  f.listen("a");
  f.become_ready();
  f.l.received(array({text("subscribe"), text("a"), integer(1)}), f.now);
  f.l.ignore("a", f.now);
  f.l.received(array({text("unsubscribe"), text("a"), integer(0)}), f.now);
  f.l.received(array({text("message"), text("a"), text("1")}), f.now);
  BOOST_TEST(f.messages.empty());
  BOOST_TEST(f.w.closes == 0);
}
