// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "admin/http.hpp"

#include "text.hpp"

#include <charconv>
#include <utility>

namespace connection_limiter {

http::response<http::string_body> reply(http::status status, std::string body,
                                        std::string_view type) {
  http::response<http::string_body> r{status, 11, std::move(body)};
  r.set(http::field::content_type, {type.data(), type.size()});
  r.set(http::field::cache_control, "no-store");
  r.set("X-Content-Type-Options", "nosniff");
  r.keep_alive(false);
  r.prepare_payload();
  return r;
}

http::response<http::string_body> method_not_allowed(const char* methods) {
  auto r = reply(http::status::method_not_allowed, text("use ", methods, '\n'));
  r.set(http::field::allow, methods);
  return r;
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
      if (digits.size() != 2 || ec != std::errc{} || end != digits.data() + 2) return {};
      i += 2;
    }
    result += static_cast<char>(c);
  }
  return result;
}

}  // namespace connection_limiter
