// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Limits for each client address, several listeners, and queued clients that disconnect.

#include "limiter.hpp"

#include "proxy/client_key.hpp"

#include <boost/test/data/test_case.hpp>

#include <list>
#include <string>

namespace {

constexpr const char* a = "127.0.0.1";
constexpr const char* b = "127.0.0.2";
constexpr const char* c = "127.0.0.3";

}  // namespace

// ---- One limit for each client ------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_client_has_its_own_limit) {
  upstream u;
  limiter l{u.address(), {"--limit", "10", "--per-client", "2", "--queue-timeout", "1h"}};
  const std::uint16_t port = l.port();
  client a1{port, a}, a2{port, a};
  BOOST_TEST(a1.echoes("a1"));
  BOOST_TEST(a2.echoes("a2"));
  client a3{port, a};
  client b1{port, b};
  BOOST_TEST(b1.echoes("b1"));  // although a3 arrived before and waits
  BOOST_TEST(u.max() == 3);
  a1.close();
  BOOST_TEST(a3.echoes("a3"));
  for (client* each : {&a2, &a3, &b1}) each->close();
  BOOST_TEST(contains(l.stop(), "accepted 4, served 4, refused 0 "));
  BOOST_TEST(u.max() == 3);
}

// A connection that waits for its client's limit does not yet wait for the listener's limit.
BOOST_AUTO_TEST_CASE(the_client_limit_is_acquired_first) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "2", "--per-client", "1", "--threads", "1", "--queue-timeout", "1h"}};
  const std::uint16_t port = l.port();
  client a1{port, a}, b1{port, b};
  BOOST_TEST(a1.echoes("a1"));
  BOOST_TEST(b1.echoes("b1"));
  client a2{port, a}, c1{port, c};
  b1.close();
  BOOST_TEST(c1.echoes("c1"));  // not a2
  a1.close();
  BOOST_TEST(a2.echoes("a2"));
  a2.close();
  c1.close();
  BOOST_TEST(contains(l.stop(), "accepted 4, served 4, refused 0 "));
}

BOOST_DATA_TEST_CASE(modes_without_a_queue_refuse_above_the_client_limit,
                     boost::unit_test::data::make({"reject", "backlog"}), mode) {
  upstream u;
  limiter l{u.address(), {"--limit", "3", "--per-client", "1", "--overflow", mode}};
  const std::uint16_t port = l.port();
  client a1{port, a};
  BOOST_TEST(a1.echoes("a1"));
  for (int i = 0; i < 5; ++i) {
    client a2{port, a};
    BOOST_TEST(a2.end() == asio::error::eof);
  }
  client b1{port, b};
  BOOST_TEST(b1.echoes("b1"));
  a1.close();
  BOOST_TEST(serves_again(port));
  b1.close();
  const std::string totals = l.stop();
  BOOST_TEST(contains(totals, "refused "));
  BOOST_TEST(!contains(totals, "client full 0"));
  BOOST_TEST(contains(totals, "3 of 3 permits returned"));
}

BOOST_AUTO_TEST_CASE(one_client_cannot_fill_the_queue) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "1", "--per-client", "1", "--max-queue", "3", "--per-client-queue", "2",
             "--threads", "1", "--queue-timeout", "1h"}};
  const std::uint16_t port = l.port();
  client a1{port, a};
  BOOST_TEST(a1.echoes("a1"));
  client a2{port, a}, a3{port, a}, a4{port, a};
  BOOST_TEST(a4.end() == asio::error::eof);
  client b1{port, b};
  client c1{port, c};  // the fourth in the queue
  BOOST_TEST(c1.end() == asio::error::eof);
  a1.close();
  for (client* each : {&a2, &a3, &b1}) {
    BOOST_TEST(each->echoes("its turn"));
    each->close();
  }
  BOOST_TEST(contains(l.stop(),
                      "accepted 6, served 4, refused 2 (full 1, timed out 0, stopping 0, "
                      "client full 1)"));
}

