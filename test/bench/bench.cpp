// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What turnstile costs, beside its floors (a bare post, a bare pair of swaps) and its peers, in one
// program. Names are <work>/<what>; the time of an iteration is that of one step of the work.

#include "keyed.hpp"
#include "peers.hpp"

#include <turnstile.hpp>
#include <turnstile/detail/lanes.hpp>

#include <benchmark/benchmark.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <numeric>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>

namespace {

using namespace bench;
using benchmark::State;
using io_executor = asio::io_context::executor_type;
using asio::use_awaitable;

constexpr long batch = 20'000;  // steps of a work that runs on a context

// ---- try: no context ----

void swap_pair(State& state) {
  std::atomic<std::uint64_t> word = 0;
  for (auto _ : state) {
    std::uint64_t w = word.load(std::memory_order_acquire);
    while (!word.compare_exchange_weak(w, w + 1, std::memory_order_acquire)) {
    }
    w = word.load(std::memory_order_relaxed);
    while (!word.compare_exchange_weak(w, w - 1, std::memory_order_release)) {
    }
  }
}

void try_std(State& state) {
  std::counting_semaphore<> s(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.try_acquire());
    s.release();
  }
}

void try_turnstile(State& state) {
  asio::io_context io;
  turnstile::basic_semaphore<io_executor> s(io, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(s.try_acquire());
    s.release();
  }
}

// ---- On a context ----

// A chain of acquires, each followed by a release.
template <typename Semaphore>
struct chain {
  Semaphore& s;
  long& left;
  void operator()(error_code) {
    s.release();
    if (--left > 0) s.async_acquire(*this);
  }
};

// The same, but so that the next acquire meets no permit.
template <typename Semaphore>
struct waiting_chain {
  Semaphore& s;
  long& left;
  void operator()(error_code) {
    if (--left > 0) s.async_acquire(*this);
    s.release();
  }
};

struct bare_chain {
  asio::io_context& io;
  long& left;
  void operator()() {
    if (--left > 0) asio::post(io, *this);
  }
};

void post(State& state, int chains, int hint) {
  asio::io_context io(hint);
  while (state.KeepRunningBatch(batch)) {
    long left = batch;
    io.restart();
    for (int i = 0; i != chains; ++i) asio::post(io, bare_chain{io, left});
    io.run();
  }
}

template <typename Semaphore, template <typename> typename Chain>
void acquires(State& state, int chains, int hint) {
  asio::io_context io(hint);
  Semaphore s(io.get_executor(), 1);
  while (state.KeepRunningBatch(batch)) {
    long left = batch;
    io.restart();
    for (int i = 0; i != chains; ++i) s.async_acquire(Chain<Semaphore>{s, left});
    io.run();
  }
}

template <typename Semaphore>
void callback(State& state) {
  acquires<Semaphore, chain>(state, 1, BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
}

template <typename Semaphore>
void handoff(State& state, int hint) {
  acquires<Semaphore, waiting_chain>(state, 8, hint);
}

// ---- Coroutines ----

// A coroutine that awaits what `step` makes, again and again.
template <typename Step>
void await_each(State& state, asio::io_context& io, Step step) {
  while (state.KeepRunningBatch(batch)) {
    io.restart();
    co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
          for (long i = 0; i != batch; ++i) co_await step();
        },
        asio::detached);
    io.run();
  }
}

void await_post(State& state) {
  asio::io_context io;
  await_each(state, io, [&] { return asio::post(io, use_awaitable); });
}

// What Asio itself takes for an awaitable<> that does nothing.
void await_nothing(State& state) {
  asio::io_context io;
  await_each(state, io, []() -> asio::awaitable<void> { co_return; });
}

