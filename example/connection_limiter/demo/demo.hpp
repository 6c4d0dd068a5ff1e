// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_DEMO_HPP
#define CONNECTION_LIMITER_DEMO_HPP

#include "options.hpp"

namespace connection_limiter {

// A slow upstream that counts its connections, the limiter in front of it and 200 clients at once,
// all in this process and on the loopback interface, with a view on standard output. True where
// every client was served, and the upstream saw as many connections at once as the limit and never
// more.
bool run_demo(const options& o);

}  // namespace connection_limiter

#endif
