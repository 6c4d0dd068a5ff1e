// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef FLEET_MEMBER_HPP
#define FLEET_MEMBER_HPP

#include "table.hpp"

#include <string>

namespace fleet {

// What each process of the fleet does until it gets SIGTERM: jobs that need a permit, more of them than there are permits.
void run_member(table& t, int self, const std::string& url);

}  // namespace fleet

#endif
