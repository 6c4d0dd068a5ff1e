// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_IO_THREADS_HPP
#define CONNECTION_LIMITER_PROXY_IO_THREADS_HPP

#include "proxy/net.hpp"

#include <cstddef>
#include <list>
#include <thread>
#include <vector>

namespace connection_limiter {

// A number of threads, each with an execution context of its own. Whatever lives on one of the
// contexts is only ever touched by one thread, and needs neither a strand nor a lock.
class io_threads {
 public:
  explicit io_threads(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      asio::io_context& context = contexts_.emplace_back(1);
      work_.push_back(asio::make_work_guard(context));
      // Opens its descriptors now: later, there may be none left.
      const asio::steady_timer first_use{context};
    }
  }

  // How many descriptors the contexts of so many threads have open.
  static constexpr std::size_t descriptors(std::size_t n) noexcept { return 3 * n; }

  std::list<asio::io_context>& contexts() noexcept { return contexts_; }

  // Runs the contexts, the first on the calling thread, until finish() was called and nothing is
  // under way any more. What a handler throws ends the program.
  void run() noexcept {
    std::vector<std::jthread> others;
    for (auto context = std::next(contexts_.begin()); context != contexts_.end(); ++context)
      others.emplace_back([&context = *context] { context.run(); });
    contexts_.front().run();
  }

  // Lets run() return once nothing is under way. Called once, on any thread.
  void finish() { work_.clear(); }

 private:
  std::list<asio::io_context> contexts_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
};

}  // namespace connection_limiter

#endif
