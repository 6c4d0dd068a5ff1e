// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// An adaptive limit keeps its rules, whatever it is told. test/adaptive/ has how well it does.

#define BOOST_TEST_MODULE adaptive_limit

#include <turnstile/adaptive_limit.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <thread>
#include <vector>

using turnstile::adaptive_limit;
using outcome = adaptive_limit::outcome;
using time_point = adaptive_limit::time_point;
using namespace std::chrono_literals;

namespace {

const time_point origin = time_point() + 1h;

// An upstream with some servers, always as busy as the limit lets it be: a hold takes `service`, and longer in
// proportion if more are in use than there are servers.
struct upstream {
  adaptive_limit& adaptive;
  std::size_t servers = 20;
  std::chrono::nanoseconds service = 50ms;
  time_point now = origin;
  std::vector<time_point> changes{};

  std::chrono::nanoseconds hold_time(std::size_t in_use) const {
    return in_use <= servers ? service
                             : service * static_cast<int>(in_use) / static_cast<int>(servers);
  }

  void end_one(outcome o = outcome::succeeded) {
    const std::size_t in_use = adaptive.limit();
    now += hold_time(in_use) / static_cast<int>(in_use);
    const std::size_t before = adaptive.limit();
    adaptive.ended(now - hold_time(in_use), now, in_use, o);
    if (adaptive.limit() != before) changes.push_back(now);
  }

  void run(std::chrono::nanoseconds time, outcome o = outcome::succeeded) {
    for (const time_point end = now + time; now < end;) end_one(o);
  }
};

// The limit of the next five seconds, without the moments when it is lower in order to compare.
std::size_t settled(upstream& u) {
  std::size_t highest = 0;
  for (const time_point end = u.now + 5s; u.now < end; u.end_one())
    highest = std::max(highest, u.adaptive.limit());
  return highest;
}

}  // namespace

BOOST_AUTO_TEST_CASE(starts_at_its_initial_limit) {
  BOOST_TEST(adaptive_limit().limit() == 8u);
  BOOST_TEST(adaptive_limit({.initial = 3}).limit() == 3u);
}

BOOST_AUTO_TEST_CASE(settings_that_contradict_each_other_are_refused) {
  const auto make = [](adaptive_limit::settings s) { adaptive_limit a(s); };
  BOOST_CHECK_THROW(make({.lowest = 0}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.initial = 0}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.initial = 4, .lowest = 5}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.initial = 11, .highest = 10}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.initial = 5, .lowest = 6, .highest = 4}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.window = 0ns}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.window = -1s}), std::invalid_argument);
  BOOST_CHECK_THROW(make({.tolerable = 0ns}), std::invalid_argument);
  make({.initial = 1, .lowest = 1, .highest = 1});
  make({.highest = std::numeric_limits<std::size_t>::max()});
}

BOOST_AUTO_TEST_CASE(finds_the_servers_from_below_and_from_above) {
  for (const std::size_t initial : {1u, 8u, 20u, 160u}) {
    adaptive_limit adaptive({.initial = initial});
    upstream u{adaptive};
    u.run(30s);
    const std::size_t limit = settled(u);
    BOOST_TEST(limit >= 18u);
    BOOST_TEST(limit <= 31u);
  }
}

BOOST_AUTO_TEST_CASE(finds_the_servers_if_they_get_faster_while_the_limit_grows) {
  adaptive_limit adaptive({.initial = 1});
  upstream u{adaptive};
  while (adaptive.limit() < 6) u.end_one();
  u.service = 20ms;
  u.run(30s);
  const std::size_t limit = settled(u);
  BOOST_TEST(limit >= 18u);
  BOOST_TEST(limit <= 31u);
}

BOOST_AUTO_TEST_CASE(stays_in_its_range) {
  adaptive_limit adaptive({.initial = 6, .lowest = 5, .highest = 9});
  upstream u{adaptive};
  const auto is_in_range = [&] { return adaptive.limit() >= 5 && adaptive.limit() <= 9; };
  bool in_range = true;
  for (const std::size_t servers : {100u, 1u, 7u}) {
    u.servers = servers;
    for (int i = 0; i != 20'000; ++i) {
      u.end_one(i % 1000 < 100 ? outcome::overloaded : outcome::succeeded);
      in_range = in_range && is_in_range();
    }
  }
  BOOST_TEST(in_range);
}

