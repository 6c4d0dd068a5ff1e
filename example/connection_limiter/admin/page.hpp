// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_PAGE_HPP
#define CONNECTION_LIMITER_ADMIN_PAGE_HPP

#include <string_view>

namespace connection_limiter {

// The contents of page.html, which the build embeds into the program.
std::string_view page() noexcept;

}  // namespace connection_limiter

#endif
