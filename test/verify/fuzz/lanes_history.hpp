// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FUZZ_LANES_HISTORY_HPP
#define TURNSTILE_TEST_FUZZ_LANES_HISTORY_HPP

// The lanes of a keyed semaphore beside a naive model: histories of calls, where after each call both must have
// granted the same waiters in the same order, and must show the same counts.

#include <turnstile/detail/lanes.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace fuzz {

// What became of an acquire: its number, and why it ended.
struct ended {
  int id;
  turnstile::detail::admission how;
  bool operator==(const ended&) const = default;
};

// The rules as they are told, with one queue for all keys, which is searched from its front.
class lanes_model {
 public:
  using admission = turnstile::detail::admission;
  using lane_limits = turnstile::detail::lane_limits;
  static constexpr std::size_t keys = 5;

  struct wait {
    int id;
    std::size_t key;
    std::uint32_t permits;
  };

  explicit lanes_model(const lane_limits& l) : limits_(l) {}

  std::vector<ended> log;

  std::uint32_t held(std::size_t key) const { return held_[key]; }
  std::uint32_t in_use() const {
    std::uint32_t sum = 0;
    for (const std::uint32_t n : held_) sum += n;
    return sum;
  }
  std::size_t waiting() const { return queue_.size(); }
  std::size_t waiting(std::size_t key) const {
    return static_cast<std::size_t>(
        std::count_if(queue_.begin(), queue_.end(), [&](const wait& w) { return w.key == key; }));
  }

  void acquire(const wait& w) {
    if (w.permits > std::min(limits_.per_key, limits_.total))
      return end(w.id, admission::exceeds_limit);
    const bool full =
        waiting(w.key) >= limits_.max_waiting_per_key || waiting() >= limits_.max_waiting;
    queue_.push_back(w);
    serve();
    if (!full || queue_.empty() || queue_.back().id != w.id) return;
    queue_.pop_back();
    end(w.id, admission::queue_full);
  }

  void give_back(std::size_t key, std::uint32_t n) {
    held_[key] -= n;
    serve();
  }

  void cancel(int id) {
    std::erase_if(queue_, [&](const wait& w) { return w.id == id; });
    serve();
  }
  void cancel_all() { queue_.clear(); }

  void set_limits(const lane_limits& l) {
    limits_ = l;
    std::erase_if(queue_, [&](const wait& w) { return w.permits > std::min(l.per_key, l.total); });
    serve();
  }

  // The last grants are taken back.
  void refuse_last(std::vector<wait> granted) {
    for (const wait& w : granted) held_[w.key] -= w.permits;
    queue_.insert(queue_.begin(), granted.begin(), granted.end());
    std::sort(queue_.begin(), queue_.end(),
              [](const wait& a, const wait& b) { return a.id < b.id; });
    serve();
  }

 private:
  void end(int id, admission how) { log.push_back({id, how}); }

  void serve() {
    while (const wait* const w = next()) {
      held_[w->key] += w->permits;
      end(w->id, admission::granted);
      queue_.erase(queue_.begin() + (w - queue_.data()));
    }
  }

  const wait* next() const {
    const wait* best = nullptr;
    std::array<bool, keys> seen{};
    for (const wait& w : queue_) {  // those that wait longest come first
      if (seen[w.key]) continue;    // within a key first come, first served
      seen[w.key] = true;
      if (held_[w.key] + w.permits > limits_.per_key) continue;
      if (!best || held_[w.key] < held_[best->key]) best = &w;
    }
    return best && in_use() + best->permits <= limits_.total ? best : nullptr;
  }

  lane_limits limits_;
  std::array<std::uint32_t, keys> held_{};
  std::vector<wait> queue_;
};

// A waiter without a handler.
class bare_waiter : public turnstile::detail::lane_waiter {
 public:
  explicit bare_waiter(std::uint32_t permits) : lane_waiter(permits) {}
  bool deliver() noexcept override { return true; }
  void discard() noexcept override {}
  void post_resumption() noexcept override {}
};

// Makes the calls that bytes describe. `next` returns the next byte, and `check` is told what must be true.
template <typename Next, typename Check>
class lanes_history {
  using admission = turnstile::detail::admission;
  using lane_limits = turnstile::detail::lane_limits;
  using lane = turnstile::detail::lane;

 public:
  lanes_history(Next next, Check check)
      : next_(next), check_(check), limits_(read_limits()), lanes_(limits_), model_(limits_) {}

  ~lanes_history() { end_all(); }

  void step() {
    const unsigned what = next_(), more = next_();
    const std::size_t key = more % lanes_model::keys;
    const std::uint32_t n = (more / lanes_model::keys) % 4;
    switch (what % 16) {
      case 0: return cancel_all();
      case 1: return set_limits();
      case 2: return refuse_last(1 + more % 3);
      case 3:
      case 4: return cancel(more);
      case 5:
      case 6:
      case 7:
      case 8:
      case 9: return give_back(key, n);
      default: return acquire(key, n);
    }
  }

