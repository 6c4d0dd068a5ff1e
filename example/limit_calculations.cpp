// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Heavy calculations on a thread pool, a few at once, so that the pool's other threads stay free
// for other work. Futures: the main thread waits for a permit before it hands in the next
// calculation, so nothing piles up, and collects the results in the end.
//
//     limit_calculations [calculations [at once]]

#include <turnstile.hpp>

#include <boost/asio.hpp>

#include <atomic>
#include <future>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;

std::atomic<int> running{0};
std::atomic<int> most{0};

// How many primes there are below n, found the slow way.
int count_primes(int n) {
  const int now = ++running;
  int seen = most;
  while (seen < now && !most.compare_exchange_weak(seen, now)) continue;

  int primes = 0;
  for (int candidate = 2; candidate < n; ++candidate) {
    bool prime = true;
    for (int divisor = 2; divisor * divisor <= candidate && prime; ++divisor)
      prime = candidate % divisor != 0;
    primes += prime;
  }
  --running;
  return primes;
}

int main(int argc, char* argv[]) try {
  const int calculations = argc > 1 ? std::stoi(argv[1]) : 20;
  const int at_once = argc > 2 ? std::stoi(argv[2]) : 2;

  asio::thread_pool pool{4};
  turnstile::semaphore semaphore{pool, static_cast<std::size_t>(at_once)};

  std::vector<std::future<int>> results;
  for (int i = 1; i <= calculations; ++i) {
    std::future<turnstile::permit> permit = semaphore.async_acquire_permit(asio::use_future);
    // The permit travels with the calculation and is given back after it.
    auto calculation = [n = i * 10000, permit = permit.get()] { return count_primes(n); };
    results.push_back(asio::post(pool, asio::use_future(std::move(calculation))));
  }

  for (int i = 1; i <= calculations; ++i)
    std::cout << results[static_cast<std::size_t>(i - 1)].get() << " primes below " << i * 10000
              << '\n';
  std::cout << "at most " << most << " calculations at once" << std::endl;
} catch (const std::exception& e) {
  std::cerr << "limit_calculations: " << e.what() << std::endl;
  return 1;
}
