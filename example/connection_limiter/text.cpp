// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "text.hpp"

#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstdio>
#include <ctime>

namespace connection_limiter {

void log_to_stderr(const std::string& line) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm local{};
  localtime_r(&seconds, &local);
  char time[32];
  std::strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S", &local);
  // A single call, so that lines of several threads are not mixed.
  std::fprintf(stderr, "%s.%03d %s\n", time, static_cast<int>(milliseconds), line.c_str());
}

std::string reason(const std::exception_ptr& e) try {
  std::rethrow_exception(e);
} catch (const boost::system::system_error& error) {
  return error.code().message();
} catch (const std::exception& error) {
  return error.what();
} catch (...) {
  return "unknown exception";
}

}  // namespace connection_limiter
