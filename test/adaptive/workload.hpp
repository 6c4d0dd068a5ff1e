// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_WORKLOAD_HPP
#define TURNSTILE_TEST_ADAPTIVE_WORKLOAD_HPP

// Clients in front of a backend. They arrive at random, wait in a bounded queue until the limit lets them
// through, and give up if the upstream does not answer in time. A client that gave up has left its request
// behind: the upstream serves it all the same.

#include "algorithm.hpp"
#include "backend.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

namespace simulation {

struct workload {
  std::function<double(double now)> rate;  // arrivals a second at one limiter
  std::vector<double> rate_changes;
  double duration = 60;
  std::size_t max_waiting = 200;
  double patience = 0.5;  // in the queue
  double deadline = 1;    // for the upstream's answer
  double refusal_time = 0.001;
  std::size_t limiters = 1;
};

struct arrival {
  double time;
  std::uint32_t limiter;
};

// All arrivals, by time, and one that never comes.
inline std::vector<arrival> all_arrivals(const workload& w, std::uint64_t seed) {
  random r(seed);
  const auto after = [&](double now) {
    for (;;) {
      const double rate = w.rate(now);
      const auto change = std::upper_bound(w.rate_changes.begin(), w.rate_changes.end(), now);
      const double next = rate > 0 ? now + r.exponential(1 / rate) : never;
      if (change == w.rate_changes.end() || next <= *change) return next;
      now = *change;
    }
  };
  std::vector<arrival> all;
  std::vector<double> next(w.limiters);
  for (double& time : next) time = after(0);
  for (;;) {
    const auto first = std::min_element(next.begin(), next.end());
    if (*first > w.duration) break;
    all.push_back({*first, static_cast<std::uint32_t>(first - next.begin())});
    *first = after(*first);
  }
  all.push_back({never, 0});
  return all;
}

// What is random in a run. All runs with the same seed see the same.
struct chance {
  chance(const workload& w, const backend_settings& b, std::uint64_t seed)
      : arrivals(all_arrivals(w, seed * 2)), services(b.times, seed * 2 + 1) {}

  std::vector<arrival> arrivals;
  service_times services;
};

// The limit after a change of it.
struct point {
  double time;
  std::size_t limit;
};

struct result {
  std::vector<std::uint32_t> goodput;      // answers in time, of each second
  std::vector<std::vector<point>> limits;  // of each limiter

  double total(double from, double to) const {
    double sum = 0;
    for (auto i = static_cast<std::size_t>(from); i < goodput.size() && static_cast<double>(i) < to;
         ++i)
      sum += goodput[i];
    return sum;
  }

  std::size_t limit_at(double time, std::size_t limiter = 0) const {
    std::size_t limit = limits[limiter].front().limit;
    for (const point& p : limits[limiter]) {
      if (p.time > time) break;
      limit = p.limit;
    }
    return limit;
  }
};

class run {
 public:
  run(const workload& w, const backend_settings& b, chance& c, std::vector<algorithm*> algorithms)
      : workload_(w), backend_(b, c.services), arrival_(c.arrivals.data()), limiters_(w.limiters) {
    result_.goodput.resize(static_cast<std::size_t>(w.duration) + 1);
    result_.limits.resize(w.limiters);
    for (std::size_t i = 0; i != limiters_.size(); ++i) {
      limiters_[i].algorithm = algorithms[i];
      limiters_[i].limit = algorithms[i]->limit();
      result_.limits[i].push_back({0, limiters_[i].limit});
    }
  }

