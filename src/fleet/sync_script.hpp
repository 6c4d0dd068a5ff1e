// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_FLEET_SYNC_SCRIPT_HPP
#define TURNSTILE_SRC_FLEET_SYNC_SCRIPT_HPP

#include <string_view>

namespace turnstile::inline v1::detail::fleet {

// The contents of sync.lua, which the build embeds into the program.
std::string_view sync_script() noexcept;

}  // namespace turnstile::inline v1::detail::fleet

#endif
