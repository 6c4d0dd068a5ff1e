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

bool is_refusal(const error_code& ec) {
  return ec == asio::error::connection_refused || ec == asio::error::timed_out ||
         ec == asio::error::connection_reset;
}

}  // namespace

limit_finder::limit_finder(const auto_limit& a, std::size_t first)
    : limit_(turnstile::adaptive_limit::settings{.initial = std::clamp(first, a.lowest, a.highest),
                                                 .lowest = a.lowest,
                                                 .highest = a.highest,
                                                 .tolerable = tolerable_time}) {}

void limit_finder::connected(steady_clock::time_point start, std::size_t active,
                             const error_code& ec) {
  if (is_refusal(ec)) return overloaded(start, active);
  const auto end = std::max<steady_clock::time_point>(steady_clock::now(), start + shortest_time);
  ended(start, end, active, ec ? outcome::ignored : outcome::succeeded);
}

void limit_finder::refused(steady_clock::time_point start, std::size_t active) {
  // Later, the upstream may have waited in vain for the client.
  if (steady_clock::now() - start <= tolerable_time) overloaded(start, active);
}

void limit_finder::overloaded(steady_clock::time_point start, std::size_t active) {
  // Refusals come so fast that the limiter's own limit is not reached. But the upstream's is.
  limit_.waited();
  ended(start, steady_clock::now(), active, outcome::overloaded);
}

void limit_finder::ended(steady_clock::time_point start, steady_clock::time_point end,
                         std::size_t active, outcome o) {
  const std::lock_guard lock{mutex_};
  limit_.ended(start, end, active, o);
}

}  // namespace connection_limiter
