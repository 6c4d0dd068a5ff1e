// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The limit that finds itself: its options, its range, and that it follows refusals.

#include "limiter.hpp"
#include "proxy/limit_finder.hpp"

#include <atomic>
#include <chrono>
#include <list>
#include <string>
#include <thread>
#include <vector>

namespace {

// Clients that connect again and again.
class crowd {
 public:
  explicit crowd(std::uint16_t port) {
    for (int i = 0; i != 16; ++i)
      threads_.emplace_back([this, port] {
        while (!done_) {
          try {
            client{port}.end();
          } catch (const std::exception&) {  // reset, or refused at the end of the test
          }
        }
      });
  }
  ~crowd() { done_ = true; }

 private:
  std::atomic<bool> done_ = false;
  std::vector<std::jthread> threads_;
};

std::string address_that_refuses() {
  asio::io_context io;
  const tcp::acceptor a{io, any_port};
  return "127.0.0.1:" + std::to_string(a.local_endpoint().port());
}

}  // namespace

BOOST_AUTO_TEST_CASE(auto_limit_falls_to_the_lowest_while_the_upstream_refuses) {
  limiter l{address_that_refuses(),
            {"--limit", "auto", "--limit-min", "2", "--limit-max", "16", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  BOOST_TEST(metric(admin, port, "limit_connections") == 8);
  const crowd clients{port};
  BOOST_TEST(comes_true([&] { return metric(admin, port, "limit_connections") == 2; }));
  BOOST_TEST(metric(admin, port, "found_limit_connections") == 2);
}

BOOST_AUTO_TEST_CASE(auto_limit_falls_while_the_upstream_closes_connections_without_an_answer) {
  upstream closing{[](tcp::socket&) -> asio::awaitable<void> { co_return; }};
  limiter l{closing.address(),
            {"--limit", "auto", "--limit-min", "2", "--limit-max", "16", "--admin", "127.0.0.1:0"}};
  const crowd clients{l.port()};
  BOOST_TEST(
      comes_true([&] { return metric(l.admin_port(), l.port(), "limit_connections") == 2; }));
}

BOOST_AUTO_TEST_CASE(auto_limit_does_not_fall_while_clients_leave_without_an_answer) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "auto", "--limit-min", "2", "--limit-max", "16", "--admin", "127.0.0.1:0"}};
  // Clients never reach the limit, so that the time to connect has no effect, whatever else the machine does.
  // Refusals would have one, after some windows of 250 ms.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (int total = 7; std::chrono::steady_clock::now() < end; total += 7) {
    std::list<client> clients;
    for (int i = 0; i != 7; ++i) clients.emplace_back(l.port());
    u.wait_for_total(total);
    for (client& c : clients) c.half_close();
    for (client& c : clients) c.end();
  }
  BOOST_TEST(metric(l.admin_port(), l.port(), "limit_connections") == 8);
}

// A time that grows with the number of connections would look like a queue.
BOOST_AUTO_TEST_CASE(auto_limit_does_not_depend_on_connect_times_below_half_a_second) {
  connection_limiter::limit_finder finder{{.lowest = 1, .highest = 32}, 8};
  BOOST_TEST(comes_true([&] {
    for (int i = 0; i != 100; ++i) {
      const std::size_t active = finder.limit();
      finder.waited();
      finder.connected(std::chrono::steady_clock::now() - 10ms * active, active, {});
    }
    return finder.limit() == 32;
  }));
}

BOOST_AUTO_TEST_CASE(auto_limit_falls_while_connects_take_longer_than_half_a_second) {
  connection_limiter::limit_finder finder{{.lowest = 1, .highest = 32}, 8};
  BOOST_TEST(comes_true([&] {
    for (int i = 0; i != 100; ++i) {
      finder.waited();
      finder.connected(std::chrono::steady_clock::now() - 600ms, finder.limit(), {});
    }
    return finder.limit() == 1;
  }));
}

BOOST_AUTO_TEST_CASE(auto_limit_cannot_be_set) {
  upstream u;
  limiter l{u.address(), {"--limit", "auto", "--admin", "127.0.0.1:0"}};
  const std::string response = put_limit(l.admin_port(), "5");
  BOOST_TEST(response.starts_with("HTTP/1.1 409 "));
  BOOST_TEST(contains(response, "the limit is found automatically"));
}

BOOST_AUTO_TEST_CASE(a_dry_run_keeps_the_limit_and_reports_what_it_finds) {
  limiter l{address_that_refuses(),
            {"--limit", "8", "--limit-dry-run", "on", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  const crowd clients{port};
  BOOST_TEST(comes_true([&] { return metric(admin, port, "found_limit_connections") < 8; }));
  BOOST_TEST(metric(admin, port, "limit_connections") == 8);
}
