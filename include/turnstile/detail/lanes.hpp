// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_LANES_HPP
#define TURNSTILE_DETAIL_LANES_HPP

// The queue of a keyed semaphore. It decides which waiter is granted next, and leaves everything else to its
// owner. One thread at a time may use it.
//
// Each key has a lane: the permits that the key holds, and its waiters, first come, first served. The lanes
// take turns. The turn goes to the lane that holds fewest permits. Of several, it goes to the lane whose head
// waits longest. A lane is passed over while the permits that its head needs would bring it above the limit
// of a key.
//
// If the head whose turn it is needs more permits than are free, no other waiter is granted, so large requests
// are not starved. An acquire that arrives meanwhile is granted only if its lane holds fewer permits: then
// the turn is its own. So a lane that holds none keeps its turn until its head is granted.
//
// The owner counts the free permits of the total, and passes their number in. The owner also owns the lanes
// and the waiters. It may forget a lane once that is idle: it holds nothing, and no waiter is in it. A lane
// can become idle by give_back(), erase() and set_limits(), and is not touched afterwards.
//
// The lanes with waiters are in a balanced tree, in the order of their turns, and those that are passed over
// come last. So enqueue(), grant(), give_back(), erase() and put_back() are O(log(lanes with waiters)), and
// next() is O(1). The tree is linked through the lanes, and the queues through the waiters: nothing is ever
// allocated, and nothing throws.

#include <turnstile/detail/state_word.hpp>
#include <turnstile/detail/waiter.hpp>

#include <boost/assert.hpp>
#include <boost/intrusive/options.hpp>
#include <boost/intrusive/set.hpp>
#include <boost/intrusive/set_hook.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace turnstile::inline v1::detail {

class lane;
class lanes;

// A waiter that knows its lane, so that it leaves without a look-up of the key.
class lane_waiter : public waiter {
 public:
  // The lane that it was enqueued in last.
  lane& get_lane() const noexcept { return *lane_; }
  // Before that.
  void set_lane(lane& l) noexcept { lane_ = &l; }

 protected:
  explicit lane_waiter(std::uint32_t permits) noexcept : waiter(permits) {}
  ~lane_waiter() = default;

 private:
  friend lanes;

  lane* lane_ = nullptr;
  std::uint64_t arrival_ = 0;  // the number of the enqueue()
};

// What one key holds, and its waiters.
class lane {
 public:
  lane() = default;
  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;

  std::uint32_t held() const noexcept { return held_; }
  std::size_t waiting() const noexcept { return waiting_; }
  bool is_idle() const noexcept { return held_ == 0 && waiting_ == 0; }

 private:
  friend lanes;

  // The position among the lanes with waiters: the least comes first.
  struct turn {
    bool passed_over = false;
    std::uint32_t held = 0;
    std::uint64_t arrival = 0;  // of the head

    friend bool operator<(const turn& a, const turn& b) noexcept {
      if (a.passed_over != b.passed_over) return b.passed_over;
      if (a.held != b.held) return a.held < b.held;
      return a.arrival < b.arrival;
    }
  };

  waiter_list waiters_;
  std::size_t waiting_ = 0;
  std::uint32_t held_ = 0;
  turn turn_;  // a copy of what it is made from, so that a comparison does not touch the head
  boost::intrusive::set_member_hook<boost::intrusive::optimize_size<true>> hook_;
};

struct lane_limits {
  std::uint32_t per_key = 1;
  std::uint32_t total = state_word::max;
  std::size_t max_waiting_per_key = state_word::max;
  std::size_t max_waiting = state_word::max;

  bool operator==(const lane_limits&) const = default;
};

// What an acquire meets when it arrives.
enum class admission : unsigned char {
  granted,        // nothing holds it back
  waiting,        // it has to wait
  exceeds_limit,  // it can never be granted
  queue_full      // it would have to wait, and too many wait already
};

class lanes {
 public:
  // No limit is above state_word::max.
  explicit lanes(const lane_limits& l) noexcept : limits_(l) {}

  const lane_limits& limits() const noexcept { return limits_; }
  // The most permits that an acquire can ever get.
  std::uint32_t most() const noexcept { return (std::min)(limits_.per_key, limits_.total); }

  // How many waiters are queued, in all lanes.
  std::size_t waiting() const noexcept { return waiting_; }

  // What an acquire of n permits in that lane meets now, if `free` permits of the total are free and the owner has
  // granted whatever next() returned.
  inline admission evaluate(const lane& l, std::size_t n, std::uint32_t free) const noexcept;

  // Lets a lane hold n more permits, after evaluate() has returned `granted`.
  static void take(lane& l, std::uint32_t n) noexcept { l.held_ += n; }

  // Queues x at the end of a lane, after evaluate() has returned `waiting`.
  inline void enqueue(lane& l, lane_waiter& x) noexcept;

  // The waiter that is granted next; null if none can be granted while only `free` permits are free.
  lane_waiter* next(std::uint32_t free) const noexcept {
    const lane* const l = first();
    if (!l || l->turn_.passed_over) return nullptr;
    lane_waiter* const x = head(*l);
    return x->permits() <= free ? x : nullptr;
  }

  // Whether a waiter waits that is not passed over.
  bool has_turn() const noexcept {
    const lane* const l = first();
    return l && !l->turn_.passed_over;
  }

  // Takes the waiter that next() has returned out of the queue. Its lane holds its permits.
  inline void grant(lane_waiter& x) noexcept;

  // Lets a lane hold n permits fewer. Requires n <= held().
  void give_back(lane& l, std::uint32_t n) noexcept { set_held(l, l.held_ - n); }
  inline void set_held(lane& l, std::uint32_t n) noexcept;

