// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_COMMON_HPP
#define TURNSTILE_EXAMPLE_RECIPES_COMMON_HPP

// What all recipes use.

#include <turnstile.hpp>

#include <boost/asio.hpp>

#include <chrono>

namespace recipes {

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;

inline awaitable<void> sleep_for(std::chrono::steady_clock::duration time) {
  asio::steady_timer timer{co_await asio::this_coro::executor, time};
  co_await timer.async_wait(use_awaitable);
}

}  // namespace recipes

#endif
