// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The lanes of a keyed semaphore, without threads and without Asio: which waiter is granted next.

#define BOOST_TEST_MODULE lanes

#include "../verify/fuzz/lanes_history.hpp"
#include "support.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <ostream>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

namespace turnstile::inline v1::detail {

static std::ostream& operator<<(std::ostream& s, admission a) {
  constexpr const char* names[] = {"granted", "waiting", "exceeds_limit", "queue_full"};
  return s << names[static_cast<int>(a)];
}

}  // namespace turnstile::inline v1::detail

namespace {

using turnstile::detail::admission;
using turnstile::detail::lane;
using turnstile::detail::lane_limits;
using turnstile::detail::lane_waiter;
using turnstile::detail::lanes;
using turnstile::detail::waiter_list;

struct item final : fuzz::bare_waiter {
  item(std::string n, std::uint32_t permits) : bare_waiter(permits), name(std::move(n)) {}
  const std::string name;
};

// The owner of the lanes: it counts the permits of the total, and forgets keys. read() names the acquires that
// were granted, in this order: "a1" is the first of key a.
struct fixture : test::transcript {
  fixture() { limit({.per_key = 2, .total = 3}); }
  ~fixture() {
    while (lane_waiter* const x = all->front()) all->erase(*x);
  }

  void limit(const lane_limits& l) {
    waiter_list excluded;
    if (all)
      all->set_limits(l, excluded);
    else
      all.emplace(l);
    while (auto* const x = static_cast<item*>(excluded.front())) {
      excluded.erase(x);
      write(x->name + "!exceeds");
      forget_if_idle(x->get_lane());
    }
    serve();
  }

  admission acquire(const std::string& name, std::uint32_t permits = 1) {
    const std::string key = name.substr(0, 1);
    lane& l = keys[key];
    const admission a = all->evaluate(l, permits, free());
    if (a == admission::granted) {
      all->take(l, permits);
      in_use += permits;
    } else if (a == admission::waiting) {
      all->enqueue(l, items.emplace_back(name, permits));
    }
    forget_if_idle(l);
    return a;
  }

  void give_back(const std::string& key, std::uint32_t n = 1) {
    lane& l = keys.at(key);
    all->give_back(l, n);
    in_use -= n;
    serve();
    forget_if_idle(l);
  }

  void cancel(const std::string& name) {
    item& x = find(name);
    lane& l = x.get_lane();
    all->erase(x);
    serve();
    forget_if_idle(l);
  }

  void put_back(const std::string& name) {
    item& x = find(name);
    all->give_back(x.get_lane(), x.permits());
    all->put_back(x);
    in_use -= x.permits();
  }

  void serve() {
    while (lane_waiter* const x = all->next(free())) {
      all->grant(*x);
      in_use += x->permits();
      write(static_cast<item*>(x)->name);
    }
  }

  void forget_if_idle(const lane& l) {
    if (l.is_idle()) std::erase_if(keys, [&](const auto& entry) { return &entry.second == &l; });
  }

  std::uint32_t free() const {
    const std::uint32_t total = all->limits().total;
    return total > in_use ? total - in_use : 0;
  }
  item& find(const std::string& name) {
    for (item& x : items)
      if (x.name == name) return x;
    throw std::out_of_range(name);
  }

