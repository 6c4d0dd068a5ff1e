// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_WAIT_QUEUE_HPP
#define TURNSTILE_DETAIL_WAIT_QUEUE_HPP

// The waiters of a semaphore, and what was decided about them. All of it belongs to the holder of the
// strand, except left(), which any thread may read.
//
// A waiter is enqueued, then decided, and then taken out to be delivered. An executor may refuse a delivery;
// then requeue() puts everything back that was decided and not delivered.

#include <turnstile/detail/cancellation.hpp>
#include <turnstile/detail/decisions.hpp>
#include <turnstile/detail/state_word.hpp>
#include <turnstile/detail/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace turnstile::inline v1::detail {

class wait_queue : public decisions {
 public:
  static constexpr bool grants_come_with_references = true;

  // How many waiters were decided, less those that came without being counted elsewhere. Modulo 2^32. Acquires:
  // a thread that sees a waiter leave sees afterwards that it had entered.
  std::uint32_t left() const noexcept { return left_.load(std::memory_order_acquire); }

  // The first queued waiter, and the one after x; null if there is none.
  waiter* front() const noexcept { return queue_.front(); }
  static const waiter* next(const waiter* x) noexcept { return waiter_list::next(x); }

  // What can be granted next.
  struct turn {
    unsigned grants;  // so many waiters at the head
    std::uint32_t permits;
    bool more;  // more can be granted after these
    bool rest;  // the head waits for permits then
  };
  // At most so many: if the word changes before the plan is published, the work on the plan is lost.
  turn plan(std::uint32_t free) const noexcept {
    turn t{0, 0, false, false};
    const waiter* rest = front();
    for (; t.grants != most_grants && rest && rest->permits_ <= free; ++t.grants) {
      free -= rest->permits_;
      t.permits += rest->permits_;
      rest = next(rest);
    }
    t.rest = rest;
    t.more = rest && rest->permits_ <= free;
    return t;
  }
  // The plan that grants nothing.
  turn no_turn() const noexcept { return {0, 0, false, front() != nullptr}; }

  // A waiter from the mailbox, or one that was granted before it came there.
  void receive(mail& m, word w, std::uint32_t limit) noexcept {
    waiter* const x = static_cast<waiter*>(&m);
    if (x->outcome_ == outcome::granted) {
      note_elsewhere(x, front());
      add_decided(x);
      return;
    }
    enqueue(x, true);
    // The limit may have changed since the sender looked.
    if (x->outcome_ == outcome::waiting && x->permits_ > limit && !(w & state_word::closed))
      decide(x, outcome::exceeds_limit);
  }

  void enqueue(waiter* x, bool counted) noexcept {
    largest_ = (std::max)(largest_, x->permits_);
    note_elsewhere(x, front());
    queue_.push_back(x);
    if (!counted) count_left(-1);
    if (x->cancellation_) [[unlikely]]
      make_cancellable(x);
  }

  void grant_next() noexcept { decide(front(), outcome::granted); }

  // Decides a queued waiter.
  void decide(waiter* x, outcome o) noexcept {
    take_out(x, o);
    add_decided(x);
  }
  void decide_all(outcome o) noexcept {
    while (front()) decide(front(), o);
  }

  // Like decide(), but x enters no list: the caller delivers it next, before those that were decided earlier.
  void take_out(waiter* x, outcome o) noexcept {
    queue_.erase(x);
    count_left(1);
    if (x->cancellation_) x->cancellation_->target_ = nullptr;
    if (x->outcome_ == outcome::waiting) x->outcome_ = o;  // an earlier decision stands
  }

  // Whether a waiter may be queued that is hopeless, that is, can never be granted under that state and limit.
  bool has_hopeless(word w, std::uint32_t limit) const noexcept {
    return front() && ((w & (state_word::closed | state_word::orphaned | state_word::abandoned)) ||
                       largest_ > limit);
  }
  // Decides the hopeless waiters.
  inline void decide_hopeless(word w, std::uint32_t limit) noexcept;

  // After the executor of x has refused it: puts x, and all that was decided after it, back at the head of
  // the queue. A granted waiter waits again, in the old order, unless its cancellation was requested
  // meanwhile. Other decisions stand, and those waiters come first. Returns what the grants have to give back.
  struct returned {
    std::uint32_t permits;
    std::int64_t references;
  };
  inline returned requeue(waiter* x) noexcept;

 private:
  inline void make_cancellable(waiter* x) noexcept;

  static constexpr unsigned most_grants = 32;  // by one compare-and-swap

  // Only the holder of the strand writes. Releases: see left(). A thread that knows of a decision by its
  // completion sees it counted. Another may take the queue for longer than it is.
  void count_left(std::int32_t change) noexcept {
    left_.store(left() + static_cast<std::uint32_t>(change), std::memory_order_release);
  }

  std::atomic<std::uint32_t> left_{0};
  waiter_list queue_;  // first come, first served
  // No waiter in queue_ wants more. It may be too high, and is, after requeue().
  std::uint32_t largest_ = 0;
};

inline void wait_queue::make_cancellable(waiter* x) noexcept {
  x->cancellation_->target_ = x;
  // A timer may have requested it before it was queued.
  const outcome requested = x->cancellation_->requested();
  if (requested != outcome::waiting) decide(x, requested);
}

inline void wait_queue::decide_hopeless(word w, std::uint32_t limit) noexcept {
  // First the waiters that requeue() put back with a decision: they are at the head.
  while (front() && front()->outcome_ != outcome::waiting) decide(front(), front()->outcome_);
  if (w & (state_word::orphaned | state_word::abandoned)) decide_all(outcome::aborted);
  if (w & state_word::closed) decide_all(outcome::closed);
  if (largest_ <= limit) return;
  largest_ = 0;
  for (waiter* x = front(); x;) {
    waiter* const after = waiter_list::next(x);
    if (x->permits_ > limit)
      decide(x, outcome::exceeds_limit);
    else
      largest_ = (std::max)(largest_, x->permits_);
    x = after;
  }
}

inline wait_queue::returned wait_queue::requeue(waiter* x) noexcept {
  returned r{0, 0};
  waiter_list standing;  // their decisions stand
  for (waiter_list refused = take_all_decided(x); waiter* const y = refused.back();) {
    refused.erase(y);
    count_left(-1);
    cancellation* const c = y->cancellation_;
    if (y->outcome_ == outcome::granted) {
      r.permits += y->permits_;
      ++r.references;
      // A cancellation that came too late for the grant is in time now.
      y->outcome_ = c ? c->requested() : outcome::waiting;
    }
    if (y->outcome_ == outcome::waiting) {
      if (c) c->target_ = y;
      queue_.push_front(y);
    } else {
      standing.push_front(y);
    }
  }
  while (waiter* const y = standing.back()) {
    standing.erase(y);
    queue_.push_front(y);
  }
  largest_ = state_word::max + 1;  // more than any limit: all of them have to be looked at again
  return r;
}

}  // namespace turnstile::inline v1::detail

#endif
