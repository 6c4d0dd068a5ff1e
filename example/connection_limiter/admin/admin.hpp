// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_HPP
#define CONNECTION_LIMITER_ADMIN_HPP

#include "admin/access.hpp"
#include "log/failure_log.hpp"
#include "log/log.hpp"
#include "proxy/limiter.hpp"
#include "proxy/listening.hpp"
#include "proxy/net.hpp"

#include <turnstile.hpp>

#include <boost/beast.hpp>

#include <chrono>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace connection_limiter {

namespace beast = boost::beast;
namespace http = beast::http;

// The admin endpoint: metrics, health, a page, and changes of the settings. See --help.
//
// It runs on a thread of its own and calls only members of the limiters that are safe on any
// thread. A slow or failing endpoint therefore does not affect the proxied connections. It serves a
// fixed number of connections at a time, one request each, for a few seconds at most. If there are
// more, a new one displaces the one that has been idle longest.
class admin {
 public:
  // Starts to serve. Throws usage_error if the address is not a loopback address and there are no
  // public names, and std::runtime_error if it cannot listen on the address.
  admin(const host_port& address, const std::vector<std::string>& public_names,
        std::list<limiter>& limiters, const logger& l, passed_sockets& passed);
  ~admin();
  admin(const admin&) = delete;
  admin& operator=(const admin&) = delete;

  // The first address on which it listens.
  const endpoint& address() const noexcept { return listening_.addresses().front(); }

 private:
  using request = http::request<http::string_body>;
  using response = http::response<http::string_body>;
  using stream_type = beast::basic_stream<stream_protocol>;

  struct connection {
    explicit connection(stream_type s) : stream(std::move(s)) {}

    stream_type stream;
    std::chrono::steady_clock::time_point last_activity = std::chrono::steady_clock::now();
  };
  using connections = std::list<connection>;

  void run() noexcept;
  awaitable<void> accept_connections();
  awaitable<void> report_failures();
  awaitable<void> make_room();
  awaitable<void> serve(connections::iterator c);

  awaitable<response> answer(const request& r, const endpoint& local);
  response answer(const error_code& ec) const;  // to a request that is too large or malformed
  response health() const;
  awaitable<response> readiness();
  response get(const adjustable_option& o, std::string_view query) const;
  awaitable<response> set(const adjustable_option& o, std::string_view query,
                          std::string_view value);
  limiter* named_listener(std::string_view query, response& failure) const;

  std::list<limiter>& limiters_;
  const logger& log_;
  asio::io_context context_{1};
  failure_log accept_failures_;
  failure_log other_failures_;
  listening_sockets listening_;
  const access_rules access_;
  connections connections_;  // the one that has been idle longest first
  turnstile::bounded_semaphore places_;
  std::jthread thread_;  // the last member, because it uses the others
};

}  // namespace connection_limiter

#endif