  result operator()() {
    for (;;) {
      const double served = backend_.next(), given_up = next_deadline(),
                   refused = refusals_.empty() ? never : refusals_.front().time;
      const double now = std::min({served, given_up, refused});
      // Most arrivals find the limit reached. Then nothing else happens earlier than before.
      bool has_started = false;
      while (arrival_->time < now && !has_started) has_started = arrived(*arrival_++);
      if (has_started) continue;
      if (now > workload_.duration) return std::move(result_);
      if (now == served) {
        const auto [is_served, r] = backend_.step();
        if (is_served) answered(r, now);
      } else if (now == refused) {
        const std::uint32_t r = refusals_.front().request;
        refusals_.pop_front();
        end(r, now, outcome::overloaded);
        free_.push_back(r);
      } else {
        give_up(now);
      }
    }
  }

 private:
  struct limiter {
    simulation::algorithm* algorithm = nullptr;
    std::deque<double> waiting;  // when they give up
    std::size_t in_use = 0, limit = 0;
    bool has_waited = false;  // something, since the last hold ended
  };
  enum class request_state : std::uint8_t { held, answered, given_up };
  struct request {
    double start;
    std::uint32_t in_use, limiter;
    request_state state;
  };
  struct timed_request {
    double time;
    std::uint32_t request;
  };

  // When the oldest request that is still held ends at the latest.
  double next_deadline() {
    while (!pending_.empty() &&
           requests_[pending_.front().request].state == request_state::answered) {
      free_.push_back(pending_.front().request);
      pending_.pop_front();
    }
    return pending_.empty() ? never : pending_.front().time;
  }

  static void forget_impatient(limiter& l, double now) {
    while (!l.waiting.empty() && l.waiting.front() <= now) l.waiting.pop_front();
  }

  // Returns whether the request need not wait.
  bool arrived(const arrival& a) {
    limiter& l = limiters_[a.limiter];
    if (l.in_use < l.limit) {
      start(l, a.time);
      return true;
    }
    l.has_waited = true;
    forget_impatient(l, a.time);
    if (l.waiting.size() < workload_.max_waiting) l.waiting.push_back(a.time + workload_.patience);
    return false;
  }

  void start(limiter& l, double now) {
    std::uint32_t r;
    if (free_.empty()) {
      r = static_cast<std::uint32_t>(requests_.size());
      requests_.emplace_back();
    } else {
      r = free_.back();
      free_.pop_back();
    }
    ++l.in_use;
    requests_[r] = {now, static_cast<std::uint32_t>(l.in_use),
                    static_cast<std::uint32_t>(&l - limiters_.data()), request_state::held};
    if (backend_.submit(r, now))
      pending_.push_back({now + workload_.deadline, r});
    else
      refusals_.push_back({now + workload_.refusal_time, r});
  }

  void answered(std::uint32_t r, double now) {
    if (requests_[r].state == request_state::given_up) {
      free_.push_back(r);
      return;
    }
    ++result_.goodput[static_cast<std::size_t>(now)];
    requests_[r].state = request_state::answered;  // kept until its entry in pending_ has gone
    end(r, now, outcome::succeeded);
  }

  void give_up(double now) {
    const std::uint32_t r = pending_.front().request;
    pending_.pop_front();
    requests_[r].state = request_state::given_up;
    end(r, now, outcome::overloaded);
  }

  void end(std::uint32_t r, double now, outcome o) {
    const request ended = requests_[r];
    limiter& l = limiters_[ended.limiter];
    --l.in_use;
    if (std::exchange(l.has_waited, false)) l.algorithm->waited();
    l.algorithm->ended(ended.start, now, ended.in_use, o);
    const std::size_t before = std::exchange(l.limit, l.algorithm->limit());
    if (l.limit != before) result_.limits[ended.limiter].push_back({now, l.limit});
    forget_impatient(l, now);
    while (l.in_use < l.limit && !l.waiting.empty()) {
      l.waiting.pop_front();
      start(l, now);
    }
  }

  const workload& workload_;
  backend backend_;
  const arrival* arrival_;
  std::vector<limiter> limiters_;
  std::vector<request> requests_;
  std::vector<std::uint32_t> free_;
  std::deque<timed_request> pending_, refusals_;  // by time
  result result_;
};

}  // namespace simulation

#endif
