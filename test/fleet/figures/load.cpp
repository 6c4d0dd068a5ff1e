// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Sixteen processes that acquire and release as fast as they can, each within its share: what Redis has to do.

#include "figures.hpp"
#include "processes.hpp"

#include <turnstile/redis_semaphore.hpp>

#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

namespace figures {

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr unsigned processes = 16, share = 8;
constexpr int repetitions = 3;

using counters = std::array<counter, processes>;

std::uint64_t sum(const counters& all) {
  return std::accumulate(all.begin(), all.end(), std::uint64_t{0},
                         [](std::uint64_t n, const counter& c) { return n + c.value; });
}

struct chain {
  turnstile::shared_semaphore& s;
  counter& grants;

  void operator()(const turnstile::error_code& ec) const {
    if (ec) throw boost::system::system_error(ec);
    grants.value.fetch_add(1, std::memory_order_relaxed);
    s.release();
    s.async_acquire(*this);
  }
};

void run(const std::string& url, counter& grants) {
  asio::io_context io{1};
  turnstile::redis_engine engine(io, {.url = url});
  turnstile::shared_semaphore s(io, engine, {.name = "load", .limit = processes * share});
  for (unsigned i = 0; i != share; ++i) s.async_acquire(chain{s, grants});
  io.run();
}

// Of one core, in percent.
double load_of(const server& s, steady_clock::duration time) {
  const auto start = steady_clock::now();
  const double before = s.processor_time();
  std::this_thread::sleep_for(time);
  const std::chrono::duration<double> passed = steady_clock::now() - start;
  return 100 * (s.processor_time() - before) / passed.count();
}

}  // namespace

void measure_load(server& s) {
  for (int i = 0; i != repetitions; ++i) print("load.redis_at_rest", load_of(s, 1s));

  const shared_memory<counters> grants;
  std::vector<child> children;
  for (counter& c : *grants) children.emplace_back([&] { run(s.url(), c); });
  wait_until(
      [&] { return std::ranges::all_of(*grants, [](const counter& c) { return c.value > 0; }); },
      "a process is granted nothing");
  std::this_thread::sleep_for(2s);
  for (int i = 0; i != repetitions; ++i) {
    const std::uint64_t before = sum(*grants);
    const auto start = steady_clock::now();
    print("load.redis", load_of(s, 6s));  // two renewals of each process
    const std::chrono::duration<double> passed = steady_clock::now() - start;
    print("load.grants", static_cast<double>(sum(*grants) - before) / passed.count());
  }
}

}  // namespace figures
