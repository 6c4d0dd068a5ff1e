// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_LIMITER_LIMITER_HPP
#define TURNSTILE_TEST_LIMITER_LIMITER_HPP

// Runs the program example/connection_limiter as a child process between clients and an upstream in
// this process. Its path is the argument after "--" or the environment variable LIMITER.

#include "peers.hpp"
#include "program.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using words = std::vector<std::string>;

inline std::string path() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  if (suite.argc > 1) return suite.argv[1];
  if (const char* const path = std::getenv("LIMITER")) return path;
  throw std::runtime_error("the path of the program is missing; give it after --, or in LIMITER");
}

// A limiter with one listener on a free port. With one thread, it handles clients in the order in
// which they have connected.
struct limiter : program {
  limiter(const std::string& upstream, words more, rlim_t descriptors = 0)
      : program(path(), arguments(upstream, std::move(more)), descriptors) {}

  static words arguments(const std::string& upstream, words more) {
    more.insert(more.end(), {"--listen", "127.0.0.1:0", "--upstream", upstream});
    return more;
  }

  // Stops it with a signal. Returns its totals.
  std::string stop(int number = SIGTERM) {
    signal(number);
    BOOST_TEST(exit_status() == 0);
    return last_line();
  }
};

inline std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++n;
  return n;
}

// Waits until the condition is true. Returns false after `test_timeout`.
template <typename Condition>
bool comes_true(Condition condition) {
  for (const auto start = steady_clock::now(); steady_clock::now() - start < test_timeout;) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

// Connects until a client is served.
inline bool serves_again(std::uint16_t port) {
  for (const auto start = steady_clock::now(); steady_clock::now() - start < test_timeout;) try {
      client c{port};
      if (c.echoes("again")) return true;
    } catch (const boost::system::system_error&) {
      std::this_thread::sleep_for(5ms);  // it does not listen yet
    }
  return false;
}

// A port on which nothing listens.
inline std::uint16_t free_port() {
  asio::io_context context;
  return tcp::acceptor{context, any_port}.local_endpoint().port();
}

// For BOOST_TEST: true if the text contains the part; shows both if it does not.
inline boost::test_tools::assertion_result contains(const std::string& text,
                                                    const std::string& part) {
  boost::test_tools::assertion_result result{text.find(part) != text.npos};
  result.message() << '\'' << part << "' is not in '" << text << '\'';
  return result;
}

// True if this machine has IPv6; logs a message if it has not.
inline bool has_ipv6() {
  asio::io_context context;
  error_code ec;
  tcp::acceptor probe{context, tcp::v6()};
  probe.bind({asio::ip::address_v6::loopback(), 0}, ec);
  if (ec) BOOST_TEST_MESSAGE("this machine has no IPv6");
  return !ec;
}

// ---- The admin endpoint -------------------------------------------------------------------------

// Sends a request and returns the whole response.
inline std::string ask(std::uint16_t admin_port, const std::string& request) {
  client c{admin_port};
  c.send(request);
  return c.receive_all();
}

// The header of a request, without the empty line that ends it.
inline std::string header(std::uint16_t admin_port, const std::string& method_and_target) {
  return method_and_target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(admin_port) + "\r\n";
}

inline std::string get(std::uint16_t admin_port, const std::string& target) {
  return ask(admin_port, header(admin_port, "GET " + target) + "\r\n");
}

inline std::string put_limit(std::uint16_t admin_port, const std::string& limit,
                             const std::string& query = "") {
  return ask(admin_port, header(admin_port, "PUT /limit" + query) + "Content-Length: " +
                             std::to_string(limit.size()) + "\r\n\r\n" + limit);
}

// The value of a metric of the listener on 127.0.0.1:port, or -1 if it is missing. The name is
// without "connection_limiter_".
inline double metric(std::uint16_t admin_port, std::uint16_t port, const std::string& name,
                     const std::string& more_labels = "") {
  const std::string text = get(admin_port, "/metrics");
  const std::string series = "\nconnection_limiter_" + name +
                             "{listener=\"127.0.0.1:" + std::to_string(port) + '"' + more_labels +
                             "} ";
  const std::size_t at = text.find(series);
  return at == text.npos ? -1 : std::stod(text.substr(at + series.size()));
}

#endif
