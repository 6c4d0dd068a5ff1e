// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "main.hpp"

int main() { return forward() && backward() ? 0 : 1; }
