// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_TEXT_HPP
#define CONNECTION_LIMITER_TEXT_HPP

#include <exception>
#include <sstream>
#include <string>

namespace connection_limiter {

// Concatenates the parts, formatted as by operator<<.
template <typename... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// The message of an exception. For a system_error, only the message of its code.
std::string reason(const std::exception_ptr& e);

}  // namespace connection_limiter

#endif
