// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The well-known tutorial of asyncio.Semaphore, for Asio: ten tasks, at most two of them at once.
// Each task waits for a random time below one second and prints that time. In Python:
//
//     async def task(n, semaphore):
//         async with semaphore:
//             x = random.random()
//             await asyncio.sleep(x)
//             print(f"Task {n} got {x}")
//
// An argument scales the times: with `asyncio_tutorial 0.01`, they are a hundred times shorter.

#include <turnstile.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <iostream>
#include <random>
#include <string>

namespace asio = boost::asio;
using asio::use_awaitable;

double random_number() {
  static std::mt19937 engine{std::random_device{}()};
  return std::uniform_real_distribution<>{}(engine);
}

asio::awaitable<void> task(int n, turnstile::semaphore& semaphore, double scale) {
  // Waits until one of the two permits is free. The permit goes back at the end of the scope.
  turnstile::permit permit = co_await semaphore.async_acquire_permit();

  const double x = random_number();
  const std::chrono::duration<double> time{x * scale};
  asio::steady_timer timer{semaphore.get_executor(),
                           std::chrono::ceil<std::chrono::steady_clock::duration>(time)};
  co_await timer.async_wait(use_awaitable);
  std::cout << "Task " << n << " got " << x << std::endl;
}

int main(int argc, char* argv[]) {
  const double scale = argc > 1 ? std::stod(argv[1]) : 1.0;

  asio::io_context context;
  turnstile::semaphore semaphore{context, 2};
  for (int n = 0; n < 10; ++n) asio::co_spawn(context, task(n, semaphore, scale), asio::detached);
  context.run();
}
