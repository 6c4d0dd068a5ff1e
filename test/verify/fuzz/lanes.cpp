// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A string of bytes as a sequence of calls of the lanes of a keyed semaphore, compared with a naive model. For
// libFuzzer.

#include "lanes_history.hpp"

#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* const end = data + size;
  const auto next = [&]() -> unsigned { return data == end ? 0 : *data++; };
  const auto check = [](bool ok, const char* what) {
    if (ok) return;
    std::fprintf(stderr, "differs from the model: %s\n", what);
    std::abort();
  };
  fuzz::lanes_history history(next, check);
  while (data != end) history.step();
  return 0;
}