BOOST_AUTO_TEST_CASE(a_range_of_one_value_is_a_fixed_limit) {
  adaptive_limit adaptive({.initial = 7, .lowest = 7, .highest = 7});
  upstream u{adaptive};
  u.run(20s);
  u.run(20s, outcome::overloaded);
  BOOST_TEST(u.changes.empty());
}

BOOST_AUTO_TEST_CASE(changes_at_most_once_in_a_window) {
  for (const std::chrono::milliseconds window : {250ms, 2000ms}) {
    adaptive_limit adaptive({.window = window});
    upstream u{adaptive};
    for (int i = 0; i != 6; ++i) {
      u.servers = i % 2 ? 40 : 10;
      u.run(20s, i == 4 ? outcome::overloaded : outcome::succeeded);
    }
    BOOST_TEST(u.changes.size() > 5u);
    for (std::size_t i = 1; i < u.changes.size(); ++i)
      BOOST_TEST((u.changes[i] - u.changes[i - 1] >= window));
  }
}

BOOST_AUTO_TEST_CASE(does_not_change_while_the_limit_is_not_reached) {
  adaptive_limit adaptive;
  upstream u{adaptive};
  u.run(20s);
  // What was begun while the limit was reached may still end.
  const auto one = [&](std::chrono::nanoseconds time, outcome o) {
    u.now += 10ms;
    adaptive.ended(u.now - time, u.now, 3, o);
  };
  for (int i = 0; i != 100; ++i) one(50ms, outcome::succeeded);
  const std::size_t limit = adaptive.limit();
  for (int i = 0; i != 10'000; ++i)
    one(i % 50 * 10ms, i % 3 ? outcome::succeeded : outcome::overloaded);
  BOOST_TEST(adaptive.limit() == limit);
  u.now += 24h;
  one(50ms, outcome::succeeded);
  BOOST_TEST(adaptive.limit() == limit);
}

BOOST_AUTO_TEST_CASE(what_waits_has_reached_the_limit) {
  const auto limit_after = [](bool waits) {
    adaptive_limit adaptive;
    for (time_point now = origin; now < origin + 20s; now += 5ms) {
      if (waits) adaptive.waited();
      adaptive.ended(now - 50ms, now, 4, outcome::overloaded);
    }
    return adaptive.limit();
  };
  BOOST_TEST(limit_after(false) == 8u);
  BOOST_TEST(limit_after(true) == 1u);
}

BOOST_AUTO_TEST_CASE(ignored_holds_change_nothing) {
  adaptive_limit adaptive;
  upstream u{adaptive};
  u.run(60s, outcome::ignored);
  BOOST_TEST(u.changes.empty());

  // Not even what others do.
  adaptive_limit alone, beside;
  upstream a{alone}, b{beside};
  bool same = true;
  for (int i = 0; i != 20'000; ++i) {
    a.end_one();
    b.end_one();
    beside.ended(origin - 30min, b.now + 1h, 1000, outcome::ignored);
    same = same && alone.limit() == beside.limit();
  }
  BOOST_TEST(same);
}

BOOST_AUTO_TEST_CASE(holds_that_started_under_another_limit_do_not_count) {
  adaptive_limit adaptive;
  upstream u{adaptive};
  u.run(20s);
  const std::size_t before = adaptive.limit();
  while (adaptive.limit() == before) u.end_one();
  const std::size_t limit = adaptive.limit();
  // All of these started before the change.
  for (int i = 0; i != 10'000; ++i) {
    u.now += 10ms;
    adaptive.ended(u.changes.back() - i % 7 * 1ms, u.now, 1000,
                   i % 2 ? outcome::succeeded : outcome::overloaded);
  }
  BOOST_TEST(adaptive.limit() == limit);
}

BOOST_AUTO_TEST_CASE(overloads_lower_the_limit_to_the_lowest) {
  adaptive_limit adaptive({.initial = 100, .lowest = 2});
  upstream u{adaptive};
  u.run(60s, outcome::overloaded);
  BOOST_TEST(adaptive.limit() == 2u);
}

BOOST_AUTO_TEST_CASE(a_few_overloads_are_no_reason) {
  adaptive_limit adaptive;
  upstream u{adaptive};
  for (int i = 0; i != 20'000; ++i)
    u.end_one(i % 100 == 0 ? outcome::overloaded : outcome::succeeded);
  BOOST_TEST(settled(u) >= 18u);
}

BOOST_AUTO_TEST_CASE(a_hold_longer_than_tolerable_is_an_overload) {
  adaptive_limit adaptive({.tolerable = 49ms});
  upstream u{adaptive};
  u.run(60s);
  BOOST_TEST(adaptive.limit() == 1u);
  adaptive_limit tolerant({.tolerable = 500ms});
  upstream v{tolerant};
  v.run(60s);
  BOOST_TEST(settled(v) >= 18u);
}

BOOST_AUTO_TEST_CASE(recovers_from_the_lowest_limit) {
  adaptive_limit adaptive;
  upstream u{adaptive};
  u.run(60s, outcome::overloaded);
  BOOST_TEST(adaptive.limit() == 1u);
  u.run(60s);
  BOOST_TEST(settled(u) >= 18u);
}

BOOST_AUTO_TEST_CASE(any_times_and_counts_are_taken) {
  const time_point times[] = {time_point::min(), time_point(), origin, origin + 1ns,
                              time_point::max()};
  const std::size_t counts[] = {0, 1, 8, std::numeric_limits<std::size_t>::max()};
  for (const std::size_t highest : {std::size_t(10), std::numeric_limits<std::size_t>::max()}) {
    adaptive_limit adaptive({.initial = 9, .lowest = 3, .highest = highest, .window = 1ns});
    std::uint32_t random = 1;
    bool in_range = true;
    for (int i = 0; i != 100'000; ++i) {
      random = random * 1664525 + 1013904223;
      const auto pick = [&](unsigned shift, unsigned n) { return (random >> shift) % n; };
      if (pick(8, 2)) adaptive.waited();
      // First times that go on, then any.
      const time_point now = origin + i * 1ms;
      const bool is_sane = i < 50'000 && pick(9, 1000) != 0;
      const std::size_t limit =
          adaptive.ended(is_sane ? now - pick(10, 3) * 1ms : times[pick(10, 5)],
                         is_sane || i < 50'000 ? now : times[pick(13, 5)], counts[pick(16, 4)],
                         pick(20, 10) ? outcome::succeeded : outcome::overloaded);
      in_range = in_range && limit == adaptive.limit() && limit >= 3 && limit <= highest;
    }
    BOOST_TEST(in_range);
  }
}

BOOST_AUTO_TEST_CASE(holds_of_no_time_let_the_limit_grow) {
  adaptive_limit adaptive({.highest = 50});
  for (time_point now = origin; now < origin + 60s; now += 1ms)
    adaptive.ended(now, now, adaptive.limit(), outcome::succeeded);
  BOOST_TEST(adaptive.limit() >= 30u);
}

// One thread reports holds; others wait for permits and read the limit.
BOOST_AUTO_TEST_CASE(waits_may_be_reported_and_the_limit_read_by_other_threads) {
  adaptive_limit adaptive({.initial = 4, .lowest = 2, .highest = 50});
  std::atomic<bool> done{false}, in_range{true};
  const auto use = [&] {
    while (!done) {
      adaptive.waited();
      const std::size_t limit = adaptive.limit();
      if (limit < 2 || limit > 50) in_range = false;
    }
  };
  std::thread first(use), second(use);
  upstream u{adaptive};
  u.run(30s);
  done = true;
  first.join();
  second.join();
  BOOST_TEST(in_range);
  BOOST_TEST(!u.changes.empty());
}
