// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_UPSTREAM_SERVER_HPP
#define CONNECTION_LIMITER_PROXY_UPSTREAM_SERVER_HPP

#include "log/failure_log.hpp"
#include "options.hpp"
#include "proxy/net.hpp"
#include "proxy/proxy_header.hpp"
#include "proxy/statistics.hpp"
#include "proxy/upstream_addresses.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <string>

namespace connection_limiter {

// The server behind a listener: connects to it, and knows whether that works.
//
// All members are safe to call on any thread.
class upstream_server {
 public:
  // Looks up the addresses, and waits for the result.
  upstream_server(const settings& s, const logger& l, const std::string& listener);

  // Connects, and tries again if no descriptor is left.
  awaitable<error_code> connect(stream_socket& socket, std::chrono::milliseconds timeout);

  // Connects, and closes the connection.
  awaitable<error_code> check(std::chrono::milliseconds timeout);

  // Sends the PROXY header, if there is one.
  awaitable<void> send_header(stream_socket& socket, std::optional<proxied_connection> ends);

  // Whether the last attempt to connect succeeded, or there was none.
  bool is_up() const noexcept { return is_up_; }

  // Whether a connection has succeeded within the last second, and none has failed since.
  bool was_just_connected() const noexcept;

  // Whether a connection waits for a descriptor. The next free one is for the upstream, so no client
  // should be accepted.
  bool waits_for_descriptor() const noexcept { return waiting_for_descriptor_.now() != 0; }

  // Logs failures that are due. Call it about once a second.
  void report() { failures_.report(); }

 private:
  void note(const error_code& ec);

  const int send_proxy_;
  const std::optional<std::chrono::milliseconds> keepalive_;
  upstream_addresses addresses_;
  failure_log failures_;
  gauge waiting_for_descriptor_;
  std::atomic<bool> is_up_{true};
  std::atomic<std::chrono::steady_clock::rep> last_connect_{0};  // when one succeeded
};

}  // namespace connection_limiter

#endif
