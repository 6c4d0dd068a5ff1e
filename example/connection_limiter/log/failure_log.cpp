// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "log/failure_log.hpp"

#include "text.hpp"

#include <utility>

namespace connection_limiter {

namespace {

using namespace std::chrono_literals;

constexpr auto first_interval = 1s;
constexpr auto long_interval = 10s;  // after the first line with a count
constexpr auto quiet_time = 60s;     // without a line; the next failure starts anew

}  // namespace

failure_log::failure_log(const logger& l, std::string subject, std::string what)
    : log_(l), subject_(std::move(subject)), what_(std::move(what)) {}

failure_log::~failure_log() {
  if (uncounted_ != 0) log_count(clock::now());
}

void failure_log::failed(const std::string& reason, clock::time_point now) {
  const std::lock_guard lock{mutex_};
  reason_ = reason;
  last_failure_ = now;
  succeeded_ = false;
  if (failing_) {
    ++uncounted_;
    return;
  }
  log_.warning(subject_, what_ + ": " + reason);
  const bool was_quiet =
      last_line_ == clock::time_point::min() || now - last_line_ >= clock::duration{quiet_time};
  interval_ = was_quiet ? first_interval : long_interval;
  last_line_ = now;
  failing_ = true;
}

void failure_log::succeeded() noexcept {
  if (!is_failing()) return;
  const std::lock_guard lock{mutex_};
  succeeded_ = true;
}

void failure_log::report(clock::time_point now) {
  if (!is_failing()) return;
  const std::lock_guard lock{mutex_};
  if (now - last_line_ < interval_) return;
  if (uncounted_ != 0) {
    log_count(now);
    interval_ = long_interval;
  } else if (succeeded_ && now - last_failure_ >= interval_) {
    log_.info(subject_, what_ + ": works again");
    last_line_ = now;
    failing_ = false;
  }
}

void failure_log::log_count(clock::time_point now) {
  const auto seconds = std::chrono::round<std::chrono::seconds>(now - last_line_).count();
  log_.warning(subject_, text(what_, ": ", reason_, "; failures in the last ", seconds,
                              " s: ", std::exchange(uncounted_, 0)));
  last_line_ = now;
}

}  // namespace connection_limiter
