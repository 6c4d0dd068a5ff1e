// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LIMITS_FILE_HPP
#define CONNECTION_LIMITER_LIMITS_FILE_HPP

#include <string>
#include <vector>

namespace connection_limiter {

// One line of a file with limits: "limit = 20".
struct limits_file_entry {
  std::string option, value;
};

// Reads a file for --limits-file: lines with options that can change while the program runs, and
// `listen` lines. Skips empty lines and lines that start with #. Throws a usage_error that names the
// file and the line.
std::vector<limits_file_entry> read_limits_file(const std::string& path);

}  // namespace connection_limiter

#endif
