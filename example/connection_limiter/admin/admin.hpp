// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_HPP
#define CONNECTION_LIMITER_ADMIN_HPP

#include "log/failure_log.hpp"
#include "log/log.hpp"
#include "proxy/limiter.hpp"
#include "proxy/net.hpp"

#include <turnstile.hpp>

#include <boost/beast.hpp>

#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace connection_limiter {

namespace beast = boost::beast;
namespace http = beast::http;

// The admin endpoint: metrics, health, a page, and changes of the limits. See --help.
//
// It runs on a thread of its own and calls only members of the limiters that are safe on any
// thread. A slow or failing endpoint therefore does not affect the proxied connections. It serves a
// fixed number of clients at a time, one request each, for a few seconds at most. Other clients
// wait in the kernel's backlog.
//
// Any web page can make a browser send requests to any address. So the Host header must name this
// endpoint, which a request through a rebound DNS name does not, and the Origin header, if there is
// one, must be that of the endpoint's own page.
class admin {
 public:
  // Starts to serve. Throws usage_error if the address is not a loopback address and public_name is
  // empty, and std::runtime_error if it cannot listen on the address.
  admin(const host_port& address, const std::string& public_name, std::list<limiter>& limiters,
        const logger& l);
  ~admin();
  admin(const admin&) = delete;
  admin& operator=(const admin&) = delete;

  const tcp::endpoint& listening_on() const noexcept { return listening_on_; }

 private:
  using request = http::request<http::string_body>;
  using response = http::response<http::string_body>;

  void run() noexcept;
  awaitable<void> accept_connections();
  awaitable<void> report_failures();
  awaitable<void> serve(beast::tcp_stream stream);

  response answer(const request& r);
  response answer(const error_code& ec) const;  // to a request that is too large or malformed
  response health() const;
  response set_limit(std::string_view query, const std::string& body);
  bool is_allowed(const request& r) const;

  std::list<limiter>& limiters_;
  const logger& log_;
  asio::io_context context_{1};
  failure_log accept_failures_;
  failure_log other_failures_;
  tcp::acceptor acceptor_;
  const tcp::endpoint listening_on_;
  std::vector<std::string> allowed_hosts_;  // allowed values of the Host header, in lower case
  turnstile::bounded_semaphore connections_;
  std::jthread thread_;  // the last member, because it uses the others
};

}  // namespace connection_limiter

#endif
