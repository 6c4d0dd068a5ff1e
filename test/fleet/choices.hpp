// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_CHOICES_HPP
#define TURNSTILE_TEST_FLEET_CHOICES_HPP

#include "scenario.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace simulation {

// What becomes of a message.
enum class fate { prompt, late, very_late, twice, lost, lost_and_reported };
inline constexpr std::size_t fates = 6;

// Runs of one scenario that differ in what fails: each run takes another way, until there is none left. In each, so many
// failures happen, or fewer. A failure is a message that is not prompt, or one of the faults before one of the steps; of
// these, there is one at most.
class choices {
 public:
  choices(std::vector<event> faults, std::size_t failures)
      : faults_(std::move(faults)), failures_(failures) {}

  // Before each run.
  void begin() {
    used_ = 0;
    left_ = failures_;
    has_fault_ = false;
  }
  // After each run. False if that was the last one.
  bool next() {
    while (!taken_.empty() && ++taken_.back().value == taken_.back().count) taken_.pop_back();
    return !taken_.empty();
  }

  fate next_fate() { return static_cast<fate>(take(fates)); }
  const event* next_fault() {
    const std::size_t n = has_fault_ ? 0 : take(faults_.size() + 1);
    has_fault_ = has_fault_ || n != 0;
    return n == 0 ? nullptr : &faults_[n - 1];
  }

 private:
  struct choice {
    std::size_t value, count;
  };

  // The way of the last run is followed to its end, of which next() has taken another turn.
  std::size_t take(std::size_t count) {
    if (left_ == 0) return 0;
    if (used_ == taken_.size()) taken_.push_back({0, count});
    const std::size_t value = taken_[used_++].value;
    left_ -= value != 0;
    return value;
  }

  const std::vector<event> faults_;
  const std::size_t failures_;
  std::vector<choice> taken_;
  std::size_t used_ = 0, left_ = 0;
  bool has_fault_ = false;
};

}  // namespace simulation

#endif
