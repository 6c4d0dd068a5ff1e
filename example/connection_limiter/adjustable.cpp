// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "adjustable.hpp"

#include "help.hpp"
#include "text.hpp"
#include "values.hpp"

#include <algorithm>

namespace connection_limiter {

namespace {

using std::chrono::milliseconds;

// Zero means that there is no limit.
std::optional<std::optional<milliseconds>> to_timeout(std::string_view text) {
  const auto time = to_duration(text);
  if (!time) return {};
  return time->count() != 0 ? std::optional{time} : std::optional{std::optional<milliseconds>{}};
}

std::optional<milliseconds> to_wait(std::string_view text) {
  const auto time = to_timeout(text);
  return time ? std::optional{time->value_or(no_timeout)} : std::nullopt;
}

std::string shown(std::size_t n) { return std::to_string(n); }
std::string shown(std::optional<std::size_t> n) { return n ? shown(*n) : "off"; }
std::string shown(milliseconds time) { return time == no_timeout ? "0s" : duration_text(time); }
std::string shown(std::optional<milliseconds> time) { return shown(time.value_or(no_timeout)); }

template <auto member, auto parse>
constexpr adjustable_option option(std::string_view name) {
  return {name,
          [](adjustable& a, std::string_view text) {
            const auto value = parse(text);
            if (value) a.*member = *value;
            return value.has_value();
          },
          [](const adjustable& a) { return shown(a.*member); }};
}

bool set_half_close(adjustable& a, std::string_view text) {
  const auto time = to_timeout(text);
  if (time) a.client_ended_timeout = a.upstream_ended_timeout = *time;
  return time.has_value();
}

std::string get_half_close(const adjustable& a) {
  const std::string upstream = shown(a.upstream_ended_timeout);
  const std::string client = shown(a.client_ended_timeout);
  return upstream == client ? client : upstream + " or " + client;
}

constexpr adjustable_option all[]{
    option<&queue_limits::limit, to_size>("limit"),
    option<&queue_limits::max_queue, to_size>("max-queue"),
    option<&queue_limits::queue_timeout, to_wait>("queue-timeout"),
    option<&queue_limits::per_client, to_limit>("per-client"),
    option<&queue_limits::per_client_queue, to_size>("per-client-queue"),
    option<&timeouts::connect_timeout, to_wait>("connect-timeout"),
    {"half-close-timeout", set_half_close, get_half_close},
    option<&timeouts::idle_timeout, to_timeout>("idle-timeout"),
    option<&timeouts::session_timeout, to_timeout>("session-timeout"),
    option<&timeouts::drain_delay, to_duration>("drain-delay"),
    option<&timeouts::drain_timeout, to_duration>("drain-timeout")};

}  // namespace

std::span<const adjustable_option> adjustable_options() { return all; }

const adjustable_option* find_adjustable(std::string_view name) {
  const auto found = std::find_if(std::begin(all), std::end(all),
                                  [&](const adjustable_option& o) { return o.name == name; });
  return found != std::end(all) ? found : nullptr;
}

std::string expected_by(const adjustable_option& option) {
  // Only the command line can say auto.
  return option.name == "limit" ? text("a number from 0 to ", max_permits)
                                : expected_by(option.name);
}

}  // namespace connection_limiter
