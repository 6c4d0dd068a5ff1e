// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_SOCKET_STATE_HPP
#define CONNECTION_LIMITER_PROXY_SOCKET_STATE_HPP

// What the kernel knows about a connection and Asio does not say, and how to end a connection.

#include "proxy/net.hpp"

namespace connection_limiter {

// True if the other end has ended its direction or reset the connection, even if there is still
// unread data.
bool has_ended(stream_socket& socket);

// True if the other end has reset the connection.
bool has_socket_error(stream_socket& socket);

// The number of written bytes that the other end has not acknowledged yet.
int unsent_bytes(stream_socket& socket);

// Ends the own direction.
void half_close(stream_socket& socket) noexcept;

// Closes the socket so that the other end sees a reset, not an orderly end.
void reset(stream_socket& socket) noexcept;

// Reads and forgets what the other end sends, until its end.
awaitable<void> discard(stream_socket& socket);

}  // namespace connection_limiter

#endif
