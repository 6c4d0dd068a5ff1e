// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Sixteen processes want more than 8 permits, each for 1 ms: throughput, beside that of 8 processes that have a timer of
// 1 ms and nothing else; and how far the shares are apart.

#include "../stored.hpp"
#include "figures.hpp"
#include "processes.hpp"

#include <turnstile/redis_semaphore.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace figures {

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::size_t limit = 8, processes = 16, chains = 4;
constexpr int repetitions = 3;

using counters = std::array<counter, processes>;

asio::awaitable<void> wait_only(counter& c) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;; ++c.value) {
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

asio::awaitable<void> hold(turnstile::shared_semaphore& s, counter& c) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (;; ++c.value) {
    const auto permit = co_await s.async_acquire_permit();
    timer.expires_after(1ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

void run_timers(counter& c) {
  asio::io_context io{1};
  asio::co_spawn(io, wait_only(c), asio::detached);
  io.run();
}

void run_holders(const std::string& url, const std::string& name, counter& c) {
  asio::io_context io{1};
  turnstile::redis_engine engine(io, {.url = url});
  turnstile::shared_semaphore s(io, engine, {.name = name, .limit = limit});
  for (std::size_t i = 0; i != chains; ++i) asio::co_spawn(io, hold(s, c), asio::detached);
  io.run();
}

// Calls a function every 10 ms for a time, and returns for each process how often it has counted in a second.
template <typename Function>
std::vector<double> rates(const counters& all, std::size_t n, std::chrono::seconds time,
                          Function f) {
  const auto start = steady_clock::now();
  std::vector<std::uint64_t> before;
  for (std::size_t i = 0; i != n; ++i) before.push_back(all[i].value);
  for (auto next = start; next < start + time; std::this_thread::sleep_until(next += 10ms)) f();
  const std::chrono::duration<double> passed = steady_clock::now() - start;
  std::vector<double> rates;
  for (std::size_t i = 0; i != n; ++i)
    rates.push_back(static_cast<double>(all[i].value - before[i]) / passed.count());
  return rates;
}

void wait_for_all(const counters& all, std::size_t n) {
  wait_until(
      [&] {
        return std::all_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n),
                           [](const counter& c) { return c.value > 0; });
      },
      "a process is granted nothing");
}

double sum(const std::vector<double>& all) {
  double s = 0;
  for (const double x : all) s += x;
  return s;
}

void measure_timers() {
  const shared_memory<counters> waits;
  std::vector<child> children;
  for (std::size_t i = 0; i != limit; ++i)
    children.emplace_back([&c = (*waits)[i]] { run_timers(c); });
  wait_for_all(*waits, limit);
  print("fair.timers", sum(rates(*waits, limit, 3s, [] {})));
}

void measure_holders(server& s, const std::string& name) {
  const shared_memory<counters> grants;
  std::vector<child> children;
  for (counter& c : *grants) children.emplace_back([&] { run_holders(s.url(), name, c); });
  wait_for_all(*grants, processes);
  std::this_thread::sleep_for(2s);

  int samples = 0, uneven = 0;
  const double redis_before = s.processor_time();
  const auto start = steady_clock::now();
  const std::vector<double> all = rates(*grants, processes, 6s, [&] {
    turnstile::detail::fleet::number least = limit, most = 0;
    const auto hash = read_stored(s.redis()({"HGETALL", "turnstile:{" + name + "}"}).texts());
    if (hash.state.sessions.size() != processes) throw std::runtime_error{"a process has left"};
    for (const auto& [id, session] : hash.state.sessions) {
      least = std::min(least, session.share);
      most = std::max(most, session.share);
    }
    ++samples;
    if (most - least > 1) ++uneven;
  });
  const std::chrono::duration<double> passed = steady_clock::now() - start;
  print("fair.redis", 100 * (s.processor_time() - redis_before) / passed.count());
  print("fair.grants", sum(all));
  const auto [least, most] = std::minmax_element(all.begin(), all.end());
  print("fair.least", *least);
  print("fair.most", *most);
  print("fair.samples", samples);
  print("fair.uneven", uneven);
}

}  // namespace

void measure_fair(server& s) {
  for (int i = 0; i != repetitions; ++i) {
    measure_timers();
    measure_holders(s, "fair" + std::to_string(i));
  }
}

}  // namespace figures