BOOST_AUTO_TEST_CASE(of_waiting_clients_the_one_with_fewest_connections_comes_first) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "3", "--per-client", "3", "--threads", "1", "--queue-timeout", "1h",
             "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client a1{port, a}, a2{port, a}, a3{port, a};
  for (client* each : {&a1, &a2, &a3}) BOOST_TEST(each->echoes("forwarded"));
  client a4{port, a}, a5{port, a}, b1{port, b};
  BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 3; }));
  a1.close();
  BOOST_TEST(b1.echoes("b1"));  // although a4 and a5 wait longer
  a2.close();
  BOOST_TEST(a4.echoes("a4"));  // both clients have one, and a4 is the only one of them that waits
  for (client* each : {&a3, &a4, &b1}) each->close();
  BOOST_TEST(a5.echoes("a5"));
  a5.close();
  BOOST_TEST(contains(l.stop(), "accepted 6, served 6, refused 0 "));
}

BOOST_AUTO_TEST_CASE(queue_timeout_applies_above_the_client_limit) {
  upstream u;
  limiter l{u.address(), {"--per-client", "1", "--queue-timeout", "200ms"}};
  client a1{l.port(), a};
  BOOST_TEST(a1.echoes("a1"));
  client a2{l.port(), a};
  BOOST_TEST(a2.end() == asio::error::eof);
  BOOST_TEST(a1.echoes("still here"));
  a1.close();
  BOOST_TEST(contains(l.stop(), "refused 1 (full 0, timed out 1,"));
}

BOOST_AUTO_TEST_CASE(stopping_refuses_connections_above_the_client_limit) {
  upstream u;
  limiter l{u.address(),
            {"--per-client", "1", "--max-queue", "1", "--threads", "1", "--queue-timeout", "1h"}};
  client a1{l.port(), a};
  BOOST_TEST(a1.echoes("a1"));
  client a2{l.port(), a}, a3{l.port(), a};
  BOOST_TEST(a3.end() == asio::error::eof);  // so a2 is in the queue
  l.signal(SIGTERM);
  BOOST_TEST(a2.end() == asio::error::eof);
  a1.close();
  BOOST_TEST(contains(l.stop(), "stopping 1, client full 1)"));
}

BOOST_AUTO_TEST_CASE(forgets_client_addresses_without_connections) {
  upstream u;
  limiter l{u.address(), {"--limit", "2", "--per-client", "1", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  const auto entries = [&] { return metric(admin, port, "clients"); };
  BOOST_TEST(entries() == 0);
  {
    client a1{port, a}, b1{port, b};
    BOOST_TEST(a1.echoes("a1"));
    BOOST_TEST(b1.echoes("b1"));
    BOOST_TEST(entries() == 2);
    std::list<client> waiting;
    for (const char* from : {a, b, c, c, "127.0.0.4"}) waiting.emplace_back(port, from);
    BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 5; }));
    BOOST_TEST(entries() == 4);
    waiting.clear();
    BOOST_TEST(comes_true([&] { return entries() == 2; }));
    BOOST_TEST(a1.echoes("still here"));
  }
  BOOST_TEST(comes_true([&] { return entries() == 0; }));
  for (int i = 2; i < 200; ++i)
    BOOST_TEST((client{port, ("127.0.0." + std::to_string(i)).c_str()}.echoes("one of many")));
  BOOST_TEST(comes_true([&] { return entries() == 0; }));
  BOOST_TEST(contains(l.stop(), "2 of 2 permits returned"));
}

BOOST_AUTO_TEST_CASE(each_ipv6_client_has_its_own_limit) {
  if (!has_ipv6()) return;
  upstream u;
  program l{path(),
            {"--per-client", "1", "--overflow", "reject", "--upstream", u.address(),  //
             "--listen", "[::1]:0"}};
  const tcp::endpoint where{asio::ip::address_v6::loopback(), l.port()};
  client first{where};
  BOOST_TEST(first.echoes("a"));
  BOOST_TEST(client{where}.end() == asio::error::eof);
}

