// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_STORED_HPP
#define TURNSTILE_TEST_FLEET_STORED_HPP

#include "fleet/server.hpp"

#include <string>
#include <vector>

// What the script has stored in its hash, which comes as fields and values by turns.
struct stored {
  turnstile::detail::fleet::state state;
  turnstile::detail::fleet::number soonest_end = 0;
};
stored read_stored(const std::vector<std::string>& hash);

// For comparisons, of which a failure shows both.
std::string to_text(const turnstile::detail::fleet::state& s);
std::string to_text(const turnstile::detail::fleet::result& r);

#endif
