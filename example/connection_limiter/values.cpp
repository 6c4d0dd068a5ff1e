// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "values.hpp"

#include <sys/un.h>

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

#include <algorithm>
#include <charconv>
#include <fstream>

namespace connection_limiter {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds max_duration = std::chrono::hours{1000};

constexpr std::string_view unix_prefix = "unix:";
constexpr std::size_t max_path = sizeof sockaddr_un{}.sun_path - 1;

}  // namespace

std::string to_string(const host_port& address) {
  if (!address.path.empty()) return std::string{unix_prefix} + address.path;
  const bool v6 = address.host.find(':') != std::string::npos;
  return (v6 ? '[' + address.host + ']' : address.host) + ':' + std::to_string(address.port);
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto code = static_cast<unsigned char>(c);
    return code > 0x20 && code != 0x7f;
  });
}

std::optional<host_port> to_host_port(std::string_view text) {
  if (!is_printable(text)) return {};
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return {};
  const auto port = to_number(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find_first_of(":[]") != host.npos)
    return {};
  if (host.empty() || !port) return {};
  return host_port{std::string{host}, static_cast<std::uint16_t>(*port)};
}

std::optional<host_port> to_address(std::string_view text) {
  if (!text.starts_with(unix_prefix)) return to_host_port(text);
  const std::string_view path = text.substr(unix_prefix.size());
  // A path that messages and metrics show as it is.
  if (path.size() < 2 || path.size() > max_path || path.front() != '/' || !is_printable(path) ||
      path.find_first_of("\"\\") != path.npos)
    return {};
  return host_port{{}, 0, std::string{path}};
}

std::optional<network> to_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  boost::system::error_code ec;
  network result;
  result.is_unix_ = text == "unix";
  if (result.is_unix_) return result;
  result.address_ = boost::asio::ip::make_address(std::string{text.substr(0, slash)}, ec);
  if (ec) return {};
  const std::size_t bits = result.address_.is_v4() ? 32 : 128;
  const auto prefix =
      slash == text.npos ? std::optional{bits} : to_number(text.substr(slash + 1), bits);
  if (!prefix) return {};
  result.prefix_ = static_cast<unsigned short>(*prefix);
  return result;
}

bool network::contains(boost::asio::ip::address address) const {
  namespace ip = boost::asio::ip;
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = ip::make_address_v4(ip::v4_mapped, address.to_v6());
  if (is_unix_ || address.is_v4() != address_.is_v4()) return false;
  if (address.is_v4())
    return ip::make_network_v4(address.to_v4(), prefix_).canonical() ==
           ip::make_network_v4(address_.to_v4(), prefix_).canonical();
  return ip::make_network_v6(address.to_v6(), prefix_).canonical() ==
         ip::make_network_v6(address_.to_v6(), prefix_).canonical();
}

std::optional<std::vector<network>> to_networks(std::string_view text) {
  std::vector<network> result;
  for (std::size_t comma = 0; comma != text.npos;) {
    comma = text.find(',');
    const auto n = to_network(text.substr(0, comma));
    if (!n) return {};
    result.push_back(*n);
    text.remove_prefix(comma == text.npos ? text.size() : comma + 1);
  }
  return result;
}

std::optional<unsigned> to_permissions(std::string_view text) {
  if (text.size() < 3 || text.size() > 4) return {};
  unsigned result = 0;
  for (const char c : text) {
    if (c < '0' || c > '7') return {};
    result = result * 8 + static_cast<unsigned>(c - '0');
  }
  return result <= 0777 ? std::optional{result} : std::nullopt;
}

std::optional<std::size_t> to_number(std::string_view text, std::size_t max) {
  std::size_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || end != text.data() + text.size() || number > max) return {};
  return number;
}

std::optional<std::size_t> to_size(std::string_view text) { return to_number(text, max_permits); }

std::optional<std::size_t> to_limit(std::string_view text) {
  const auto number = to_number(text, max_permits);
  return number && *number != 0 ? number : std::nullopt;
}

std::optional<milliseconds> to_duration(std::string_view text) {
  const std::size_t unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(unit_at);
  const std::size_t unit_ms = unit == "ms"  ? 1
                              : unit == "s" ? 1'000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                                            : 0;
  if (unit_ms == 0) return {};
  const auto number =
      to_number(text.substr(0, unit_at), static_cast<std::size_t>(max_duration.count()) / unit_ms);
  if (!number) return {};
  return milliseconds{*number * unit_ms};
}

std::optional<std::string> to_shared_url(const std::string& text) {
  if (!text.starts_with('@')) return text;
  std::ifstream file{text.substr(1)};
  std::string line;
  std::getline(file, line);
  if (line.ends_with('\r')) line.pop_back();
  return line.empty() ? std::nullopt : std::optional{line};
}

std::optional<std::string> to_shared_name(const std::string& text) {
  constexpr std::string_view allowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/-";
  if (text.empty() || text.size() > 128 || text.find_first_not_of(allowed) != text.npos) return {};
  return text;
}

std::optional<milliseconds> to_lease(std::string_view text) {
  const auto time = to_duration(text);
  const bool fits = time && *time >= std::chrono::seconds{1} && *time <= std::chrono::minutes{10};
  return fits ? time : std::nullopt;
}

std::optional<milliseconds> to_whole_seconds(std::string_view text) {
  const auto time = to_duration(text);
  return time && time->count() % 1000 == 0 ? time : std::nullopt;
}

std::string duration_text(milliseconds time) {
  const auto n = time.count();
  if (n == 0) return "0s";
  if (n % 1'000 != 0) return std::to_string(n) + "ms";
  if (n % 60'000 != 0) return std::to_string(n / 1'000) + 's';
  if (n % 3'600'000 != 0) return std::to_string(n / 60'000) + 'm';
  return std::to_string(n / 3'600'000) + 'h';
}

}  // namespace connection_limiter
