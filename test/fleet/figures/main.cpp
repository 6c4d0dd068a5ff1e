// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Measures what a limit of many processes costs, over a redis-server of its own. Each line is a figure and its value.

#include "figures.hpp"
#include "processes.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace {

using part = std::pair<std::string, void (*)(figures::server&)>;

// A young server makes newcomers wait for a lease, which is the shortest one in the first part.
const std::vector<part> parts{{"crash", figures::measure_crash},
                              {"fair", figures::measure_fair},
                              {"load", figures::measure_load},
                              {"local", figures::measure_local},
                              {"miss", figures::measure_miss}};

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> names(argv + 1, argv + argc);
  for (const std::string& name : names)
    if (std::none_of(parts.begin(), parts.end(), [&](const part& p) { return p.first == name; })) {
      std::fprintf(stderr,
                   "fleet_figures: expected names of parts, crash, fair, load, local or miss, not "
                   "'%s'\n",
                   name.c_str());
      return 2;
    }
  figures::server server;
  for (const auto& [name, measure] : parts) {
    if (!names.empty() && std::find(names.begin(), names.end(), name) == names.end()) continue;
    std::fprintf(stderr, "%s\n", name.c_str());
    measure(server);
  }
} catch (const std::exception& e) {
  std::fprintf(stderr, "fleet_figures: %s\n", e.what());
  return 1;
}
