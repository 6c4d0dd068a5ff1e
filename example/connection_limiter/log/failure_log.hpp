// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LOG_FAILURE_LOG_HPP
#define CONNECTION_LIMITER_LOG_FAILURE_LOG_HPP

#include "log/log.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace connection_limiter {

// Logs something that can fail very often: the first failure at once, further failures as a count,
// and then that it works again. Something that alternates between failing and working counts as
// failing, so the number of lines is bounded: two in the first second and one every ten seconds.
//
// All members are safe to call on any thread. The functions take the time as an argument for tests.
class failure_log {
 public:
  using clock = std::chrono::steady_clock;

  // The lines start with `what`, for example "accept".
  failure_log(const logger& l, std::string subject, std::string what);

  // Logs failures that were not yet logged.
  ~failure_log();

  void failed(const std::string& reason, clock::time_point now = clock::now());
  void succeeded() noexcept;

  // Logs what is due. Call it about once a second.
  void report(clock::time_point now = clock::now());

  bool is_failing() const noexcept { return failing_.load(std::memory_order_relaxed); }

 private:
  void log_count(clock::time_point now);

  const logger& log_;
  const std::string subject_;
  const std::string what_;
  std::atomic<bool> failing_{false};  // changed under the mutex only; read without it as a hint
  std::mutex mutex_;                  // guards the members below
  std::string reason_;
  std::uint64_t uncounted_ = 0;  // failures since the last line
  bool succeeded_ = false;       // since the last failure
  clock::duration interval_{};   // between this line and the next
  clock::time_point last_failure_;
  clock::time_point last_line_ = clock::time_point::min();
};

}  // namespace connection_limiter

#endif
