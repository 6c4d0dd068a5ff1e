// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_NET_HPP
#define CONNECTION_LIMITER_NET_HPP

// The names of Asio that the whole program uses.

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/error_code.hpp>

namespace connection_limiter {

namespace asio = boost::asio;
namespace this_coro = asio::this_coro;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;
using boost::system::error_code;

// For an operation that may fail as a matter of course: co_await gives a tuple that starts with the
// error code, and throws only where the coroutine itself was cancelled before.
constexpr auto as_result = asio::as_tuple(use_awaitable);

// For was_cancelled(co_await this_coro::cancellation_state).
inline bool was_cancelled(const asio::cancellation_state& state) {
  return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace connection_limiter

#endif
