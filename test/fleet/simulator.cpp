// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Simulates members and a server with faults. `--seeds n` runs n scenarios, beginning with the seed of `--first`. The
// first that violates an invariant is made smaller and printed with its trace. `--count 1` goes on instead, and counts.

#include "../verify/stress/options.hpp"
#include "scenario.hpp"
#include "world.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>

namespace simulation {

namespace {

// What is wrong in a scenario; empty if nothing is.
std::string fault_of(const scenario& s, figures* sum = nullptr) {
  try {
    const figures f = world(s).run();
    if (sum)
      *sum = {sum->steps + f.steps, sum->requests + f.requests, sum->grants + f.grants,
              sum->losses + f.losses};
    return {};
  } catch (const violation& v) {
    return v.what();
  }
}

// Leaves out what is not needed for a fault, the larger parts first.
scenario shrink(scenario s) {
  const auto keep_if_wrong = [&](scenario smaller) {
    if (fault_of(smaller).empty()) return false;
    s = std::move(smaller);
    return true;
  };
  for (number scenario::* percent : {&scenario::loss, &scenario::twice, &scenario::slow}) {
    scenario smaller = s;
    smaller.*percent = 0;
    keep_if_wrong(std::move(smaller));
  }
  for (std::size_t part = std::max<std::size_t>(1, s.events.size() / 2);; part /= 2) {
    for (std::size_t i = 0; i < s.events.size();) {
      scenario smaller = s;
      const auto first = smaller.events.begin() + static_cast<std::ptrdiff_t>(i);
      smaller.events.erase(
          first, first + static_cast<std::ptrdiff_t>(std::min(part, s.events.size() - i)));
      if (!keep_if_wrong(std::move(smaller))) i += part;
    }
    if (part == 1) return s;
  }
}

int run(std::uint64_t first, std::uint64_t seeds, bool count) {
  figures sum;
  std::uint64_t wrong = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const scenario s = make_scenario(seed);
    const std::string fault = fault_of(s, &sum);
    if (fault.empty()) continue;
    ++wrong;
    if (count) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), fault.c_str());
      continue;
    }
    const scenario small = shrink(s);
    std::printf("%s", describe(small).c_str());
    try {
      world(small, true).run();
    } catch (const violation& v) {
      std::printf("violation: %s\n", v.what());
    }
    return 1;
  }
  std::printf(
      "%llu scenarios, %llu steps, %llu requests, %llu grants, %llu leases lost; %llu violations\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(sum.steps),
      static_cast<unsigned long long>(sum.requests), static_cast<unsigned long long>(sum.grants),
      static_cast<unsigned long long>(sum.losses), static_cast<unsigned long long>(wrong));
  return wrong > 0;
}

}  // namespace

}  // namespace simulation

int main(int argc, char** argv) {
  std::uint64_t first = 1, seeds = 1000, count = 0;
  test::read_options(argc, argv, {{"--first", &first}, {"--seeds", &seeds}, {"--count", &count}});
  return simulation::run(first, seeds, count != 0);
}
