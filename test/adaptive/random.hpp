// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_RANDOM_HPP
#define TURNSTILE_TEST_ADAPTIVE_RANDOM_HPP

// Random numbers that are the same with every standard library.

#include "../verify/stress/options.hpp"

#include <cmath>
#include <cstdint>
#include <numbers>

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

inline double draw(random& r, spread s, double mean) noexcept {
  switch (s) {
    case spread::constant: return mean;
    case spread::exponential: return r.exponential(mean);
    case spread::hyper: {
      // Both parts have the same share of the work. p: the probability of the short ones.
      static const double p = (1 + std::sqrt((1.8 * 1.8 - 1) / (1.8 * 1.8 + 1))) / 2;
      return r.exponential(r.uniform() < p ? mean / (2 * p) : mean / (2 * (1 - p)));
    }
    case spread::log_normal: {
      static const double sigma = std::sqrt(std::log(2.0));
      return mean * std::exp(sigma * r.normal() - sigma * sigma / 2);
    }
    case spread::two_kinds: return mean * (r.uniform() < 0.8 ? 0.5 : 3);
  }
  return mean;
}

}  // namespace simulation

#endif
