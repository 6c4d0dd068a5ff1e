// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_TIMEOUTS_HPP
#define TURNSTILE_EXAMPLE_RECIPES_TIMEOUTS_HPP

// Recipes "Give up after a while" and "A time limit for the whole work".

#include "common.hpp"

#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/version.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <utility>

namespace recipes {

// Completes with an empty permit if none became free in time.
inline awaitable<turnstile::permit> acquire_within(turnstile::semaphore& semaphore,
                                                   std::chrono::milliseconds patience) {
  auto [ec, permit] =
      co_await semaphore.async_acquire_permit_for(patience, asio::as_tuple(asio::deferred));
  if (ec && ec != turnstile::errc::timed_out) throw boost::system::system_error(ec);
  co_return std::move(permit);
}

// Calls the handler with an empty permit if none became free in time.
inline void acquire_within(turnstile::semaphore& semaphore, std::chrono::milliseconds patience,
                           std::function<void(turnstile::permit)> handler) {
  semaphore.async_acquire_permit_for(
      patience, [handler = std::move(handler)](error_code, turnstile::permit permit) {
        handler(std::move(permit));
      });
}

inline awaitable<void> visit(turnstile::semaphore& semaphore,
                             std::function<awaitable<void>()> work) {
  auto permit = co_await semaphore.async_acquire_permit();
  co_await work();
}

// Waits for a permit and works, both within `time`. Run this coroutine on a strand.
inline awaitable<void> visit_within(turnstile::semaphore& semaphore, std::chrono::milliseconds time,
                                    std::function<awaitable<void>()> work) {
  const auto strand = co_await asio::this_coro::executor;
#if BOOST_VERSION >= 108600
  co_await asio::co_spawn(strand, visit(semaphore, std::move(work)),
                          asio::cancel_after(time, use_awaitable));
#else
  asio::steady_timer timer{strand, time};
  auto [order, failed, ec] =
      co_await asio::experimental::make_parallel_group(
          asio::co_spawn(strand, visit(semaphore, std::move(work)), asio::deferred),
          timer.async_wait(asio::deferred))
          .async_wait(asio::experimental::wait_for_one(), use_awaitable);
  if (failed) std::rethrow_exception(failed);
#endif
}

}  // namespace recipes

#endif
