// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_LIMITER_LIMITER_HPP
#define TURNSTILE_TEST_LIMITER_LIMITER_HPP

// The program example/connection_limiter, from outside: it runs between real clients and an
// upstream in this process. Where it is, the argument after "--" says, or the variable LIMITER.

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
  throw std::runtime_error("no program: give its path after --, or in LIMITER");
}

// A limiter on a port of its own. With one thread, it does one thing after the other, in the order
// in which its clients have connected.
struct limiter : program {
  limiter(const std::string& upstream, words more, rlim_t descriptors = 0)
      : program(path(), arguments(upstream, std::move(more)), descriptors) {}

  static words arguments(const std::string& upstream, words more) {
    more.insert(more.end(), {"--listen", "127.0.0.1:0", "--upstream", upstream});
    return more;
  }

  // Ends it as an operator would; its totals.
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

// Waits until that is so.
template <typename Condition>
bool comes_true(Condition condition) {
  for (const auto start = steady_clock::now(); steady_clock::now() - start < patience;) {
    if (condition()) return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

// A new client is served, sooner or later.
inline bool serves_again(std::uint16_t port) {
  for (const auto start = steady_clock::now(); steady_clock::now() - start < patience;) {
    client c{port};
    if (c.echoes("again")) return true;
  }
  return false;
}

// Whether the part is in the text; both are shown where it is not.
inline boost::test_tools::assertion_result contains(const std::string& text,
                                                    const std::string& part) {
  boost::test_tools::assertion_result result{text.find(part) != text.npos};
  result.message() << '\'' << part << "' is not in '" << text << '\'';
  return result;
}

// Whether there is IPv6 here; the test says so where there is not.
inline bool has_ipv6() {
  asio::io_context context;
  error_code ec;
  tcp::acceptor probe{context, tcp::v6()};
  probe.bind({asio::ip::address_v6::loopback(), 0}, ec);
  if (ec) BOOST_TEST_MESSAGE("there is no IPv6 here");
  return !ec;
}

// ---- Its admin endpoint -------------------------------------------------------------------------

// What comes back for a request: all of it, and its status.
inline std::string ask(std::uint16_t admin_port, const std::string& request) {
  client c{admin_port};
  c.send(request);
  return c.receive_all();
}

// The header of a request, without the line that ends it.
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

// A metric of the listener on that port (on 127.0.0.1), without "connection_limiter_"; -1 where it is
// not there.
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
