// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Two members with three acquires each, and a limit of 1 or 2: every way in which `--failures` things fail. Such a thing
// is any message, which is late, doubled or lost; one of them may be a fault of any kind, before any step.

#include "../verify/stress/options.hpp"
#include "choices.hpp"
#include "scenario.hpp"
#include "world.hpp"

#include <cstdint>
#include <cstdio>
#include <vector>

namespace simulation {

namespace {

constexpr number ms = 1000, lease = 1000 * ms, hour = 3'600'000'000;

scenario make_small_scenario(number limit) {
  scenario s;
  s.limit = limit;
  s.rtt = 4 * ms;
  s.end = 150 * ms;
  for (std::size_t member = 0; member < 2; ++member) {
    fleet::options o;
    o.limit = limit;
    o.lease = lease;
    o.slice = 10 * ms;
    o.linger = 50 * ms;
    s.members.push_back(o);
    s.clocks.push_back(static_cast<number>(member) * hour);
    const auto first = static_cast<number>(member) * ms;
    s.events.push_back({first, kind::acquire, member, 1, 15 * ms});
    s.events.push_back({first, kind::acquire, member, limit, 10 * ms});
    s.events.push_back({first + 40 * ms, kind::acquire, member, 1, 20 * ms});
  }
  return s;
}

std::vector<event> make_small_faults() {
  constexpr number brief = lease / 4, longer = lease + lease / 10;
  std::vector<event> all;
  const auto add = [&](kind k, std::size_t member, number amount, number span) {
    all.push_back({0, k, member, amount, span});
  };
  for (std::size_t member = 0; member < 2; ++member) {
    for (const kind k : {kind::pause, kind::cut, kind::cut_answers})
      for (const number span : {brief, longer}) add(k, member, 0, span);
    add(kind::crash, member, 0, 0);
    add(kind::leave, member, 0, 0);
    for (const number head : {0, 1}) add(kind::cancel, member, head, 0);
  }
  for (const number limit : {1, 2, 3}) add(kind::set_limit, 0, limit, 0);
  for (const kind k : {kind::server_pause, kind::server_restart, kind::server_loss})
    for (const number span : {brief, longer}) add(k, 0, 0, span);
  for (const number back : {10 * ms, brief}) add(kind::failover, 0, 0, back);
  add(kind::flush, 0, 0, 0);
  for (const number jump : {-hour, hour}) add(kind::jump, 0, 0, jump);
  return all;
}

int run(std::size_t failures) {
  std::uint64_t runs = 0, steps = 0;
  for (const number limit : {1, 2}) {
    const scenario s = make_small_scenario(limit);
    choices c(make_small_faults(), failures);
    do {
      c.begin();
      try {
        ++runs;
        steps += world(s, false, &c).run().steps;
      } catch (const violation& v) {
        std::printf("%s", describe(s).c_str());
        c.begin();
        try {
          world(s, true, &c).run();
        } catch (const violation&) {
          std::printf("violation: %s\n", v.what());
        }
        return 1;
      }
    } while (c.next());
  }
  std::printf("%llu runs, %llu steps; 0 violations\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(steps));
  return 0;
}

}  // namespace

}  // namespace simulation

int main(int argc, char** argv) {
  std::uint64_t failures = 1;
  test::read_options(argc, argv, {{"--failures", &failures}});
  return simulation::run(static_cast<std::size_t>(failures));
}
