// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_ADAPTIVE_HPP
#define TURNSTILE_EXAMPLE_RECIPES_ADAPTIVE_HPP

// Recipe "A limit that finds itself".

#include "common.hpp"

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>

namespace recipes {

// What an error says about the upstream.
inline turnstile::adaptive_limit::outcome outcome_of(error_code ec) {
  using enum turnstile::adaptive_limit::outcome;
  if (ec == boost::system::errc::timed_out || ec == asio::error::connection_refused)
    return overloaded;
  return ec ? ignored : succeeded;
}

// Lets as many requests through to an upstream as it serves best.
class adaptive_upstream {
 public:
  adaptive_upstream(asio::any_io_executor executor, turnstile::adaptive_limit::settings settings)
      : adaptive_(settings), permits_(executor, adaptive_.limit()) {}

  awaitable<void> call(std::function<awaitable<void>()> request) {
    turnstile::permit permit = permits_.try_acquire_permit();
    if (!permit) {
      adaptive_.waited();
      permit = co_await permits_.async_acquire_permit();
    }
    const std::size_t in_use = permits_.in_use();
    const auto start = std::chrono::steady_clock::now();
    auto outcome = turnstile::adaptive_limit::outcome::ignored;
    std::exception_ptr failure;
    try {
      co_await request();
      outcome = turnstile::adaptive_limit::outcome::succeeded;
    } catch (const boost::system::system_error& error) {
      outcome = outcome_of(error.code());
      failure = std::current_exception();
    } catch (...) {
      failure = std::current_exception();
    }
    {
      // One after the other, so that the semaphore ends up with the latest limit.
      const std::scoped_lock lock(mutex_);
      permits_.set_limit(adaptive_.ended(start, std::chrono::steady_clock::now(), in_use, outcome));
    }
    permit.release();  // under the new limit
    if (failure) std::rethrow_exception(failure);
  }

  std::size_t limit() const { return adaptive_.limit(); }

 private:
  std::mutex mutex_;
  turnstile::adaptive_limit adaptive_;
  turnstile::bounded_semaphore permits_;
};

}  // namespace recipes

#endif
