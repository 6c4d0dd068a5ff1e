// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_VALUES_HPP
#define CONNECTION_LIMITER_VALUES_HPP

// What users write, and what it means: nothing, where a text makes no sense.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace connection_limiter {

// No limit is higher, and no queue longer.
constexpr std::size_t most_permits = 1'000'000;

// An address or a name, with a port, as the user gave it.
struct host_port {
  std::string host;
  std::uint16_t port = 0;
};

// "host:port", with brackets where the host is an IPv6 address.
std::string to_string(const host_port& where);

std::optional<host_port> to_host_port(std::string_view text);

// A number that is all of the text, and not beyond `most`.
std::optional<std::size_t> to_number(std::string_view text, std::size_t most);

// A number of permits: not zero, and not beyond most_permits.
std::optional<std::size_t> to_limit(std::string_view text);

// "500ms", "5s", "2m", "1h".
std::optional<std::chrono::milliseconds> to_duration(std::string_view text);

}  // namespace connection_limiter

#endif
