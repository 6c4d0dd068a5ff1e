// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/tls.hpp"

#include <turnstile/detail/redis_client.hpp>

#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace turnstile::inline v1::detail {

namespace {

[[noreturn]] void fail(const std::string& problem) {
  throw std::invalid_argument(
      "redis_options::url: " + problem +
      "; expected redis://[user[:password]@]host[:port][/database], the same with rediss://, or "
      "unix://[user[:password]@]/path[?db=database]");
}

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text, const char* what) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? digit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        fail(std::string("a % in the ") + what + " is not followed by two hexadecimal digits");
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f') {
      fail(std::string("the ") + what + " has a blank or a control character");
    }
    if (c == '\0') fail(std::string("the ") + what + " has a zero byte");
    result += c;
  }
  return result;
}

int number(std::string_view text, int lowest, int highest, const char* what) {
  int value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || text[0] == '-' || error != std::errc() || stop != end || value < lowest ||
      value > highest)
    fail(std::string("the ") + what + " is not a number from " + std::to_string(lowest) + " to " +
         std::to_string(highest));
  return value;
}

int database(std::string_view text) { return number(text, 0, 999'999'999, "database"); }

// Takes `user:password@` off the text.
void take_login(std::string_view& text, redis_address& address) {
  const auto at = text.rfind('@');
  if (at == text.npos) return;
  const std::string_view login = text.substr(0, at);
  text.remove_prefix(at + 1);
  const auto colon = login.find(':');
  address.has_login = true;
  address.user = decoded(login.substr(0, colon), "user");
  if (colon != login.npos) address.password = decoded(login.substr(colon + 1), "password");
  if (address.user.empty() && address.password.empty())
    fail("there is no user and no password before the @");
}

void take_host(std::string_view text, redis_address& address) {
  std::string_view host;
  if (text.starts_with('[')) {  // an address of IPv6
    const auto end = text.find(']');
    if (end == text.npos) fail("a ] is missing after the host");
    host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
  } else {
    if (text.find(':') != text.rfind(':')) fail("an address of IPv6 has to be in brackets");
    host = text.substr(0, text.find(':'));
    text.remove_prefix(host.size());
  }
  address.host = decoded(host, "host");
  if (address.host.empty()) fail("there is no host");
  if (text.empty()) return;
  if (text[0] != ':') fail("there is something else than a port after the host");
  address.port = static_cast<std::uint16_t>(number(text.substr(1), 1, 65535, "port"));
}

void take_path(std::string_view text, redis_address& address) {
  const auto query = text.find('?');
  if (query != text.npos) {
    const std::string_view option = text.substr(query + 1);
    if (!option.starts_with("db=")) fail("there is something else than db= after the ?");
    address.database = database(option.substr(3));
  }
  address.path = decoded(text.substr(0, query), "path");
  if (address.path.size() < 2) fail("there is no path");
  if (address.path.size() >= sizeof(sockaddr_un::sun_path))
    fail("the path is longer than that of a socket can be");
}

}  // namespace

redis_address parse_redis_url(std::string_view url) {
  redis_address address;
  const auto colon = url.find("://");
  if (colon == url.npos) fail("there is no ://");
  const std::string_view scheme = url.substr(0, colon);
  url.remove_prefix(colon + 3);
  if (url.find('#') != url.npos) fail("there is a #, which has to be written as %23");

  const auto slash = std::min(url.find('/'), url.find('?'));
  std::string_view authority = url.substr(0, slash);
  const std::string_view rest = url.substr(authority.size());
  take_login(authority, address);
  if (scheme == "unix") {
    if (!authority.empty()) fail("there is something before the path");
    take_path(rest, address);
    return address;
  }
  if (scheme != "redis" && scheme != "rediss")
    fail("it begins with something else than redis, rediss or unix");
  take_host(authority, address);
  if (rest.size() > 1 || rest == "?") {
    if (rest[0] != '/') fail("there is a ?");
    address.database = database(rest.substr(1));
  }
  address.tls = scheme == "rediss";
  if (address.tls && !redis::has_tls)
    throw std::invalid_argument(
        "redis_options::url: this build of turnstile has no TLS, which rediss:// needs; it takes "
        "hiredis 1.0 or newer "
        "with hiredis_ssl, and OpenSSL");
  return address;
}

}  // namespace turnstile::inline v1::detail
