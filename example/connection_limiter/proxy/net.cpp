// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/net.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;

constexpr std::chrono::milliseconds pause_after_failure{100};

}  // namespace

std::vector<tcp::endpoint> look_up(asio::io_context& context, const host_port& address,
                                   const char* option) {
  error_code ec;
  const auto found = tcp::resolver{context}.resolve(address.host, std::to_string(address.port),
                                                    tcp::resolver::numeric_service, ec);
  if (ec) throw std::runtime_error(text(option, ' ', to_string(address), ": ", ec.message()));
  return {found.begin(), found.end()};
}

awaitable<error_code> connect_to_one_of(const std::vector<tcp::endpoint>& addresses,
                                        tcp::socket& socket,
                                        std::chrono::steady_clock::time_point deadline) {
  asio::steady_timer timer{socket.get_executor()};
  error_code ec = asio::error::not_found;
  std::size_t untried = addresses.size();
  for (const tcp::endpoint& address : addresses) {
    error_code ignored;
    socket.close(ignored);
    timer.expires_after((deadline - std::chrono::steady_clock::now()) / untried--);
    const auto first =
        co_await (socket.async_connect(address, as_result) || timer.async_wait(as_result));
    ec = first.index() == 0 ? std::get<0>(std::get<0>(first)) : asio::error::timed_out;
    if (!ec) break;
  }
  co_return ec;
}

void set_options(tcp::socket& socket, std::optional<std::chrono::milliseconds> keepalive) {
  error_code ignored;
  socket.set_option(tcp::no_delay{true}, ignored);
  socket.set_option(asio::socket_base::keep_alive{true}, ignored);
  if (!keepalive) return;
  // A peer that does not answer is found at the latest after twice the time.
  const auto seconds = static_cast<int>(keepalive->count() / 1000);
  constexpr int probes = 4;
  const auto set = [&](int option, int value) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
  };
  set(TCP_KEEPIDLE, seconds);
  set(TCP_KEEPINTVL, std::max(seconds / probes, 1));
  set(TCP_KEEPCNT, probes);
  set(TCP_USER_TIMEOUT, 2 * 1000 * seconds);  // also if data is on its way
}

awaitable<void> pause_accepting() {
  asio::steady_timer timer{co_await this_coro::executor, pause_after_failure};
  co_await timer.async_wait(use_awaitable);
}

}  // namespace connection_limiter
