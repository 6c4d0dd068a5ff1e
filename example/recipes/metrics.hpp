// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_METRICS_HPP
#define TURNSTILE_EXAMPLE_RECIPES_METRICS_HPP

// Recipe "Count and time acquires".

#include "common.hpp"

#include <chrono>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>

namespace recipes {

class measured_database {
 public:
  explicit measured_database(asio::any_io_executor executor)
      : connections_(std::move(executor), 10) {
    connections_.set_max_waiting(1000);
  }

  awaitable<void> query(std::function<awaitable<void>()> work) {
    auto permit = co_await turnstile::measured(connections_, waits_).async_acquire_permit();
    co_await work();
  }

  // One line for each metric. Call it once a minute.
  std::string metrics() {
    const std::scoped_lock lock(mutex_);
    const auto now = waits_.read();
    const auto minute = now.since(std::exchange(last_, now));
    std::ostringstream out;
    out << "granted " << now.granted << "\nrefused " << now.full << "\nin_use "
        << connections_.in_use() << "\nwaiting " << connections_.waiting() << "\nwait_p99_us "
        << minute.quantile(0.99) / std::chrono::microseconds(1) << '\n';
    return out.str();
  }

 private:
  turnstile::bounded_semaphore connections_;
  turnstile::wait_statistics waits_;
  std::mutex mutex_;
  turnstile::wait_statistics::reading last_;
};

}  // namespace recipes

#endif
