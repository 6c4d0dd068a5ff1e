// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "scenario.hpp"

#include <algorithm>
#include <sstream>

namespace simulation {

const char* name(kind k) {
  constexpr const char* names[kinds] = {
      "acquire",     "cancel",   "pause",       "crash",        "leave",
      "set_limit",   "cut",      "cut_answers", "server_pause", "server_restart",
      "server_loss", "failover", "flush",       "jump"};
  return names[static_cast<std::size_t>(k)];
}

namespace {

constexpr number ms = 1000, hour = 3'600'000'000;

// Every member has more waiters than it can serve, and nothing fails.
void make_calm(scenario& s, random_numbers& random) {
  s.is_calm = true;
  s.pushes = !random.one_in(4);
  const number lease = s.members[0].lease;
  s.end = 4 * lease;
  s.longest_hold = random.between(1, random.one_in(3) ? 10 : 2) * 5 * ms;
  const number most = random.one_in(3) ? std::max<number>(1, s.limit / 2) : 1;
  for (std::size_t member = 0; member < s.members.size(); ++member) {
    s.members[member].limit = s.limit;
    s.members[member].when_unreachable = fleet::unreachable::stop;
    const number come = random.between(0, lease / 2);
    const number count =
        s.limit * s.end / s.longest_hold * 2 / static_cast<number>(s.members.size()) + 20;
    for (number i = 0; i < std::min<number>(count, 800); ++i)
      s.events.push_back({come, kind::acquire, member, random.between(1, most),
                          random.between(s.longest_hold / 2, s.longest_hold)});
  }
}

void make_faults(scenario& s, random_numbers& random) {
  const number lease = s.members[0].lease;
  // Each kind of fault is in some scenarios and not in others, so that it meets all others.
  std::vector<kind> faults;
  for (const kind k :
       {kind::pause, kind::crash, kind::leave, kind::set_limit, kind::cut, kind::cut_answers,
        kind::server_pause, kind::server_restart, kind::server_loss, kind::failover, kind::flush})
    if (random.one_in(k == kind::flush ? 8 : 3)) faults.push_back(k);
  const number count = faults.empty() ? 0 : random.between(1, 10);
  for (number i = 0; i < count; ++i) {
    event e{random.between(0, s.end),
            faults[static_cast<std::size_t>(random.next() % faults.size())],
            static_cast<std::size_t>(random.next() % s.members.size()),
            random.between(1, s.limit + 2), 0};
    e.span = random.one_in(2) ? random.between(0, lease / 2) : random.between(lease / 3, 2 * lease);
    if (e.what == kind::server_loss || e.what == kind::server_restart) e.span /= 2;
    if (e.what == kind::failover)
      e.span = random.between(0, random.one_in(4) ? lease : lease / 3 - 1);
    if (e.what == kind::pause && !s.events.empty() && random.one_in(2)) {
      // While a request is under way.
      const event& other = s.events[static_cast<std::size_t>(random.next() % s.events.size())];
      e.at = other.at + random.between(0, s.rtt);
      e.member = other.member;
    }
    s.events.push_back(e);
  }
  // One jump for each lease.
  if (random.one_in(3))
    for (number at = random.between(0, lease); at < s.end;
         at += random.between(lease + lease / 2, 4 * lease))
      s.events.push_back({at, kind::jump, 0, 0,
                          random.one_in(3)   ? random.between(-lease, lease)
                          : random.one_in(2) ? hour
                                             : -hour});
}

// Everybody acquires at once, for long.
void add_burst(scenario& s, random_numbers& random, number at) {
  for (std::size_t member = 0; member < s.members.size(); ++member)
    for (number i = random.between(0, s.limit); i > 0; --i)
      s.events.push_back({at + random.between(0, 20 * ms), kind::acquire, member, 1,
                          random.between(ms, s.members[0].lease)});
}

// The server loses its state while some members cannot be reached but have a lease. Newcomers come first, and the clock
// of the server may jump.
void make_loss(scenario& s, random_numbers& random) {
  const number lease = s.members[0].lease;
  const number at = random.between(lease / 5, lease), down = random.between(lease / 20, lease / 3);
  add_burst(s, random, at - lease / 5);
  s.events.push_back({at, random.one_in(3) ? kind::server_restart : kind::server_loss, 0, 0, down});
  for (std::size_t member = 0; member < s.members.size(); ++member) {
    if (random.one_in(3)) continue;
    const bool is_newcomer = random.one_in(3);
    s.events.push_back({at - random.between(0, lease / 10), is_newcomer ? kind::crash : kind::cut,
                        member, 0, is_newcomer ? down : down + random.between(0, lease)});
  }
  if (random.one_in(2))
    s.events.push_back({at + down + random.between(lease / 20, lease / 2), kind::jump, 0, 0, hour});
  add_burst(s, random, at + down);
}

// A member is cut off until its lease has ended, and comes back while its permits are in use. A failover may have
// forgotten that the lease has ended.
void make_return(scenario& s, random_numbers& random) {
  const number lease = s.members[0].lease;
  const number at = random.between(lease / 5, lease);
  add_burst(s, random, at - lease / 10);
  s.events.push_back({at, kind::cut, 0, 0, lease + random.between(0, lease / 10)});
  add_burst(s, random, at + lease / 2);
  if (random.one_in(3)) return;
  // The clock of the replica may be behind.
  const number failover = at + lease + random.between(-lease / 5, lease / 10);
  if (random.one_in(2)) s.events.push_back({failover, kind::jump, 0, 0, -hour});
  s.events.push_back({failover, kind::failover, 0, 0, random.between(0, lease / 3 - 1)});
}

void make_load(scenario& s, random_numbers& random) {
  const number lease = s.members[0].lease;
  const number most = random.one_in(2) ? 1 : random.between(1, s.limit + 1);
  s.longest_hold =
      random.one_in(2) ? random.between(1, 50) * ms : random.between(lease / 20, lease / 2);
  for (std::size_t member = 0; member < s.members.size(); ++member) {
    const number bursts = random.between(0, 8);
    for (number b = 0; b < bursts; ++b) {
      const number at = random.between(0, s.end);
      for (number i = random.between(1, 2 * s.limit); i > 0; --i)
        s.events.push_back({at + random.between(0, 20 * ms), kind::acquire, member,
                            random.between(1, most), random.between(ms / 10, s.longest_hold)});
      if (random.one_in(4))
        s.events.push_back(
            {at + random.between(0, 60 * ms), kind::cancel, member, random.between(0, 1), 0});
    }
  }
}

}  // namespace

scenario make_scenario(std::uint64_t seed) {
  random_numbers random(seed * 0x2545f4914f6cdd1du + 1);
  scenario s;
  s.seed = seed;
  s.limit = random.one_in(4) ? 1 : random.between(1, 10);
  const number lease = random.between(1, 4) * 500 * ms;
  const number slice = random.between(1, 5) * 10 * ms;
  s.rtt = random.between(1, 20) * ms / 5;
  const number count = random.between(2, 8);
  const bool differ = random.one_in(6), keep = random.one_in(8), fail = random.one_in(8);
  for (number i = 0; i < count; ++i) {
    fleet::options o;
    o.limit = differ ? random.between(1, 10) : s.limit;
    o.lease = lease;
    o.slice = slice;
    o.linger = random.one_in(5) ? 0 : random.between(1, 10) * lease / 40;
    if (keep && random.one_in(2)) o.when_unreachable = fleet::unreachable::keep;
    if (fail && random.one_in(2)) o.when_unreachable = fleet::unreachable::fail;
    s.members.push_back(o);
    s.clocks.push_back(random.between(0, 40) * hour / 4);
  }
  if (random.one_in(6)) {
    make_calm(s, random);
  } else {
    s.end = random.between(2, 8) * lease;
    s.pushes = !random.one_in(8);
    if (!random.one_in(4)) {
      s.loss = random.one_in(2) ? random.between(0, 30) : 0;
      s.twice = random.one_in(2) ? random.between(0, 20) : 0;
      s.slow = random.one_in(2) ? random.between(0, 20) : 0;
    }
    make_load(s, random);
    switch (random.between(0, 9)) {
      case 0: make_loss(s, random); break;
      case 1: make_return(s, random); break;
      default: make_faults(s, random);
    }
  }
  std::stable_sort(s.events.begin(), s.events.end(),
                   [](const event& a, const event& b) { return a.at < b.at; });
  return s;
}

std::string describe(const scenario& s) {
  constexpr const char* policies[] = {"stop", "keep", "fail"};
  std::ostringstream out;
  out << "seed " << s.seed << ": limit " << s.limit << ", lease " << s.members[0].lease
      << ", slice " << s.members[0].slice << ", round trip " << s.rtt << ", until " << s.end
      << (s.is_calm ? ", calm" : "") << (s.pushes ? "" : ", no pushes") << "; of 100 messages "
      << s.loss << " are lost, " << s.twice << " doubled, " << s.slow << " slow\n";
  for (std::size_t i = 0; i < s.members.size(); ++i)
    out << "  member " << i << ": limit " << s.members[i].limit << ", linger "
        << s.members[i].linger << ", " << policies[static_cast<int>(s.members[i].when_unreachable)]
        << '\n';
  for (const event& e : s.events)
    out << "  " << e.at << ' ' << name(e.what) << ", member " << e.member << ", amount " << e.amount
        << ", span " << e.span << '\n';
  return out.str();
}

}  // namespace simulation
