// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "admin/access.hpp"

#include "text.hpp"

#include <algorithm>
#include <string_view>

namespace connection_limiter {

namespace {

namespace http = boost::beast::http;

constexpr std::uint16_t default_port = 80;

std::string lower_case(boost::beast::string_view s) {
  std::string result;
  for (const char c : s) result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

// An IPv6 address in brackets, as in a Host header.
std::string as_host(const std::string& name) {
  error_code ec;
  const auto address = asio::ip::make_address(name, ec);
  return !ec && address.is_v6() ? '[' + name + ']' : name;
}

// Also an IPv4 address that the socket shows as IPv6.
std::string host_of(const endpoint& local) {
  auto ip = to_tcp(local);
  if (!ip) return {};
  if (ip->address().is_v6() && ip->address().to_v6().is_v4_mapped())
    ip->address(asio::ip::make_address_v4(asio::ip::v4_mapped, ip->address().to_v6()));
  return text(*ip);
}

std::string without_port(const std::string& host) { return host.substr(0, host.rfind(':')); }

}  // namespace

access_rules::access_rules(const listening_sockets& listening,
                           const std::vector<std::string>& public_names) {
  const std::string port = text(':', listening.port());
  hosts_ = {lower_case(listening.name()), "127.0.0.1" + port, "localhost" + port, "[::1]" + port};
  for (const endpoint& own : listening.addresses()) hosts_.push_back(to_string(own));
  if (listening.port() == default_port)  // browsers omit the default port
    for (std::size_t i = 0, n = hosts_.size(); i != n; ++i)
      hosts_.push_back(without_port(hosts_[i]));
  for (const std::string& name : public_names) {
    const std::string host = lower_case(as_host(name));
    hosts_.push_back(host);
    if (!to_host_port(host)) hosts_.push_back(host + port);
  }
}

bool access_rules::allow(const http::fields& header, unsigned http_version,
                         const endpoint& local) const {
  if (header.count(http::field::origin) > 1) return false;
  // Health checks of load balancers may send no Host. All browsers do.
  if (http_version == 10 && header.count(http::field::host) == 0)
    return header.count(http::field::origin) == 0;
  if (header.count(http::field::host) != 1) return false;
  const std::string host = lower_case(header[http::field::host]);
  const std::string own = host_of(local);
  const bool is_own =
      host == own || (own.ends_with(text(':', default_port)) && host == without_port(own));
  if (!is_own && std::find(hosts_.begin(), hosts_.end(), host) == hosts_.end()) return false;
  if (header.count(http::field::origin) == 0) return true;  // no page, or a GET by the own page
  const std::string origin = lower_case(header[http::field::origin]);
  return origin == "http://" + host || origin == "https://" + host;
}

}  // namespace connection_limiter
