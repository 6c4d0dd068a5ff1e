// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_BENCH_KEYED_HPP
#define TURNSTILE_TEST_BENCH_KEYED_HPP

// The works of a keyed semaphore.

#include "peers.hpp"

#include <turnstile/keyed_semaphore.hpp>

#include <benchmark/benchmark.h>

#include <boost/asio/io_context.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bench {

using benchmark::State;

// The keyed semaphore with the members of its peers.
template <typename Executor>
class keyed_turnstile {
 public:
  keyed_turnstile(const Executor& ex, std::size_t per_key) : s_(ex, {.per_key = per_key}) {}

  auto try_acquire_permit(std::uint64_t key) { return s_[key].try_acquire_permit(); }
  template <typename Handler>
  void async_acquire_permit(std::uint64_t key, Handler handler) {
    s_[key].async_acquire_permit(std::move(handler));
  }

 private:
  turnstile::basic_keyed_semaphore<std::uint64_t, Executor> s_;
};

inline constexpr std::uint64_t existing_keys = 1000;
inline constexpr long key_batch = 20'000;

// Neighbours in the order of the numbers are not neighbours in the order of the keys.
inline std::uint64_t key_number(std::uint64_t i) { return i * 0x9e3779b97f4a7c15; }

// Each key keeps one permit, and has another for the work.
template <typename Semaphore>
auto make_existing(Semaphore& s) {
  std::vector<decltype(s.try_acquire_permit(0))> held;
  held.reserve(existing_keys);
  for (std::uint64_t i = 0; i != existing_keys; ++i)
    held.push_back(s.try_acquire_permit(key_number(i)));
  return held;
}

// The next key of a thread: one that exists, or one that was never used.
struct next_key {
  bool is_new;
  std::uint64_t i;
  std::uint64_t operator()() {
    ++i;
    return key_number(is_new ? i + existing_keys : i % existing_keys);
  }
};

template <typename Semaphore>
void key_try(State& state, bool is_new) {
  boost::asio::io_context io;
  Semaphore s(io.get_executor(), 2);
  const auto held = make_existing(s);
  next_key next{is_new, 0};
  for (auto _ : state) benchmark::DoNotOptimize(bool(s.try_acquire_permit(next())));
}

template <typename Semaphore>
void key_try_threads(State& state, bool is_new) {
  boost::asio::io_context io;
  Semaphore s(io.get_executor(), 2);
  const auto held = make_existing(s);
  std::uint64_t round = 0;
  while (state.KeepRunningBatch(key_batch)) {
    ++round;
    const auto work = [&](std::uint64_t first) {
      next_key next{is_new, first};
      for (long i = 0; i != key_batch / 2; ++i)
        benchmark::DoNotOptimize(bool(s.try_acquire_permit(next())));
    };
    std::thread other(work, (round << 33) + (std::uint64_t(1) << 32) + existing_keys / 2);
    work(round << 33);
    other.join();
  }
}

template <typename Semaphore>
struct key_chain {
  Semaphore& s;
  next_key& next;
  long& left;
  template <typename Permit>
  void operator()(error_code, Permit p) {
    p.release();
    if (--left > 0) s.async_acquire_permit(next(), *this);
  }
};

template <typename Semaphore>
void key_callback(State& state, bool is_new) {
  boost::asio::io_context io;
  Semaphore s(io.get_executor(), 2);
  const auto held = make_existing(s);
  next_key next{is_new, 0};
  while (state.KeepRunningBatch(key_batch)) {
    long left = key_batch;
    io.restart();
    s.async_acquire_permit(next(), key_chain<Semaphore>{s, next, left});
    io.run();
  }
}

// Hand-offs of one permit with so many keys waiting, one acquire of each: what was served waits again.
using key_semaphore =
    turnstile::basic_keyed_semaphore<std::uint64_t, boost::asio::io_context::executor_type>;

struct key_waiting_chain {
  key_semaphore& s;
  std::uint64_t key;
  long& left;
  void operator()(error_code, turnstile::permit p) {
    if (--left > 0) s[key].async_acquire_permit(*this);
    p.release();
  }
};

inline void key_handoff(State& state) {
  const auto n = static_cast<std::uint64_t>(state.range(0));
  boost::asio::io_context io;
  key_semaphore s(io.get_executor(), {.per_key = 1, .total = 1});
  long left = 0;
  auto first = s[0].try_acquire_permit();
  for (std::uint64_t i = 1; i <= n; ++i)
    s[key_number(i)].async_acquire_permit(key_waiting_chain{s, key_number(i), left});
  first.release();
  while (state.KeepRunningBatch(key_batch)) {
    left = key_batch;
    io.restart();
    while (left > 0) io.run_one();
    // The one that is served now was counted out: it does not wait again.
    left = 1;
    s[key_number(0)].async_acquire_permit(key_waiting_chain{s, key_number(0), left});
  }
  io.stop();
}

// add(name, function, arguments...)
template <typename Add>
void register_keyed(Add add) {
  using executor = boost::asio::io_context::executor_type;
  using ours = keyed_turnstile<executor>;
  using map = map_semaphore<std::uint64_t, executor, false>;
  using map_removing = map_semaphore<std::uint64_t, executor, true>;
  for (const bool is_new : {false, true}) {
    const std::string end = is_new ? "_new" : "";
    add("key_try" + end + "/turnstile", key_try<ours>, is_new);
    add("key_try" + end + "/map_removing", key_try<map_removing>, is_new);
    add("key_threads" + end + "/turnstile", key_try_threads<ours>, is_new);
    add("key_threads" + end + "/map_removing", key_try_threads<map_removing>, is_new);
    add("key_callback" + end + "/turnstile", key_callback<ours>, is_new);
    add("key_callback" + end + "/map_removing", key_callback<map_removing>, is_new);
    if (is_new) continue;  // the table would only grow
    add("key_try/map", key_try<map>, is_new);
    add("key_threads/map", key_try_threads<map>, is_new);
    add("key_callback/map", key_callback<map>, is_new);
  }
  for (const int n : {10, 1'000, 100'000}) add("key_handoff/turnstile", key_handoff)->Arg(n);
}

}  // namespace bench

#endif
