// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_FIGURES_HPP
#define CONNECTION_LIMITER_PROXY_FIGURES_HPP

// What the limiter counts. Any thread adds, any thread reads; relaxed, since each figure is only
// shown, and nothing else is concluded from it.

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

// A count that any thread may raise.
class counter {
 public:
  void add(std::uint64_t n = 1) noexcept { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// How many there are of something at the moment, and the most there ever were.
class gauge {
 public:
  // One of them, for as long as it lives.
  class one {
   public:
    explicit one(gauge& g) noexcept : gauge_(g) {
      const std::size_t now = g.now_.fetch_add(1, std::memory_order_relaxed) + 1;
      std::size_t most = g.most();
      while (most < now && !g.most_.compare_exchange_weak(most, now, std::memory_order_relaxed))
        continue;
    }
    ~one() { gauge_.now_.fetch_sub(1, std::memory_order_relaxed); }
    one(const one&) = delete;
    one& operator=(const one&) = delete;

   private:
    gauge& gauge_;
  };

  std::size_t now() const noexcept { return now_.load(std::memory_order_relaxed); }
  std::size_t most() const noexcept { return most_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::size_t> now_{0};
  std::atomic<std::size_t> most_{0};
};

// Since when those wait who are waiting now.
class queue_times {
  using clock = std::chrono::steady_clock;

 public:
  // One of them, for as long as it lives.
  class one {
   public:
    explicit one(queue_times& q) : queue_(q) {
      const std::lock_guard lock{q.mutex_};
      since_ = q.since_.insert(q.since_.end(), clock::now());  // under the lock, so in order
    }
    ~one() {
      const std::lock_guard lock{queue_.mutex_};
      queue_.since_.erase(since_);
    }
    one(const one&) = delete;
    one& operator=(const one&) = delete;

   private:
    queue_times& queue_;
    std::list<clock::time_point>::iterator since_;
  };

  // How long the one waits already that waits longest; zero where nobody does.
  std::chrono::microseconds longest() const {
    const std::lock_guard lock{mutex_};
    if (since_.empty()) return {};
    return std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - since_.front());
  }

 private:
  mutable std::mutex mutex_;
  std::list<clock::time_point> since_;
};

// How long those waited who were let through: counts in buckets, sixteen to each power of two of
// microseconds, so that a quantile is at most 7 % too high, at a fixed cost. And, coarser, as a
// histogram whose bounds are round figures.
class wait_times {
 public:
  using duration = std::chrono::microseconds;
  static constexpr std::array<duration::rep, 15> bounds{
      1'000,   2'500,     5'000,     10'000,    25'000,     50'000,     100'000,   250'000,
      500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

  void add(duration wait) noexcept {
    const auto us = static_cast<std::uint64_t>(std::clamp<duration::rep>(wait.count(), 0, longest));
    const int exponent = std::max(0, static_cast<int>(std::bit_width(us)) - 5);
    buckets_[static_cast<std::size_t>(exponent) * 16 + (us >> exponent)].add();
    const auto bound = std::lower_bound(bounds.begin(), bounds.end(), wait.count());
    histogram_[static_cast<std::size_t>(bound - bounds.begin())].add();
    sum_.add(us);
  }

  // How many waited so long that bounds[i], and no lower one, is an upper bound; i may be
  // bounds.size(): longer than the last.
  std::uint64_t within(std::size_t i) const noexcept { return histogram_[i].value(); }

  // All their waits together.
  duration sum() const noexcept { return duration{static_cast<duration::rep>(sum_.value())}; }

  // What `share` of those who were let through did not wait longer than.
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
  static constexpr duration::rep longest = 0xffffffff;  // more than an hour

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
  served,       // it was let through, and went on until either side had enough
  full,         // refused: no permit, and no place in the queue
  client_full,  // refused: its client has as many as it may have, and no place either
  timed_out,    // refused: no permit within the queue's timeout
  stopping,     // refused: the limiter stops
  abandoned,    // it hung up in the queue
  idle,         // cut: nothing moved for the idle timeout
  too_long,     // cut: the session timeout was over
  drain,        // cut: the limiter stops, and the drain timeout was over
  failed        // the upstream could not be reached, or something broke here
};
constexpr std::size_t endings = 10;

struct figures {
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
std::string totals(const figures& f);

}  // namespace connection_limiter

#endif
