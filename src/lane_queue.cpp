// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The queue of a keyed semaphore, and its strand.

#include "strand.hpp"

#include <turnstile/detail/lane_queue.hpp>

namespace turnstile::inline v1::detail {

template class basic_strand<lane_queue>;

void lane_queue::set_limits(const lane_limits& l) noexcept {
  // Relaxed: the word publishes them.
  per_key_.store(l.per_key, std::memory_order_relaxed);
  max_waiting_per_key_.store(static_cast<std::uint32_t>(l.max_waiting_per_key),
                             std::memory_order_relaxed);
  max_waiting_.store(static_cast<std::uint32_t>(l.max_waiting), std::memory_order_relaxed);
}

lane_limits lane_queue::limits_under(std::uint32_t total) const noexcept {
  return {per_key(), total, max_waiting_per_key_.load(std::memory_order_relaxed),
          max_waiting_.load(std::memory_order_relaxed)};
}

void lane_queue::receive(mail& m, word, std::uint32_t) noexcept {
  if (m.kind_ == mail::kind::key) {
    key_node& k = static_cast<key_node&>(m);
    // Before the permits are read: a release that comes afterwards mails the node again. Releases what was done
    // with the mail.
    k.state_.fetch_and(~key_node::mailed, std::memory_order_acq_rel);
    refresh(k);
    k.end_wait();  // the mail's pin
  } else {
    waiter* const x = static_cast<waiter*>(&m);
    note_elsewhere(x, front() || !inbox_.empty() || !standing_.empty());
    inbox_.push_back(x);
  }
}

void lane_queue::refresh(key_node& k) noexcept {
  // Acquires what happened before the permits came back.
  lanes_.set_held(k, k.held());
}

lane_queue::turn lane_queue::plan(std::uint32_t free) noexcept {
  for (;;) {
    next_ = lanes_.next(free);
    next_is_queued_ = next_;
    if (!next_ && !inbox_.empty() && is_admitted(inbox_.front(), free)) next_ = inbox_.front();
    if (next_) return {1, next_->permits_, true, true};
    if (inbox_.empty()) return no_turn();
  }
}

// Whether x, the first waiter of the inbox, can be granted. Otherwise it is queued, or refused.
bool lane_queue::is_admitted(waiter* x, std::uint32_t free) noexcept {
  key_node& k = node_of(x);
  // Before the permits are read: from now on only the strand adds to them, and a release is announced.
  k.state_.fetch_or(key_node::has_waiters, std::memory_order_acquire);
  refresh(k);
  cancellation* const c = x->cancellation_;
  const outcome requested = c ? c->requested() : outcome::waiting;
  const admission a = lanes_.evaluate(k, x->permits_, free);
  // What is granted as it comes does not wait, and so is not timed out.
  const bool is_cancelled = requested != outcome::waiting && requested != outcome::timed_out;
  if (a == admission::granted && !is_cancelled) return true;
  inbox_.erase(x);
  if (requested != outcome::waiting) {
    finish(x, requested);
  } else if (a == admission::exceeds_limit) {
    finish(x, outcome::exceeds_limit);
  } else if (a == admission::queue_full) {
    finish(x, outcome::queue_full);
  } else {
    if (c) c->target_ = x;
    lanes_.enqueue(k, static_cast<lane_waiter&>(*x));
  }
  count(k);
  return false;
}

void lane_queue::grant_next() noexcept {
  lane_waiter& x = static_cast<lane_waiter&>(*next_);
  key_node& k = node_of(&x);
  if (!next_is_queued_) {
    inbox_.erase(&x);
    lanes_.enqueue(k, x);  // gives it its place, which it goes back to if its executor refuses it
  }
  lanes_.grant(x);
  // Relaxed: the permits' last holders were acquired when the strand read the word.
  k.state_.fetch_add(x.permits_, std::memory_order_relaxed);
  finish(&x, outcome::granted);
  count(k);
}

void lane_queue::decide(waiter* x, outcome o) noexcept {
  lanes_.erase(static_cast<lane_waiter&>(*x));
  finish(x, o);
  count(node_of(x));
}

// A decided waiter, in no lane.
void lane_queue::finish(waiter* x, outcome o) noexcept {
  if (x->cancellation_) x->cancellation_->target_ = nullptr;
  x->outcome_ = o;
  add_decided(x);
}

void lane_queue::decide_all(outcome o) noexcept {
  while (front()) decide(front(), o);
  while (waiter* const x = inbox_.front()) {
    inbox_.erase(x);
    finish(x, o);
    count(node_of(x));  // it may have been admitted before
  }
}

// After the number of waiters in a lane has changed. A waiter of the key, or the caller, has a pin.
void lane_queue::count(key_node& k) noexcept {
  const std::size_t n = k.lane::waiting();
  if (n == 0) k.state_.fetch_and(~key_node::has_waiters, std::memory_order_release);
  k.waiting_.store(static_cast<std::uint32_t>(n), std::memory_order_relaxed);
  waiting_.store(static_cast<std::uint32_t>(lanes_.waiting()), std::memory_order_relaxed);
}

bool lane_queue::has_hopeless(word w, std::uint32_t limit) const noexcept {
  const bool over = w & (state_word::closed | state_word::orphaned | state_word::abandoned);
  return !standing_.empty() || (over && (front() || !inbox_.empty())) ||
         lanes_.limits() != limits_under(limit);
}

void lane_queue::decide_hopeless(word w, std::uint32_t limit) noexcept {
  while (waiter* const x = standing_.front()) {
    standing_.erase(x);
    add_decided(x);
  }
  if (w & (state_word::orphaned | state_word::abandoned)) decide_all(outcome::aborted);
  if (w & state_word::closed) decide_all(outcome::closed);
  waiter_list excluded;
  lanes_.set_limits(limits_under(limit), excluded);
  while (waiter* const x = excluded.front()) {
    excluded.erase(x);
    finish(x, outcome::exceeds_limit);
    count(node_of(x));
  }
}

lane_queue::returned lane_queue::requeue(waiter* x) noexcept {
  returned r{0, 0};
  for (waiter_list refused = take_all_decided(x); waiter* const y = refused.back();) {
    refused.erase(y);
    key_node& k = node_of(y);
    cancellation* const c = y->cancellation_;
    if (y->outcome_ == outcome::granted) {
      r.permits += y->permits_;
      // First the flag, so that no acquire of the key takes these permits.
      k.state_.fetch_or(key_node::has_waiters, std::memory_order_relaxed);
      k.state_.fetch_sub(y->permits_, std::memory_order_release);
      refresh(k);
      // A cancellation that came too late for the grant is in time now.
      y->outcome_ = c ? c->requested() : outcome::waiting;
      if (y->outcome_ == outcome::waiting && y->permits_ > lanes_.most())
        y->outcome_ = outcome::exceeds_limit;
    }
    if (y->outcome_ == outcome::waiting) {
      if (c) c->target_ = y;
      lanes_.put_back(static_cast<lane_waiter&>(*y));
    } else {
      standing_.push_front(y);
    }
    count(k);
  }
  return r;
}

}  // namespace turnstile::inline v1::detail
