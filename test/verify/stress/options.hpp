// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_STRESS_OPTIONS_HPP
#define TURNSTILE_TEST_STRESS_OPTIONS_HPP

// What the programs of this folder share: numbers from the command line, and numbers at random.

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string_view>
#include <utility>

namespace test {

// Reads "--name number ..."; ends the program where there is anything else.
inline void read_options(
    int argc, char** argv,
    std::initializer_list<std::pair<std::string_view, std::uint64_t*>> options) {
  auto refuse = [&](const char* what, const char* argument) {
    std::fprintf(stderr, "%s: %s '%s'; known are", argv[0], what, argument);
    for (auto& [name, value] : options)
      std::fprintf(stderr, " %.*s <number>", static_cast<int>(name.size()), name.data());
    std::fputs("\n", stderr);
    std::exit(2);
  };
  for (int i = 1; i < argc; i += 2) {
    std::uint64_t* target = nullptr;
    for (auto& [name, value] : options)
      if (name == argv[i]) target = value;
    if (!target) return refuse("unknown option", argv[i]);
    const std::string_view number = i + 1 < argc ? argv[i + 1] : "";
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), *target);
    if (error != std::errc() || end != number.data() + number.size())
      return refuse("no number for", argv[i]);
  }
}

// A generator that costs next to nothing to seed (splitmix64).
class dice {
 public:
  explicit dice(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t operator()() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 .. n - 1
  std::uint32_t below(std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>((*this)() % n);
  }
  bool one_in(std::uint32_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

// A random seed.
inline std::uint64_t any_seed() { return std::random_device{}() % 1'000'000'000u; }

}  // namespace test

#endif
