// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_NET_HPP
#define CONNECTION_LIMITER_PROXY_NET_HPP

// What the whole program uses of Asio.

#include "text.hpp"
#include "values.hpp"

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/system/error_code.hpp>

#include <chrono>
#include <string>
#include <vector>

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

// The addresses of a host, never none. Throws a std::runtime_error that names the option.
std::vector<tcp::endpoint> look_up(asio::io_context& context, const host_port& where,
                                   const char* option);

// Listens there. Throws a std::runtime_error that names the option.
tcp::acceptor listen(asio::io_context& context, const tcp::endpoint& where, const char* option);

// Connects to the first of the addresses that can be connected to by then. One that is silent leaves the
// others their share of the time.
awaitable<error_code> connect_to_one_of(const std::vector<tcp::endpoint>& addresses,
                                        tcp::socket& socket,
                                        std::chrono::steady_clock::time_point deadline);

// What an accept loop does when accepting fails: mostly since the descriptors are used up, and then
// the next try would fail as well. It pauses, and says so once.
class accept_trouble {
 public:
  accept_trouble(const asio::any_io_executor& executor, const log_function& log, std::string name);

  awaitable<void> pause(const std::string& reason);
  void over();

 private:
  asio::steady_timer timer_;
  const log_function& log_;
  const std::string name_;
  bool lasts_ = false;
};

}  // namespace connection_limiter

#endif
