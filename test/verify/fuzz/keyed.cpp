// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A string of bytes as a sequence of calls of a keyed semaphore, compared with a naive model. For libFuzzer.

#include "keyed_history.hpp"

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
  fuzz::keyed_history<turnstile::keyed_semaphore<int>, decltype(next), decltype(check)> history(
      next, check);
  while (data != end) history.step();
  return 0;
}
