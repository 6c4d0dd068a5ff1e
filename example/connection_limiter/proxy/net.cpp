// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/net.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/asio/experimental/parallel_group.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>

namespace connection_limiter {

namespace {

constexpr std::chrono::milliseconds pause_after_failure{100};

// A Unix-domain socket gives no sign when its backlog has room again.
constexpr std::chrono::milliseconds pause_if_backlog_is_full{10};

// Not async_connect(): that makes more system calls, and takes a full backlog of a Unix-domain socket for
// a success.
awaitable<error_code> connect_to(stream_socket& socket, const endpoint& to,
                                 std::chrono::steady_clock::time_point deadline) {
  error_code ec;
  socket.open(to.protocol(), ec);
  if (!ec) socket.non_blocking(true, ec);
  if (ec) co_return ec;
  asio::steady_timer timer{socket.get_executor()};
  for (;;) {
    // The calls after the first one return how the attempt has ended, or that it has not.
    if (::connect(socket.native_handle(), to.data(), static_cast<socklen_t>(to.size())) == 0)
      co_return error_code{};
    const int error = errno;
    if (error == EISCONN) co_return error_code{};
    const bool in_progress = error == EINPROGRESS || error == EALREADY;
    if (!in_progress && error != EAGAIN)
      co_return error_code{error, boost::system::system_category()};
    if (std::chrono::steady_clock::now() >= deadline) co_return asio::error::timed_out;
    timer.expires_at(deadline);
    if (!in_progress)
      timer.expires_at(
          std::min(deadline, std::chrono::steady_clock::now() + pause_if_backlog_is_full));
    if (in_progress)
      co_await asio::experimental::make_parallel_group(
          socket.async_wait(stream_socket::wait_write, asio::deferred),
          timer.async_wait(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), use_awaitable);
    else
      co_await timer.async_wait(as_result);
    if (was_cancelled(co_await this_coro::cancellation_state))
      co_return asio::error::operation_aborted;
  }
}

}  // namespace

std::optional<tcp::endpoint> to_tcp(const endpoint& e) {
  tcp::endpoint result;
  const int family = e.protocol().family();
  if ((family != AF_INET && family != AF_INET6) || e.size() > result.capacity()) return {};
  std::memcpy(result.data(), e.data(), e.size());
  result.resize(e.size());
  return result;
}

std::string path_of(const endpoint& e) {
  constexpr std::size_t start = offsetof(sockaddr_un, sun_path);
  if (e.protocol().family() != AF_UNIX || e.size() <= start) return {};
  const char* const path = reinterpret_cast<const char*>(e.data()) + start;
  return {path, ::strnlen(path, e.size() - start)};
}

std::string to_string(const endpoint& e) {
  const auto address = to_tcp(e);
  return address ? text(*address) : "unix:" + path_of(e);
}

std::vector<endpoint> look_up(asio::io_context& context, const host_port& address, error_code& ec) {
  ec = {};
  if (!address.path.empty()) return {asio::local::stream_protocol::endpoint{address.path}};
  const auto found = tcp::resolver{context}.resolve(address.host, std::to_string(address.port),
                                                    tcp::resolver::numeric_service, ec);
  std::vector<endpoint> result;
  for (const auto& entry : found) result.emplace_back(entry.endpoint());
  return result;
}

awaitable<error_code> connect_to_one_of(const std::vector<endpoint>& addresses,
                                        stream_socket& socket,
                                        std::optional<std::chrono::milliseconds> keepalive,
                                        std::chrono::steady_clock::time_point deadline) {
  error_code ec = asio::error::not_found;
  std::size_t untried = addresses.size();
  for (const endpoint& address : addresses) {
    error_code ignored;
    if (socket.is_open()) socket.close(ignored);
    const auto now = std::chrono::steady_clock::now();
    ec = co_await connect_to(socket, address, now + (deadline - now) / untried--);
    if (ec) continue;
    if (to_tcp(address)) set_options(socket.native_handle(), keepalive);
    break;
  }
  co_return ec;
}

void set_options(int socket, std::optional<std::chrono::milliseconds> keepalive) {
  const auto set = [&](int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  if (!keepalive) return;
  // A peer that does not answer is found at the latest after twice the time.
  const auto seconds = static_cast<int>(keepalive->count() / 1000);
  constexpr int probes = 4;
  set(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, std::max(seconds / probes, 1));
  set(IPPROTO_TCP, TCP_KEEPCNT, probes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 2 * 1000 * seconds);  // also if data is on its way
}

awaitable<void> pause_accepting() {
  asio::steady_timer timer{co_await this_coro::executor, pause_after_failure};
  co_await timer.async_wait(use_awaitable);
}

}  // namespace connection_limiter
