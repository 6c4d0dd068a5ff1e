// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LOG_LOG_HPP
#define CONNECTION_LIMITER_LOG_LOG_HPP

#include "log/access_record.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace connection_limiter {

enum class log_level { info, warning, error };
enum class log_format { plain, json };

// The log of the program, as plain text or as one JSON object for each line. Each line has the time in UTC, a level, and the subject: the listener or
// the part of the program that the message is about, or nothing. All members are safe to call on any
// thread, if `write` is.
class logger {
 public:
  explicit logger(std::function<void(const std::string& line)> write,
                  log_format f = log_format::plain, bool with_access = false)
      : write_(std::move(write)), format_(f), with_access_(with_access) {}

  // Whether there is an access log: a line for each connection.
  bool with_access() const noexcept { return with_access_; }
  void access(std::string_view subject, const access_record& r) const;

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
  const log_format format_;
  const bool with_access_;
};

// The text with control characters as \x0a, so that it stays on one line.
std::string on_one_line(std::string_view text);

}  // namespace connection_limiter

#endif
