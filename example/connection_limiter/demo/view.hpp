// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_DEMO_VIEW_HPP
#define CONNECTION_LIMITER_DEMO_VIEW_HPP

#include <chrono>
#include <cstddef>
#include <string>

namespace connection_limiter {

// The figures that the view shows.
struct snapshot {
  std::size_t clients = 0;
  std::size_t limit = 0;
  std::size_t active = 0;
  std::size_t queued = 0;
  std::size_t served = 0;
  std::size_t refused = 0;
  std::size_t upstream_now = 0;
  std::size_t upstream_max = 0;
  std::chrono::microseconds median_wait{};
  std::chrono::microseconds p99_wait{};
  std::chrono::milliseconds elapsed{};
};

// Shows the figures on standard output: in a terminal as bars that are redrawn in place, otherwise
// as one line for each snapshot.
class view {
 public:
  view();
  ~view();  // restores the terminal
  view(const view&) = delete;
  view& operator=(const view&) = delete;

  // How often show() should be called.
  std::chrono::milliseconds interval() const noexcept;

  void show(const snapshot& s);

 private:
  std::string bars(const snapshot& s) const;

  const bool terminal_;
  const bool unicode_;
  std::size_t bar_width_ = 0;
  std::size_t lines_drawn_ = 0;
};

// For example "850 ms" or "2.1 s".
std::string readable(std::chrono::microseconds time);

}  // namespace connection_limiter

#endif
