// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_HPP
#define CONNECTION_LIMITER_ADMIN_HPP

#include "proxy/limiter.hpp"
#include "proxy/net.hpp"
#include "text.hpp"

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
// It has a thread of its own, and what it asks the limiters any thread may ask; so whatever becomes
// of it, the connections go on. It serves a few clients at a time, each for one request and a few
// seconds at most; the others wait in the kernel's backlog.
//
// Browsers let any page send requests to any address. So whoever asks must have named this endpoint
// (the Host field, which a name that was rebound to our address does not pass), and a page that asks
// must be our own (the Origin field).
class admin {
 public:
  // Starts to serve. Throws usage_error where others could reach that address and no name is given
  // for it, and std::runtime_error where it cannot listen there.
  admin(const host_port& where, const std::string& public_name, std::list<limiter>& limiters,
        log_function log);
  ~admin();
  admin(const admin&) = delete;
  admin& operator=(const admin&) = delete;

  const tcp::endpoint& listening_on() const noexcept { return listening_on_; }

 private:
  using request = http::request<http::string_body>;
  using response = http::response<http::string_body>;

  void run() noexcept;
  awaitable<void> accept_connections();
  awaitable<void> serve(beast::tcp_stream stream);

  // What to answer to a request, to one that is too large or makes no sense, and to each kind.
  response answer(const request& r);
  response answer(const error_code& ec) const;
  response health() const;
  response set_limit(std::string_view query, const std::string& body);
  bool is_for_us(const request& r) const;

  std::list<limiter>& limiters_;
  const log_function log_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  const tcp::endpoint listening_on_;
  std::vector<std::string> hosts_;  // what the Host field may be, in lower case
  turnstile::bounded_semaphore connections_;
  std::jthread thread_;  // the last: whatever it uses is there before, and goes after it has ended
};

}  // namespace connection_limiter

#endif
