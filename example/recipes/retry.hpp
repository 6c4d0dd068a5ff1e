// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_RETRY_HPP
#define TURNSTILE_EXAMPLE_RECIPES_RETRY_HPP

// Recipe "Retry, but not too often".

#include "common.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <stdexcept>

namespace recipes {

inline awaitable<void> call(turnstile::semaphore& upstream, turnstile::bounded_semaphore& retries,
                            std::function<awaitable<bool>()> request) {
  for (auto pause = 1ms;; pause *= 2) {
    {
      auto permit = co_await upstream.async_acquire_permit();
      const bool done = co_await request();
      if (done) co_return;
    }  // the permit goes back before the pause
    if (!retries.try_acquire()) throw std::runtime_error("too many retries");
    co_await sleep_for(pause);
  }
}

// Gives back, one by one, what call() takes from `retries`.
inline awaitable<void> refill(turnstile::bounded_semaphore& retries, std::size_t each_second) {
  while (!retries.is_closed()) {
    co_await sleep_for(std::chrono::nanoseconds{1s} / each_second);
    error_code full;
    retries.release(full);
  }
}

}  // namespace recipes

#endif
