// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_OTHERS_HPP
#define TURNSTILE_TEST_ADAPTIVE_OTHERS_HPP

// Other algorithms, written anew from their published formulas, with the defaults that are published with
// them. Each of them takes samples of the hold time, and the number in use at the start of the hold.

#include "algorithm.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace simulation {

inline constexpr double highest_limit = 1000;

class estimated_limit : public algorithm {
 public:
  explicit estimated_limit(std::size_t initial) : limit_(static_cast<double>(initial)) {}
  std::size_t limit() const override { return static_cast<std::size_t>(std::max(limit_, 1.0)); }

 protected:
  void set(double limit) { limit_ = std::clamp(limit, 1.0, highest_limit); }

  double limit_;
};

// Additive increase, multiplicative decrease: one more for a success while at least half of the limit is in
// use, and a tenth less for a failure.
class aimd final : public estimated_limit {
 public:
  using estimated_limit::estimated_limit;

  void ended(double, double, std::size_t in_use, outcome o) override {
    if (o == outcome::overloaded)
      set(std::floor(0.9 * limit_));
    else if (2 * static_cast<double>(in_use) >= limit_)
      set(limit_ + 1);
  }
};

// The idea of TCP Vegas: the part of the limit that waits in the queue, L (1 - shortest / time), is to stay
// between 3 log10(L) and 6 log10(L). The shortest time is measured anew every 30 L samples.
class vegas final : public estimated_limit {
 public:
  using estimated_limit::estimated_limit;

  void ended(double start, double end, std::size_t in_use, outcome o) override {
    const double time = end - start;
    if (++samples_ > 30 * limit_) {
      samples_ = 0;
      shortest_ = time;
      return;
    }
    if (o == outcome::overloaded) return set(limit_ - step());
    if (time < shortest_) {
      shortest_ = time;
      return;
    }
    if (2 * static_cast<double>(in_use) < limit_) return;
    const double queue = std::ceil(limit_ * (1 - shortest_ / time));
    if (queue <= step())
      set(limit_ + 6 * step());
    else if (queue < 3 * step())
      set(limit_ + step());
    else if (queue > 6 * step())
      set(limit_ - step());
  }

 private:
  double step() const { return std::max(1.0, std::log10(limit_)); }

  double shortest_ = std::numeric_limits<double>::infinity();
  double samples_ = 0;
};

// Compares each time with an average over some 600 samples: the gradient is 1.5 average / time, between 0.5 and
// 1. The limit moves by a fifth towards gradient x L + 4.
class gradient2 final : public estimated_limit {
 public:
  using estimated_limit::estimated_limit;

  void ended(double start, double end, std::size_t in_use, outcome) override {
    const double time = end - start;
    if (samples_ < 10) {
      average_ = (average_ * samples_ + time) / (samples_ + 1);
      ++samples_;
    } else {
      average_ += (time - average_) * 2 / 601;
    }
    if (average_ > 2 * time) average_ *= 0.95;
    if (2 * static_cast<double>(in_use) < limit_) return;
    const double gradient = std::clamp(1.5 * average_ / time, 0.5, 1.0);
    set(0.8 * limit_ + 0.2 * (gradient * limit_ + 4));
  }

 private:
  double average_ = 0, samples_ = 0;
};

// Envoy's: a gradient of medians. Once a minute, and when the limit has been at its minimum of 3 for five updates,
// the limit is 3 for 50 samples, of which the median is the shortest time. Every 100 ms, the limit becomes
// gradient x L + sqrt(gradient x L) with the gradient 1.25 shortest / median of the samples since, at most 2.
class envoy_gradient final : public estimated_limit {
 public:
  using estimated_limit::estimated_limit;

  void ended(double start, double end, std::size_t, outcome) override {
    if (measures_ && start < measures_since_) return;
    times_.push_back(end - start);
    if (measures_) {
      if (times_.size() < 50) return;
      shortest_ = median();
      measures_ = false;
      at_minimum_ = 0;
      next_measurement_ = end + 60;
      next_update_ = end + 0.1;
      limit_ = before_;
    } else if (end >= next_measurement_ || at_minimum_ >= 5) {
      measures_ = true;
      measures_since_ = end;
      before_ = limit_;
      limit_ = minimum;
      times_.clear();
    } else if (end >= next_update_) {
      const double scaled = std::min(1.25 * shortest_ / median(), 2.0) * limit_;
      set(std::max(scaled + std::sqrt(scaled), minimum));
      at_minimum_ = limit_ <= minimum ? at_minimum_ + 1 : 0;
      next_update_ = end + 0.1;
    }
  }

 private:
  static constexpr double minimum = 3;

  double median() {
    const auto middle = times_.begin() + static_cast<std::ptrdiff_t>(times_.size() / 2);
    std::nth_element(times_.begin(), middle, times_.end());
    const double time = *middle;
    times_.clear();
    return time;
  }

  std::vector<double> times_;
  double shortest_ = 0, next_measurement_ = 0, next_update_ = 0, measures_since_ = 0, before_ = 0;
  int at_minimum_ = 0;
  bool measures_ = false;
};

}  // namespace simulation

#endif
