// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_OPTION_RULES_HPP
#define CONNECTION_LIMITER_OPTION_RULES_HPP

// Which options go together.

#include "adjustable.hpp"
#include "options.hpp"

#include <span>
#include <string>
#include <string_view>

namespace connection_limiter {

// Throws usage_error if the option has no effect on any of these listeners.
void check_effect(std::string_view option, std::span<const settings> listeners);

// Throws usage_error if listeners that share a limit do not agree on it.
void check_shared_limits(std::span<const settings> listeners);

// Says why --shared does not go together with what else a listener has, or would have next; empty if it
// does.
std::string why_not_shared(const settings& s, const adjustable& next);

// Says why the option cannot change for a listener that was started with these settings; empty if it
// can.
std::string why_fixed(const adjustable_option& option, const settings& s);

}  // namespace connection_limiter

#endif
