// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The README's example: thirty queries, at most ten of them at once.

#include <boost/asio.hpp>
#include <iostream>
#include <turnstile.hpp>

boost::asio::awaitable<void> query(turnstile::semaphore& connections, int n) {
  auto permit = co_await connections.async_acquire_permit();
  std::cout << "query " << n << ": one of at most ten\n";
  boost::asio::steady_timer work(co_await boost::asio::this_coro::executor,
                                 std::chrono::milliseconds(50));
  co_await work.async_wait(boost::asio::use_awaitable);
}  // the permit releases itself here, also if an exception leaves

int main() {
  boost::asio::io_context io;
  turnstile::semaphore connections(io, 10);
  for (int n = 0; n < 30; ++n) co_spawn(io, query(connections, n), boost::asio::detached);
  io.run();
}
