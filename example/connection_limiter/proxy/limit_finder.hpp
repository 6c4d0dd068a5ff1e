// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_LIMIT_FINDER_HPP
#define CONNECTION_LIMITER_PROXY_LIMIT_FINDER_HPP

#include "options.hpp"
#include "proxy/net.hpp"

#include <turnstile.hpp>

#include <chrono>
#include <cstddef>
#include <mutex>

namespace connection_limiter {

// Finds the limit from the upstream's refusals, and from connects that take too long. Safe to use on any thread.
class limit_finder {
 public:
  limit_finder(const auto_limit& a, std::size_t first);

  // A connection found no free permit.
  void waited() { limit_.waited(); }

  // An attempt to connect that began at `start` has ended just now, with that many permits in use
  // at its start.
  void connected(std::chrono::steady_clock::time_point start, std::size_t in_use,
                 const error_code& ec);

  // The upstream has just closed that connection, and had sent nothing.
  void refused(std::chrono::steady_clock::time_point start, std::size_t in_use);

  std::size_t limit() const noexcept { return limit_.limit(); }

 private:
  using outcome = turnstile::adaptive_limit::outcome;

  void overloaded(std::chrono::steady_clock::time_point start, std::size_t in_use);
  void ended(std::chrono::steady_clock::time_point start, std::chrono::steady_clock::time_point end,
             std::size_t in_use, outcome o);

  std::mutex mutex_;  // guards ended() of
  turnstile::adaptive_limit limit_;
};

}  // namespace connection_limiter

#endif
