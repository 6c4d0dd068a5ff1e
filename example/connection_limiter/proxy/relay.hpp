// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_RELAY_HPP
#define CONNECTION_LIMITER_PROXY_RELAY_HPP

#include "proxy/net.hpp"
#include "proxy/statistics.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace connection_limiter {

struct time_limits {
  std::optional<std::chrono::milliseconds> idle, session;
  // For connections that one side has ended: how long no byte may move until the other side ends
  // too.
  std::optional<std::chrono::milliseconds> client_ended, upstream_ended;
};

// How many bytes a connection has copied.
struct transferred {
  std::uint64_t up = 0, down = 0;
  bool refused = false;  // the upstream ended first, and had sent nothing
};

// Copies bytes in both directions between two connected sockets until both directions have ended,
// then closes both sockets. `early` is what was already read from the client, and is sent first.
//
// - End of stream: if one side ends its direction, the relay ends that direction on the other side,
//   and the other direction continues.
// - Reset: if one side resets the connection, the relay resets the other side, so that nothing
//   takes half a request or half an answer for the whole.
// - Time limits: resets both sides if no byte has moved for `idle` or `client_ended`, or when the
//   connection has lasted for `session`. After `upstream_ended` it closes the client's side without
//   a reset, so that the kernel still delivers what the upstream has sent. The result says which.
// - Cancellation: resets both sides and throws operation_aborted.
//
// After a reset by the client and after a time limit, the upstream sees an orderly end instead of a
// reset if it was the last to send: then no request is incomplete, and after an orderly end the
// relay can see when the upstream has closed its side.
//
// Completes when the upstream has closed its side too, or has had a fixed time to do so. Otherwise
// the next connection that gets the permit would meet a server that still counts this one.
awaitable<ending> relay(stream_socket& client, stream_socket& upstream, std::string early,
                        time_limits t, transferred& own, statistics& f);

}  // namespace connection_limiter

#endif
