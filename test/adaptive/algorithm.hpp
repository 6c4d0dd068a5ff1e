// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_ALGORITHM_HPP
#define TURNSTILE_TEST_ADAPTIVE_ALGORITHM_HPP

// What finds a limit, as the simulation sees it.

#include <turnstile/adaptive_limit.hpp>

#include <cstddef>

namespace simulation {

using outcome = turnstile::adaptive_limit::outcome;

class algorithm {
 public:
  virtual ~algorithm() = default;
  virtual void waited() {}
  // Times in seconds.
  virtual void ended(double start, double end, std::size_t in_use_at_start, outcome o) = 0;
  virtual std::size_t limit() const = 0;
};

class fixed_limit final : public algorithm {
 public:
  explicit fixed_limit(std::size_t limit) : limit_(limit) {}
  void ended(double, double, std::size_t, outcome) override {}
  std::size_t limit() const override { return limit_; }

 private:
  std::size_t limit_;
};

}  // namespace simulation

#endif
