// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_NET_HPP
#define CONNECTION_LIMITER_PROXY_NET_HPP

// Names from Asio and helpers for it, which the whole program uses.

#include "log/failure_log.hpp"
#include "log/log.hpp"
#include "text.hpp"
#include "values.hpp"

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace connection_limiter {

namespace asio = boost::asio;
namespace this_coro = asio::this_coro;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;

// Sockets of either kind: TCP and Unix-domain.
using stream_protocol = asio::generic::stream_protocol;
using stream_socket = stream_protocol::socket;
using stream_acceptor = asio::basic_socket_acceptor<stream_protocol>;
using endpoint = stream_protocol::endpoint;

// Completion token for operations whose errors are expected. co_await returns a tuple that starts
// with the error code, and throws only if the coroutine itself was cancelled before.
constexpr auto as_result = asio::as_tuple(use_awaitable);

// Use: was_cancelled(co_await this_coro::cancellation_state)
inline bool was_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

// Nothing if it is not an IP address and a port.
std::optional<tcp::endpoint> to_tcp(const endpoint& e);

// The path of a Unix-domain socket; empty if it has none.
std::string path_of(const endpoint& e);

// "127.0.0.1:6000" or "unix:/path".
std::string to_string(const endpoint& e);

// Looks up the addresses of a host, or returns the one of a Unix-domain socket.
std::vector<endpoint> look_up(asio::io_context& context, const host_port& address, error_code& ec);

// Tries the addresses in order until one accepts or the deadline has passed. Each address gets an
// equal share of the time that is left, so that one that does not answer leaves time for the
// others. Sets the options of the connection. The socket is non-blocking afterwards.
awaitable<error_code> connect_to_one_of(const std::vector<endpoint>& addresses,
                                        stream_socket& socket,
                                        std::optional<std::chrono::milliseconds> keepalive,
                                        std::chrono::steady_clock::time_point deadline);

// Sets the options of forwarded TCP connections. After the time `keepalive` without a byte, the kernel
// asks the peer for a sign of life; without a value, after the time that the system sets. Accepted
// sockets inherit the options of the listening socket.
void set_options(int socket, std::optional<std::chrono::milliseconds> keepalive);

// Waits before an accept loop tries again after a failure. The usual failure is that no descriptor
// is left, so an immediate retry would fail too.
awaitable<void> pause_accepting();

}  // namespace connection_limiter

#endif
