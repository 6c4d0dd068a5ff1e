// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A limit of zero: connections wait, and none is forwarded.

#include "limiter.hpp"

#include <string>
#include <vector>

namespace {

words paused(words more) {
  more.insert(more.end(), {"--limit", "0", "--admin", "127.0.0.1:0", "--threads", "1"});
  return more;
}

const std::vector<words> modes{{"--queue-timeout", "1h"},
                               {"--queue-timeout", "1h", "--per-client", "2"},
                               {"--overflow", "backlog"},
                               {"--overflow", "backlog", "--per-client", "2"}};

}  // namespace

BOOST_AUTO_TEST_CASE(limit_zero_forwards_nothing_until_it_is_raised) {
  for (const words& mode : modes) {
    BOOST_TEST_CONTEXT(mode.back()) {
      upstream u;
      limiter l{u.address(), paused(mode)};
      const std::uint16_t port = l.port(), admin = l.admin_port();
      client first{port}, second{port};
      first.send("1");
      second.send("2");
      BOOST_TEST(metric(admin, port, "limit_connections") == 0);
      const bool has_queue = mode.front() == "--queue-timeout";
      BOOST_TEST(comes_true(
          [&] { return metric(admin, port, "queued_connections") == (has_queue ? 2 : 0); }));
      std::this_thread::sleep_for(100ms);  // time for a wrong limiter to forward them
      BOOST_TEST(u.max() == 0);
      BOOST_TEST(put_limit(admin, "1").substr(9, 3) == "204");
      BOOST_TEST(first.receive(1) == "1");
      BOOST_TEST(u.max() == 1);
      first.close();
      BOOST_TEST(second.receive(1) == "2");
      second.close();
      BOOST_TEST(contains(l.stop(), "accepted 2, served 2, refused 0 "));
      BOOST_TEST(contains(l.last_line(), "1 of 1 permits returned"));
    }
  }
}

// A limit of zero in the library ends all waits. The limiter keeps its clients, and their order.
BOOST_AUTO_TEST_CASE(pause_keeps_queued_clients_and_forwarded_ones) {
  for (const words& per_client : {words{}, words{"--per-client", "3"}}) {
    upstream u;
    words arguments{"--admin",     "127.0.0.1:0", "--threads",       "1", "--limit", "1",
                    "--max-queue", "9",           "--queue-timeout", "1h"};
    arguments.insert(arguments.end(), per_client.begin(), per_client.end());
    limiter l{u.address(), arguments};
    const std::uint16_t port = l.port(), admin = l.admin_port();
    client active{port};
    BOOST_TEST(active.echoes("a"));
    client second{port}, third{port};
    BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 2; }));
    BOOST_TEST(put_limit(admin, "0").substr(9, 3) == "204");
    BOOST_TEST(active.echoes("still served"));
    active.close();
    BOOST_TEST(comes_true([&] { return metric(admin, port, "active_connections") == 0; }));
    BOOST_TEST(metric(admin, port, "queued_connections") == 2);
    client fourth{port};
    BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 3; }));
    BOOST_TEST(put_limit(admin, "1").substr(9, 3) == "204");
    for (client* c : {&second, &third, &fourth}) {
      BOOST_TEST(c->echoes("its turn"));
      c->close();
    }
    BOOST_TEST(u.max() == 1);
    BOOST_TEST(contains(l.stop(), "served 4, refused 0 "));
  }
}

BOOST_AUTO_TEST_CASE(stops_while_it_is_paused) {
  for (const words& mode : modes) {
    upstream u;
    limiter l{u.address(), paused(mode)};
    client waits{l.port()};
    l.signal(SIGTERM);
    BOOST_TEST(waits.receive_all() == "");
    BOOST_TEST(l.exit_status() == 0);
    BOOST_TEST(contains(l.last_line(), "0 of 0 permits returned"));
  }
}

BOOST_AUTO_TEST_CASE(readyz_connects_to_no_upstream_while_the_limiter_is_paused) {
  for (const words& mode : modes) {
    upstream u;
    limiter l{u.address(), paused(mode)};
    BOOST_TEST(get(l.admin_port(), "/readyz").substr(9, 3) == "200");
    BOOST_TEST(u.max() == 0);
  }
}
