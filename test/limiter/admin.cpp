// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The admin endpoint.

#include "limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <algorithm>
#include <fstream>
#include <list>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace {

words with_admin(words more = {}) {
  more.insert(more.end(), {"--admin", "127.0.0.1:0"});
  // Only the queue mode, which is the default, has a queue timeout.
  if (std::find(more.begin(), more.end(), "--overflow") == more.end())
    more.insert(more.end(), {"--queue-timeout", "1h"});
  return more;
}

std::string body_of(const std::string& response) {
  return response.substr(std::min(response.find("\r\n\r\n") + 4, response.size()));
}

bool is(const std::string& response, const std::string& status) {
  return response.starts_with("HTTP/1.1 " + status + ' ');
}

}  // namespace

// ---- Metrics, health and the page ---------------------------------------------------------------

BOOST_AUTO_TEST_CASE(metrics_have_the_right_values) {
  upstream u;
  limiter l{u.address(), with_admin({"--limit", "1", "--max-queue", "1", "--threads", "1"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  const auto value = [&](const std::string& name, const std::string& labels = "") {
    return metric(admin, port, name, labels);
  };
  client active{port};
  BOOST_TEST(active.echoes("12345"));
  client queued{port};
  client refused{port};
  BOOST_TEST(refused.end() == asio::error::eof);
  // The limiter counts bytes and ends just after the clients have seen them.
  BOOST_TEST(comes_true([&] { return value("refused_total", ",reason=\"full\"") == 1; }));
  BOOST_TEST(comes_true([&] { return value("bytes_total", ",direction=\"down\"") == 5; }));
  BOOST_TEST(value("upstream_info", ",upstream=\"" + u.address() + '"') == 1);
  BOOST_TEST(value("active_connections") == 1);
  BOOST_TEST(value("limit_connections") == 1);
  BOOST_TEST(value("queued_connections") == 1);
  BOOST_TEST(value("longest_wait_seconds") > 0);
  BOOST_TEST(value("clients") == 0);
  BOOST_TEST(value("draining") == 0);
  BOOST_TEST(value("accepted_total") == 3);
  BOOST_TEST(value("served_total") == 0);
  for (const char* reason : {"client_full", "timed_out", "stopping"})
    BOOST_TEST(value("refused_total", ",reason=\"" + std::string{reason} + '"') == 0);
  BOOST_TEST(value("abandoned_total") == 0);
  for (const char* reason : {"idle", "too_long", "drain"})
    BOOST_TEST(value("cut_total", ",reason=\"" + std::string{reason} + '"') == 0);
  BOOST_TEST(value("cut_total", ",reason=\"half_closed\"") == 0);
  BOOST_TEST(value("failed_total") == 0);
  BOOST_TEST(value("accept_errors_total") == 0);
  BOOST_TEST(value("bytes_total", ",direction=\"up\"") == 5);
  BOOST_TEST(value("wait_seconds_count") == 1);  // includes connections that did not wait
  BOOST_TEST(value("wait_seconds_bucket", ",le=\"0.001\"") <= 1);

  std::this_thread::sleep_for(20ms);  // so that it waits longer than 10 ms
  active.close();
  BOOST_TEST(queued.echoes("b"));
  BOOST_TEST(comes_true([&] { return value("served_total") == 1; }));
  BOOST_TEST(value("longest_wait_seconds") == 0);
  BOOST_TEST(value("wait_seconds_count") == 2);
  BOOST_TEST(value("wait_seconds_bucket", ",le=\"0.01\"") <= 1);
  BOOST_TEST(value("wait_seconds_bucket", ",le=\"60\"") == 2);
  BOOST_TEST(value("wait_seconds_bucket", ",le=\"+Inf\"") == 2);
  BOOST_TEST(value("wait_seconds_sum") >= 0.02);
}

// test/limiter/page checks the format with promtool.
BOOST_AUTO_TEST_CASE(metrics_have_a_type_for_each_help_line) {
  upstream u;
  program l{path(), with_admin({"--upstream", u.address(), "--listen", "127.0.0.1:0",  //
                                "--listen", "127.0.0.1:0"})};
  const std::string response = get(l.admin_port(), "/metrics");
  BOOST_TEST(contains(response, "Content-Type: text/plain; version=0.0.4"));
  const std::string text = body_of(response);
  BOOST_TEST(contains(text, "connection_limiter_build_info{version=\""));
  BOOST_TEST(count(text, "\n# TYPE ") == count(text, "# HELP "));
}

BOOST_AUTO_TEST_CASE(healthz_is_200_until_the_limiter_stops) {
  upstream u;
  limiter l{u.address(), with_admin({"--drain-timeout", "1h"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client active{port};
  BOOST_TEST(active.echoes("a"));
  std::string response = get(admin, "/healthz");
  BOOST_TEST(is(response, "200"));
  BOOST_TEST(body_of(response) == "ok\n");
  l.signal(SIGTERM);
  l.wait_for_log("stopping");
  response = get(admin, "/healthz");
  BOOST_TEST(is(response, "503"));
  BOOST_TEST(body_of(response) == "draining\n");
  BOOST_TEST(metric(admin, port, "draining") == 1);
  active.close();
  BOOST_TEST(l.exit_status() == 0);
}

// Load balancers get the time to send no new connections.
BOOST_AUTO_TEST_CASE(accepts_connections_during_the_drain_delay) {
  upstream u;
  limiter l{u.address(), with_admin({"--drain-delay", "2s"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  l.signal(SIGTERM);
  l.wait_for_log("stopping in 2000 ms");
  BOOST_TEST(is(get(admin, "/healthz"), "503"));
  BOOST_TEST(is(get(admin, "/readyz"), "503"));
  client c{port};
  BOOST_TEST(c.echoes("served"));
  l.wait_for_log("stopping, waiting for 1 connections to end");
  c.close();
  BOOST_TEST(l.exit_status() == 0);
}

BOOST_AUTO_TEST_CASE(second_signal_during_the_drain_delay_cuts_at_once) {
  upstream u;
  limiter l{u.address(), with_admin({"--drain-delay", "1h", "--drain-timeout", "1h"})};
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  l.signal(SIGTERM);
  l.wait_for_log("stopping in");
  BOOST_TEST(contains(l.stop(), "cut 1;"));
}

BOOST_AUTO_TEST_CASE(readyz_says_whether_the_upstream_accepts_connections) {
  std::optional<upstream> u{std::in_place};
  const tcp::endpoint where{asio::ip::address_v4::loopback(), u->port()};
  const std::string address = u->address();
  limiter l{address, with_admin({"--limit", "1"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  BOOST_TEST(body_of(get(admin, "/readyz")) == "ready\n");
  u.reset();
  BOOST_TEST(comes_true([&] { return is(get(admin, "/readyz"), "503"); }));
  BOOST_TEST(body_of(get(admin, "/readyz")) == "upstream " + address + ": Connection refused\n");
  BOOST_TEST(metric(admin, port, "upstream_up") == 0);
  BOOST_TEST(is(get(admin, "/healthz"), "200"));
  u.emplace(upstream::echo, where);
  BOOST_TEST(comes_true([&] { return is(get(admin, "/readyz"), "200"); }));
  BOOST_TEST(metric(admin, port, "upstream_up") == 1);
  client c{port};
  BOOST_TEST(c.echoes("a"));
  std::this_thread::sleep_for(1100ms);  // so that the last success is not recent
  BOOST_TEST(is(get(admin, "/readyz"), "200"));
  BOOST_TEST(u->max() == 1);  // no connection beyond the limit
  c.close();
  BOOST_TEST(contains(l.stop(), "1 of 1 permits returned"));
}

BOOST_AUTO_TEST_CASE(serves_the_page) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::string response = get(l.admin_port(), "/");
  BOOST_TEST(is(response, "200"));
  BOOST_TEST(contains(response, "Content-Type: text/html; charset=utf-8\r\n"));
  BOOST_TEST(contains(response, "Content-Security-Policy: default-src 'none'; "));
  BOOST_TEST(contains(response, "Cache-Control: no-store\r\n"));
  std::ifstream file{PAGE};
  const std::string page{std::istreambuf_iterator<char>{file}, {}};
  BOOST_TEST(!page.empty());
  BOOST_TEST((body_of(response) == page));
  const std::string head = ask(l.admin_port(), header(l.admin_port(), "HEAD /") + "\r\n");
  BOOST_TEST(is(head, "200"));
  BOOST_TEST(contains(head, "Content-Length: " + std::to_string(page.size()) + "\r\n"));
  BOOST_TEST(body_of(head) == "");
}

// ---- The limit ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_higher_limit_serves_queued_clients) {
  upstream u;
  limiter l{u.address(), with_admin({"--limit", "1"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client active{port};
  BOOST_TEST(active.echoes("a"));
  client second{port}, third{port};
  BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 2; }));
  const std::string response = put_limit(admin, "3");
  BOOST_TEST(is(response, "204"));
  BOOST_TEST(body_of(response) == "");
  BOOST_TEST(second.echoes("b"));
  BOOST_TEST(third.echoes("c"));
  BOOST_TEST(active.echoes("a"));
  BOOST_TEST(metric(admin, port, "limit_connections") == 3);
  for (client* c : {&active, &second, &third}) c->close();
  BOOST_TEST(contains(l.stop(), "3 of 3 permits returned"));
}

// No connection is cut, and none is forwarded until enough connections have ended.
BOOST_AUTO_TEST_CASE(a_lower_limit_takes_effect_as_connections_end) {
  upstream u;
  limiter l{u.address(), with_admin({"--limit", "3"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client first{port}, second{port}, third{port};
  for (client* c : {&first, &second, &third}) BOOST_TEST(c->echoes("a"));
  client waits{port};
  BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 1; }));
  BOOST_TEST(is(put_limit(admin, "1\n"), "204"));
  for (client* c : {&first, &second, &third}) BOOST_TEST(c->echoes("still served"));
  first.close();
  second.close();
  BOOST_TEST(comes_true([&] { return metric(admin, port, "active_connections") == 1; }));
  BOOST_TEST(metric(admin, port, "queued_connections") == 1);
  BOOST_TEST(third.echoes("still served"));
  third.close();
  BOOST_TEST(waits.echoes("b"));
  waits.close();
  BOOST_TEST(contains(l.stop(), "served 4, refused 0 "));
  BOOST_TEST(contains(l.last_line(), "1 of 1 permits returned"));
}

BOOST_AUTO_TEST_CASE(a_higher_limit_serves_clients_in_the_backlog) {
  upstream u;
  limiter l{u.address(), with_admin({"--limit", "1", "--overflow", "backlog"})};
  const std::uint16_t port = l.port();
  client active{port}, waits{port};
  BOOST_TEST(active.echoes("a"));
  BOOST_TEST(is(put_limit(l.admin_port(), "2"), "204"));
  BOOST_TEST(waits.echoes("b"));
}

// A permit that was reserved before the limit was lowered does not admit a connection.
BOOST_AUTO_TEST_CASE(a_lower_limit_applies_to_the_reserved_permit_in_backlog_mode) {
  upstream u;
  limiter l{u.address(), with_admin({"--limit", "2", "--overflow", "backlog"})};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client active{port};
  BOOST_TEST(active.echoes("a"));
  BOOST_TEST(is(put_limit(admin, "1"), "204"));
  client waits{port};
  waits.send("b");
  BOOST_TEST(active.echoes("still served"));
  std::this_thread::sleep_for(200ms);  // time for a wrong limiter to forward it
  active.close();
  BOOST_TEST(waits.receive(1) == "b");
  BOOST_TEST(u.max() == 1);
  client stopped{port};
  l.signal(SIGTERM);
  BOOST_TEST(stopped.end().failed());
  waits.close();
  BOOST_TEST(l.exit_status() == 0);
  BOOST_TEST(contains(l.last_line(), "accepted 2, served 2, refused 0 "));
  BOOST_TEST(contains(l.last_line(), "1 of 1 permits returned"));
}

BOOST_AUTO_TEST_CASE(put_limit_names_one_of_several_listeners) {
  upstream u;
  program l{path(), with_admin({"--upstream", u.address(), "--listen", "127.0.0.1:0",  //
                                "--listen", "127.0.0.1:0"})};
  const std::uint16_t first = l.port(0), second = l.port(1), admin = l.admin_port();
  const auto limit = [&](std::uint16_t port) { return metric(admin, port, "limit_connections"); };
  BOOST_TEST(is(put_limit(admin, "5"), "400"));
  BOOST_TEST(is(put_limit(admin, "5", "?listener=127.0.0.1:1"), "404"));
  BOOST_TEST(is(put_limit(admin, "5", "?listener=127.0.0.1:" + std::to_string(first)), "204"));
  BOOST_TEST(limit(first) == 5);
  BOOST_TEST(limit(second) == 20);
  BOOST_TEST(is(put_limit(admin, "6", "?listener=127.0.0.1%3a" + std::to_string(second)), "204"));
  BOOST_TEST(limit(first) == 5);
  BOOST_TEST(limit(second) == 6);
  BOOST_TEST(is(get(admin, "/limit"), "400"));
  BOOST_TEST(body_of(get(admin, "/limit?listener=127.0.0.1:" + std::to_string(second))) == "6\n");
}

// ---- Refused requests ---------------------------------------------------------------------------

// In the requests, HOST stands for the address of the endpoint.
struct refusal {
  std::string request;
  std::string status;
  std::string more = "";

  friend std::ostream& operator<<(std::ostream& s, const refusal& r) {
    return s << r.status << " for " << r.request.substr(0, r.request.find('\r'));
  }
};

std::string put(const std::string& target, const std::string& body, const std::string& more = "") {
  return "PUT " + target + " HTTP/1.1\r\nHost: HOST\r\n" + more +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

const std::vector<refusal> refusals{
    {"GET /elsewhere HTTP/1.1\r\nHost: HOST\r\n\r\n", "404"},
    {"GET /metrics/ HTTP/1.1\r\nHost: HOST\r\n\r\n", "404"},
    {"GET /../../etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n", "404"},
    {"POST /metrics HTTP/1.1\r\nHost: HOST\r\n\r\n", "405", "Allow: GET, HEAD\r\n"},
    {"DELETE / HTTP/1.1\r\nHost: HOST\r\n\r\n", "405", "Allow: GET, HEAD\r\n"},
    {"GET /limit?listener=there HTTP/1.1\r\nHost: HOST\r\n\r\n", "404"},
    {"OPTIONS /limit HTTP/1.1\r\nHost: HOST\r\n\r\n", "405", "Allow: GET, HEAD, PUT\r\n"},
    {put("/limit", ""), "400"},
    {put("/limit", "-1"), "400", "expected a number from 0 to 1000000\n"},
    {put("/limit", "1000001"), "400"},
    {put("/limit", "99999999999999999999999999999999"), "400"},
    {put("/limit", "5 "), "400"},
    {put("/limit", "0x10"), "400"},
    {put("/limit", "many"), "400"},
    {put("/limit?what=5", "5"), "400"},
    {put("/limit?listener=%zz", "5"), "400"},
    {put("/limit?listener=%2", "5"), "400"},
    {put("/limit?listener=there", "5"), "404"},
    {put("/limit", std::string(65, '1')), "413"},
    {put("/limit", std::string(5'000'000, '1')), "413"},
    {"PUT /limit HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n50\r\n" +
         std::string(0x50, '1') + "\r\n0\r\n\r\n",
     "413"},
    {put("/limit", "5", "X: " + std::string(10'000, 'x') + "\r\n"), "431"},
    {put("/limit", "5", "Host: HOST\r\n"), "403"},
    {put("/limit", "5", "Origin: http://elsewhere.example\r\n"), "403"},
    {put("/limit", "5", "Origin: null\r\n"), "403"},
    {put("/limit", "5", "Origin: http://127.0.0.1\r\n"), "403"},
    {put("/limit", "5", "Origin: http://HOST.elsewhere.example\r\n"), "403"},
    {"GET / HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", "403"},
    {"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "403"},
    {"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", "403"},
    {"GET /metrics HTTP/1.1\r\n\r\n", "403"},
    {"GET /metrics HTTP/1.1\r\nHost: HOST\r\nOrigin: http://elsewhere.example\r\n\r\n", "403"},
    {"what is this\r\n\r\n", "400"},
    {"\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03", "400"},  // a TLS client hello
};

BOOST_DATA_TEST_CASE(refuses_bad_requests_and_changes_nothing,
                     boost::unit_test::data::make(refusals), r) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  std::string request = r.request;
  for (std::size_t at; (at = request.find("HOST")) != request.npos;)
    request.replace(at, 4, "127.0.0.1:" + std::to_string(admin));
  const std::string response = ask(admin, request);
  BOOST_TEST(is(response, r.status), response);
  BOOST_TEST(contains(response, r.more));
  BOOST_TEST(contains(response, "Cache-Control: no-store\r\n"));
  const std::string line = body_of(response);
  BOOST_TEST((count(line, "\n") == 1 && line.back() == '\n'), "not one line: " << line);
  BOOST_TEST(metric(admin, port, "limit_connections") == 20);
}

BOOST_AUTO_TEST_CASE(accepts_loopback_names_and_its_own_origin) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::uint16_t admin = l.admin_port();
  const std::string port = ':' + std::to_string(admin);
  for (const std::string host : {"127.0.0.1", "localhost", "LocalHost", "[::1]"})
    BOOST_TEST(is(ask(admin, "PUT /limit HTTP/1.1\r\nHost: " + host + port + "\r\nOrigin: http://" +
                                 host + port + "\r\nContent-Length: 1\r\n\r\n7"),
                  "204"),
               host);
}

BOOST_AUTO_TEST_CASE(a_public_admin_address_needs_admin_public) {
  upstream u;
  program refused{path(),
                  {"--upstream", u.address(), "--listen", "127.0.0.1:0",  //
                   "--admin", "0.0.0.0:0"}};
  BOOST_TEST(refused.exit_status() == 2);
  BOOST_TEST(contains(refused.log(), "invalid --admin '0.0.0.0:0'; expected a loopback address"));
  BOOST_TEST(contains(refused.log(), "--admin-public"));
  BOOST_TEST(count(refused.log(), "\n") == 1U);

  program l{path(),
            {"--upstream", u.address(), "--listen", "127.0.0.1:0",  //
             "--admin", "0.0.0.0:0", "--admin-public", "limiter.example"}};
  const std::uint16_t admin = l.admin_port();
  const auto status = [&](const std::string& host) {
    return ask(admin, "GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n").substr(9, 3);
  };
  BOOST_TEST(status("limiter.example") == "200");
  BOOST_TEST(status("limiter.example:" + std::to_string(admin)) == "200");
  BOOST_TEST(status("127.0.0.1:" + std::to_string(admin)) == "200");
  // The address to which the client has connected, without any option.
  const std::string port = ':' + std::to_string(admin);
  client by_address{tcp::endpoint{asio::ip::make_address("127.0.0.3"), admin}};
  by_address.send("GET /healthz HTTP/1.1\r\nHost: 127.0.0.3" + port + "\r\n\r\n");
  BOOST_TEST(is(by_address.receive_all(), "200"));
  BOOST_TEST(status("127.0.0.3" + port) == "403");
  BOOST_TEST(status("limiter.example:1") == "403");
  BOOST_TEST(status("elsewhere.example") == "403");
}

BOOST_AUTO_TEST_CASE(admin_public_takes_several_names_and_addresses) {
  upstream u;
  limiter l{u.address(),
            with_admin({"--admin-public", "one.example", "--admin-public", "10.1.2.3",
                        "--admin-public", "fd00::1", "--admin-public", "two.example:8443"})};
  const std::uint16_t admin = l.admin_port();
  const auto status = [&](const std::string& host) {
    return ask(admin, "GET /healthz HTTP/1.1\r\nHost: " + host + "\r\n\r\n").substr(9, 3);
  };
  const std::string port = ':' + std::to_string(admin);
  for (const std::string& host :
       {"one.example" + port, std::string{"one.example"}, "10.1.2.3" + port, "[fd00::1]" + port,
        std::string{"two.example:8443"}})
    BOOST_TEST(status(host) == "200", host);
  for (const std::string& host : {"two.example" + port, std::string{"10.1.2.4"}, "fd00::1" + port})
    BOOST_TEST(status(host) == "403", host);
}

// Health checks of load balancers do that. Browsers always send the Host header, and HTTP/1.1 needs it.
BOOST_AUTO_TEST_CASE(http_1_0_needs_no_host) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::uint16_t admin = l.admin_port();
  BOOST_TEST(is(ask(admin, "GET /healthz HTTP/1.0\r\n\r\n"), "200"));
  BOOST_TEST(is(ask(admin, "GET /healthz HTTP/1.0\r\nHost: elsewhere.example\r\n\r\n"), "403"));
  BOOST_TEST(is(ask(admin, "GET /healthz HTTP/1.0\r\nOrigin: http://x.example\r\n\r\n"), "403"));
}

BOOST_AUTO_TEST_CASE(names_an_admin_address_that_is_in_use) {
  upstream u;
  program p{path(), {"--upstream", u.address(), "--listen", "127.0.0.1:0", "--admin", u.address()}};
  BOOST_TEST(p.exit_status() == 1);
  BOOST_TEST(contains(p.log(), "--admin " + u.address() + ": Address already in use"));
}

// ---- Slow and failing clients -------------------------------------------------------------------

// Clients that send no complete request are dropped after a while, and do not affect the proxy.
BOOST_AUTO_TEST_CASE(drops_admin_clients_that_send_no_request) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  std::list<client> silent;
  for (int i = 0; i < 20; ++i) {
    silent.emplace_back(admin);
    if (i % 2 == 0) silent.back().send("GET / HTTP/1.1\r\nHo");
  }
  client c{port};
  BOOST_TEST(c.echoes("served as ever"));
  BOOST_TEST(is(get(admin, "/healthz"), "200"));
  BOOST_TEST(silent.front().receive_all() == "");
}

// Clients that send no complete request, and connect again as soon as they are dropped.
BOOST_AUTO_TEST_CASE(slow_admin_clients_do_not_starve_others) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::uint16_t admin = l.admin_port();
  std::vector<std::jthread> slow;
  for (int i = 0; i < 80; ++i)
    slow.emplace_back([admin](const std::stop_token& stop) {
      while (!stop.stop_requested()) try {
          client c{admin};
          c.send("G");
          c.receive_all();
        } catch (const boost::system::system_error&) {
        }
    });
  std::this_thread::sleep_for(500ms);  // so that they are all there
  for (int i = 0; i < 3; ++i) {
    const auto start = steady_clock::now();
    BOOST_TEST(is(get(admin, "/healthz"), "200"));
    const auto took = steady_clock::now() - start;
    BOOST_TEST_MESSAGE("answered within " << took / 1ms << " ms");
    BOOST_TEST((took < 4s));  // less than the time that a request may take
  }
  l.signal(SIGKILL);  // ends the clients too
  for (std::jthread& t : slow) t.request_stop();
}

BOOST_AUTO_TEST_CASE(survives_admin_clients_that_disconnect_or_reset) {
  upstream u;
  limiter l{u.address(), with_admin()};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client c{port};
  for (int i = 0; i < 200; ++i) {
    client abrupt{admin};
    if (i % 3 == 0) abrupt.send(header(admin, "GET /metrics") + "\r\n");
    if (i % 3 == 1) abrupt.send("PUT /limit HTTP/1.1\r\nContent-Length: 1");
    if (i % 2 == 0) abrupt.reset();
  }
  BOOST_TEST(is(get(admin, "/healthz"), "200"));
  BOOST_TEST(c.echoes("served as ever"));
  c.close();
  BOOST_TEST(contains(l.stop(), "served 1,"));
}

BOOST_AUTO_TEST_CASE(stopping_does_not_wait_for_admin_clients) {
  upstream u;
  limiter l{u.address(), with_admin({"--drain-timeout", "0ms"})};
  const std::uint16_t admin = l.admin_port();
  std::list<client> silent;
  for (int i = 0; i < 20; ++i) silent.emplace_back(admin);
  BOOST_TEST(contains(l.stop(), "accepted 0,"));
}
