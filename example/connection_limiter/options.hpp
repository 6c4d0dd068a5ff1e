// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_OPTIONS_HPP
#define CONNECTION_LIMITER_OPTIONS_HPP

#include "adjustable.hpp"
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

// For --limit auto and --limit-dry-run.
struct auto_limit {
  std::size_t lowest = 1;
  std::size_t highest = 1000;
  bool dry_run = false;  // only reports the limit that it would set
};

// For --shared: a limit that limiters on several machines have in common.
struct shared_limit {
  std::string url;  // of Redis; may have a password
  std::string name;
  std::chrono::milliseconds lease{15000};
  bool cuts = false;  // what was forwarded under a lease that is lost

  bool operator==(const shared_limit&) const = default;
};

// The settings of one listener.
struct settings : adjustable {
  host_port listen;
  std::optional<unsigned> socket_mode;  // the permissions of a listening Unix-domain socket
  host_port upstream;
  std::optional<auto_limit> find_limit;
  overflow_mode overflow = overflow_mode::queue;
  std::string share_limit;  // the name of a limit that listeners share, or empty
  std::optional<shared_limit> shared;
  bool abandon = true;                // drop queued clients that disconnect
  std::vector<network> accept_proxy;  // whose connections start with a PROXY header
  int send_proxy = 0;                 // the version of the PROXY header for the upstream, or 0
  std::chrono::milliseconds resolve_every{};           // zero: only after a failure
  std::optional<std::chrono::milliseconds> keepalive;  // whole seconds

  // Whether the limit is found automatically, and used.
  bool finds_limit() const noexcept { return find_limit && !find_limit->dry_run; }
};

struct options {
  std::vector<settings> limiters;  // at least one
  std::size_t threads = 1;
  std::optional<host_port> admin;
  std::vector<std::string> admin_public;  // names of a public admin endpoint; none: loopback only
  std::string limits_file;                // empty if there is none
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
