// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/early_data.hpp"

#include <poll.h>

#include <array>
#include <chrono>

namespace connection_limiter {

namespace {

constexpr std::size_t most_early = 16384;

// How often one is looked at whose end cannot be read, behind what it has sent.
constexpr std::chrono::milliseconds interval{100};

}  // namespace

awaitable<void> read_early_data(tcp::socket& client, std::string& early, bool watched) {
  std::array<char, 4096> data;
  while (watched && early.size() < most_early) {
    const auto room = asio::buffer(data, most_early - early.size());  // or all, where that is less
    const auto [ec, n] = co_await client.async_read_some(room, as_result);
    early.append(data.data(), n);
    if (ec) co_return;
  }
  // Reactors tell of an end only where somebody reads: so it is asked for.
  asio::steady_timer timer{client.get_executor()};
  while (!watched || !has_ended(client)) {
    timer.expires_after(watched ? interval : std::chrono::hours{1000});
    co_await timer.async_wait(use_awaitable);
  }
}

bool has_ended(tcp::socket& socket) {
  pollfd p{socket.native_handle(), POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0;
}

}  // namespace connection_limiter
