// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A process that uses all permits is killed: the time until another one, which waits for them, uses all.

#include "figures.hpp"
#include "processes.hpp"

#include <turnstile/redis_semaphore.hpp>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>

namespace figures {

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr unsigned limit = 8;
constexpr std::chrono::milliseconds lease = 3s;
constexpr int repetitions = 9;

using counter = std::atomic<unsigned>;

// Acquires all permits one by one, and keeps them.
void run(const std::string& url, const std::string& name, counter& started, counter& used) {
  asio::io_context io{1};
  turnstile::redis_engine engine(io, {.url = url});
  turnstile::shared_semaphore s(io, engine, {.name = name, .limit = limit, .lease = lease});
  for (unsigned i = 0; i != limit; ++i)
    s.async_acquire([&](const turnstile::error_code& ec) {
      if (ec) throw boost::system::system_error(ec);
      ++used;
    });
  ++started;
  io.run();
}

struct counters {
  counter started{0}, first{0}, second{0};
};

double measure(const std::string& url, const std::string& name, std::chrono::milliseconds delay) {
  const shared_memory<counters> n;
  child first([&] { run(url, name, n->started, n->first); });
  wait_until([&] { return n->first == limit; }, "the first process did not get all permits");
  const child second([&] { run(url, name, n->started, n->second); });
  wait_until([&] { return n->started == 2; }, "the second process did not start");
  std::this_thread::sleep_for(delay);
  if (n->second != 0) throw std::runtime_error{"more permits than the limit"};
  const auto start = steady_clock::now();
  first.kill();
  wait_until([&] { return n->second == limit; }, "the second process did not get all permits");
  return std::chrono::duration<double>(steady_clock::now() - start).count();
}

}  // namespace

void measure_crash(server& s) {
  std::mt19937 random(std::random_device{}());
  print("crash.lease", std::chrono::duration<double>(lease).count());
  // At any time between two renewals of the lease.
  std::uniform_int_distribution<int> after(0, static_cast<int>((lease / 5).count()));
  for (int i = 0; i != repetitions; ++i)
    print("crash.time", measure(s.url(), "crash" + std::to_string(i),
                                500ms + std::chrono::milliseconds(after(random))));
}

}  // namespace figures
