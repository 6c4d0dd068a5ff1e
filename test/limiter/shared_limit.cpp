// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// One limit for several listeners.

#include "limiter.hpp"

#include <string>

namespace {

words two_listeners(const std::string& upstream, words more) {
  more.insert(more.end(),
              {"--upstream", upstream, "--share-limit", "database", "--queue-timeout", "1h",
               "--admin", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"});
  return more;
}

}  // namespace

BOOST_AUTO_TEST_CASE(listeners_share_one_limit_and_one_queue) {
  for (const words& more : {words{}, words{"--per-client", "2", "--per-client-queue", "2"}}) {
    upstream u;
    words arguments{"--limit", "2", "--max-queue", "2", "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    program l{path(), two_listeners(u.address(), arguments)};
    const std::uint16_t one = l.port(0), two = l.port(1), admin = l.admin_port();
    client a{one}, b{two};
    BOOST_TEST(a.echoes("a"));
    BOOST_TEST(b.echoes("b"));
    client c{two}, d{one};
    BOOST_TEST(comes_true([&] { return metric(admin, one, "queued_connections") == 2; }));
    client refused{two};
    BOOST_TEST(refused.end() == asio::error::eof);
    BOOST_TEST(u.max() == 2);
    a.close();
    BOOST_TEST(c.echoes("c"));  // first come, first served, whatever the listener
    b.close();
    BOOST_TEST(d.echoes("d"));
    BOOST_TEST(u.max() == 2);
    c.close();
    d.close();
    l.signal(SIGTERM);
    BOOST_TEST(l.exit_status() == 0);
    BOOST_TEST(count(l.output(), "served 2, ") == 2U);
    BOOST_TEST(count(l.output(), "2 of 2 permits returned") == 2U);
  }
}

BOOST_AUTO_TEST_CASE(a_new_limit_of_one_listener_is_the_limit_of_all_that_share_it) {
  upstream u;
  program l{path(), two_listeners(u.address(), {"--limit", "1"})};
  const std::uint16_t one = l.port(0), two = l.port(1), admin = l.admin_port();
  client a{one}, b{two};
  BOOST_TEST(a.echoes("a"));
  BOOST_TEST(put_limit(admin, "2", "?listener=127.0.0.1:" + std::to_string(one)).substr(9, 3) ==
             "204");
  BOOST_TEST(b.echoes("b"));
  BOOST_TEST(metric(admin, two, "limit_connections") == 2);
}

BOOST_AUTO_TEST_CASE(listeners_of_other_names_have_limits_of_their_own) {
  upstream u;
  program l{path(),
            {"--upstream", u.address(), "--limit", "1", "--queue-timeout", "1h",  //
             "--listen", "127.0.0.1:0", "--share-limit", "a",                     //
             "--listen", "127.0.0.1:0", "--share-limit", "b", "--listen", "127.0.0.1:0"}};
  client a{l.port(0)}, b{l.port(1)}, c{l.port(2)};
  for (client* each : {&a, &b, &c}) BOOST_TEST(each->echoes("served"));
}
