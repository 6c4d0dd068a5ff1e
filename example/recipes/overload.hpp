// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_OVERLOAD_HPP
#define TURNSTILE_EXAMPLE_RECIPES_OVERLOAD_HPP

// Recipes "Reserve permits for important requests", "Drop requests that waited too long" and "Tell clients when to
// come back".

#include "common.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <utility>

namespace recipes {

class priorities {
 public:
  // Ordinary requests hold at most `limit - reserved` permits.
  priorities(const asio::any_io_executor& executor, std::size_t limit, std::size_t reserved)
      : all_(executor, limit), ordinary_(executor, limit - reserved) {}

  awaitable<void> run_important(std::function<awaitable<void>()> request) {
    auto permit = co_await all_.async_acquire_permit();
    co_await request();
  }

  awaitable<void> run_ordinary(std::function<awaitable<void>()> request) {
    auto allowed = co_await ordinary_.async_acquire_permit();  // first: see below
    auto permit = co_await all_.async_acquire_permit();
    co_await request();
  }

 private:
  turnstile::bounded_semaphore all_;
  turnstile::bounded_semaphore ordinary_;
};

// Runs the request, unless it waited longer than `patience`. Returns whether the request ran.
inline awaitable<bool> run_in_time(turnstile::semaphore& slots, std::chrono::milliseconds patience,
                                   std::function<awaitable<void>()> request) {
  const auto arrived = std::chrono::steady_clock::now();
  auto permit = co_await slots.async_acquire_permit();
  const auto waited = std::chrono::steady_clock::now() - arrived;
  if (waited > patience) co_return false;  // the permit goes to the next request
  co_await request();
  co_return true;
}

// How long a refused client should wait before it tries again. `hold` is the mean time that a request holds
// its permit.
inline std::chrono::seconds retry_after(const turnstile::bounded_semaphore& slots,
                                        std::chrono::milliseconds hold) {
  const std::size_t limit = slots.limit();
  if (limit == 0) return std::chrono::minutes(1);
  return std::chrono::ceil<std::chrono::seconds>(hold * (slots.waiting() + 1) / limit);
}

}  // namespace recipes

#endif
