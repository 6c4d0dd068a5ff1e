// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_HISTORY_HPP
#define TURNSTILE_TEST_FLEET_HISTORY_HPP

#include "fleet/server.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

// A random history of what a server executes, and of what happens to it. Messages are late, doubled and lost, and the
// members report all that the protocol allows, not just what makes sense.
class history {
 public:
  using number = turnstile::detail::fleet::number;
  enum class event { none, delete_key, flush_all, flush_scripts, save, restore };

  explicit history(std::uint64_t seed);

  int calls() const { return calls_; }
  event next_event();
  turnstile::detail::fleet::request next_request();
  turnstile::detail::fleet::server_facts facts() const;  // for the next request
  void executed(const turnstile::detail::fleet::request& r,
                const turnstile::detail::fleet::result& x);

 private:
  struct member {
    std::string id;
    number serial = 0;
    turnstile::detail::fleet::news heard;
  };

  number random(number from, number to) {
    return std::uniform_int_distribution<number>{from, to}(random_);
  }
  bool once_in(number n) { return random(1, n) == 1; }
  template <typename T>
  const T& one_of(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(random(0, static_cast<number>(all.size()) - 1))];
  }
  std::string new_id();
  void pass_time();
  turnstile::detail::fleet::request new_request(member& m);

  std::mt19937_64 random_;
  int calls_;
  bool is_in_steps_;  // of parts of the lease, so that times are equal
  number lease_, slice_, limit_;
  number wall_, started_;
  std::string run_id_ = "1";
  number epoch_ = 0;     // of the last reply
  bool is_busy_ = true;  // members want more than they have
  std::vector<member> members_;
  std::vector<turnstile::detail::fleet::request> under_way_;
};

#endif
