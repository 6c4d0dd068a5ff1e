// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_HOSTS_HPP
#define TURNSTILE_EXAMPLE_RECIPES_HOSTS_HPP

// Recipe "A limit for each key".

#include "common.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

namespace recipes {

class hosts {
 public:
  explicit hosts(asio::any_io_executor executor)
      : limits_(std::move(executor), {.per_key = 2, .total = 100, .max_waiting_per_key = 50}) {}

  // Runs the request as soon as fewer than two others to the same host, and fewer than 100 in all, are
  // running. Returns false if too many wait already.
  awaitable<bool> fetch(std::string host, std::function<awaitable<void>()> request) {
    auto [ec, permit] =
        co_await limits_[std::move(host)].async_acquire_permit(asio::as_tuple(asio::deferred));
    if (ec == turnstile::errc::queue_full) co_return false;
    if (ec) throw boost::system::system_error(ec);
    co_await request();
    co_return true;
  }

  std::size_t size() const { return limits_.size(); }

 private:
  turnstile::keyed_semaphore<std::string> limits_;
};

// The same by hand, if the limits are semaphores of their own.
inline awaitable<void> fetch_by_hand(turnstile::semaphore& host, turnstile::semaphore& all,
                                     std::function<awaitable<void>()> request) {
  auto of_host = co_await host.async_acquire_permit();
  auto of_all = co_await all.async_acquire_permit();
  co_await request();
}

}  // namespace recipes

#endif
