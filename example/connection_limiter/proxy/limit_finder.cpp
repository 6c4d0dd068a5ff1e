// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/limit_finder.hpp"

#include <algorithm>

namespace connection_limiter {

namespace {

using std::chrono::steady_clock;

// The upstream's kernel accepts a connection at once, however busy the upstream is. If the backlog is full, the
// limiter's kernel tries again after a second.
constexpr std::chrono::milliseconds tolerable_time{500};
// So a time below that is only the network's and this machine's, and the finder hears of this one instead.
// Otherwise, a few connects that take longer than usual would look like a queue, and hold the limit down.
constexpr std::chrono::milliseconds usual_time{2};

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

void limit_finder::connected(steady_clock::time_point start, std::size_t in_use,
                             const error_code& ec) {
  if (is_refusal(ec)) return overloaded(start, in_use);
  const auto now = steady_clock::now();
  const bool is_slow = now - start > tolerable_time;
  ended(is_slow ? start : now - usual_time, now, in_use,
        ec ? outcome::ignored : outcome::succeeded);
}

void limit_finder::refused(steady_clock::time_point start, std::size_t in_use) {
  // Later, the upstream may have waited in vain for the client.
  if (steady_clock::now() - start <= tolerable_time) overloaded(start, in_use);
}

void limit_finder::overloaded(steady_clock::time_point start, std::size_t in_use) {
  // Refusals come so fast that the limiter's own limit is not reached. But the upstream's is.
  limit_.waited();
  ended(start, steady_clock::now(), in_use, outcome::overloaded);
}

void limit_finder::ended(steady_clock::time_point start, steady_clock::time_point end,
                         std::size_t in_use, outcome o) {
  const std::lock_guard lock{mutex_};
  limit_.ended(start, end, in_use, o);
}

}  // namespace connection_limiter
