// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/upstream_server.hpp"

namespace connection_limiter {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds pause_without_descriptor{100};

}  // namespace

upstream_server::upstream_server(const settings& s, const logger& l, const std::string& listener)
    : send_proxy_(s.send_proxy),
      keepalive_(s.keepalive),
      addresses_(s.upstream, s.resolve_every),
      failures_(l, listener, "upstream " + to_string(s.upstream)) {
  if (const auto found = addresses_.current(); found.addresses.empty()) note(found.ec);
}

awaitable<error_code> upstream_server::connect(stream_socket& socket,
                                               std::chrono::milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  std::optional<gauge::scope> waiting;
  error_code ec;
  for (;;) {
    const auto [addresses, lookup_error] = addresses_.current();
    ec = lookup_error;
    if (addresses.empty()) break;
    ec = co_await connect_to_one_of(addresses, socket, keepalive_, deadline);
    if (ec != asio::error::no_descriptors || steady_clock::now() >= deadline) break;
    if (!waiting) waiting.emplace(waiting_for_descriptor_);
    asio::steady_timer pause{socket.get_executor(), pause_without_descriptor};
    co_await pause.async_wait(use_awaitable);
  }
  if (ec != asio::error::operation_aborted) note(ec);
  co_return ec;
}

awaitable<error_code> upstream_server::check(std::chrono::milliseconds timeout) {
  stream_socket socket{co_await this_coro::executor};
  const error_code ec = co_await connect(socket, timeout);
  if (!ec) co_await send_header(socket, {});
  co_return ec;
}

awaitable<void> upstream_server::send_header(stream_socket& socket,
                                             std::optional<proxied_connection> ends) {
  if (send_proxy_ == 0) co_return;
  const std::string header = make_proxy_header(send_proxy_, ends);
  // If that fails, the relay sees the end of the connection.
  co_await asio::async_write(socket, asio::buffer(header), as_result);
}

bool upstream_server::was_just_connected() const noexcept {
  const steady_clock::duration last{last_connect_};
  return is_up_ && last.count() != 0 &&
         steady_clock::now().time_since_epoch() - last < std::chrono::seconds{1};
}

void upstream_server::note(const error_code& ec) {
  is_up_ = !ec;
  if (ec) {
    addresses_.look_up_again();
    return failures_.failed(ec.message());
  }
  last_connect_ = steady_clock::now().time_since_epoch().count();
  failures_.succeeded();
}

}  // namespace connection_limiter