  // Takes any queued waiter out of the queue.
  inline void erase(lane_waiter& x) noexcept;

  // Queues a waiter that was granted again, at the head of its lane, as if it had never left. Of several, the one
  // that was granted last is put back first. The owner gives its permits back, and does not put back a waiter
  // that set_limits() would exclude.
  inline void put_back(lane_waiter& x) noexcept;

  // A queued waiter, whether or not it can be granted; null if there is none. For an owner that ends all
  // waits, in the order of the turns.
  lane_waiter* front() const noexcept {
    const lane* const l = first();
    return l ? head(*l) : nullptr;
  }

  // Changes the limits. The waiters that can never be granted under them are moved to `excluded`. If neither
  // the limit of a key changes nor a waiter is excluded, this is O(1). Otherwise all waiters are looked at.
  inline void set_limits(const lane_limits& l, waiter_list& excluded) noexcept;

 private:
  struct turn_of {
    using type = lane::turn;
    const type& operator()(const lane& l) const noexcept { return l.turn_; }
  };
  using hook = decltype(lane::hook_);
  using tree = boost::intrusive::set<lane, boost::intrusive::key_of_value<turn_of>,
                                     boost::intrusive::member_hook<lane, hook, &lane::hook_>,
                                     boost::intrusive::constant_time_size<false>>;

  static lane_waiter* head(const lane& l) noexcept {
    return static_cast<lane_waiter*>(l.waiters_.front());
  }
  const lane* first() const noexcept { return order_.empty() ? nullptr : &*order_.begin(); }

  bool is_passed_over(const lane& l, std::uint32_t n) const noexcept {
    return l.held_ > limits_.per_key || n > limits_.per_key - l.held_;
  }

  // Takes a lane with waiters out of the tree, so that its turn may change.
  void unlink(lane& l) noexcept {
    if (l.waiting_ != 0) order_.erase(order_.iterator_to(l));
  }
  inline void link(lane& l) noexcept;
  void count(lane& l, std::ptrdiff_t change) noexcept {
    l.waiting_ += static_cast<std::size_t>(change);
    waiting_ += static_cast<std::size_t>(change);
  }
  inline void exclude(lane& l, waiter_list& excluded) noexcept;

  lane_limits limits_;
  tree order_;  // the lanes with waiters
  std::size_t waiting_ = 0;
  std::uint64_t arrivals_ = 0;
  std::uint32_t largest_ = 0;  // no waiter needs more permits; it may be too high
};

inline admission lanes::evaluate(const lane& l, std::size_t n, std::uint32_t free) const noexcept {
  if (n == 0) return admission::granted;
  if (n > most()) return admission::exceeds_limit;
  if (l.waiting_ == 0 && n <= free && !is_passed_over(l, static_cast<std::uint32_t>(n))) {
    // If another head has the turn, and was not granted, it needs more than there is.
    const lane* const other = first();
    if (!other || other->turn_.passed_over || other->held_ > l.held_) return admission::granted;
  }
  const bool full = l.waiting_ >= limits_.max_waiting_per_key || waiting_ >= limits_.max_waiting;
  return full ? admission::queue_full : admission::waiting;
}

inline void lanes::enqueue(lane& l, lane_waiter& x) noexcept {
  largest_ = (std::max)(largest_, x.permits());
  x.lane_ = &l;
  x.arrival_ = arrivals_++;
  l.waiters_.push_back(&x);
  count(l, 1);
  if (l.waiting_ == 1) link(l);
}

inline void lanes::grant(lane_waiter& x) noexcept {
  lane& l = x.get_lane();
  unlink(l);
  l.waiters_.erase(&x);
  count(l, -1);
  l.held_ += x.permits();
  link(l);
}

inline void lanes::set_held(lane& l, std::uint32_t n) noexcept {
  unlink(l);
  l.held_ = n;
  link(l);
}

inline void lanes::erase(lane_waiter& x) noexcept {
  lane& l = x.get_lane();
  const bool was_head = head(l) == &x;
  if (was_head) unlink(l);
  l.waiters_.erase(&x);
  count(l, -1);
  if (was_head) link(l);
}

inline void lanes::put_back(lane_waiter& x) noexcept {
  lane& l = x.get_lane();
  unlink(l);
  largest_ = (std::max)(largest_, x.permits());
  l.waiters_.push_front(&x);
  count(l, 1);
  link(l);
}

inline void lanes::set_limits(const lane_limits& l, waiter_list& excluded) noexcept {
  const bool turns_change = l.per_key != limits_.per_key;
  limits_ = l;
  if (!turns_change && largest_ <= most()) return;
  largest_ = 0;
  tree old;
  old.swap(order_);
  while (lane* const x = old.unlink_leftmost_without_rebalance()) {
    exclude(*x, excluded);
    link(*x);
  }
}

// Puts a lane into the tree, if it has waiters.
inline void lanes::link(lane& l) noexcept {
  if (l.waiting_ == 0) return;
  const lane_waiter* const x = head(l);
  l.turn_ = {is_passed_over(l, x->permits()), l.held_, x->arrival_};
  [[maybe_unused]] const bool inserted = order_.insert(l).second;
  BOOST_ASSERT(inserted);  // no two waiters have the same arrival
}

// Moves the waiters of a lane that can never be granted.
inline void lanes::exclude(lane& l, waiter_list& excluded) noexcept {
  for (waiter* x = l.waiters_.front(); x;) {
    waiter* const after = waiter_list::next(x);
    if (x->permits() > most()) {
      l.waiters_.erase(x);
      count(l, -1);
      excluded.push_back(x);
    } else {
      largest_ = (std::max)(largest_, x->permits());
    }
    x = after;
  }
}

}  // namespace turnstile::inline v1::detail

#endif
