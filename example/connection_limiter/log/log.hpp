// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LOG_LOG_HPP
#define CONNECTION_LIMITER_LOG_LOG_HPP

#include <functional>
#include <string>
#include <string_view>

namespace connection_limiter {

enum class log_level { info, warning, error };

// The log of the program. Each line has the time in UTC, a level, and the subject: the listener or
// the part of the program that the message is about, or nothing. All members are safe to call on any
// thread, if `write` is.
class logger {
 public:
  explicit logger(std::function<void(const std::string& line)> write) : write_(std::move(write)) {}

  void info(std::string_view subject, std::string_view message) const {
    write_(line(log_level::info, subject, message));
  }
  void warning(std::string_view subject, std::string_view message) const {
    write_(line(log_level::warning, subject, message));
  }
  void error(std::string_view subject, std::string_view message) const {
    write_(line(log_level::error, subject, message));
  }

  // A line with the present time, without a newline at its end. Control characters are escaped.
  std::string line(log_level level, std::string_view subject, std::string_view message) const;

 private:
  const std::function<void(const std::string& line)> write_;
};

// The text with control characters as \x0a, so that it stays on one line.
std::string on_one_line(std::string_view text);

}  // namespace connection_limiter

#endif
