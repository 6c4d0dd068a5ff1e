// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_SCENARIOS_HPP
#define TURNSTILE_TEST_ADAPTIVE_SCENARIOS_HPP

// What happens to the limit, from one scenario to the next.

#include "backend.hpp"
#include "workload.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace simulation {

struct scenario {
  std::string name;
  workload load;
  backend_settings backend;
  std::size_t initial = 8;
  double settled = 0;  // if not zero: from here on, the limit has had time to settle under overload
};

// The best number in use at an upstream with c servers that queue: a few more than the servers, so that
// none of them is idle between two requests.
inline double target(std::size_t servers) {
  const double c = static_cast<double>(servers);
  return c + std::sqrt(c);
}

// Requests arrive at `load` times the rate that the servers can bear. All other times follow from the
// time of service: a client waits ten times as long in the queue, and twenty times as long for the
// answer; and the scenario lasts 1200 times as long.
inline scenario make(std::string name, std::size_t initial, double load, capacity c = {},
                     spread s = spread::exponential) {
  scenario made;
  made.name = std::move(name);
  made.initial = initial;
  const double servers = static_cast<double>(c.servers), rate = load * servers / c.service;
  made.load.rate = [rate](double) { return rate; };
  made.load.duration = 1200 * c.service;
  made.load.max_waiting = 10 * c.servers;
  made.load.patience = 10 * c.service;
  made.load.deadline = 20 * c.service;
  made.backend.at = [c](double) { return c; };
  made.backend.times = s;
  if (load >= 3) made.settled = made.load.duration / 2;
  return made;
}

// From 30 s to 60 s of 90 s.
inline bool in_the_middle(double now) { return now >= 30 && now < 60; }

inline scenario with_change(std::string name, capacity usual, capacity in_between) {
  scenario made = make(std::move(name), 8, 3, usual);
  made.load.duration = 90;
  made.backend.at = [=](double now) { return in_the_middle(now) ? in_between : usual; };
  made.backend.changes = {30, 60};
  made.settled = 0;
  return made;
}

inline scenario with_rate(std::string name, std::size_t initial, double usual, double in_between) {
  scenario made = make(std::move(name), initial, usual);
  made.load.duration = 120;
  const auto in_pause = [](double now) { return now >= 30 && now < 90; };
  made.load.rate = [=](double now) { return 400 * (in_pause(now) ? in_between : usual); };
  made.load.rate_changes = {30, 90};
  made.settled = 0;
  return made;
}

inline std::vector<scenario> all_scenarios() {
  std::vector<scenario> all;
  all.push_back(make("start at 1", 1, 3));
  all.push_back(make("steady for 300 s", 8, 3));
  all.back().load.duration = 300;
  all.push_back(make("start at 160", 160, 3));
  all.push_back(make("service times constant", 8, 3, {}, spread::constant));
  all.push_back(make("service times vary by 1.8", 8, 3, {}, spread::hyper));
  all.push_back(make("service times log-normal", 8, 3, {}, spread::log_normal));
  all.push_back(make("two kinds of requests", 8, 3, {}, spread::two_kinds));
  all.push_back(make("load 0.95", 8, 0.95));
  all.push_back(make("load 1.1", 8, 1.1));
  all.push_back(with_change("servers 20, 8, 20", {20, 0.05}, {8, 0.05}));
  all.push_back(with_change("service time doubles, and back", {20, 0.05}, {20, 0.1}));
  all.push_back(make("service time creeps up to double", 8, 3));
  all.back().load.duration = 90;
  all.back().settled = 0;
  all.back().backend.at = [](double now) {
    return capacity{20, 0.05 * std::clamp(now / 30, 1.0, 2.0)};
  };
  for (int at = 30; at <= 60; ++at) all.back().backend.changes.push_back(at);
  all.push_back(with_rate("idle for 60 s", 8, 3, 0));
  all.push_back(with_rate("few requests for 60 s", 8, 3, 0.3));
  for (const double load : {1.1, 3.0}) {
    const std::string suffix = load < 2 ? ", load 1.1" : ", load 3";
    all.push_back(make("slows down beyond 20" + suffix, 8, load));
    all.back().backend.slow_down = 0.5;
    all.back().settled = 0;
    all.push_back(make("refuses beyond 20" + suffix, 8, load));
    all.back().backend.refuse_beyond = 20;
    all.back().settled = 0;
    all.push_back(make("stalls for 5 s" + suffix, 8, load));
    all.back().backend.stall_start = 30;
    all.back().settled = 0;
  }
  all.push_back(make("two limiters", 8, 1.5));
  all.back().load.limiters = 2;
  all.back().load.max_waiting = 100;
  all.push_back(make("one request in 2 s", 8, 3, {1, 2}));
  all.push_back(make("holds of 10 s", 8, 3, {20, 10}));
  for (const std::size_t servers : {1u, 4u, 100u}) {
    const std::string prefix = std::to_string(servers) + (servers == 1 ? " server" : " servers");
    all.push_back(make(prefix + ", start at 1", 1, 3, {servers, 0.05}));
    all.push_back(make(prefix + ", start 8 times too high", 8 * servers, 3, {servers, 0.05}));
  }
  return all;
}

}  // namespace simulation

#endif
