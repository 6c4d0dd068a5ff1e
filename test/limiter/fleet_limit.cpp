// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// One limit for several limiters (--shared), with a redis-server.

#define BOOST_TEST_MODULE limiter_fleet

#include "fleet/redis.hpp"
#include "limiter.hpp"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <list>
#include <string>

namespace {

// Limiters have the address of the server also while it does not run.
struct fleet {
  redis_server server;
  upstream u;
  std::string url = "unix://" + std::filesystem::absolute(server.socket()).string();

  words options(const words& more, const std::string& lease = "1s") const {
    words all{"--shared",  url, "--name",          "db", "--lease", lease,
              "--threads", "2", "--queue-timeout", "1h", "--admin", "127.0.0.1:0"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

// One of them.
struct member : limiter {
  member(const fleet& f, const words& more, const std::string& lease = "1s")
      : limiter(f.u.address(), f.options(more, lease)) {}

  double value(const std::string& name, const std::string& labels = "") {
    return metric(admin_port(), port(), name, labels);
  }
  bool becomes(const std::string& name, double n) {
    return comes_true([&] { return value(name) == n; });
  }
  bool shows(const std::string& label) {
    return comes_true(
        [&] { return get(admin_port(), "/metrics").find(label) != std::string::npos; });
  }
  std::string set_limit(const std::string& n) { return put_limit(admin_port(), n).substr(9, 3); }
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(two_limiters_never_forward_more_than_their_limit_together, fleet) {
  member a{*this, {"--limit", "4"}}, b{*this, {"--limit", "4"}};
  std::atomic<int> served = 0;
  {
    std::list<std::jthread> threads;
    for (int i = 0; i != 12; ++i)
      threads.emplace_back([&, port = (i % 2 == 0 ? a : b).port()] {
        for (int k = 0; k != 10; ++k) {
          client c{port};
          served += c.echoes("something");
          c.close();
        }
      });
  }
  BOOST_TEST(served == 120);
  BOOST_TEST(u.max() <= 4);
}

BOOST_FIXTURE_TEST_CASE(url_is_read_from_a_file_so_that_a_password_is_not_on_the_command_line,
                        fleet) {
  const std::string file = server.socket() + ".url", itself = url;
  url = "@" + file;
  for (const char* const end : {"", "\n", "\r\nanother line\n"}) {
    std::ofstream(file, std::ios::binary) << itself << end;
    member a{*this, {"--limit", "4"}};
    client c{a.port()};
    BOOST_TEST(c.echoes("something"));
  }
}

BOOST_FIXTURE_TEST_CASE(permit_that_one_limiter_returns_goes_to_the_queue_of_another, fleet) {
  member a{*this, {"--limit", "1"}}, b{*this, {"--limit", "1"}};
  client first{a.port()};
  BOOST_TEST(first.echoes("first"));
  client second{b.port()};
  BOOST_TEST(b.becomes("queued_connections", 1));
  BOOST_TEST(b.value("active_connections") == 0);
  first.close();
  BOOST_TEST(second.echoes("second"));
  BOOST_TEST(b.value("share_connections") == 1);
  BOOST_TEST(b.value("lease_seconds") > 0);
  BOOST_TEST(b.value("shared_connected") == 1);
  BOOST_TEST(b.shows(",name=\"db\",lease=\"valid\",last_error=\""));
  BOOST_TEST(u.max() == 1);
}

BOOST_FIXTURE_TEST_CASE(share_of_a_killed_limiter_is_forwarded_by_the_other_after_the_lease,
                        fleet) {
  member a{*this, {"--limit", "4"}}, b{*this, {"--limit", "4"}};
  std::list<client> of_a, of_b;
  for (int i = 0; i != 4; ++i) BOOST_TEST(of_a.emplace_back(a.port()).echoes("a"));
  for (int i = 0; i != 4; ++i) of_b.emplace_back(b.port());
  BOOST_TEST(b.becomes("queued_connections", 4));
  a.signal(SIGKILL);
  for (client& c : of_b) BOOST_TEST(c.echoes("b"));
  BOOST_TEST(u.max() <= 4);
}

BOOST_FIXTURE_TEST_CASE(limit_of_the_first_limiter_is_that_of_all_until_one_is_set, fleet) {
  member a{*this, {"--limit", "1"}};
  client first{a.port()};
  BOOST_TEST(first.echoes("first"));
  member b{*this, {"--limit", "9"}};
  client second{b.port()};
  BOOST_TEST(b.becomes("limit_connections", 1));
  b.wait_for_log("shared limit db: the limit of all limiters is 1, and was 9");
  BOOST_TEST(b.value("queued_connections") == 1);
  BOOST_TEST(a.set_limit("2") == "204");
  BOOST_TEST(second.echoes("second"));
  BOOST_TEST(a.value("limit_connections") == 2);
  BOOST_TEST(b.becomes("limit_connections", 2));
  BOOST_TEST(contains(get(b.admin_port(), "/limit"), "\r\n\r\n2\n"));
  BOOST_TEST(a.set_limit("0") == "409");
  BOOST_TEST(contains(put_limit(b.admin_port(), "0"), "--shared needs a --limit of at least 1"));
}

BOOST_FIXTURE_TEST_CASE(clients_wait_while_redis_is_not_there_yet, fleet) {
  server.stop();
  member a{*this, {"--limit", "1"}};
  client c{a.port()};
  BOOST_TEST(a.becomes("queued_connections", 1));
  BOOST_TEST(a.value("shared_connected") == 0);
  BOOST_TEST(a.shows(",name=\"db\",lease=\"joining\",last_error=\"cannot connect to "));
  const std::string ready = get(a.admin_port(), "/readyz");
  BOOST_TEST(contains(ready, "503"));
  BOOST_TEST(contains(ready, "shared limit db: "));
  a.wait_for_log("shared limit db: cannot connect to ");
  BOOST_TEST(a.set_limit("2") == "503");
  server.start();
  BOOST_TEST(c.echoes("served"));
  BOOST_TEST(contains(get(a.admin_port(), "/readyz"), "200"));
  a.wait_for_log("shared limit db: works again");
  BOOST_TEST(a.becomes("limit_connections", 2));
}

BOOST_FIXTURE_TEST_CASE(limiter_is_not_ready_while_redis_is_there_and_refuses_requests, fleet) {
  redis_connection redis{server.socket()};
  BOOST_TEST(redis({"CONFIG", "SET", "maxmemory", "1"}).text() == "OK");
  member a{*this, {"--limit", "1"}};
  client c{a.port()};
  BOOST_TEST(comes_true([&] { return contains(get(a.admin_port(), "/readyz"), "OOM"); }));
  BOOST_TEST(contains(get(a.admin_port(), "/readyz"), "503"));
  BOOST_TEST(a.value("shared_connected") == 1);
  BOOST_TEST(redis({"CONFIG", "SET", "maxmemory", "0"}).text() == "OK");
  BOOST_TEST(c.echoes("served"));
  BOOST_TEST(contains(get(a.admin_port(), "/readyz"), "200"));
}

BOOST_FIXTURE_TEST_CASE(forwarded_connections_go_on_after_the_lease_was_lost, fleet) {
  member a{*this, {"--limit", "1"}};
  client c{a.port()};
  BOOST_TEST(c.echoes("before"));
  server.stop();
  BOOST_TEST(a.shows("lease=\"lost\""));
  BOOST_TEST(c.echoes("after"));
  c.close();
  client next{a.port()};
  BOOST_TEST(a.becomes("queued_connections", 1));
  BOOST_TEST(contains(get(a.admin_port(), "/readyz"), "503"));
  server.start();
  BOOST_TEST(next.echoes("served"));
  next.close();
  BOOST_TEST(contains(a.stop(), "served 2, "));
}

BOOST_FIXTURE_TEST_CASE(forwarded_connections_are_cut_if_the_lease_is_lost_and_queued_ones_wait,
                        fleet) {
  member a{*this, {"--limit", "1", "--lost-lease", "cut"}};
  client c{a.port()};
  BOOST_TEST(c.echoes("before"));
  client next{a.port()};
  BOOST_TEST(a.becomes("queued_connections", 1));
  server.stop();
  BOOST_TEST(c.end() == asio::error::connection_reset);
  BOOST_TEST(comes_true([&] { return a.value("cut_total", ",reason=\"lease_lost\"") == 1; }));
  BOOST_TEST(a.value("queued_connections") == 1);
  server.start();
  BOOST_TEST(next.echoes("served"));
}

BOOST_FIXTURE_TEST_CASE(queue_of_a_shared_limit_is_bounded_and_drops_clients_that_disconnect,
                        fleet) {
  for (const words& more : {words{}, words{"--per-client", "3", "--per-client-queue", "2"}}) {
    words all{"--limit", "1", "--max-queue", "2"};
    all.insert(all.end(), more.begin(), more.end());
    member a{*this, all};
    client first{a.port()};
    BOOST_TEST(first.echoes("first"));
    client leaving{a.port()};
    BOOST_TEST(a.becomes("queued_connections", 1));
    client waiting{a.port()};
    BOOST_TEST(a.becomes("queued_connections", 2));
    BOOST_TEST(client{a.port()}.end() == asio::error::eof);
    BOOST_TEST(comes_true([&] { return a.value("refused_total", ",reason=\"full\"") == 1; }));
    leaving.close();
    BOOST_TEST(a.becomes("queued_connections", 1));
    first.close();
    BOOST_TEST(waiting.echoes("waiting"));
  }
}

BOOST_FIXTURE_TEST_CASE(client_at_its_limit_takes_no_permit_of_the_shared_limit, fleet) {
  member a{*this, {"--limit", "2", "--per-client", "1"}};
  client one{a.port(), "127.0.0.2"};
  BOOST_TEST(one.echoes("one"));
  client again{a.port(), "127.0.0.2"};
  BOOST_TEST(a.becomes("queued_connections", 1));
  client other{a.port(), "127.0.0.3"};
  BOOST_TEST(other.echoes("other"));
  one.close();
  BOOST_TEST(again.echoes("again"));
}

BOOST_FIXTURE_TEST_CASE(limiter_that_stops_gives_its_lease_back, fleet) {
  member a{*this, {"--limit", "1"}, "10m"};
  const client waiting{a.port()};
  redis_connection redis{server.socket()};
  const auto fields = [&] { return redis({"HLEN", "turnstile:{db}"}).integer(); };
  BOOST_TEST(comes_true([&] { return fields() == 2; }));  // the state, and its lease
  a.stop();
  BOOST_TEST(fields() == 1);
}

BOOST_FIXTURE_TEST_CASE(limiter_that_stops_drains_before_another_gets_its_permit, fleet) {
  member a{*this, {"--limit", "1"}}, b{*this, {"--limit", "1"}};
  client first{a.port()};
  BOOST_TEST(first.echoes("first"));
  client second{b.port()};
  BOOST_TEST(b.becomes("queued_connections", 1));
  a.signal(SIGTERM);
  a.wait_for_log("stopping");
  BOOST_TEST(first.echoes("still served"));
  BOOST_TEST(b.value("queued_connections") == 1);
  first.close();
  BOOST_TEST(a.exit_status() == 0);
  BOOST_TEST(contains(a.last_line(), "1 of 1 permits returned"));
  BOOST_TEST(second.echoes("second"));
}

BOOST_FIXTURE_TEST_CASE(limiter_stops_without_redis, fleet) {
  member a{*this, {"--limit", "1"}};
  BOOST_TEST(client{a.port()}.echoes("served"));
  server.pause();
  const auto start = steady_clock::now();
  a.stop();
  BOOST_TEST((steady_clock::now() - start < 30s));
  server.resume();
}

BOOST_FIXTURE_TEST_CASE(listeners_with_one_local_limit_are_one_member, fleet) {
  program l{path(), options({"--upstream", u.address(), "--limit", "1", "--share-limit", "x",
                             "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"})};
  client first{l.port(0)};
  BOOST_TEST(first.echoes("first"));
  client second{l.port(1)};
  BOOST_TEST(
      comes_true([&] { return metric(l.admin_port(), l.port(1), "queued_connections") == 1; }));
  first.close();
  BOOST_TEST(second.echoes("second"));
  second.close();
  l.signal(SIGTERM);
  BOOST_TEST(l.exit_status() == 0);
  BOOST_TEST(count(l.output(), "1 of 1 permits returned") == 2U);
}

BOOST_AUTO_TEST_CASE(malformed_url_is_named_without_its_password) {
  program l{path(),
            {"--upstream", "127.0.0.1:1", "--listen", "127.0.0.1:0", "--shared",
             "redis://u:secret@host:port", "--name", "db"}};
  BOOST_TEST(l.exit_status() == 2);
  BOOST_TEST(contains(l.log(), "invalid --shared: the port is not a number from 1 to 65535; "));
  BOOST_TEST(count(l.log(), "secret") == 0U);
  BOOST_TEST(count(l.log(), "\n") == 1U);
}
