// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// One limit for many processes: start this program several times. All of them together run at most ten queries at once.

#include <turnstile/redis_semaphore.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <exception>
#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> query(turnstile::shared_semaphore& connections, int n) {
  auto permit = co_await connections.async_acquire_permit();
  asio::steady_timer work(co_await asio::this_coro::executor, 50ms);
  co_await work.async_wait(asio::use_awaitable);
  std::cout << "query " << n << ": one of at most ten in all processes" << std::endl;
}  // the permit releases itself here

int main(int argc, char** argv) {
  asio::io_context io;
  turnstile::redis_engine engine(io, {.url = argc > 1 ? argv[1] : "redis://127.0.0.1:6379"});
  turnstile::shared_semaphore connections(io, engine, {.name = "db", .limit = 10, .lease = 3s});

  int left = 30;
  for (int n = 0; n < 30; ++n)
    asio::co_spawn(io, query(connections, n), [&](const std::exception_ptr& problem) {
      if (problem) std::cerr << "a query failed" << std::endl;
      if (--left == 0)
        // Gives the share back now. Otherwise the other processes get it when the lease ends.
        connections.async_leave([&](turnstile::error_code) { io.stop(); });
    });
  io.run();
}
