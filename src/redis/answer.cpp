// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/answer.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>

namespace turnstile::inline v1::detail::redis {

std::string_view error_code(std::string_view error) noexcept {
  if (error.starts_with("ERR Error running script")) {
    // ERR Error running script (call to f_...): @user_script:1: @user_script: 1: -READONLY You can't ...
    const auto inner = error.find(": -");
    if (inner != error.npos) error.remove_prefix(inner + 3);
  }
  const auto end =
      std::find_if(error.begin(), error.end(), [](char c) { return c < 'A' || c > 'Z'; });
  return error.substr(0, static_cast<std::size_t>(std::distance(error.begin(), end)));
}

remedy remedy_for(std::string_view error) noexcept {
  const std::string_view code = error_code(error);
  if (code == "NOSCRIPT") return remedy::send_text;
  for (const std::string_view c : {"READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED"})
    if (code == c) return remedy::reconnect;
  return remedy::try_again;
}

bool is_refused_command(std::string_view error) noexcept {
  return error_code(error) == "NOPERM" || error.starts_with("ERR unknown") ||
         error.starts_with("ERR Unknown");
}

std::string version_in(std::string_view info) {
  constexpr std::string_view name = "redis_version:";
  const auto begin = info.find(name);
  if (begin == info.npos) return {};
  info.remove_prefix(begin + name.size());
  return std::string(info.substr(0, info.find_first_of("\r\n")));
}

bool is_too_old(std::string_view version) noexcept {
  int major = 0;
  const auto read = std::from_chars(version.data(), version.data() + version.size(), major);
  return read.ec == std::errc() && major < 6;
}

}  // namespace turnstile::inline v1::detail::redis
