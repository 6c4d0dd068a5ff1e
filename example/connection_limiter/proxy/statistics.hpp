// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_STATISTICS_HPP
#define CONNECTION_LIMITER_PROXY_STATISTICS_HPP

// What the limiter counts. Any thread may update and read the counts. The atomics are relaxed,
// because the counts are only displayed and guard no other data.

#include <turnstile.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <string>
#include <string_view>

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

// How a connection ended.
enum class ending {
  served,       // forwarded, and ended by the client or the upstream
  full,         // refused: no permit and no slot in the queue
  client_full,  // refused: its client has no permit and no queue slot left
  timed_out,    // refused: no permit within the queue timeout
  stopping,     // refused: the limiter stops
  bad_header,   // refused: no valid PROXY header
  abandoned,    // the client disconnected in the queue
  idle,         // cut: no byte moved for the idle timeout
  too_long,     // cut: the session timeout expired
  half_closed,  // cut: one side has ended, and the other one was idle for the half-close timeout
  lease_lost,   // cut: the lease of --shared was lost
  drain,        // cut: the limiter stops, and the drain timeout expired
  failed        // the upstream could not be reached, or there was an internal error
};
constexpr std::size_t endings = 13;

// The result of such a connection: served, refused, abandoned, cut or failed; and the reason, if there
// is more than one for that result. As in the metrics.
struct result {
  std::string_view name, reason;
};
result result_of(ending e);

struct statistics {
  counter accepted;
  counter accept_errors;
  std::array<counter, endings> ended;
  counter bytes_up;    // to the upstream
  counter bytes_down;  // to the clients
  gauge active;
  queue_times waiting;
  turnstile::wait_statistics waits;  // of the forwarded connections

  std::uint64_t of(ending e) const noexcept { return ended[static_cast<std::size_t>(e)].value(); }
  std::uint64_t refused() const noexcept {
    return of(ending::full) + of(ending::client_full) + of(ending::timed_out) +
           of(ending::stopping) + of(ending::bad_header);
  }
};

// The totals, in one line.
std::string totals(const statistics& f);

}  // namespace connection_limiter

#endif
