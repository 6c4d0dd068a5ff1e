// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/socket_state.hpp"

#include <poll.h>
#include <sys/ioctl.h>

#include <array>

namespace connection_limiter {

bool has_ended(stream_socket& socket) {
  pollfd p{socket.native_handle(), POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0;
}

bool has_socket_error(stream_socket& socket) {
  pollfd p{socket.native_handle(), 0, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

int unsent_bytes(stream_socket& socket) {
  int n = 0;
  return ::ioctl(socket.native_handle(), TIOCOUTQ, &n) == 0 ? n : 0;
}

void half_close(stream_socket& socket) noexcept {
  error_code ignored;
  socket.shutdown(stream_socket::shutdown_send, ignored);
}

void reset(stream_socket& socket) noexcept {
  error_code ignored;
  socket.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket.close(ignored);
}

awaitable<void> discard(stream_socket& socket) {
  std::array<char, 4096> data;
  for (;;) {
    const auto [ec, n] = co_await socket.async_read_some(asio::buffer(data), as_result);
    if (ec) co_return;
  }
}

}  // namespace connection_limiter
