// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Stopping without breaking anything off: take on no more work, then wait until what is under way
// is done. A task that holds all permits knows that no other task holds one, so acquiring the whole limit
// is that wait, and since the queue is first come, first served, no later work can overtake it.

#include <turnstile.hpp>

#include <boost/asio.hpp>

#include <chrono>
#include <iostream>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;

awaitable<void> job(int n, turnstile::permit, int& running) {
  ++running;
  asio::steady_timer timer{co_await asio::this_coro::executor, n * 10ms};
  co_await timer.async_wait(use_awaitable);
  std::cout << "job " << n << " is done" << std::endl;
  --running;
}

// Takes on one job after the other, as permits allow, until it is told that it is over.
awaitable<void> work(turnstile::bounded_semaphore& semaphore, int& running) {
  for (int n = 1;; ++n) {
    auto [ec, permit] = co_await semaphore.async_acquire_permit(asio::as_tuple(use_awaitable));
    if (ec) {
      std::cout << "no job " << n << ": " << ec.message() << std::endl;
      co_return;
    }
    asio::co_spawn(semaphore.get_executor(), job(n, std::move(permit), running), asio::detached);
  }
}

awaitable<void> stop(turnstile::bounded_semaphore& semaphore, int& running) {
  asio::steady_timer timer{co_await asio::this_coro::executor, 100ms};
  co_await timer.async_wait(use_awaitable);

  std::cout << "stopping, " << semaphore.in_use() << " jobs are running" << std::endl;
  semaphore.cancel();  // ends the wait of those in the queue
  co_await semaphore.async_acquire(semaphore.limit(), use_awaitable);
  semaphore.close();  // turns later acquires away

  std::cout << "stopped, " << running << " jobs are running" << std::endl;
}

int main() {
  asio::io_context context;
  turnstile::bounded_semaphore semaphore{context, 3};
  int running = 0;
  asio::co_spawn(context, work(semaphore, running), asio::detached);
  asio::co_spawn(context, stop(semaphore, running), asio::detached);
  context.run();
}
