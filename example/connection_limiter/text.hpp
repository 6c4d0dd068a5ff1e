// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_TEXT_HPP
#define CONNECTION_LIMITER_TEXT_HPP

#include <exception>
#include <functional>
#include <sstream>
#include <string>

namespace connection_limiter {

// Where the limiter reports what happens, a line each; called by several threads.
using log_function = std::function<void(const std::string& line)>;

// A log on standard error, with the time of day.
void log_to_stderr(const std::string& line);

// All the parts, as a stream would show them.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// What an exception says: of a system error the message alone, without its code and origin.
std::string reason(const std::exception_ptr& e);

}  // namespace connection_limiter

#endif