template <typename Semaphore>
void await(State& state) {
  asio::io_context io;
  Semaphore s(io.get_executor(), 1);
  while (state.KeepRunningBatch(batch)) {
    io.restart();
    co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
          for (long i = 0; i != batch; ++i) {
            if constexpr (requires { s.async_acquire_permit(use_awaitable); }) {
              const auto permit = co_await s.async_acquire_permit(use_awaitable);
            } else {
              co_await s.async_acquire(use_awaitable);
              s.release();
            }
          }
        },
        asio::detached);
    io.run();
  }
}

// Sixteen coroutines, four permits; each posts once while it holds one.
template <typename Semaphore, typename Context>
void spawn_sixteen(Context& context, Semaphore& s, std::atomic<long>& left) {
  for (int k = 0; k != 16; ++k)
    co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
          while (left.fetch_sub(1, std::memory_order_relaxed) > 0) {
            if constexpr (requires { s.async_acquire_permit(use_awaitable); }) {
              const auto permit = co_await s.async_acquire_permit(use_awaitable);
              co_await asio::post(use_awaitable);
            } else {
              co_await s.async_acquire(use_awaitable);
              co_await asio::post(use_awaitable);
              s.release();
            }
          }
        },
        asio::detached);
}

template <typename Semaphore>
void handoff_await(State& state, int threads) {
  asio::io_context io;
  Semaphore s(io.get_executor(), 4);
  while (state.KeepRunningBatch(batch)) {
    std::atomic<long> left = batch;
    io.restart();
    spawn_sixteen(io, s, left);
    std::vector<std::thread> others;
    for (int i = 1; i < threads; ++i) others.emplace_back([&] { io.run(); });
    io.run();
    for (auto& t : others) t.join();
  }
}

template <typename Semaphore>
void handoff_await_pool(State& state) {
  while (state.KeepRunningBatch(batch)) {
    asio::thread_pool pool(2);
    Semaphore s(pool.get_executor(), 4);
    std::atomic<long> left = batch;
    spawn_sixteen(pool, s, left);
    pool.join();
  }
}

// ---- Many ----

void post_many(State& state) {
  asio::io_context io;
  while (state.KeepRunningBatch(1000)) {
    long called = 0;
    io.restart();
    for (int i = 0; i != 1000; ++i) asio::post(io, [&] { ++called; });
    io.run();
    benchmark::DoNotOptimize(called);
  }
}

void release_many(State& state) {
  asio::io_context io;
  turnstile::basic_semaphore<io_executor> s(io, 0);
  while (state.KeepRunningBatch(1000)) {
    state.PauseTiming();
    long called = 0;
    io.restart();
    for (int i = 0; i != 1000; ++i) s.async_acquire([&](error_code) { ++called; });
    state.ResumeTiming();
    s.release(1000);
    io.run();
    benchmark::DoNotOptimize(called);
  }
}

// Emits so many signals, in order or at random; prepare() connects one of them.
template <typename Prepare>
void emit(State& state, asio::io_context& io, bool at_random, Prepare prepare) {
  const auto n = static_cast<std::size_t>(state.range(0));
  std::vector<asio::cancellation_signal> signals(n);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t(0));
  if (at_random) std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(n))) {
    state.PauseTiming();
    // Neighbours in the queue are neighbours in memory, as they are at first. After a million frees, malloc
    // would hand out memory in the order of those.
    malloc_trim(0);
    for (auto& x : signals) prepare(x.slot());
    io.restart();
    state.ResumeTiming();
    for (const std::size_t i : order) signals[i].emit(asio::cancellation_type::terminal);
    state.PauseTiming();
    io.run();
    state.ResumeTiming();
  }
}

void cancel(State& state, bool at_random) {
  asio::io_context io;
  turnstile::basic_semaphore<io_executor> s(io, 0);
  emit(state, io, at_random, [&](asio::cancellation_slot slot) {
    s.async_acquire(asio::bind_cancellation_slot(slot, [](error_code) {}));
  });
}

