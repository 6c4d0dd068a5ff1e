// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_DEMO_HPP
#define CONNECTION_LIMITER_DEMO_HPP

#include "options.hpp"

namespace connection_limiter {

// Runs a slow upstream that counts its connections, the limiter in front of it, and 200 clients at
// once, all in this process and on the loopback interface, and shows what happens on standard
// output. Returns true if every client was served and the highest number of connections to the
// upstream was exactly the limit.
bool run_demo(const options& o);

}  // namespace connection_limiter

#endif
