// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_PARALLEL_FOR_HPP
#define TURNSTILE_EXAMPLE_RECIPES_PARALLEL_FOR_HPP

// Recipe "Run many, and wait for all".

#include "common.hpp"

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace recipes {

// What the children of one parallel_for() share. It lives as long as the last of them.
class shared_by_children {
 public:
  explicit shared_by_children(std::function<awaitable<void>(std::size_t)> work)
      : work_(std::move(work)) {}

  // The permit is part of the child's frame, and goes back with it.
  static awaitable<void> child(std::shared_ptr<shared_by_children> shared, std::size_t i,
                               turnstile::permit) {
    co_await shared->work_(i);
  }

  void failed(std::exception_ptr error) {
    const std::scoped_lock lock{mutex_};
    if (!first_error_) first_error_ = std::move(error);
  }

  std::exception_ptr first_error() {
    const std::scoped_lock lock{mutex_};
    return first_error_;
  }

 private:
  const std::function<awaitable<void>(std::size_t)> work_;
  std::mutex mutex_;
  std::exception_ptr first_error_;
};

// Runs work(0) to work(n - 1) on `executor`, each in a coroutine of its own that holds a permit of
// `limit`. Returns when all of these children have ended, even if it is cancelled before.
inline awaitable<void> parallel_for(asio::any_io_executor executor, turnstile::semaphore& limit,
                                    std::size_t n,
                                    std::function<awaitable<void>(std::size_t)> work) {
  const auto shared = std::make_shared<shared_by_children>(std::move(work));
  turnstile::bounded_semaphore running{executor, n};  // one permit for each child
  std::exception_ptr error;
  try {
    for (std::size_t i = 0; i < n && !shared->first_error(); ++i) {
      auto permit = co_await limit.async_acquire_permit();
      asio::co_spawn(executor, shared_by_children::child(shared, i, std::move(permit)),
                     [shared, ended = running.try_acquire_permit()](std::exception_ptr failure) {
                       if (failure) shared->failed(std::move(failure));
                     });
    }
  } catch (...) {
    error = std::current_exception();  // cancelled, or `limit` was closed
  }

  // The children may use variables of this coroutine and of its callers. So this wait ignores every
  // cancellation: it has no slot for one that comes, and does not throw because of one that came.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  co_await running.async_acquire(
      n, asio::bind_cancellation_slot(asio::cancellation_slot(), use_awaitable));
  co_await asio::this_coro::throw_if_cancelled(throws);

  if (shared->first_error()) error = shared->first_error();
  if (error) std::rethrow_exception(error);
}

}  // namespace recipes

#endif
