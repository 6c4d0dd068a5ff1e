// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_STATISTICS_HPP
#define CONNECTION_LIMITER_PROXY_STATISTICS_HPP

// What the limiter counts. Any thread may update and read the counts. The atomics are relaxed,
// because the counts are only displayed and guard no other data.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>

namespace connection_limiter {

// A count that only grows.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// How many of something there are now, and the highest number so far.
class gauge {
 public:
  // Counts as one from its construction to its destruction.
  class scope {
   public:
    explicit scope(gauge& g) noexcept : gauge_(g) {
      const std::size_t now = g.now_.fetch_add(1, std::memory_order_relaxed) + 1;
      std::size_t most = g.most();
      while (most < now && !g.most_.compare_exchange_weak(most, now, std::memory_order_relaxed))
        continue;
    }
    ~scope() { gauge_.now_.fetch_sub(1, std::memory_order_relaxed); }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

   private:
    gauge& gauge_;
  };

  std::size_t now() const noexcept { return now_.load(std::memory_order_relaxed); }
  std::size_t most() const noexcept { return most_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> now_{0};
  std::atomic<std::size_t> most_{0};
};

// When each connection in the queue began to wait.
class queue_times {
  using clock = std::chrono::steady_clock;

 public:
  // One connection in the queue, from its construction to its destruction.
  class entry {
   public:
    explicit entry(queue_times& q) : queue_(q) {
      const std::lock_guard lock{q.mutex_};
      since_ = q.since_.insert(q.since_.end(), clock::now());  // under the mutex, so in order
    }
    ~entry() {
      const std::lock_guard lock{queue_.mutex_};
      queue_.since_.erase(since_);
    }
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

   private:
    queue_times& queue_;
    std::list<clock::time_point>::iterator since_;
  };

  // How long the oldest entry has waited so far; zero if there is none.
  std::chrono::microseconds longest() const {
    const std::lock_guard lock{mutex_};
    if (since_.empty()) return {};
    return std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - since_.front());
  }

 private:
  mutable std::mutex mutex_;
  std::list<clock::time_point> since_;
};

// How long forwarded connections waited for their permits. Counts the waits twice: in fine buckets,
// sixteen for each power of two of microseconds, which give quantiles that are at most 7 % too high
// at a fixed cost; and in a coarser histogram with round bounds.
class wait_times {
 public:
  using duration = std::chrono::microseconds;
  static constexpr std::array<duration::rep, 15> bounds{
      1'000,   2'500,     5'000,     10'000,    25'000,     50'000,     100'000,   250'000,
      500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

  void add(duration wait) noexcept {
    const auto us =
        static_cast<std::uint64_t>(std::clamp<duration::rep>(wait.count(), 0, max_wait));
    const int exponent = std::max(0, static_cast<int>(std::bit_width(us)) - 5);
    buckets_[static_cast<std::size_t>(exponent) * 16 + (us >> exponent)].add();
    const auto bound = std::lower_bound(bounds.begin(), bounds.end(), wait.count());
    histogram_[static_cast<std::size_t>(bound - bounds.begin())].add();
    sum_.add(us);
  }

  // The number of waits that are at most bounds[i] and longer than bounds[i - 1]. With i equal to
  // bounds.size(), the number of waits longer than the last bound.
  std::uint64_t within(std::size_t i) const noexcept { return histogram_[i].value(); }

  // The sum of all waits.
  duration sum() const noexcept { return duration{static_cast<duration::rep>(sum_.value())}; }

  // The shortest time that at least `share` of the waits did not exceed.
  duration quantile(double share) const noexcept {
    std::uint64_t all = 0;
    for (const counter& bucket : buckets_) all += bucket.value();
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(all));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i)
      if ((seen += buckets_[i].value()) > wanted) return upper_end(i);
    return duration{0};
  }

 private:
  static constexpr duration::rep max_wait = 0xffffffff;  // more than an hour

  static duration upper_end(std::size_t bucket) noexcept {
    const std::size_t exponent = bucket < 32 ? 0 : bucket / 16 - 1;
    const std::size_t mantissa = bucket - exponent * 16;
    return duration{static_cast<duration::rep>(((mantissa + 1) << exponent) - 1)};
  }

  std::array<counter, 27 * 16 + 32> buckets_;
  std::array<counter, bounds.size() + 1> histogram_;
  counter sum_;
};

// How a connection ended.
enum class ending {
  served,       // forwarded, and ended by the client or the upstream
  full,         // refused: no permit and no slot in the queue
  client_full,  // refused: its client has no permit and no queue slot left
  timed_out,    // refused: no permit within the queue timeout
  stopping,     // refused: the limiter stops
  abandoned,    // the client disconnected in the queue
  idle,         // cut: no byte moved for the idle timeout
  too_long,     // cut: the session timeout expired
  drain,        // cut: the limiter stops, and the drain timeout expired
  failed        // the upstream could not be reached, or there was an internal error
};
constexpr std::size_t endings = 10;

struct statistics {
  counter accepted;
  counter accept_errors;
  std::array<counter, endings> ended;
  counter bytes_up;    // to the upstream
  counter bytes_down;  // to the clients
  gauge active;
  queue_times waiting;
  wait_times waits;

  std::uint64_t of(ending e) const noexcept { return ended[static_cast<std::size_t>(e)].value(); }
  std::uint64_t refused() const noexcept {
    return of(ending::full) + of(ending::client_full) + of(ending::timed_out) +
           of(ending::stopping);
  }
};

// The totals, in one line.
std::string totals(const statistics& f);

}  // namespace connection_limiter

#endif
