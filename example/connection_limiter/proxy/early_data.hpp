// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_EARLY_DATA_HPP
#define CONNECTION_LIMITER_PROXY_EARLY_DATA_HPP

#include "proxy/net.hpp"

#include <string>

namespace connection_limiter {

// Reads what a queued client sends, up to a fixed size, and appends it to `early`. The rest stays
// in the kernel. Completes when the client has disconnected.
//
// If `detect_disconnect` is false, it reads nothing and completes only when it is cancelled. When
// it is cancelled, everything that was read is in `early`.
awaitable<void> read_early_data(stream_socket& client, std::string& early, bool detect_disconnect);

}  // namespace connection_limiter

#endif
