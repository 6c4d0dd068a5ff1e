// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_OPTIONS_HPP
#define CONNECTION_LIMITER_OPTIONS_HPP

#include "log/log.hpp"
#include "values.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace connection_limiter {

// What happens to connections above the limit.
enum class overflow_mode {
  queue,    // they are accepted and wait for a permit
  backlog,  // they are not accepted until a permit is free, and wait in the kernel
  reject    // they are refused at once
};

// A time that does not pass.
constexpr std::chrono::milliseconds no_timeout = std::chrono::hours{24 * 365 * 100};

// For --limit auto and --limit-dry-run.
struct auto_limit {
  std::size_t lowest = 1;
  std::size_t highest = 1000;
  bool dry_run = false;  // only reports the limit that it would set
};

// The settings of one listener.
struct settings {
  host_port listen;
  host_port upstream;
  std::size_t limit = 0;  // zero pauses; the first limit if it is found automatically
  std::optional<auto_limit> find_limit;
  overflow_mode overflow = overflow_mode::queue;
  std::size_t max_queue = 0;
  std::optional<std::size_t> per_client;
  std::size_t per_client_queue = 0;
  std::chrono::milliseconds queue_timeout{};
  bool abandon = true;                // drop queued clients that disconnect
  std::vector<network> accept_proxy;  // whose connections start with a PROXY header
  int send_proxy = 0;                 // the version of the PROXY header for the upstream, or 0
  std::chrono::milliseconds resolve_every{};  // zero: only after a failure
  std::chrono::milliseconds connect_timeout{};
  std::optional<std::chrono::milliseconds> keepalive;  // whole seconds
  // How long a connection that one side has ended may be idle.
  std::optional<std::chrono::milliseconds> client_ended_timeout = std::chrono::minutes{5};
  std::optional<std::chrono::milliseconds> upstream_ended_timeout = std::chrono::seconds{2};
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> session_timeout;
  std::chrono::milliseconds drain_delay{};
  std::chrono::milliseconds drain_timeout{};
};

struct options {
  std::vector<settings> limiters;  // at least one
  std::size_t threads = 1;
  std::optional<host_port> admin;
  std::string admin_public;  // the host name of a public admin endpoint; empty: loopback only
  bool access_log = false;
  log_format format = log_format::plain;
  bool demo = false;
  bool help = false;
  bool version = false;
};

// An option is wrong. what() names the option and says what it expects.
struct usage_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Throws usage_error.
options parse_options(int argc, const char* const* argv);

}  // namespace connection_limiter

#endif
