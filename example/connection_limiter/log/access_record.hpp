// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LOG_ACCESS_RECORD_HPP
#define CONNECTION_LIMITER_LOG_ACCESS_RECORD_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace connection_limiter {

// What the access log says about one connection.
struct access_record {
  std::string client;                // its address
  std::string_view result;           // served, refused, abandoned, cut or failed
  std::string reason;                // of a result other than served or abandoned
  std::chrono::microseconds wait{};  // for the permit, or until it was refused
  std::chrono::microseconds time{};  // from its acceptance to its end
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
};

}  // namespace connection_limiter

#endif
