// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_PROXY_HEADER_HPP
#define CONNECTION_LIMITER_PROXY_PROXY_HEADER_HPP

// The header of the PROXY protocol, versions 1 and 2, in which a proxy passes the address of its client on.

#include "proxy/net.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace connection_limiter {

// The two ends of the connection between the client and the first proxy.
struct proxied_connection {
  tcp::endpoint client, server;
};

struct parsed_header {
  enum { incomplete, invalid, valid } state = invalid;
  std::size_t size = 0;  // of a valid header
  // None if the client is the proxy itself, or is on a Unix-domain socket of the proxy.
  std::optional<proxied_connection> ends = {};
  bool is_unix = false;
};

// Parses the header at the start of the data, which may be followed by anything.
parsed_header parse_proxy_header(std::string_view data);

// A header of version 1 or 2. Without ends, it says that the client is the proxy itself. HAProxy 2.6 sends
// the same for a client on a Unix-domain socket, and resets connections whose header names AF_UNIX.
std::string make_proxy_header(int version, const std::optional<proxied_connection>& ends);

// Reads a header. What the client has sent after it is left in `rest`. The result is not valid if
// the time has passed or the client has disconnected.
awaitable<parsed_header> read_proxy_header(stream_socket& client, std::string& rest,
                                           std::chrono::milliseconds timeout);

}  // namespace connection_limiter

#endif
