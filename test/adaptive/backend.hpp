// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_BACKEND_HPP
#define TURNSTILE_TEST_ADAPTIVE_BACKEND_HPP

// A simulated upstream: some servers behind a queue, first come, first served. Time is virtual, in seconds.

#include "random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace simulation {

inline constexpr double never = std::numeric_limits<double>::infinity();

// What an upstream is like at one moment.
struct capacity {
  std::size_t servers = 20;
  double service = 0.05;  // mean time of service
};

struct backend_settings {
  std::function<capacity(double now)> at = [](double) { return capacity(); };
  std::vector<double> changes;  // when the result of `at` changes
  spread times = spread::exponential;
  double slow_down =
      0;  // service takes longer by this share for each request beyond the servers, per server
  std::size_t refuse_beyond = std::numeric_limits<std::size_t>::max();
  double stall_start = never, stall_time = 5;
};

class backend {
 public:
  backend(const backend_settings& s, std::uint64_t seed) : settings_(s), random_(seed) {
    change(0);
  }

  // False if the request is refused.
  bool submit(std::uint32_t request, double now) {
    if (size() >= settings_.refuse_beyond) return false;
    queue_.push_back(request);
    serve(now);
    return true;
  }

  // When something happens next.
  double next() const {
    const double finish = running_.empty() ? never : running_.top().finish;
    const double change =
        next_change_ < settings_.changes.size() ? settings_.changes[next_change_] : never;
    const double stall = stalls_ ? settings_.stall_start : never;
    return std::min({finish, change, stall});
  }

  // Does what is due at next(). Returns whether a request has been served, and which.
  std::pair<bool, std::uint32_t> step() {
    const double now = next();
    if (stalls_ && settings_.stall_start <= now) {
      stalls_ = false;
      // All that runs is delayed, and nothing else begins: the servers stay busy.
      decltype(running_) delayed;
      for (; !running_.empty(); running_.pop()) {
        service s = running_.top();
        s.finish += settings_.stall_time;
        delayed.push(s);
      }
      running_ = std::move(delayed);
      stalled_until_ = now + settings_.stall_time;
      return {false, 0};
    }
    if (next_change_ < settings_.changes.size() && settings_.changes[next_change_] <= now) {
      ++next_change_;
      change(now);
      serve(now);
      return {false, 0};
    }
    const std::uint32_t request = running_.top().request;
    running_.pop();
    serve(now);
    return {true, request};
  }

  std::size_t size() const { return queue_.size() + running_.size(); }

 private:
  struct service {
    double finish;
    std::uint32_t request;
    bool operator<(const service& other) const { return finish > other.finish; }
  };

  void change(double now) { now_ = settings_.at(now); }

  void serve(double now) {
    while (!queue_.empty() && running_.size() < now_.servers) {
      const double servers = static_cast<double>(now_.servers);
      const double beyond = std::max(0.0, static_cast<double>(size()) - servers);
      const double mean = now_.service * (1 + settings_.slow_down * beyond / servers);
      const double start = std::max(now, stalled_until_);
      running_.push({start + draw(random_, settings_.times, mean), queue_.front()});
      queue_.pop_front();
    }
  }

  const backend_settings& settings_;
  random random_;
  capacity now_;
  std::deque<std::uint32_t> queue_;
  std::priority_queue<service> running_;
  std::size_t next_change_ = 0;
  double stalled_until_ = 0;
  bool stalls_ = settings_.stall_start < never;
};

}  // namespace simulation

#endif
