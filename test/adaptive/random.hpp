// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_RANDOM_HPP
#define TURNSTILE_TEST_ADAPTIVE_RANDOM_HPP

// Random numbers that are the same with every standard library.

#include "../verify/stress/options.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

namespace simulation {

class random {
 public:
  explicit random(std::uint64_t seed) noexcept : dice_(seed) {}

  // In (0, 1].
  double uniform() noexcept { return (static_cast<double>(dice_() >> 11) + 1) * 0x1p-53; }

  double exponential(double mean) noexcept { return -mean * std::log(uniform()); }

  double normal() noexcept {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  test::dice dice_;
};

// How service times are spread around their mean.
enum class spread {
  constant,     // coefficient of variation 0
  exponential,  // 1
  hyper,        // 1.8: a mixture of two exponential distributions
  log_normal,   // 1
  two_kinds     // 80 % of the requests take half of the mean, and 20 % take three times the mean
};

// With a mean of 1.
inline double draw(random& r, spread s) noexcept {
  switch (s) {
    case spread::constant: return 1;
    case spread::exponential: return r.exponential(1);
    case spread::hyper: {
      // Both parts have the same share of the work. p: the probability of the short ones.
      static const double p = (1 + std::sqrt((1.8 * 1.8 - 1) / (1.8 * 1.8 + 1))) / 2;
      return r.exponential(r.uniform() < p ? 1 / (2 * p) : 1 / (2 * (1 - p)));
    }
    case spread::log_normal: {
      static const double sigma = std::sqrt(std::log(2.0));
      return std::exp(sigma * r.normal() - sigma * sigma / 2);
    }
    case spread::two_kinds: return r.uniform() < 0.8 ? 0.5 : 3;
  }
  return 1;
}

// The service times of one seed, with a mean of 1. They are drawn once for all runs with that seed.
class service_times {
 public:
  service_times(spread s, std::uint64_t seed) noexcept : spread_(s), random_(seed) {}

  // For i = 0, 1, 2 ...
  double operator[](std::size_t i) {
    if (i == drawn_.size()) drawn_.push_back(draw(random_, spread_));
    return drawn_[i];
  }

 private:
  spread spread_;
  random random_;
  std::vector<double> drawn_;
};

}  // namespace simulation

#endif
