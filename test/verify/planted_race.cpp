// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Built for ThreadSanitizer only: a race on purpose. Two threads, each with a permit of a semaphore
// of two, write to one variable. A semaphore of two does not keep them apart, so it must be reported.

#include <turnstile/semaphore.hpp>

#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <thread>

int main() {
  boost::asio::thread_pool pool(1);
  turnstile::basic_semaphore<boost::asio::thread_pool::executor_type> semaphore(pool.get_executor(),
                                                                                2);
  std::atomic<int> inside = 0;
  volatile int shared = 0;  // so that each of the writes is made
  auto write = [&] {
    turnstile::permit held = semaphore.try_acquire_permit();
    inside.fetch_add(1, std::memory_order_relaxed);  // relaxed: orders nothing, only waits
    while (inside.load(std::memory_order_relaxed) != 2) std::this_thread::yield();
    // Often: a single pair, made at the same moment, may slip through unseen.
    for (int i = 0; i != 1000; ++i) shared = shared + 1;
  };
  std::thread one(write);
  std::thread other(write);
  one.join();
  other.join();
}
