// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADJUSTABLE_HPP
#define CONNECTION_LIMITER_ADJUSTABLE_HPP

// The settings of a listener that can change while it runs, by their names.

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace connection_limiter {

// A time that does not pass.
constexpr std::chrono::milliseconds no_timeout = std::chrono::hours{24 * 365 * 100};

// What decides whether a connection is forwarded, queued or refused.
struct queue_limits {
  std::size_t limit = 0;  // zero pauses; the first limit if it is found automatically
  std::size_t max_queue = 0;
  std::optional<std::size_t> per_client;
  std::size_t per_client_queue = 0;
  std::chrono::milliseconds queue_timeout{};
};

struct timeouts {
  std::chrono::milliseconds connect_timeout{};
  // How long a connection that one side has ended may be idle.
  std::optional<std::chrono::milliseconds> client_ended_timeout = std::chrono::minutes{5};
  std::optional<std::chrono::milliseconds> upstream_ended_timeout = std::chrono::seconds{2};
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::chrono::milliseconds> session_timeout;
  std::chrono::milliseconds drain_delay{};
  std::chrono::milliseconds drain_timeout{};
};

struct adjustable : queue_limits, timeouts {};

// The option of the command line with that name, without the dashes.
struct adjustable_option {
  std::string_view name;
  bool (*set)(adjustable& a, std::string_view text);  // returns false if the text is not valid
  std::string (*get)(const adjustable& a);
};

std::span<const adjustable_option> adjustable_options();

// Returns nullptr if there is no such option.
const adjustable_option* find_adjustable(std::string_view name);

// What the option expects, for error messages.
std::string expected_by(const adjustable_option& option);

}  // namespace connection_limiter

#endif
