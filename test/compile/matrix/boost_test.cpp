// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Boost.Test as a static library, for a Boost whose own is made for a newer system than this.

#include <boost/test/included/unit_test.hpp>
