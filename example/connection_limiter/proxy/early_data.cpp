// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/early_data.hpp"

#include "proxy/socket_state.hpp"

#include <array>
#include <chrono>

namespace connection_limiter {

namespace {

constexpr std::size_t max_early_data = 16384;

// How often to poll a client for its end, if unread data stands before the end.
constexpr std::chrono::milliseconds poll_interval{100};

}  // namespace

awaitable<void> read_early_data(stream_socket& client, std::string& early, bool detect_disconnect) {
  std::array<char, 4096> data;
  while (detect_disconnect && early.size() < max_early_data) {
    const auto room = asio::buffer(data, max_early_data - early.size());  // at most data.size()
    const auto [ec, n] = co_await client.async_read_some(room, as_result);
    early.append(data.data(), n);
    if (ec) co_return;
  }
  // Asio reports the end of a stream only to a read, and nothing more is to be read here. So poll
  // for it.
  asio::steady_timer timer{client.get_executor()};
  while (!detect_disconnect || !has_ended(client)) {
    timer.expires_after(detect_disconnect ? poll_interval : std::chrono::hours{1000});
    co_await timer.async_wait(use_awaitable);
  }
}

}  // namespace connection_limiter
