// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Two time limits: one for the wait for a permit, and one for the wait and the work together.

#include "recipes/timeouts.hpp"

#include <chrono>
#include <iostream>

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

awaitable<void> work() {
  std::cout << "working" << std::endl;
  co_await recipes::sleep_for(1s);
  std::cout << "finished" << std::endl;
}

awaitable<void> visits(turnstile::semaphore& semaphore) {
  turnstile::permit taken = semaphore.try_acquire_permit();
  turnstile::permit refused = co_await recipes::acquire_within(semaphore, 20ms);
  std::cout << "no permit is free:   " << (refused ? "got one" : "gave up after 20 ms")
            << std::endl;

  taken.release();
  turnstile::permit granted = co_await recipes::acquire_within(semaphore, 20ms);
  std::cout << "one permit is free:  " << (granted ? "got it" : "gave up after 20 ms") << std::endl;

  granted.release();
  try {
    co_await recipes::visit_within(semaphore, 20ms, work);
  } catch (const boost::system::system_error& e) {
    std::cout << "1 s of work in 20 ms: " << e.code().message() << std::endl;
  }
}

int main() {
  asio::io_context context;  // one thread runs it, so no strand is needed here
  turnstile::semaphore semaphore{context, 1};
  asio::co_spawn(context, visits(semaphore), asio::detached);
  context.run();
}
