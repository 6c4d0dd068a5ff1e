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

// A fixed number of threads, each with an execution context of its own. Only one thread uses the
// objects of a context, so they need neither a strand nor a mutex.
class io_threads {
 public:
  explicit io_threads(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      asio::io_context& context = contexts_.emplace_back(1);
      work_.push_back(asio::make_work_guard(context));
      // Makes the context open its descriptors now, because later there may be none left.
      const asio::steady_timer first_use{context};
    }
  }

  // The number of descriptors that the contexts of n threads have open.
  static constexpr std::size_t descriptors(std::size_t n) noexcept { return 3 * n; }

  std::list<asio::io_context>& contexts() noexcept { return contexts_; }

  // Runs the contexts, the first one on the calling thread. Returns when finish() has been called
  // and no operation is outstanding. An exception from a handler terminates the program.
  void run() noexcept {
    std::vector<std::jthread> others;
    for (auto context = std::next(contexts_.begin()); context != contexts_.end(); ++context)
      others.emplace_back([&context = *context] { context.run(); });
    contexts_.front().run();
  }

  // Lets run() return when no operation is outstanding. Call it once, on any thread.
  void finish() { work_.clear(); }

 private:
  std::list<asio::io_context> contexts_;
  std::vector<asio::executor_work_guard<asio::io_context::executor_type>> work_;
};

}  // namespace connection_limiter

#endif
