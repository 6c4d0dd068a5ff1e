// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/limit_finder.hpp"

#include <algorithm>

namespace connection_limiter {

namespace {

using std::chrono::steady_clock;

// To connect to an upstream on the same machine takes microseconds, which say nothing about its load.
constexpr std::chrono::milliseconds shortest_time{2};
// If the upstream's backlog is full, the kernel tries again after a second.
constexpr std::chrono::milliseconds tolerable_time{500};

turnstile::adaptive_limit::outcome outcome_of(const error_code& ec) {
  using enum turnstile::adaptive_limit::outcome;
  if (ec == asio::error::connection_refused || ec == asio::error::timed_out ||
      ec == asio::error::connection_reset)
    return overloaded;
  return ec ? ignored : succeeded;
}

}  // namespace

limit_finder::limit_finder(const auto_limit& a, std::size_t first)
    : limit_(turnstile::adaptive_limit::settings{.initial = std::clamp(first, a.lowest, a.highest),
                                                 .lowest = a.lowest,
                                                 .highest = a.highest,
                                                 .tolerable = tolerable_time}) {}

std::size_t limit_finder::connected(steady_clock::time_point start, std::size_t active,
                                    const error_code& ec) {
  const auto end = std::max<steady_clock::time_point>(steady_clock::now(), start + shortest_time);
  const auto outcome = outcome_of(ec);
  // Refusals come so fast that the limiter's own limit is not reached. But the upstream's is.
  if (outcome == turnstile::adaptive_limit::outcome::overloaded) limit_.waited();
  return limit_.ended(start, end, active, outcome);
}

}  // namespace connection_limiter
