// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_MANUAL_CLOCK_HPP
#define TURNSTILE_MANUAL_CLOCK_HPP

#include <turnstile/detail/time_source.hpp>

#include <chrono>
#include <memory>

namespace turnstile::inline v1 {

class memory_server;

/// A clock for tests of programs with a shared semaphore. It stands still until it is moved. A `memory_server` that is
/// given one, and the semaphores that use that server, have no other clock and no timer.
///
/// @par Thread safety
/// Safe.
class manual_clock {
 public:
  /// Returns the time.
  std::chrono::microseconds now() const noexcept { return std::chrono::microseconds(time_->now()); }

  /// Moves the clock. What is to happen on the way happens in this call: leases are renewed and lost, and requests sent.
  /// Handlers are posted. What is posted runs only when its context does, so move the clock in small steps, and run the
  /// context after each, if answers are to be in time.
  void advance(std::chrono::microseconds d) { time_->advance(d.count()); }

  /// Moves the clock as if the process had been stopped meanwhile: nothing happens on the way, and what is late happens
  /// with the next call of `advance()`.
  void jump(std::chrono::microseconds d) noexcept { time_->jump(d.count()); }

 private:
  friend memory_server;

  std::shared_ptr<detail::manual_time> time_ = std::make_shared<detail::manual_time>();
};

}  // namespace turnstile::inline v1

#endif
