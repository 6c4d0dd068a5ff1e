// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_SHUTDOWN_HPP
#define TURNSTILE_EXAMPLE_RECIPES_SHUTDOWN_HPP

// Recipes "Drain at shutdown", "Ctrl-C" and "What to do on errc::closed".

#include "common.hpp"

#include <chrono>
#include <csignal>
#include <functional>

namespace recipes {

// Lets no more jobs start, and returns when no job holds a permit.
inline awaitable<void> drain(turnstile::bounded_semaphore& jobs) {
  jobs.cancel();  // ends the wait of the jobs in the queue
  auto all = co_await jobs.async_acquire_permit(jobs.limit());
  jobs.close();  // turns away the jobs that came meanwhile
}

// Like drain(), but waits no longer than `time`. Returns false if jobs may still be running.
inline awaitable<bool> drain_within(turnstile::bounded_semaphore& jobs,
                                    std::chrono::milliseconds time) {
  jobs.cancel();
  auto [ec, all] =
      co_await jobs.async_acquire_permit_for(time, jobs.limit(), asio::as_tuple(asio::deferred));
  jobs.close();
  co_return !ec;
}

// Waits for Ctrl-C or SIGTERM, and then until the jobs have ended.
inline awaitable<bool> drain_on_ctrl_c(turnstile::bounded_semaphore& jobs,
                                       std::chrono::milliseconds time) {
  {
    asio::signal_set signals{co_await asio::this_coro::executor, SIGINT, SIGTERM};
    co_await signals.async_wait(use_awaitable);
  }  // from here on, a second Ctrl-C ends the program at once
  co_return co_await drain_within(jobs, time);
}

inline awaitable<void> work(turnstile::semaphore& jobs, std::function<awaitable<void>()> job) {
  for (;;) {
    auto [ec, permit] = co_await jobs.async_acquire_permit(asio::as_tuple(asio::deferred));
    if (ec == turnstile::errc::closed) co_return;  // the end, and no error
    if (ec) throw boost::system::system_error(ec);
    co_await job();
  }
}

}  // namespace recipes

#endif
