// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_HTTP_HPP
#define CONNECTION_LIMITER_ADMIN_HTTP_HPP

// Responses of the admin endpoint, and the decoding of requests.

#include <boost/beast/http.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace connection_limiter {

namespace beast = boost::beast;
namespace http = beast::http;

// A response after which the connection is closed.
http::response<http::string_body> reply(http::status status, std::string body,
                                        std::string_view type = "text/plain; charset=utf-8");

http::response<http::string_body> method_not_allowed(const char* methods);

// Decodes percent-encoding such as %41. Returns nullopt if it is malformed.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace connection_limiter

#endif
