// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_ADAPTIVE_STATE_HPP
#define TURNSTILE_DETAIL_ADAPTIVE_STATE_HPP

// What an adaptive_limit remembers. The rules that change it are in src/adaptive_rules.hpp.

#include <chrono>
#include <cstddef>

namespace turnstile::inline v1::detail {

// Times are in seconds, and counts are of type double, so that nothing overflows.
struct adaptive_state {
  using time_point = std::chrono::steady_clock::time_point;

  // The holds that started after `start`, all of them under one limit.
  struct window {
    time_point start = (time_point::min)();
    bool has_begun = false;   // it begins when the limit is reached
    time_point reached;       // when that was so for the last time
    bool has_enough = false;  // no hold that started after `enough` counts any more
    time_point enough;
    double successes = 0;
    double overloads = 0;
    double time = 0;     // the sum of the hold times of the successes,
    double squares = 0;  // of their squares,
    double in_use = 0;   // and of what was in use when they started
  };

  // Why the limit is lower for one window, to see what the hold time does.
  enum class experiment { none, search, cut, dip };

  std::size_t limit = 1;
  window now;

  double base = 0;         // the hold time without a queue; zero while it is unknown
  double base_weight = 0;  // of how many holds it is the mean, while the limit grows fast
  bool grows_fast = true;  // nothing has shown yet that the limit is high enough

  experiment running = experiment::none;
  bool interrupted = false;      // the limit was not reached for a while since the experiment began
  std::size_t limit_before = 0;  // what was before the experiment
  double time_before = 0;
  double in_use_before = 0;

  unsigned dip_interval = 4;  // how many windows are between two dips
  unsigned windows_since_dip = 0;
  double highest_since_dip = 0;  // the highest limit since the last dip

  bool is_suspected = false;  // the last window said that the limit is far too high
  double deepest_cut = 0.6;   // what a cut leaves of the limit at least
};

}  // namespace turnstile::inline v1::detail

#endif
