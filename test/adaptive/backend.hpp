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
  backend(const backend_settings& s, service_times& times) : settings_(s), times_(times) {
    change(0);
    plan();
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
    return running_.empty() ? planned_ : std::min(running_.back().finish, planned_);
  }

  // Does what is due at next(). Returns whether a request has been served, and which.
  std::pair<bool, std::uint32_t> step() {
    const double now = next();
    if (now == planned_) {
      if (stalls_ && settings_.stall_start <= now) {
        stalls_ = false;
        // All that runs is delayed, and nothing else begins: the servers stay busy.
        for (service& s : running_) s.finish += settings_.stall_time;
        stalled_until_ = now + settings_.stall_time;
      } else {
        ++next_change_;
        change(now);
        serve(now);
      }
      plan();
      return {false, 0};
    }
    const std::uint32_t request = running_.back().request;
    running_.pop_back();
    serve(now);
    return {true, request};
  }

  std::size_t size() const { return queue_.size() + running_.size(); }

 private:
  struct service {
    double finish;
    std::uint32_t request;
  };

  void change(double now) { now_ = settings_.at(now); }

  void plan() {
    planned_ = next_change_ < settings_.changes.size() ? settings_.changes[next_change_] : never;
    if (stalls_) planned_ = std::min(planned_, settings_.stall_start);
  }

  // Of those that finish at the same time, the first to start is the first to finish.
  void insert(service s) {
    running_.push_back(s);
    auto place = running_.end() - 1;
    for (; place != running_.begin() && (place - 1)->finish <= s.finish; --place)
      *place = *(place - 1);
    *place = s;
  }

  void serve(double now) {
    while (!queue_.empty() && running_.size() < now_.servers) {
      const double servers = static_cast<double>(now_.servers);
      const double beyond = std::max(0.0, static_cast<double>(size()) - servers);
      const double mean = now_.service * (1 + settings_.slow_down * beyond / servers);
      const double start = std::max(now, stalled_until_);
      insert({start + mean * times_[drawn_++], queue_.front()});
      queue_.pop_front();
    }
  }

  const backend_settings& settings_;
  service_times& times_;
  std::size_t drawn_ = 0;
  capacity now_;
  std::deque<std::uint32_t> queue_;
  std::vector<service> running_;  // the next to finish is the last one
  std::size_t next_change_ = 0;
  double planned_ = never;  // when the capacity changes or the stall begins
  double stalled_until_ = 0;
  bool stalls_ = settings_.stall_start < never;
};

}  // namespace simulation

#endif
