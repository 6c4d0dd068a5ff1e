// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_ADAPTIVE_WORKLOAD_HPP
#define TURNSTILE_TEST_ADAPTIVE_WORKLOAD_HPP

// Clients in front of a backend. They arrive at random, wait in a bounded queue until the limit lets them
// through, and give up if the upstream does not answer in time. A client that gave up has left its request
// behind: the upstream serves it all the same.

#include "algorithm.hpp"
#include "backend.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
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
  run(const workload& w, const backend_settings& b, std::vector<algorithm*> algorithms,
      std::uint64_t seed)
      : workload_(w), backend_(b, seed * 2 + 1), random_(seed * 2), limiters_(w.limiters) {
    result_.goodput.resize(static_cast<std::size_t>(w.duration) + 1);
    result_.limits.resize(w.limiters);
    for (std::size_t i = 0; i != limiters_.size(); ++i) {
      limiters_[i].algorithm = algorithms[i];
      result_.limits[i].push_back({0, algorithms[i]->limit()});
      arrive_next(limiters_[i], 0);
    }
  }

  result operator()() {
    for (;;) {
      limiter* arriving = &limiters_.front();
      for (limiter& l : limiters_)
        if (l.next_arrival < arriving->next_arrival) arriving = &l;
      const double arrival = arriving->next_arrival, served = backend_.next(),
                   given_up = pending_.empty() ? never : pending_.front().time,
                   refused = refusals_.empty() ? never : refusals_.front().time;
      const double now = std::min({arrival, served, given_up, refused});
      if (now > workload_.duration) return std::move(result_);
      if (now == served) {
        const auto [is_served, r] = backend_.step();
        if (is_served) answered(r, now);
      } else if (now == refused) {
        const std::uint32_t r = refusals_.front().request;
        refusals_.pop_front();
        end(r, now, outcome::overloaded);
        free_.push_back(r);
      } else if (now == given_up) {
        give_up(now);
      } else {
        arrived(*arriving, now);
      }
    }
  }

 private:
  struct limiter {
    simulation::algorithm* algorithm = nullptr;
    std::deque<double> waiting;  // when they give up
    std::size_t in_use = 0;
    double next_arrival = 0;
  };
  enum class request_state : std::uint8_t { held, answered, given_up };
  struct request {
    double start;
    std::uint32_t in_use, limiter;
    request_state state;
    bool refused;
  };
  struct timed_request {
    double time;
    std::uint32_t request;
  };

  void arrive_next(limiter& l, double now) {
    for (;;) {
      const double rate = workload_.rate(now);
      double change = never;
      for (const double c : workload_.rate_changes)
        if (c > now) {
          change = c;
          break;
        }
      const double next = rate > 0 ? now + random_.exponential(1 / rate) : never;
      if (next <= change || change == never) {
        l.next_arrival = next;
        return;
      }
      now = change;
    }
  }

  static void forget_impatient(limiter& l, double now) {
    while (!l.waiting.empty() && l.waiting.front() <= now) l.waiting.pop_front();
  }

  void arrived(limiter& l, double now) {
    arrive_next(l, now);
    if (l.in_use < l.algorithm->limit()) {
      start(l, now);
      return;
    }
    l.algorithm->waited();
    forget_impatient(l, now);
    if (l.waiting.size() < workload_.max_waiting) l.waiting.push_back(now + workload_.patience);
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
                    static_cast<std::uint32_t>(&l - limiters_.data()), request_state::held, false};
    if (backend_.submit(r, now)) {
      pending_.push_back({now + workload_.deadline, r});
    } else {
      requests_[r].refused = true;
      refusals_.push_back({now + workload_.refusal_time, r});
    }
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
    if (requests_[r].state == request_state::answered) {
      free_.push_back(r);
      return;
    }
    requests_[r].state = request_state::given_up;
    end(r, now, outcome::overloaded);
  }

  void end(std::uint32_t r, double now, outcome o) {
    const request ended = requests_[r];
    limiter& l = limiters_[ended.limiter];
    --l.in_use;
    const std::size_t before = l.algorithm->limit();
    l.algorithm->ended(ended.start, now, ended.in_use, o);
    const std::size_t limit = l.algorithm->limit();
    if (limit != before) result_.limits[ended.limiter].push_back({now, limit});
    forget_impatient(l, now);
    while (l.in_use < limit && !l.waiting.empty()) {
      l.waiting.pop_front();
      start(l, now);
    }
  }

  const workload& workload_;
  backend backend_;
  random random_;
  std::vector<limiter> limiters_;
  std::vector<request> requests_;
  std::vector<std::uint32_t> free_;
  std::deque<timed_request> pending_, refusals_;  // by time
  result result_;
};

}  // namespace simulation

#endif
