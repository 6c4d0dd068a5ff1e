// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_EARLY_DATA_HPP
#define CONNECTION_LIMITER_PROXY_EARLY_DATA_HPP

#include "proxy/net.hpp"

#include <string>

namespace connection_limiter {

// Reads what a client sends while it waits, up to a fixed size, and adds it to `early`; the rest
// stays with the kernel. Ends when the client has hung up.
//
// Unless `watched`: then it reads nothing, and never ends. Cancelled: nothing read is lost.
awaitable<void> read_early_data(tcp::socket& client, std::string& early, bool watched);

// Whether the other end sends nothing more, though what it has sent is perhaps not read yet.
bool has_ended(tcp::socket& socket);

}  // namespace connection_limiter

#endif
