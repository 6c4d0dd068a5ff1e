// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/origin.hpp"

#include "proxy/unix_socket.hpp"
#include "text.hpp"

#include <algorithm>
#include <chrono>

namespace connection_limiter {

namespace {

constexpr std::chrono::seconds header_timeout{5};

origin of_socket(stream_socket& client) {
  if (const auto peer = peer_of(client))
    return {{}, text("unix:uid=", peer->user, ",pid=", peer->process)};
  error_code ignored;
  const auto ip = [](const endpoint& e) { return to_tcp(e).value_or(tcp::endpoint{}); };
  const proxied_connection ends{ip(client.remote_endpoint(ignored)),
                                ip(client.local_endpoint(ignored))};
  return {ends, text(ends.client)};
}

}  // namespace

std::optional<asio::ip::address> origin::address() const {
  if (!ends || ends->client == tcp::endpoint{}) return {};
  return ends->client.address();
}

awaitable<std::optional<origin>> find_origin(stream_socket& client,
                                             const std::vector<network>& accept_proxy,
                                             std::string& rest) {
  const origin own = of_socket(client);
  const auto has_client = [&](const network& n) {
    return own.ends ? n.contains(own.ends->client.address()) : n.is_unix();
  };
  if (std::none_of(accept_proxy.begin(), accept_proxy.end(), has_client)) co_return own;
  const parsed_header header = co_await read_proxy_header(client, rest, header_timeout);
  if (header.state != parsed_header::valid) co_return std::nullopt;
  if (header.is_unix) co_return origin{{}, "unix@" + own.client};
  if (!header.ends) co_return own;
  co_return origin{header.ends, text(header.ends->client)};
}

}  // namespace connection_limiter