// The floor: each cancelled wait has one block of the size of an operation, and posts it.
void cancel_posts(State& state, bool at_random) {
  asio::io_context io;
  emit(state, io, at_random, [&](asio::cancellation_slot slot) {
    auto block = std::make_unique<std::array<char, 128>>();
    slot.assign([&io, block = std::move(block)](asio::cancellation_type) mutable {
      if (block) asio::post(io, [b = std::move(block)] { benchmark::DoNotOptimize((*b)[0]); });
    });
  });
}

// Hand-offs with so many in the queue: what was served waits again, behind all others.
void depth(State& state) {
  const long n = state.range(0);
  asio::io_context io;
  turnstile::basic_semaphore<io_executor> s(io, 1);
  long left = 0;
  for (long i = 0; i != n; ++i) s.async_acquire(waiting_chain<decltype(s)>{s, left});
  while (state.KeepRunningBatch(batch)) {
    left = batch;
    io.restart();
    while (left > 0) io.run_one();
    // The one that is served now was counted out: it does not wait again.
    left = 1;
    s.async_acquire(waiting_chain<decltype(s)>{s, left});
  }
  io.stop();
}

// ---- Keys ----

// A waiter that is only queued.
struct bare_waiter final : turnstile::detail::lane_waiter {
  bare_waiter() : lane_waiter(1) {}
  bool deliver() noexcept override { return true; }
  void discard() noexcept override {}
  void post_resumption() noexcept override {}
};

// Fair hand-offs of one permit with so many lanes waiting, two waiters in each. What was served waits again. The
// lanes take turns in the order of their memory, or at random.
void fair_handoff(State& state, bool at_random) {
  const auto n = static_cast<std::size_t>(state.range(0));
  turnstile::detail::lanes queue({.total = 1});
  std::vector<turnstile::detail::lane> all(n);
  std::vector<bare_waiter> waiters(2 * n);
  std::vector<std::size_t> order(2 * n);
  std::iota(order.begin(), order.end(), std::size_t(0));
  if (at_random) std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  for (const std::size_t i : order) queue.enqueue(all[i % n], waiters[i]);
  auto* served = queue.next(1);
  queue.grant(*served);
  for (auto _ : state) {
    auto& l = served->get_lane();
    queue.give_back(l, 1);
    queue.enqueue(l, *served);
    served = queue.next(1);
    queue.grant(*served);
  }
  while (auto* const x = queue.front()) queue.erase(*x);
}

// ---- Memory ----

// What was allocated with it. Without a state, so that it adds nothing to what it counts.
inline std::size_t bytes = 0, blocks = 0;

