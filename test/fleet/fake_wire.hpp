// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_FAKE_WIRE_HPP
#define TURNSTILE_TEST_FLEET_FAKE_WIRE_HPP

// A connection that records what it is told, and answers as a server would give them.

#include "redis/dialogue.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace turnstile::detail;
using namespace turnstile::detail::redis;

inline constexpr auto patience = 2000ms;

struct fake_wire final : wire {
  void connect(unsigned) override { ++connects; }
  void send(const std::vector<std::string_view>& words) override {
    std::string line;
    for (const std::string_view w : words) line += (line.empty() ? "" : " ") + std::string(w);
    sent.push_back(line);
  }
  void close() noexcept override { ++closes; }
  void report(const std::string& p) override { problem = p; }

  std::vector<std::string> take() { return std::exchange(sent, {}); }

  int connects = 0, closes = 0;
  std::vector<std::string> sent;
  std::string problem;
};

inline answer text(std::string s) { return {answer::kind::text, 0, std::move(s), {}}; }
inline answer error(std::string s) { return {answer::kind::error, 0, std::move(s), {}}; }
inline answer integer(std::int64_t i) { return {answer::kind::integer, i, {}, {}}; }
inline answer array(std::vector<answer> elements) {
  return {answer::kind::array, 0, {}, std::move(elements)};
}
inline answer info(const std::string& version) {
  return text("# Server\r\nredis_version:" + version + "\r\nrun_id:1\r\n");
}

using lines = std::vector<std::string>;

#endif