BOOST_AUTO_TEST_CASE(each_ipv4_client_of_an_ipv6_listener_has_its_own_limit) {
  if (!has_ipv6()) return;
  upstream u;
  program l{path(),
            {"--per-client", "1", "--overflow", "reject", "--upstream", u.address(),  //
             "--listen", "[::]:0"}};
  client a1{l.port(), a}, b1{l.port(), b};
  BOOST_TEST(a1.echoes("a1"));
  BOOST_TEST(b1.echoes("b1"));
  client a2{l.port(), a};
  BOOST_TEST(a2.end() == asio::error::eof);
}

BOOST_AUTO_TEST_CASE(addresses_of_one_ipv6_prefix_or_mapped_ipv4_are_one_client) {
  const auto key = [](const char* address) {
    return connection_limiter::client_key(asio::ip::make_address(address));
  };
  BOOST_TEST((key("2001:db8:1:2::1") == key("2001:db8:1:2:ffff:ffff:ffff:ffff")));
  BOOST_TEST((key("2001:db8:1:2::1") != key("2001:db8:1:3::1")));
  BOOST_TEST((key("192.0.2.1") == key("::ffff:192.0.2.1")));
  BOOST_TEST((key("192.0.2.1") != key("192.0.2.2")));
  BOOST_TEST((key("192.0.2.1") != key("c000:201::")));  // the same first four bytes
}

// ---- Several listeners --------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(each_listener_has_its_own_limit_and_upstream) {
  upstream u, v;
  program l{path(),
            {"--limit", "1", "--queue-timeout", "1h",               //
             "--listen", "127.0.0.1:0", "--upstream", u.address(),  //
             "--listen", "127.0.0.1:0", "--upstream", v.address(), "--limit", "2"}};
  const std::uint16_t first = l.port(0), second = l.port(1);
  client u1{first}, v1{second}, v2{second};
  BOOST_TEST(u1.echoes("u1"));
  BOOST_TEST(v1.echoes("v1"));
  BOOST_TEST(v2.echoes("v2"));
  client u2{first}, v3{second};
  u1.close();
  BOOST_TEST(u2.echoes("u2"));
  v1.close();
  BOOST_TEST(v3.echoes("v3"));
  BOOST_TEST(u.max() == 1);
  BOOST_TEST(v.max() == 2);
  l.signal(SIGTERM);
  u2.close();
  BOOST_TEST(v3.echoes("still served"));  // although the other listener has ended
  v2.close();
  v3.close();
  BOOST_TEST(l.exit_status() == 0);
  const std::string totals = "totals of 127.0.0.1:";
  BOOST_TEST(contains(l.output(), totals + std::to_string(first) + ": accepted 2, served 2,"));
  BOOST_TEST(contains(l.output(), totals + std::to_string(second) + ": accepted 3, served 3,"));
  BOOST_TEST(contains(l.output(), "1 of 1 permits returned"));
  BOOST_TEST(contains(l.output(), "2 of 2 permits returned"));
}

// ---- Queued clients that disconnect -------------------------------------------------------------

// However much the client has sent. The other clients keep their places.
BOOST_DATA_TEST_CASE(drops_a_disconnected_client_at_once,
                     boost::unit_test::data::make({0, 5, 16384, 100'000}), size) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  const auto queued = [&] { return metric(admin, port, "queued_connections"); };
  client active{port};
  BOOST_TEST(active.echoes("a"));
  client disconnecting{port};
  disconnecting.send(std::string(static_cast<std::size_t>(size), 'x'));
  BOOST_TEST(comes_true([&] { return queued() == 1; }));
  BOOST_TEST(metric(admin, port, "longest_wait_seconds") > 0);
  client waiting{port};
  BOOST_TEST(comes_true([&] { return queued() == 2; }));

  const auto start = steady_clock::now();
  disconnecting.close();
  BOOST_TEST(comes_true([&] { return queued() == 1; }));
  const auto took = std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
  BOOST_TEST_MESSAGE("left the queue within " << took << " ms");
  BOOST_TEST(took < 5000);  // about 50 on an idle machine
  BOOST_TEST(metric(admin, port, "abandoned_total") == 1);
  BOOST_TEST(active.echoes("still served"));
  active.close();
  BOOST_TEST(waiting.echoes("b"));
  waiting.close();
  BOOST_TEST(contains(l.stop(), "served 2, refused 0 "));
}
