// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_REDIS_ANSWER_HPP
#define TURNSTILE_SRC_REDIS_ANSWER_HPP

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace turnstile::inline v1::detail::redis {

// An answer of the server.
struct answer {
  enum class kind { nil, integer, text, array, error };

  kind type = kind::nil;
  std::int64_t integer = 0;
  std::string text;  // of a string, a status or an error
  std::vector<answer> elements;
};

// What helps against an error.
enum class remedy {
  try_again,  // later, over the same connection
  reconnect,  // this server does not do it, or is about to go; another one may have its address
  send_text   // the server does not know the script
};

// The word in capitals with which an error begins. If a script failed, Redis before 7.0 has it in the middle.
std::string_view error_code(std::string_view error) noexcept;
remedy remedy_for(std::string_view error) noexcept;

// Whether the server does not have this command, or does not let this user execute it.
bool is_refused_command(std::string_view error) noexcept;

// What INFO says of the version; empty if it does not say it.
std::string version_in(std::string_view info);
// Before 6.0.
bool is_too_old(std::string_view version) noexcept;

}  // namespace turnstile::inline v1::detail::redis

#endif
