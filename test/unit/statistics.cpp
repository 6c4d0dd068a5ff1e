// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What wait_statistics reports is true, and a measured semaphore acquires like the semaphore itself.

#define BOOST_TEST_MODULE statistics
#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <future>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using turnstile::acquirable;
using turnstile::bounded_semaphore;
using turnstile::errc;
using turnstile::error_code;
using turnstile::measured;
using turnstile::permit;
using turnstile::semaphore;
using turnstile::wait_statistics;
using namespace std::chrono_literals;

static_assert(acquirable<semaphore>);
static_assert(acquirable<bounded_semaphore>);
static_assert(acquirable<turnstile::basic_semaphore<asio::io_context::executor_type>>);
static_assert(acquirable<turnstile::measured_semaphore<semaphore>>);
static_assert(acquirable<turnstile::measured_semaphore<bounded_semaphore>>);
static_assert(!acquirable<int>);
static_assert(!acquirable<permit>);

namespace {

// Whether the quantiles of these waits are within 5 % of the truth.
bool is_accurate(std::vector<std::int64_t> waits) {
  wait_statistics stats;
  for (const std::int64_t w : waits) stats.add({}, std::chrono::nanoseconds(w));
  std::sort(waits.begin(), waits.end());
  const auto r = stats.read();
  bool accurate = r.granted == waits.size() && r.longest().count() == waits.back();
  for (const double q : {0.0, 0.001, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(waits.size())));
    const auto truth = static_cast<double>(waits[std::max<std::size_t>(rank, 1) - 1]);
    const double reported = static_cast<double>(r.quantile(q).count());
    if (std::abs(reported - truth) > 0.05 * truth) {
      BOOST_TEST_MESSAGE("quantile " << q << ": " << reported << " instead of " << truth);
      accurate = false;
    }
  }
  return accurate;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quantiles)

BOOST_AUTO_TEST_CASE(quantiles_of_nothing_are_zero) {
  wait_statistics stats;
  const auto r = stats.read();
  BOOST_TEST(r.granted == 0u);
  BOOST_TEST((r.quantile(0.5) == 0ns && r.mean() == 0ns && r.longest() == 0ns));
}

BOOST_AUTO_TEST_CASE(quantiles_of_one_wait_are_that_wait) {
  for (double w = 1000; w < 3.7e12; w *= 1.01) BOOST_TEST_REQUIRE(is_accurate({std::int64_t(w)}));
}

BOOST_AUTO_TEST_CASE(quantiles_are_within_five_percent_from_1_us_to_1_h) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> exponent(std::log(1e3), std::log(3.6e12));
  std::exponential_distribution<double> exponential(1);
  std::vector<std::int64_t> even, around_1_ms, two_groups;
  for (int i = 0; i != 20'000; ++i) {
    even.push_back(static_cast<std::int64_t>(std::exp(exponent(random))));
    around_1_ms.push_back(1000 + static_cast<std::int64_t>(1e6 * exponential(random)));
    two_groups.push_back(i % 100 ? 2000 + i % 7 : 3'600'000'000'000 - i);
  }
  BOOST_TEST(is_accurate(even));
  BOOST_TEST(is_accurate(around_1_ms));
  BOOST_TEST(is_accurate(two_groups));
}

BOOST_AUTO_TEST_CASE(quantiles_of_the_limits_of_all_buckets) {
  for (unsigned bits = 10; bits <= 42; ++bits)
    for (std::int64_t sixteenth = 16; sixteenth != 32; ++sixteenth) {
      const std::int64_t lowest = sixteenth << (bits - 5);
      // Another one, longer, so that the value is not the longest, which is exact.
      for (const std::int64_t w : {lowest, lowest - 1, lowest + 1})
        if (w >= 1000 && w <= 3'600'000'000'000)
          BOOST_TEST_REQUIRE(is_accurate({w, w, w, 3'600'000'000'000}));
    }
}

BOOST_AUTO_TEST_CASE(quantiles_take_any_argument_and_any_wait) {
  wait_statistics stats;
  stats.add({}, -1s);
  stats.add({}, 5ns);
  stats.add({}, std::chrono::nanoseconds::max());
  const auto r = stats.read();
  BOOST_TEST(r.granted == 3u);
  BOOST_TEST((r.longest() == std::chrono::nanoseconds::max()));
  for (const double q : {-1.0, 0.0, -std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN()})
    BOOST_TEST((r.quantile(q) <= 20ns));
  for (const double q : {1.0, 2.0, std::numeric_limits<double>::infinity()})
    BOOST_TEST((r.quantile(q) == std::chrono::nanoseconds::max()));
  wait_statistics zero;
  zero.add({}, 0ns);
  BOOST_TEST((zero.read().quantile(0.5) == 0ns));
}

