// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_ADAPTIVE_RULES_HPP
#define TURNSTILE_SRC_ADAPTIVE_RULES_HPP

// The rules of adaptive_limit. src/adaptive_limit.md explains them.
//
// The simulation in test/adaptive/ takes single rules away to show what each of them is for. The library
// has no such option: it uses `every_rule`.

#include <turnstile/detail/adaptive_state.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace turnstile::inline v1::detail {

struct every_rule {
  static constexpr bool search = true, slow_start = true, derivative = true, dips = true,
                        reached = true, started_in_window = true;
};

// The settings of an adaptive_limit, checked.
struct adaptive_bounds {
  std::size_t lowest, highest;
  double window;  // the shortest one, in seconds
};

// Seconds from one point in time to a later one; zero if it is not later. Any two points will do.
inline double seconds_between(adaptive_state::time_point from,
                              adaptive_state::time_point to) noexcept {
  using duration = adaptive_state::time_point::duration;
  if (to <= from) return 0;
  const auto ticks = static_cast<std::uint64_t>(to.time_since_epoch().count()) -
                     static_cast<std::uint64_t>(from.time_since_epoch().count());
  return static_cast<double>(ticks) * duration::period::num / duration::period::den;
}

template <typename Rules = every_rule>
class adaptive_rules {
  using state = adaptive_state;
  using experiment = state::experiment;

 public:
  using time_point = state::time_point;

  adaptive_rules(state& s, const adaptive_bounds& b) noexcept : s_(s), bounds_(b) {}

  // A hold has ended. `waited`: something has had to wait for a permit since the last call.
  void ended(time_point start, time_point end, std::size_t in_use, bool overloaded,
             bool waited) noexcept {
    state::window& w = s_.now;
    const bool reached = waited || in_use >= s_.limit || !Rules::reached;
    if (!w.has_begun) {
      if (!reached) return;
      w.has_begun = true;
      w.start = w.reached = std::max(w.start, end);
      return;
    }
    if (reached) {
      w.reached = std::max(w.reached, end);
    } else if (seconds_between(w.reached, end) > std::max(bounds_.window, 4 * mean())) {
      s_.interrupted = true;  // the next window may have little to do with the one before
      return begin_window(end);
    }
    if (counts(start)) {
      if (overloaded) {
        ++w.overloads;
      } else {
        const double time = std::max(seconds_between(start, end), shortest_time);
        ++w.successes;
        w.time += time;
        w.squares += time * time;
        w.in_use += std::max(1.0, static_cast<double>(in_use));
      }
    }
    if (!is_complete(end)) return;
    if (is_overloaded())
      back_off();
    else
      evaluate(mean(), w.in_use / w.successes, w.successes);
    begin_window(end);
  }

 private:
  // ---- The window ------------------------------------------------------------------------------

  static constexpr double shortest_time = 1e-9;

  void begin_window(time_point now) noexcept {
    now = std::max(s_.now.start, now);
    s_.now = {};
    s_.now.start = now;
  }

  // The mean hold time.
  double mean() const noexcept { return s_.now.successes > 0 ? s_.now.time / s_.now.successes : 0; }

  bool counts(time_point start) const noexcept {
    if (!Rules::started_in_window) return true;
    return start > s_.now.start && !(s_.now.has_enough && start > s_.now.enough);
  }

  bool is_complete(time_point now) noexcept {
    state::window& w = s_.now;
    const double age = seconds_between(w.start, now), holds = w.successes + w.overloads;
    if (age < bounds_.window || holds == 0) return false;
    if (is_overloaded()) return true;
    const double mean = this->mean();
    if (!w.has_enough && w.successes > 0 && w.successes >= needed(mean)) {
      w.has_enough = true;
      w.enough = now;
    }
    // Those that take longest are still to come: without them, the mean would be too short.
    const double wait = Rules::started_in_window ? 2 * mean : 0;
    if (w.has_enough && seconds_between(w.enough, now) >= wait) return true;
    return holds >= 10 && age >= std::max(20 * bounds_.window, 32 * mean);
  }

  // How many holds are enough.
  double needed(double mean) const noexcept {
    const double limit = static_cast<double>(s_.limit);
    if (s_.base == 0) {
      // What is compared with nothing need not be precise.
      if (s_.running == experiment::none && s_.limit <= bounds_.lowest) return 16;
      return std::max({64.0, 4 * limit, for_error(0.15, mean)});
    }
    if (s_.running == experiment::cut || is_far_too_high(mean)) {
      // Whether to cut, and whether to keep the cut, are decisions that matter.
      return std::max({96.0, (s_.grows_fast ? 8 : 24) * limit, for_error(0.08, mean)});
    }
    // A wrong step of fast growth is soon put right.
    if (s_.grows_fast) return std::max(16.0, 4 * limit);
    return std::max({64.0, 16 * limit, for_error(0.08, mean)});
  }

  // How many holds it takes until the standard error of their mean time is that share of it.
  double for_error(double share, double mean) const noexcept {
    const double variation = s_.now.squares / s_.now.successes / (mean * mean) - 1;
    return variation / (share * share);
  }

  bool is_overloaded() const noexcept {
    const double holds = s_.now.successes + s_.now.overloads;
    return holds >= 10 && s_.now.overloads > 2 && s_.now.overloads > 0.05 * holds;
  }

  // ---- The limit -------------------------------------------------------------------------------

