// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_OPTIONS_HPP
#define CONNECTION_LIMITER_OPTIONS_HPP

#include "values.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace connection_limiter {

// What becomes of the connections that are too many.
enum class overflow_mode {
  queue,    // accepted, and wait for a permit
  backlog,  // not accepted before there is a permit: they wait in the kernel
  reject    // refused at once
};

// How the limiter of one listening address is to work.
struct settings {
  host_port listen;
  host_port upstream;
  std::size_t limit = 0;
  overflow_mode overflow = overflow_mode::queue;
  std::size_t max_queue = 0;
  std::optional<std::size_t> per_client;
  std::size_t per_client_queue = 0;
  std::chrono::milliseconds queue_timeout{};
  bool abandon = true;  // who hangs up in the queue leaves it
  std::chrono::milliseconds connect_timeout{};
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> session_timeout;
  std::chrono::milliseconds drain_timeout{};
};

struct options {
  std::vector<settings> limiters;  // at least one
  std::size_t threads = 1;
  std::optional<host_port> admin;
  std::string admin_public;  // the name under which that may be asked for; empty: only loopback
  bool demo = false;
  bool help = false;
};

// The options are wrong; what() is one line that names the option and says what it takes.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws usage_error.
options parse_options(int argc, const char* const* argv);

// What --help prints.
std::string help_text();

}  // namespace connection_limiter

#endif
