// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_VALUES_HPP
#define CONNECTION_LIMITER_VALUES_HPP

// Parsers for the values that users write. Each returns nullopt if the text is not valid.

#include <boost/asio/ip/address.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace connection_limiter {

// The highest limit and the longest queue that are accepted.
constexpr std::size_t max_permits = 1'000'000;

// An address or a host name, and a port, as the user wrote them. Or a Unix-domain socket.
struct host_port {
  std::string host;
  std::uint16_t port = 0;
  std::string path = {};  // of a Unix-domain socket; empty if it is none
};

// "host:port", with brackets around an IPv6 address; or "unix:/path".
std::string to_string(const host_port& address);

// True if the text has neither spaces nor control characters.
bool is_printable(std::string_view text);

std::optional<host_port> to_host_port(std::string_view text);

// The same, or a Unix-domain socket: "unix:/path".
std::optional<host_port> to_address(std::string_view text);

// A range of addresses: "10.0.0.0/8", "fd00::/8", or one address. Or "unix", for all Unix-domain sockets.
class network {
 public:
  bool contains(boost::asio::ip::address address) const;
  bool is_unix() const noexcept { return is_unix_; }

 private:
  friend std::optional<network> to_network(std::string_view text);

  boost::asio::ip::address address_;
  unsigned short prefix_ = 0;
  bool is_unix_ = false;
};

std::optional<network> to_network(std::string_view text);

// Networks that are separated by commas.
std::optional<std::vector<network>> to_networks(std::string_view text);

// Permissions of a file as an octal number: "0660".
std::optional<unsigned> to_permissions(std::string_view text);

// A decimal number from 0 to `max`. The text must contain nothing else.
std::optional<std::size_t> to_number(std::string_view text, std::size_t max);

// A number from 0 to max_permits.
std::optional<std::size_t> to_size(std::string_view text);

// A number from 1 to max_permits.
std::optional<std::size_t> to_limit(std::string_view text);

// A number with a unit: "500ms", "5s", "2m" or "1h".
std::optional<std::chrono::milliseconds> to_duration(std::string_view text);

// The URL of a shared limit: the text, or if it is `@FILE`, the first line of that file.
std::optional<std::string> to_shared_url(const std::string& text);

// The name and the lease of a shared limit, as a shared semaphore takes them: 1 to 128 letters, digits and
// "_.:/-"; and 1s to 10m.
std::optional<std::string> to_shared_name(const std::string& text);
std::optional<std::chrono::milliseconds> to_lease(std::string_view text);

// A multiple of a second.
std::optional<std::chrono::milliseconds> to_whole_seconds(std::string_view text);

// The duration in such a form, with the largest unit of which it is a multiple.
std::string duration_text(std::chrono::milliseconds time);

}  // namespace connection_limiter

#endif
