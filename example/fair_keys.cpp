// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A simulation of fairness between keys, in virtual time. A light tenant asks for 0.2 of the capacity, and a
// heavy one for 3.0 of it. With one queue for both, each gets the same share of its demand, about a third. With a
// lane for each, the light tenant gets all of its demand, and the heavy one gets the rest.

#include "../verify/fuzz/lanes_history.hpp"

#include <turnstile/detail/lanes.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <vector>

namespace {

using turnstile::detail::admission;
using turnstile::detail::lane;
using turnstile::detail::lane_limits;
using turnstile::detail::lane_waiter;
using turnstile::detail::lanes;

constexpr std::uint32_t capacity = 10;  // permits; each is held for one unit of time on average
constexpr std::size_t waiting_per_key = 50;
constexpr double duration = 20'000;

struct tenant {
  const char* name;
  double demand;  // of the capacity
  long asked = 0, served = 0;
  double waited = 0;
};

// A request of a tenant.
struct request final : fuzz::bare_waiter {
  request(tenant& t, double time) : bare_waiter(1), by(t), came(time) {}
  tenant& by;
  double came;
};

class simulation {
 public:
  explicit simulation(bool fair)
      : fair_(fair),
        lanes_({.per_key = capacity,
                .total = capacity,
                .max_waiting_per_key = fair ? waiting_per_key : 2 * waiting_per_key}) {}

  void run() {
    for (tenant& t : tenants_) arrive(t, 0);
    while (!events_.empty()) {
      const event e = events_.top();
      events_.pop();
      now_ = e.time;
      e.happens();
    }
    std::printf("%s:\n", fair_ ? "a lane for each tenant" : "one queue for both");
    for (const tenant& t : tenants_) {
      std::printf("  %s tenant, demand %.1f: gets %3.0f %% of it, waits %5.2f service times\n",
                  t.name, t.demand,
                  100.0 * static_cast<double>(t.served) / static_cast<double>(t.asked),
                  t.waited / static_cast<double>(t.served));
    }
  }

 private:
  struct event {
    double time;
    std::function<void()> happens;
    bool operator>(const event& other) const { return time > other.time; }
  };

  lane& lane_of(const tenant& t) { return lane_[fair_ && &t == &tenants_.back() ? 1 : 0]; }
  double random_time(double mean) { return std::exponential_distribution(1 / mean)(random_); }
  std::uint32_t free_permits() const { return capacity - in_use_; }

  // The next request of a tenant.
  void arrive(tenant& t, double after) {
    const double time = after + random_time(1 / (t.demand * capacity));
    if (time > duration) return;
    events_.push({time, [this, &t] {
                    acquire(t);
                    arrive(t, now_);
                  }});
  }

  void acquire(tenant& t) {
    ++t.asked;
    request& r = requests_.emplace_back(t, now_);
    switch (lanes_.evaluate(lane_of(t), 1, free_permits())) {
      case admission::granted: lanes_.take(lane_of(t), 1); return serve(r);
      case admission::waiting: return lanes_.enqueue(lane_of(t), r);
      default: return;  // refused
    }
  }

  void serve(const request& r) {
    ++in_use_;
    ++r.by.served;
    r.by.waited += now_ - r.came;
    events_.push({now_ + random_time(1), [this, &t = r.by] { release(t); }});
  }

  void release(const tenant& t) {
    lanes_.give_back(lane_of(t), 1);
    --in_use_;
    while (lane_waiter* const x = lanes_.next(free_permits())) {
      lanes_.grant(*x);
      serve(static_cast<const request&>(*x));
    }
  }

  bool fair_;
  lanes lanes_;
  lane lane_[2];
  std::vector<tenant> tenants_{{"light", 0.2}, {"heavy", 3.0}};
  std::deque<request> requests_;
  std::priority_queue<event, std::vector<event>, std::greater<>> events_;
  std::mt19937_64 random_{1};
  double now_ = 0;
  std::uint32_t in_use_ = 0;
};

}  // namespace

int main() {
  simulation(false).run();
  simulation(true).run();
}
