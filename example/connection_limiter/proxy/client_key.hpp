// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_CLIENT_KEY_HPP
#define CONNECTION_LIMITER_PROXY_CLIENT_KEY_HPP

#include "proxy/net.hpp"
#include "proxy/unix_socket.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <optional>

namespace connection_limiter {

// What counts as one client: an IPv4 address, or the first half of an IPv6 address, because a single host
// often has a whole /64. Behind a Unix-domain socket, a user of the system.
struct client_key {
  enum { none, v4, v6, user } kind = none;
  std::array<unsigned char, 8> bytes{};

  // A key that is not the one of any client.
  explicit client_key(unsigned char number) : bytes{{number}} {}

  explicit client_key(const asio::ip::address& a) {
    const auto take = [&](const auto& all) {
      std::copy_n(all.begin(), std::min(all.size(), bytes.size()), bytes.begin());
    };
    if (a.is_v6() && !a.to_v6().is_v4_mapped()) {
      kind = v6;
      take(a.to_v6().to_bytes());
    } else {
      kind = v4;
      take((a.is_v4() ? a.to_v4() : asio::ip::make_address_v4(asio::ip::v4_mapped, a.to_v6()))
               .to_bytes());
    }
  }

  explicit client_key(const peer_process& p) : kind(user) {
    std::memcpy(bytes.data(), &p.user, sizeof p.user);
  }

  auto operator<=>(const client_key&) const = default;
};

// The client at the other end. Nothing if it has already disconnected.
inline std::optional<client_key> key_of(stream_socket& client) {
  error_code ec;
  const endpoint e = client.remote_endpoint(ec);
  if (ec) return {};
  if (const auto address = to_tcp(e)) return client_key{address->address()};
  const auto peer = peer_of(client);
  return peer ? std::optional{client_key{*peer}} : std::nullopt;
}

}  // namespace connection_limiter

#endif