template <typename T>
struct counting_allocator {
  using value_type = T;
  counting_allocator() = default;
  template <typename U>
  counting_allocator(const counting_allocator<U>&) {}
  T* allocate(std::size_t n) {
    bytes += n * sizeof(T);
    ++blocks;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
  template <typename U>
  bool operator==(const counting_allocator<U>&) const {
    return true;
  }
};

struct empty_handler {
  using allocator_type = counting_allocator<void>;
  allocator_type get_allocator() const { return {}; }
  void operator()(error_code) {}
};

template <typename Executor>
void memory(State& state) {
  while (state.KeepRunningBatch(1)) {
    asio::io_context io;
    turnstile::basic_semaphore<Executor> s(io, 0);
    bytes = blocks = 0;
    s.async_acquire(empty_handler());
    s.release();
    io.run();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
  state.counters["allocations"] = static_cast<double>(blocks);
}

template <typename Function, typename... Args>
auto* add(const std::string& name, Function f, Args... args) {
  return benchmark::RegisterBenchmark(name.c_str(), [=](State& s) { f(s, args...); })
      ->UseRealTime();
}

using semaphore = turnstile::basic_semaphore<io_executor>;
using pool_executor = asio::thread_pool::executor_type;

void register_all() {
  add("try/pair", swap_pair);
  add("try/std", try_std);
  add("try/turnstile", try_turnstile);

  add("callback/post", post, 1, BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("callback/turnstile", callback<semaphore>);
  add("callback/turnstile_any", callback<turnstile::semaphore>);
  add("callback/channel", callback<channel_semaphore<io_executor>>);
  add("callback/mutex", callback<mutex_semaphore<io_executor>>);
  add("callback/strand", callback<strand_semaphore<io_executor>>);

  add("await/post", await_post);
  add("await/nothing", await_nothing);
  add("await/turnstile", await<semaphore>);
  add("await/turnstile_any", await<turnstile::semaphore>);
  add("await/deferred", await<deferred_semaphore<io_executor>>);
  add("await/channel", await<channel_semaphore<io_executor>>);
  add("await/mutex", await<mutex_semaphore<io_executor>>);
  add("await/strand", await<strand_semaphore<io_executor>>);

  add("handoff/post", post, 8, BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("handoff/turnstile", handoff<semaphore>, BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("handoff/turnstile_any", handoff<turnstile::semaphore>, BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("handoff/channel", handoff<channel_semaphore<io_executor>>,
      BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("handoff/mutex", handoff<mutex_semaphore<io_executor>>, BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("handoff/strand", handoff<strand_semaphore<io_executor>>,
      BOOST_ASIO_CONCURRENCY_HINT_DEFAULT);
  add("handoff_hint_1/post", post, 8, 1);
  add("handoff_hint_1/turnstile", handoff<semaphore>, 1);
  add("handoff_hint_1/channel", handoff<channel_semaphore<io_executor>>, 1);

  add("handoff_await/turnstile", handoff_await<semaphore>, 1);
  add("handoff_await/turnstile_any", handoff_await<turnstile::semaphore>, 1);
  add("handoff_await/deferred", handoff_await<deferred_semaphore<io_executor>>, 1);
  add("handoff_await/channel", handoff_await<channel_semaphore<io_executor>>, 1);
  add("handoff_await/mutex", handoff_await<mutex_semaphore<io_executor>>, 1);
  add("handoff_await/strand", handoff_await<strand_semaphore<io_executor>>, 1);

  add("threads_io_context/turnstile", handoff_await<semaphore>, 2);
  add("threads_io_context/channel", handoff_await<channel_semaphore<io_executor>>, 2);
  add("threads_io_context/mutex", handoff_await<mutex_semaphore<io_executor>>, 2);
  add("threads_io_context/strand", handoff_await<strand_semaphore<io_executor>>, 2);
  add("threads_pool/turnstile", handoff_await_pool<turnstile::basic_semaphore<pool_executor>>);
  add("threads_pool/channel", handoff_await_pool<channel_semaphore<pool_executor>>);
  add("threads_pool/mutex", handoff_await_pool<mutex_semaphore<pool_executor>>);
  add("threads_pool/strand", handoff_await_pool<strand_semaphore<pool_executor>>);

  add("release_many/post", post_many);
  add("release_many/turnstile", release_many);
  for (const int n : {10'000, 100'000, 1'000'000}) {
    add("cancel_in_order/post", cancel_posts, false)->Arg(n);
    add("cancel_in_order/turnstile", cancel, false)->Arg(n);
    add("cancel_at_random/post", cancel_posts, true)->Arg(n);
    add("cancel_at_random/turnstile", cancel, true)->Arg(n);
  }
  for (const int n : {10, 1'000, 1'000'000}) add("depth/turnstile", depth)->Arg(n);
  for (const int n : {10, 1'000, 100'000}) {
    add("fair_handoff_in_order/turnstile", fair_handoff, false)->Arg(n);
    add("fair_handoff_at_random/turnstile", fair_handoff, true)->Arg(n);
  }
  register_keyed([](const auto&... args) { return add(args...); });
  add("memory/turnstile", memory<io_executor>)->Iterations(1);
  add("memory/turnstile_any", memory<asio::any_io_executor>)->Iterations(1);
}

}  // namespace

int main(int argc, char** argv) {
  // The counts of shared pointers are atomic from now on, as in every program with more than one thread.
  std::thread([] {}).join();
  register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