  std::optional<lanes> all;
  std::map<std::string, lane> keys;
  std::deque<item> items;
  std::uint32_t in_use = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(turns, fixture)

BOOST_AUTO_TEST_CASE(a_permit_goes_to_the_key_that_holds_fewest) {
  acquire("a");
  acquire("a");
  acquire("b");
  for (auto name : {"b2", "c1"}) BOOST_TEST(acquire(name) == admission::waiting);
  give_back("a");
  BOOST_TEST(read() == "c1");
  BOOST_TEST(keys["c"].held() == 1u);
}

BOOST_AUTO_TEST_CASE(of_keys_that_hold_the_same_the_one_whose_head_waits_longest_comes_first) {
  limit({.per_key = 3, .total = 3});
  for (auto name : {"x", "x", "x", "b1", "a1", "c1"}) acquire(name);
  give_back("x", 3);
  BOOST_TEST(read() == "b1 a1 c1");
}

BOOST_AUTO_TEST_CASE(within_a_key_first_come_first_served) {
  limit({.per_key = 3, .total = 3});
  for (auto name : {"x", "x", "x", "a1", "a2", "b1", "a3", "b2"}) acquire(name);
  give_back("x", 2);
  BOOST_TEST(read() == "a1 b1");
  give_back("a");
  BOOST_TEST(read() == "a2");  // a and x hold none, and b holds one
  give_back("b");
  BOOST_TEST(read() == "b2");
}

BOOST_AUTO_TEST_CASE(a_small_request_does_not_overtake_a_large_one_of_its_key) {
  limit({.per_key = 3, .total = 3});
  acquire("x");
  acquire("a1", 3);
  BOOST_TEST(acquire("a2", 1) == admission::waiting);
  BOOST_TEST(read() == "");
  give_back("x");
  BOOST_TEST(read() == "a1");
}

BOOST_AUTO_TEST_CASE(a_new_head_waits_since_it_came) {
  limit({.per_key = 3, .total = 3});
  for (auto name : {"x", "x", "x", "a1", "b1", "a2", "b2"}) acquire(name);
  cancel("a1");  // a2 came after b1
  give_back("x");
  BOOST_TEST(read() == "b1");
}

BOOST_AUTO_TEST_CASE(a_key_with_many_waiters_leaves_room_for_a_key_with_one) {
  limit({.per_key = 10, .total = 10});
  for (int i = 0; i != 10; ++i) acquire("heavy");
  for (int i = 0; i != 1000; ++i) acquire("heavy");
  acquire("light");
  give_back("h");
  BOOST_TEST(read() == "light");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(limits, fixture)

BOOST_AUTO_TEST_CASE(a_key_at_its_limit_waits_although_permits_are_free) {
  acquire("a");
  acquire("a");
  BOOST_TEST(acquire("a3") == admission::waiting);
  BOOST_TEST(free() == 1u);
  give_back("a");
  BOOST_TEST(read() == "a3");
}

BOOST_AUTO_TEST_CASE(a_key_at_its_limit_is_passed_over) {
  limit({.per_key = 2, .total = 4});
  for (auto name : {"a", "a", "b", "b"}) acquire(name);
  acquire("a3");
  acquire("c1");
  acquire("c2");
  give_back("b", 2);
  BOOST_TEST(read() == "c1 c2");
}

BOOST_AUTO_TEST_CASE(a_head_that_does_not_fit_under_the_limit_of_its_key_is_passed_over) {
  limit({.per_key = 2, .total = 4});
  acquire("a");
  acquire("a2", 2);
  for (int i = 0; i != 2; ++i) BOOST_TEST(acquire("b") == admission::granted);
  BOOST_TEST(acquire("a3", 1) == admission::waiting);  // it would fit, and is not the head
  give_back("a");
  BOOST_TEST(read() == "a2");
}

BOOST_AUTO_TEST_CASE(a_key_at_its_limit_does_not_hold_back_arrivals_of_others) {
  acquire("a");
  acquire("a");
  acquire("a3");
  BOOST_TEST(acquire("b") == admission::granted);
  BOOST_TEST(acquire("b") == admission::waiting);  // of the total, none is left
}

BOOST_AUTO_TEST_CASE(the_head_whose_turn_it_is_holds_back_the_others) {
  limit({.per_key = 3, .total = 4});
  acquire("x", 2);
  acquire("a1", 3);
  BOOST_TEST(acquire("b1", 2) == admission::waiting);  // also holds none, and came later
  BOOST_TEST(acquire("x1", 1) == admission::waiting);  // holds more
  give_back("x");
  BOOST_TEST(read() == "a1");
  give_back("x");
  BOOST_TEST(read() == "");  // it is the turn of b1, which needs two
  give_back("a");
  BOOST_TEST(read() == "b1");
  give_back("a");
  BOOST_TEST(read() == "x1");
}

BOOST_AUTO_TEST_CASE(an_arrival_of_a_key_that_holds_fewer_has_the_turn) {
  limit({.per_key = 4, .total = 4});
  acquire("a", 2);
  acquire("a1", 3);
  acquire("b1", 1);
  BOOST_TEST(free() == 1u);
  BOOST_TEST(acquire("b2", 1) == admission::granted);
}

BOOST_AUTO_TEST_CASE(what_can_never_be_granted_does_not_wait) {
  BOOST_TEST(acquire("a", 3) == admission::exceeds_limit);
  limit({.per_key = 5, .total = 3});
  BOOST_TEST(acquire("a", 4) == admission::exceeds_limit);
  BOOST_TEST(acquire("a", 3) == admission::granted);
  limit({.per_key = 0});
  BOOST_TEST(acquire("b", 1) == admission::exceeds_limit);
}

BOOST_AUTO_TEST_CASE(zero_permits_are_granted_beside_waiters) {
  limit({.per_key = 1, .total = 1, .max_waiting_per_key = 1});
  acquire("a");
  acquire("a2");
  BOOST_TEST(acquire("a", 0) == admission::granted);
  BOOST_TEST(keys["a"].held() == 1u);
}

BOOST_AUTO_TEST_CASE(a_raised_limit_serves_waiters) {
  for (auto name : {"a", "a", "a3", "b", "b2"}) acquire(name);
  limit({.per_key = 3, .total = 3});
  BOOST_TEST(read() == "");
  limit({.per_key = 3, .total = 5});
  BOOST_TEST(read() == "b2 a3");
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_takes_nothing_from_the_holders) {
  limit({.per_key = 3, .total = 6});
  acquire("a", 3);
  limit({.per_key = 1, .total = 6});
  BOOST_TEST(keys["a"].held() == 3u);
  BOOST_TEST(acquire("a2") == admission::waiting);
  give_back("a", 2);
  BOOST_TEST(read() == "");
  give_back("a");
  BOOST_TEST(read() == "a2");
}

BOOST_AUTO_TEST_CASE(a_lowered_limit_ends_the_waiters_that_it_excludes) {
  limit({.per_key = 3, .total = 3});
  acquire("x", 3);
  acquire("a1", 3);
  acquire("a2", 1);
  acquire("b1", 2);
  limit({.per_key = 3, .total = 2});
  BOOST_TEST(read() == "a1!exceeds");
  limit({.per_key = 1, .total = 3});
  BOOST_TEST(read() == "b1!exceeds");
  BOOST_TEST(!keys.contains("b"));
  give_back("x", 3);
  BOOST_TEST(read() == "a2");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(bounds, fixture)

BOOST_AUTO_TEST_CASE(a_key_may_have_so_many_waiters) {
  limit({.per_key = 1, .total = 3, .max_waiting_per_key = 2});
  acquire("a");
  acquire("a1");
  acquire("a2");
  BOOST_TEST(acquire("a") == admission::queue_full);
  BOOST_TEST(acquire("b") == admission::granted);
  BOOST_TEST(acquire("b1") == admission::waiting);
  cancel("a1");
  BOOST_TEST(acquire("a3") == admission::waiting);
  BOOST_TEST(keys["a"].waiting() == 2u);
}

BOOST_AUTO_TEST_CASE(all_keys_together_may_have_so_many_waiters) {
  limit({.per_key = 1, .total = 1, .max_waiting = 2});
  acquire("a");
  acquire("b1");
  acquire("c1");
  BOOST_TEST(acquire("d") == admission::queue_full);
  BOOST_TEST(!keys.contains("d"));
  give_back("a");
  BOOST_TEST(read() == "b1");
  BOOST_TEST(acquire("d1") == admission::waiting);
}

BOOST_AUTO_TEST_CASE(no_waiter_is_allowed_if_the_bound_is_zero) {
  limit({.per_key = 1, .total = 1, .max_waiting_per_key = 0});
  BOOST_TEST(acquire("a") == admission::granted);
  BOOST_TEST(acquire("a") == admission::queue_full);
  BOOST_TEST(acquire("a", 2) == admission::exceeds_limit);
}

BOOST_AUTO_TEST_CASE(a_lowered_bound_ends_no_wait) {
  for (auto name : {"a", "a", "a1", "a2"}) acquire(name);
  limit({.per_key = 2, .total = 3, .max_waiting_per_key = 1, .max_waiting = 1});
  BOOST_TEST(all->waiting() == 2u);
  BOOST_TEST(acquire("b") == admission::granted);
  BOOST_TEST(acquire("b") == admission::queue_full);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(leaving, fixture)

BOOST_AUTO_TEST_CASE(any_waiter_can_leave) {
  limit({.per_key = 1, .total = 1});
  for (auto name : {"x", "a1", "a2", "a3", "b1", "b2"}) acquire(name);
  cancel("a2");
  cancel("b2");
  cancel("a1");
  give_back("x");
  BOOST_TEST(read() == "a3");
  give_back("a");
  BOOST_TEST(read() == "b1");
}

BOOST_AUTO_TEST_CASE(those_behind_a_head_that_leaves_are_looked_at) {
  limit({.per_key = 3, .total = 3});
  acquire("x");
  acquire("a1", 3);
  acquire("a2", 1);
  acquire("b1", 1);
  cancel("a1");
  BOOST_TEST(read() == "a2 b1");
}

BOOST_AUTO_TEST_CASE(a_refused_waiter_gets_its_place_back) {
  limit({.per_key = 2, .total = 2});
  for (auto name : {"x", "x", "a1", "b1", "a2", "b2"}) acquire(name);
  give_back("x", 2);
  BOOST_TEST(read() == "a1 b1");
  put_back("b1");
  put_back("a1");
  BOOST_TEST(all->waiting() == 4u);
  BOOST_TEST(keys["a"].held() == 0u);
  serve();
  BOOST_TEST(read() == "a1 b1");
}

BOOST_AUTO_TEST_CASE(all_can_leave) {
  for (auto name : {"a", "a", "b", "a1", "b1", "b2", "c1"}) acquire(name);
  while (lane_waiter* const x = all->front()) {
    write(static_cast<item*>(x)->name);
    all->erase(*x);
  }
  BOOST_TEST(read() == "c1 b1 b2 a1");  // a is at its limit, and comes last
  BOOST_TEST(all->waiting() == 0u);
  BOOST_TEST(!all->next(3));
}

BOOST_AUTO_TEST_CASE(a_key_that_holds_nothing_and_has_no_waiter_is_idle) {
  BOOST_TEST(lane().is_idle());
  for (auto name : {"a", "a", "b", "c1"}) acquire(name);
  give_back("a");
  BOOST_TEST(read() == "c1");
  acquire("c2");
  BOOST_TEST((keys.contains("a") && keys.contains("b") && keys.contains("c")));
  give_back("b");
  BOOST_TEST(!keys.contains("b"));
  give_back("c");
  BOOST_TEST(keys.contains("c"));  // c2
  acquire("d");
  acquire("e1");
  cancel("e1");
  BOOST_TEST(!keys.contains("e"));
}

BOOST_AUTO_TEST_CASE(limits_hold_across_the_forgetting_of_keys) {
  for (int i = 0; i != 1000; ++i) {
    const std::string key(1, static_cast<char>('a' + i % 26));
    for (int k = 0; k != 2; ++k) BOOST_TEST(acquire(key) == admission::granted);
    BOOST_TEST(acquire(key + "3") == admission::waiting);
    cancel(key + "3");
    items.clear();
    give_back(key, 2);
    BOOST_TEST(keys.empty());
    BOOST_TEST(in_use == 0u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(histories)

BOOST_AUTO_TEST_CASE(random_histories_are_as_the_naive_model_has_them) {
  for (unsigned seed = 0; seed != 10'000; ++seed) {
    std::mt19937 random(seed);
    const auto next = [&]() -> unsigned { return random() & 255; };
    const auto check = [&](bool ok, const char* what) {
      if (!ok) BOOST_FAIL("seed " << seed << " differs from the model: " << what);
    };
    fuzz::lanes_history history(next, check);
    for (int i = 0; i != 200; ++i) history.step();
  }
}

BOOST_AUTO_TEST_SUITE_END()
