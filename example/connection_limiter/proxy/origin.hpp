// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_ORIGIN_HPP
#define CONNECTION_LIMITER_PROXY_ORIGIN_HPP

#include "proxy/net.hpp"
#include "proxy/proxy_header.hpp"
#include "values.hpp"

#include <optional>
#include <string>
#include <vector>

namespace connection_limiter {

// Where a connection comes from.
struct origin {
  std::optional<proxied_connection> ends;  // nothing if the client is on a Unix-domain socket
  std::string client;                      // for the access log

  // Nothing if the client has no address, or has already disconnected.
  std::optional<asio::ip::address> address() const;
};

// The ends of the connection, or those that its PROXY header says if it comes from one of the networks.
// Nothing if there must be a header and there is no valid one. What the client has sent after the
// header is left in `rest`.
awaitable<std::optional<origin>> find_origin(stream_socket& client,
                                             const std::vector<network>& accept_proxy,
                                             std::string& rest);

}  // namespace connection_limiter

#endif
