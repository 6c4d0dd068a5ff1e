// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_PROCESS_HPP
#define TURNSTILE_TEST_FLEET_PROCESS_HPP

// A process with a member, and with a simple local queue in place of the library's semaphore.

#include "fleet/member.hpp"
#include "scenario.hpp"

#include <deque>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

namespace simulation {

struct waiter {
  number n, hold;
  number since;
};

struct operation {
  number n, token;
  bool is_lost = false;  // the lease under which it was granted is over
};

struct process {
  process(fleet::options o, number clock_offset)
      : id(o.id), offset(clock_offset), options(o), member(std::move(o)) {}

  std::string id;
  number offset;  // of its clock
  fleet::options options;
  fleet::member member;

  std::deque<waiter> queue;
  number head_since = 0;
  std::list<operation> inside;
  number in_use = 0;
  number usable = 0;
  number deadline = 0;  // of the last lease that the member had
  number last_grant = 0, last_token = 0;

  bool is_dead = false;
  bool is_closed = false;  // it leaves
  bool is_paused = false;
  number cut_until = 0, answers_cut_until = 0;
  number wake_at = fleet::largest;
  std::uint64_t wake_ups = 0;               // a timer that was set earlier does nothing
  std::vector<std::function<void()>> late;  // what happens once it is not paused any more

  fleet::local reading() const {
    number want = in_use;
    for (const waiter& w : queue) want += w.n;
    return {in_use, want, queue.empty() ? 0 : queue.front().n, head_since};
  }
  bool is_lost(const operation& o, number now) const {
    return o.is_lost || now + offset >= deadline;
  }
  number counted_inside(number now) const {
    number n = 0;
    for (const operation& o : inside) n += is_lost(o, now) ? 0 : o.n;
    return n;
  }
};

}  // namespace simulation

#endif
