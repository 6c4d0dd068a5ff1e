// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_FIGURES_FIGURES_HPP
#define TURNSTILE_TEST_FLEET_FIGURES_FIGURES_HPP

#include "server.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace figures {

// The parts. What is measured is printed once for each repetition; report.py makes a table of the medians.
void measure_local(server&);
void measure_miss(server&);
void measure_load(server&);
void measure_fair(server&);
void measure_crash(server&);

inline void print(const char* name, double value) { std::printf("%s %.9g\n", name, value); }

inline double median(std::vector<double> all) {
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

}  // namespace figures

#endif
