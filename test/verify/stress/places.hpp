// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_STRESS_PLACES_HPP
#define TURNSTILE_TEST_STRESS_PLACES_HPP

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <optional>
#include <thread>
#include <vector>

namespace test {

using io_executor = boost::asio::io_context::executor_type;
using pool_executor = boost::asio::thread_pool::executor_type;

// An io_context and a pool, each of two threads.
class places {
 public:
  places() : guard_(io_->get_executor()) {
    for (int i = 0; i != 2; ++i) threads_.emplace_back([this] { io_->run(); });
  }
  ~places() { join(); }

  boost::asio::io_context& io() { return *io_; }
  boost::asio::thread_pool& pool() { return *pool_; }

  // When there is nothing more to come: runs what is left.
  void join() {
    guard_.reset();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    if (pool_) pool_->join();
  }

  // Whatever is left. First the context that semaphores are on: they know of the other one.
  void demolish(bool io_first) {
    io_->stop();
    pool_->stop();
    join();
    if (io_first) io_.reset();
    pool_.reset();
    io_.reset();
  }

 private:
  std::optional<boost::asio::io_context> io_{std::in_place};
  std::optional<boost::asio::thread_pool> pool_{std::in_place, 2};
  boost::asio::executor_work_guard<io_executor> guard_;
  std::vector<std::thread> threads_;
};

// What one wait is cancelled by: on its strand.
struct canceller {
  explicit canceller(places& p) : strand(p.pool().get_executor()) {}

  boost::asio::strand<pool_executor> strand;
  boost::asio::cancellation_signal signal;
};

}  // namespace test

#endif
