// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_MATRIX_MAIN_HPP
#define TURNSTILE_TEST_MATRIX_MAIN_HPP

#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

enum result { nothing_yet, success, failure };

// Handlers that are of the same type in both parts.
struct set {
  result& r;
  void operator()(turnstile::error_code ec) const { r = ec ? failure : success; }
};
struct set_with_permit {
  result& r;
  void operator()(turnstile::error_code ec, turnstile::permit) const { set{r}(ec); }
};

bool forward();
bool backward();

#endif