  void set(double limit) noexcept {
    limit = std::round(limit);
    if (limit <= static_cast<double>(bounds_.lowest))
      s_.limit = bounds_.lowest;
    else if (limit >= static_cast<double>(bounds_.highest))
      s_.limit = bounds_.highest;
    else
      s_.limit = static_cast<std::size_t>(limit);
  }

  // By Little's law, in_use / time requests end each second. `c` of them would be in use without a queue;
  // a few more keep the upstream busy between one request and the next.
  double target(double in_use, double time) const noexcept {
    const double c = in_use * s_.base / time;
    return std::round(c + std::sqrt(c));
  }

  void back_off() noexcept {
    if (s_.base != 0) s_.grows_fast = false;
    s_.running = experiment::none;
    set(std::floor(0.8 * static_cast<double>(s_.limit)));
  }

  void begin(experiment e, double limit, double time, double in_use) noexcept {
    s_.running = e;
    s_.interrupted = false;
    s_.limit_before = s_.limit;
    s_.time_before = time;
    s_.in_use_before = in_use;
    set(limit);
  }

  void undo() noexcept { s_.limit = s_.limit_before; }

  // The mean hold time and the mean number in use of a window in which the limit was reached.
  void evaluate(double time, double in_use, double holds) noexcept {
    const experiment e = s_.running;
    s_.running = experiment::none;
    const double exponent = this->exponent(time, in_use);
    const bool is_queue = exponent >= (e == experiment::cut ? 0.6 : 0.5);
    if (s_.base == 0) {
      search(e, is_queue, time, in_use, holds);
    } else if (e == experiment::cut && !is_queue && Rules::derivative) {
      // The time is the service's own, unless it has changed meanwhile: then the cut is tried again.
      if (!s_.interrupted && exponent > -0.25 && time > s_.base) approach(time);
      undo();
    } else if (e == experiment::dip) {
      const bool is_valid = !s_.interrupted && exponent > -0.25;
      const bool learned = is_valid && (!is_queue || time < s_.base) && approach(time);
      s_.dip_interval = learned ? 4 : std::min(2 * s_.dip_interval, 32u);
      undo();
    } else {
      if (e == experiment::cut) {
        s_.grows_fast = false;
        s_.deepest_cut = 0.75;
      }
      if (time < 0.8 * s_.base && !s_.grows_fast) s_.base = time;
      adjust(time, in_use, holds);
    }
  }

  // How the time has followed the number in use since before the experiment: 1 if it is all queue, and
  // 0 if it is all service.
  double exponent(double time, double in_use) const noexcept {
    if (s_.interrupted || !(in_use < 0.9 * s_.in_use_before)) return 0;
    return std::log(time / s_.time_before) / std::log(in_use / s_.in_use_before);
  }

  // Halves the limit until that makes no difference to the time.
  void search(experiment e, bool is_queue, double time, double in_use, double holds) noexcept {
    if (e == experiment::search && !is_queue) {
      s_.base = (time + s_.time_before) / 2;
      s_.base_weight = 2 * holds;
      undo();
    } else if (s_.limit > bounds_.lowest && Rules::search) {
      begin(experiment::search, std::floor(static_cast<double>(s_.limit) / 2), time, in_use);
    } else {
      s_.base = time;
      s_.base_weight = 0;
      adjust(time, in_use, holds);
    }
  }

  bool is_far_too_high(double time) const noexcept {
    const double limit = static_cast<double>(s_.limit);
    return target(limit, time) <= (s_.grows_fast ? limit - 1 : 0.75 * limit);
  }

  void adjust(double time, double in_use, double holds) noexcept {
    const double limit = static_cast<double>(s_.limit), highest = target(limit, time);
    if (is_far_too_high(time)) {
      // Only if two windows say so: the first may have begun before the upstream changed.
      if (s_.grows_fast || std::exchange(s_.is_suspected, true)) {
        s_.is_suspected = false;
        const double lower = s_.grows_fast ? 0 : highest;
        begin(experiment::cut, std::max(lower, s_.deepest_cut * limit), time, in_use);
      }
      return;
    }
    s_.is_suspected = false;
    s_.deepest_cut = 0.6;
    if (s_.grows_fast && Rules::slow_start) {
      s_.base += (time - s_.base) * holds / (holds + s_.base_weight);
      s_.base_weight += holds;
      return set(1.5 * limit + 1);
    }
    // Many small steps down are as doubtful as a cut.
    const bool has_sunk = limit <= 0.8 * s_.highest_since_dip;
    s_.highest_since_dip = std::max(s_.highest_since_dip, limit);
    if (Rules::dips && (++s_.windows_since_dip > s_.dip_interval || has_sunk)) {
      s_.windows_since_dip = 0;
      s_.highest_since_dip = limit;
      // Deep enough to get below c.
      const double depth = limit > 12 ? 0.75 : 0.6;
      begin(experiment::dip, std::floor(depth * limit), time, in_use);
    } else if (highest < limit) {
      set(highest);
    } else {
      set(std::min(std::max(limit, target(in_use, time)), 1.5 * limit + 1));
    }
  }

  // Moves the base towards a time that was not spent in a queue. Returns whether they differ much.
  bool approach(double time) noexcept {
    const bool differs = std::abs(time - s_.base) > 0.15 * s_.base;
    s_.base = differs ? time : (time + s_.base) / 2;
    return differs;
  }

  state& s_;
  const adaptive_bounds& bounds_;
};

}  // namespace turnstile::inline v1::detail

#endif