// No bucket tells them apart.
BOOST_AUTO_TEST_CASE(waits_of_hours_count_as_the_longest) {
  wait_statistics stats;
  for (const auto w : {2h, 3h, 5h}) stats.add({}, w);
  const auto r = stats.read();
  BOOST_TEST((r.quantile(0.1) == 5h));
  BOOST_TEST(r.within(4h) == 0u);
  BOOST_TEST(r.within(5h) == 3u);
  stats.add({}, 4h);
  const auto later = stats.read().since(r);
  BOOST_TEST(later.granted == 1u);
  BOOST_TEST((later.longest() == 5h));
}

BOOST_AUTO_TEST_CASE(the_mean_is_exact) {
  wait_statistics stats;
  for (const auto w : {1ms, 2ms, 6ms}) stats.add({}, w);
  BOOST_TEST((stats.read().mean() == 3ms));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(counters)

BOOST_AUTO_TEST_CASE(the_waits_within_a_time_are_counted_to_five_percent) {
  turnstile::wait_statistics stats;
  BOOST_TEST(stats.read().within(1h) == 0u);
  for (int i = 1; i <= 1000; ++i) stats.add({}, i * 1ms);
  const auto r = stats.read();
  BOOST_TEST((r.sum() == 500'500ms));
  std::uint64_t before = 0;
  for (int i = 0; i <= 1000; ++i) {
    const std::uint64_t n = r.within(i * 1ms);
    BOOST_TEST(n >= before);
    BOOST_TEST(std::abs(static_cast<double>(n) - i) <= 0.05 * i + 1);
    before = n;
  }
  BOOST_TEST(r.within(1000ms) == 1000u);
  BOOST_TEST(r.within(-1ms) == 0u);
  BOOST_TEST(r.within(2h) == 1000u);
}

BOOST_AUTO_TEST_CASE(a_reading_since_another_has_what_came_between) {
  turnstile::wait_statistics stats;
  stats.add({}, 10s);
  stats.add(errc::closed, 0ns);
  const auto before = stats.read();
  BOOST_TEST((stats.read().since(before).quantile(0.99) == 0ns));
  for (int i = 1; i <= 100; ++i) stats.add({}, i * 1ms);
  stats.add(errc::queue_full, 0ns);
  const auto r = stats.read().since(before);
  BOOST_TEST(r.granted == 100u);
  BOOST_TEST(r.closed == 0u);
  BOOST_TEST(r.full == 1u);
  BOOST_TEST((r.mean() == 50'500us));
  BOOST_TEST(std::abs(r.longest() / 1ms - 100) <= 5);
  BOOST_TEST(std::abs(r.quantile(0.5) / 1ms - 50) <= 3);
  stats.add({}, 20s);
  BOOST_TEST((stats.read().since(before).longest() == 20s));
}

BOOST_AUTO_TEST_CASE(counters_tell_the_outcomes_apart) {
  wait_statistics stats;
  const auto add = [&](int times, error_code ec) {
    for (int i = 0; i != times; ++i) stats.add(ec, 1h);
  };
  add(1, asio::error::operation_aborted);
  add(2, errc::closed);
  add(3, errc::exceeds_limit);
  add(4, errc::queue_full);
  add(5, errc::timed_out);
  add(6, errc::over_release);
  add(1, asio::error::eof);
  const auto r = stats.read();
  BOOST_TEST(r.granted == 0u);
  BOOST_TEST(r.aborted == 1u);
  BOOST_TEST(r.closed == 2u);
  BOOST_TEST(r.exceeding == 3u);
  BOOST_TEST(r.full == 4u);
  BOOST_TEST(r.timed_out == 5u);
  BOOST_TEST(r.other == 7u);
  BOOST_TEST((r.longest() == 0ns));
}

BOOST_AUTO_TEST_CASE(counters_are_exact_and_never_decrease) {
  const test::watchdog w;
  wait_statistics stats;
  constexpr int threads = 4, each = 50'000;
  std::atomic<bool> stop{false};
  std::atomic<int> decreased{0}, absurd{0};
  std::thread reader([&] {
    auto before = stats.read();
    while (!stop) {
      const auto now = stats.read();
      decreased += now.granted < before.granted || now.closed < before.closed ||
                   now.aborted < before.aborted || now.longest() < before.longest();
      absurd += now.granted != 0 && (now.quantile(0.5) > now.longest() || now.longest() == 0ns);
      before = now;
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t != threads; ++t)
    writers.emplace_back([&, t] {
      for (int i = 0; i != each; ++i) {
        stats.add({}, (1 + i + t) * 1us);
        if (i % 2) stats.add(errc::closed, 0ns);
        if (i % 5 == 0) stats.add(asio::error::operation_aborted, 0ns);
      }
    });
  for (std::thread& t : writers) t.join();
  stop = true;
  reader.join();
  const auto r = stats.read();
  BOOST_TEST(r.granted == std::uint64_t(threads * each));
  BOOST_TEST(r.closed == std::uint64_t(threads * each / 2));
  BOOST_TEST(r.aborted == std::uint64_t(threads * each / 5));
  BOOST_TEST((r.longest() == (each + threads - 1) * 1us));
  BOOST_TEST(decreased == 0);
  BOOST_TEST(absurd == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(a_measured_semaphore)

BOOST_AUTO_TEST_CASE(a_measured_semaphore_counts_each_outcome) {
  asio::io_context io;
  bounded_semaphore sem(io, 1);
  wait_statistics stats;
  const auto m = measured(sem, stats);
  std::vector<error_code> results;
  const auto record = [&](error_code ec, auto&&...) { results.push_back(ec); };
  m.async_acquire(record);
  m.async_acquire(2, record);        // exceeds the limit
  m.async_acquire_for(0ms, record);  // times out
  asio::cancellation_signal signal;
  m.async_acquire(asio::bind_cancellation_slot(signal.slot(), record));
  signal.emit(asio::cancellation_type::terminal);
  io.run();
  sem.close();
  m.async_acquire_permit(record);
  io.restart();
  io.run();
  BOOST_TEST(results.size() == 5u);
  const auto r = stats.read();
  BOOST_TEST(r.granted == 1u);
  BOOST_TEST(r.exceeding == 1u);
  BOOST_TEST(r.timed_out == 1u);
  BOOST_TEST(r.aborted == 1u);
  BOOST_TEST(r.closed == 1u);
  BOOST_TEST(r.other == 0u);
}

BOOST_AUTO_TEST_CASE(a_measured_semaphore_measures_the_wait) {
  asio::io_context io;
  semaphore sem(io, 0);
  wait_statistics stats;
  const auto start = std::chrono::steady_clock::now();
  measured(sem, stats).async_acquire([](error_code) {});
  asio::steady_timer timer(io, 20ms);
  timer.async_wait([&](error_code) { sem.release(); });
  io.run();
  BOOST_TEST((stats.read().longest() >= 20ms));
  BOOST_TEST((stats.read().longest() <= std::chrono::steady_clock::now() - start));
}

BOOST_AUTO_TEST_CASE(a_measured_semaphore_acquires_through_all_of_its_functions) {
  asio::io_context io;
  semaphore sem(io, 20);
  wait_statistics stats;
  const auto m = measured(sem, stats);
  int plain = 0;
  std::size_t owned = 0;
  const auto on_acquire = [&](error_code ec) { plain += !ec; };
  const auto on_permit = [&](error_code ec, permit p) {
    if (!ec) owned += p.count();
  };
  m.async_acquire(on_acquire);
  m.async_acquire(2, on_acquire);
  m.async_acquire_for(1s, on_acquire);
  m.async_acquire_for(1s, 2, on_acquire);
  m.async_acquire_permit(on_permit);
  m.async_acquire_permit(2, on_permit);
  m.async_acquire_permit_for(1s, on_permit);
  m.async_acquire_permit_for(1s, 3, on_permit);
  BOOST_TEST(sem.available() == 20u - 6 - 7);
  io.run();
  BOOST_TEST(plain == 4);
  BOOST_TEST(owned == 7u);
  BOOST_TEST(sem.available() == 14u);
  BOOST_TEST(m.try_acquire());
  BOOST_TEST(!m.try_acquire(20));
  BOOST_TEST(m.try_acquire_permit(13).count() == 13u);
  BOOST_TEST(!m.try_acquire_permit(14));
  BOOST_TEST(stats.read().granted == 10u);
  BOOST_TEST((m.get_executor() == sem.get_executor()));
}

BOOST_AUTO_TEST_CASE(a_measured_semaphore_takes_any_token) {
  const test::watchdog w;
  asio::io_context io;
  semaphore sem(io, 1);
  wait_statistics stats;
  const auto m = measured(sem, stats);

  std::future<permit> future = m.async_acquire_permit(asio::use_future);
  io.run();
  BOOST_TEST(future.get().count() == 1u);

  // Nothing is acquired, and no time measured, until the operation is started.
  auto operation = m.async_acquire_permit(asio::deferred);
  BOOST_TEST(sem.available() == 1u);
  std::this_thread::sleep_for(20ms);
  std::move(operation)([](error_code, permit) {});
  BOOST_TEST(sem.available() == 0u);
  io.restart();
  io.run();

  int passed = 0;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        {
          permit p = co_await m.async_acquire_permit();
          passed += p.count() == 1;
          auto [ec] = co_await m.async_acquire_for(1ms, asio::as_tuple(asio::use_awaitable));
          passed += ec == errc::timed_out;
        }
        co_await m.async_acquire(asio::use_awaitable);
        ++passed;
      },
      [](std::exception_ptr e) { BOOST_TEST(!e); });
  io.restart();
  io.run();
  BOOST_TEST(passed == 3);
  const auto r = stats.read();
  BOOST_TEST(r.granted == 4u);
  BOOST_TEST(r.timed_out == 1u);
}

BOOST_AUTO_TEST_CASE(a_measured_semaphore_takes_handlers_that_cannot_be_copied) {
  asio::io_context io;
  semaphore sem(io, 0);
  wait_statistics stats;
  int called = 0;
  measured(sem, stats).async_acquire([&called, one = std::make_unique<int>(1)](error_code ec) {
    called += ec ? 0 : *one;
  });
  sem.release();
  io.run();
  BOOST_TEST(called == 1);
}

namespace {

template <typename T>
struct counting_allocator {
  using value_type = T;
  int* count;

  explicit counting_allocator(int& c) : count(&c) {}
  template <typename U>
  explicit(false) counting_allocator(const counting_allocator<U>& other) : count(other.count) {}
  T* allocate(std::size_t n) {
    ++*count;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
  bool operator==(const counting_allocator&) const = default;
};

}  // namespace

BOOST_AUTO_TEST_CASE(a_measured_semaphore_keeps_what_is_associated_with_the_handler) {
  asio::io_context io, other;
  semaphore sem(io, 0);
  wait_statistics stats;
  int direct = 0, through = 0;
  asio::cancellation_signal signal;
  bool called = false;
  const auto handler = [&](int& allocations, asio::cancellation_slot slot) {
    return asio::bind_cancellation_slot(
        slot, asio::bind_allocator(counting_allocator<void>(allocations),
                                   asio::bind_executor(other, [&](error_code ec) {
                                     BOOST_TEST(other.get_executor().running_in_this_thread());
                                     called = ec == asio::error::operation_aborted;
                                   })));
  };
  sem.async_acquire(handler(direct, {}));
  sem.cancel();
  io.run();
  other.run();

  measured(sem, stats).async_acquire(handler(through, signal.slot()));
  called = false;
  io.restart();
  io.poll();
  BOOST_TEST(!called);
  signal.emit(asio::cancellation_type::partial);
  BOOST_TEST(sem.waiting() == 0u);
  other.restart();
  other.run();
  BOOST_TEST(called);
  BOOST_TEST(through == direct);
  BOOST_TEST(stats.read().aborted == 1u);
}

#if BOOST_VERSION >= 108200
BOOST_AUTO_TEST_CASE(a_measured_semaphore_keeps_the_immediate_executor) {
  asio::io_context io;
  semaphore sem(io, 1);
  wait_statistics stats;
  bool called = false;
  measured(sem, stats)
      .async_acquire(asio::bind_immediate_executor(asio::system_executor(),
                                                   [&](error_code ec) { called = !ec; }));
  BOOST_TEST(called);
}
#endif

BOOST_AUTO_TEST_CASE(a_measured_semaphore_runs_operations_with_permits) {
  asio::io_context io;
  semaphore sem(io, 1);
  wait_statistics stats;
  auto m = measured(sem, stats);
  asio::steady_timer timer(io, 1ms);
  int ended = 0;
  for (int i = 0; i != 3; ++i)
    turnstile::async_with_permit(m, timer.async_wait(asio::deferred),
                                 [&](error_code ec) { ended += !ec; });
  io.run();
  BOOST_TEST(ended == 3);
  BOOST_TEST(stats.read().granted == 3u);
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_measured_semaphore_counts_no_handler_that_is_destroyed) {
  wait_statistics stats;
  {
    asio::io_context io;
    semaphore sem(io, 0);
    measured(sem, stats).async_acquire([](error_code) {});
  }
  const auto r = stats.read();
  BOOST_TEST(r.granted + r.aborted + r.other == 0u);
}

BOOST_AUTO_TEST_CASE(a_measured_semaphore_counts_on_all_threads) {
  const test::watchdog w;
  asio::thread_pool pool(4);
  bounded_semaphore sem(pool, 2);
  wait_statistics stats;
  const auto m = measured(sem, stats);
  std::atomic<int> granted{0};
  for (int i = 0; i != 2000; ++i)
    asio::co_spawn(
        pool,
        [&]() -> asio::awaitable<void> {
          permit p = co_await m.async_acquire_permit();
          ++granted;
        },
        asio::detached);
  pool.join();
  BOOST_TEST(granted == 2000);
  BOOST_TEST(stats.read().granted == 2000u);
  BOOST_TEST(sem.in_use() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