 private:
  struct lane_item final : bare_waiter {
    lane_item(int i, std::size_t k, std::uint32_t n) : bare_waiter(n), id(i), key(k) {}
    const int id;
    const std::size_t key;
    bool queued = false;
  };

  lane_limits read_limits() {
    const unsigned a = next_(), b = next_();
    lane_limits l;
    l.per_key = a % 5;
    l.total = (a / 5) % 10;
    if (b % 16 < 8) l.max_waiting_per_key = b % 8;
    if (b / 16 < 8) l.max_waiting = b / 16;
    return l;
  }

  std::uint32_t free_permits() const {
    return limits_.total > in_use_ ? limits_.total - in_use_ : 0;
  }

  void acquire(std::size_t key, std::uint32_t n) {
    if (n == 0) {
      check_(lanes_.evaluate(by_key_[key], 0, 0) == admission::granted, "zero permits");
      return;
    }
    const int id = static_cast<int>(items_.size());
    lane_item& x = items_.emplace_back(id, key, n);
    const admission a = lanes_.evaluate(by_key_[key], n, free_permits());
    if (a == admission::waiting) {
      lanes_.enqueue(by_key_[key], x);
      x.queued = true;
      check_(!lanes_.next(free_permits()), "an acquire that waits cannot be granted");
    } else {
      if (a == admission::granted) {
        lanes_.take(by_key_[key], n);
        in_use_ += n;
      }
      log_.push_back({id, a});
    }
    model_.acquire({id, key, n});
    compare();
  }

  void give_back(std::size_t key, std::uint32_t n) {
    n = std::min(n, by_key_[key].held());
    lanes_.give_back(by_key_[key], n);
    in_use_ -= n;
    model_.give_back(key, n);
    serve();
  }

  // The newest or an older one, if it is still queued.
  void cancel(unsigned age) {
    if (age >= items_.size()) return;
    lane_item& x = items_[items_.size() - 1 - age];
    if (x.queued) erase(x);
    model_.cancel(x.id);
    serve();
  }

  void cancel_all() {
    end_all();
    model_.cancel_all();
    serve();
  }

  void set_limits() {
    limits_ = read_limits();
    turnstile::detail::waiter_list excluded;
    lanes_.set_limits(limits_, excluded);
    while (turnstile::detail::waiter* const x = excluded.front()) {
      excluded.erase(x);
      check_(x->permits() > std::min(limits_.per_key, limits_.total),
             "only what can never be granted");
      static_cast<lane_item*>(x)->queued = false;
    }
    model_.set_limits(limits_);
    serve_more();
  }

  // The executors refuse the newest grants to waiters, which wait again.
  void refuse_last(unsigned n) {
    std::vector<lanes_model::wait> refused;
    for (; n != 0 && !granted_.empty(); --n) {
      lane_item& x = *granted_.back();
      if (x.permits() > std::min(limits_.per_key, limits_.total)) break;  // the owner would end it
      granted_.pop_back();
      refused.push_back({x.id, x.key, x.permits()});
      lanes_.give_back(by_key_[x.key], x.permits());
      lanes_.put_back(x);
      x.queued = true;
      in_use_ -= x.permits();
    }
    model_.refuse_last(refused);
    serve();
  }

  void serve() {
    granted_.clear();
    serve_more();
  }
  void serve_more() {
    while (turnstile::detail::lane_waiter* const w = lanes_.next(free_permits())) {
      auto& x = static_cast<lane_item&>(*w);
      lanes_.grant(x);
      x.queued = false;
      in_use_ += x.permits();
      log_.push_back({x.id, admission::granted});
      granted_.push_back(&x);
    }
    compare();
  }

  void erase(lane_item& x) {
    lanes_.erase(x);
    x.queued = false;
  }
  void end_all() {
    while (auto* const x = static_cast<lane_item*>(lanes_.front())) erase(*x);
  }

  void compare() {
    check_(log_ == model_.log, "what became of the acquires");
    check_(in_use_ == model_.in_use(), "permits in use");
    check_(lanes_.waiting() == model_.waiting(), "waiters");
    for (std::size_t key = 0; key != lanes_model::keys; ++key) {
      const lane& l = by_key_[key];
      check_(l.held() == model_.held(key), "permits that a key holds");
      check_(l.waiting() == model_.waiting(key), "waiters of a key");
      check_(l.is_idle() == (model_.held(key) == 0 && model_.waiting(key) == 0), "idle");
    }
    log_.clear();
    model_.log.clear();
  }

  Next next_;
  Check check_;
  lane_limits limits_;
  std::array<lane, lanes_model::keys> by_key_;
  turnstile::detail::lanes lanes_;
  lanes_model model_;
  std::uint32_t in_use_ = 0;
  std::deque<lane_item> items_;
  std::vector<lane_item*>
      granted_;  // by the last call, and calls of set_limits() since, the newest last
  std::vector<ended> log_;
};

}  // namespace fuzz

#endif
