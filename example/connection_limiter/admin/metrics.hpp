// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_ADMIN_METRICS_HPP
#define CONNECTION_LIMITER_ADMIN_METRICS_HPP

#include "proxy/limiter.hpp"

#include <list>
#include <string>

namespace connection_limiter {

// The metrics of all listeners in Prometheus' text format, version 0.0.4.
std::string metrics(const std::list<limiter>& limiters);

}  // namespace connection_limiter

#endif
