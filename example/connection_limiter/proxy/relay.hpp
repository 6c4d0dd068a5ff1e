// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_RELAY_HPP
#define CONNECTION_LIMITER_PROXY_RELAY_HPP

#include "proxy/figures.hpp"
#include "proxy/net.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace connection_limiter {

// Moves bytes both ways between two connected sockets until both directions have ended. The end of
// one direction is passed on, and the other goes on; that a side broke off (a reset) is passed on
// as such, so that nobody takes half an answer, or half a request, for the whole. (An upstream whose
// answer was the last that came has no half request: it gets an orderly end, and can say when it has
// closed its side.) Both sockets are closed afterwards.
//
// It returns only when the upstream has closed its side too, or was given a moment to: then whoever
// is let through next does not meet a server that still counts this connection.
//
// `early` is what was read from the client before. Breaks off both sides where nothing moved for
// `idle`, or it has lasted for `session`; the result says which. Cancelled: breaks off both sides and
// throws operation_aborted.
struct time_limits {
  std::optional<std::chrono::milliseconds> idle, session;
};
awaitable<ending> relay(tcp::socket& client, tcp::socket& upstream, std::string early,
                        time_limits t, figures& f);

// Breaks a connection off: the other end sees a reset, not an orderly end.
void reset(tcp::socket& socket) noexcept;

}  // namespace connection_limiter

#endif
