// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_SCENARIO_HPP
#define TURNSTILE_TEST_FLEET_SCENARIO_HPP

// What happens in one simulation, all of it derived from a seed: members, the network, and a list of events. Events
// can be taken out of the list, which is how a scenario is made smaller.

#include "../verify/stress/options.hpp"
#include "fleet/member.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace simulation {

namespace fleet = turnstile::detail::fleet;
using fleet::number;

class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : dice_(seed) {}

  std::uint64_t next() { return dice_(); }
  number between(number low, number high) {
    return low + static_cast<number>(next() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool one_in(number n) { return between(1, n) == 1; }
  bool percent(number p) { return between(1, 100) <= p; }

 private:
  test::dice dice_;
};

enum class kind {
  acquire,         // `amount` permits for `span`
  cancel,          // the acquire that waits at the end of the queue, or the head if `amount` is 1
  pause,           // the process is stopped for `span`: its timers are late
  crash,           // another process takes its place after `span`
  leave,           // likewise, but it leaves first
  set_limit,       // to `amount`
  cut,             // nothing passes between the member and the server for `span`
  cut_answers,     // only what the server says is lost
  server_pause,    // for `span`
  server_restart,  // down for `span`, then with its state
  server_loss,     // likewise, without its state
  failover,        // at once, to the state of `span` before
  flush,           // the state is deleted, and the server goes on
  jump             // the server's wall clock moves by `span`
};
inline constexpr std::size_t kinds = 14;
const char* name(kind k);

struct event {
  number at;
  kind what;
  std::size_t member;
  number amount;
  number span;
};

struct scenario {
  std::uint64_t seed = 0;
  std::vector<fleet::options> members;
  std::vector<number> clocks;  // their offsets
  number limit = 0;
  number end = 0;                        // of the events, and of the faults of the network
  number loss = 0, twice = 0, slow = 0;  // of 100 messages
  bool pushes = true;
  number rtt = 0;
  bool is_calm = false;  // no faults: members share fairly, too
  number longest_hold = 0;
  std::vector<event> events;
};

scenario make_scenario(std::uint64_t seed);
std::string describe(const scenario& s);

}  // namespace simulation

#endif
