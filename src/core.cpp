// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The core: acquire and release. The head of turnstile/detail/core.hpp explains the protocol.

#include "strand.hpp"

#include <turnstile/detail/core.hpp>

#include <algorithm>
#include <utility>

namespace turnstile::inline v1::detail {

template class basic_strand<wait_queue>;

// ---- The word and the limit --------------------------------------------------------------------

void counter::drop_reference() noexcept {
  // Releases what was done through this reference, acquires what was done through the others.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Only the holder of the strand may still use the core: it sees the flag when it leaves.
  if (!(word_.fetch_or(dead, std::memory_order_acq_rel) & busy)) delete this;
}

void counter::change_limit(std::size_t n) noexcept {
  for (;;) {
    word w = word_.load(std::memory_order_acquire);
    limit_under(w);  // finishes a change that another thread may have begun
    word l = limit_.load(std::memory_order_acquire);
    if (epoch(l) != epoch(w)) continue;
    // Releases what the caller did, to those that gain by a higher limit.
    const word proposal = next_epoch(w) | n;
    if (limit_.compare_exchange_strong(l, proposal, std::memory_order_acq_rel)) break;
  }
  word w = word_.load(std::memory_order_acquire);
  limit_under(w);  // puts this limit in force, unless another thread has
}

counter::limited counter::adopt_limit(word w) const noexcept {
  for (;;) {
    // Read after w: it is of the same epoch, or one ahead (proposed), or w is stale and its swap fails.
    const word l = limit_.load(std::memory_order_acquire);
    if (epoch(l) == epoch(w)) return {w, used(l)};
    // Permits that a higher limit makes free are reserved for the queue, which is looked at after
    // change_limit(), of which this is a part.
    const word next = (w & ~epoch_mask) | next_epoch(w) | ((w & queued) ? reserved : 0);
    if (word_.compare_exchange_strong(w, next, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      w = next;
  }
}

// ---- Acquire and release -----------------------------------------------------------------------

core::core(std::uint32_t used, std::uint32_t limit) noexcept : basic_strand(used, limit) {}

outcome core::wait(waiter& x) noexcept {
  bool entered = false, looked = false;
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    const outcome o = evaluate(w, x.permits_);
    // It was entered while x would have had to wait, which x does not after all. Relaxed: a thread that still
    // counts it has read the number while x was waiting.
    if (o != outcome::waiting && std::exchange(entered, false))
      entered_.fetch_sub(1, std::memory_order_relaxed);
    if (o == outcome::granted) {
      const word next = w + x.permits_ + ref_unit;
      if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)) continue;
      carry_refs(next);
      if (is_idle(w)) return o;
      x.outcome_ = o;
      break;
    }
    if (o != outcome::waiting) return o;
    if (!entered && max_waiting() != max && !(entered = enter())) {
      if (looked || !is_idle(w)) return outcome::queue_full;
      // Waiters that their executor refused may fill the queue. They are tried again, as by every call.
      looked = true;
      run_if_needed();
      w = word_.load(std::memory_order_acquire);
      continue;
    }
    if (!is_idle(w)) break;
    if (word_.compare_exchange_weak(w, w | busy | queued, std::memory_order_acquire)) {
      queue_.enqueue(&x, entered);
      w |= busy | queued;
      // Usually nothing is to be done: the waiters in front could not be served either. (Those that a
      // new limit excludes are set_limit()'s work.)
      if (!queue_.has_hopeless(w, max) && !queue_.has_decided()) w = try_leave(w);
      if (w & busy) run(w, decides::none);
      return outcome::waiting;
    }
  }
  const word announcement = pending | (x.outcome_ == outcome::waiting ? queued : 0);
  // Relaxed: the mail publishes it.
  if ((announcement & queued) && !entered) entered_.fetch_add(1, std::memory_order_relaxed);
  // From put() on, x and its reference may be gone at any moment.
  add_reference();
  const word withdrawn = x.elsewhere_ ? offered : 0;
  mailbox_.put(x);
  set_flags(announcement, decides::none, withdrawn);
  drop_reference();
  return outcome::waiting;
}

// Counts an acquire as waiting, unless as many wait as may.
bool core::enter() noexcept {
  std::uint32_t entered = entered_.load(std::memory_order_acquire);
  // The queue is read later: a waiter that has left since makes room. If the swap succeeds, no other has come.
  // It releases what this thread has read of the queue, so that waiting() never sees more than may wait.
  while (waiting_among(entered) < max_waiting())
    if (entered_.compare_exchange_weak(entered, entered + 1, std::memory_order_acq_rel,
                                       std::memory_order_acquire))
      return true;
  return false;
}

bool core::release_to_queue(std::size_t n, word w, std::size_t kept) noexcept {
  word next;
  do {
    if (n + kept > used(w)) return false;
    next = w - n;
    if (w & queued) next = (w & busy) ? next | reserved : with_strand(w);
    // Releases what the caller did before; acquires the strand, if it is free.
  } while (
      !word_.compare_exchange_weak(w, next, std::memory_order_acq_rel, std::memory_order_relaxed));
  if (!(next & busy) || (w & busy)) return true;

  const bool work_was_left = w & offered;
  w = next;
  if (waiter* const x = work_was_left ? nullptr : grant_to_first(n, w)) {
    const bool refused = !deliver(x);
    w = try_leave(w);
    if (w & busy) run(w, decides::none, refused);
    return true;
  }
  // Acquires what was recorded meanwhile. No release is needed, here and in grant_to_first(): the swap that
  // took the strand has released what came before.
  do {
    if (n + kept > used(w)) {  // another thread has released more than it held meanwhile,
      run(w, decides::none);
      return false;  // and so this release is the one too many
    }
    next = (w - n) | reserved;
  } while (!word_.compare_exchange_weak(w, next, std::memory_order_acquire));
  run(next, work_was_left ? decides::none : decides::some);
  return true;
}

// For a release of n permits that has just taken the strand, and still counts them as in use. If the
// first waiter wants just as many, and nothing else is to be done, they are granted to it, and the count
// stays as it is. Returns that waiter, in no list any more, or null. Updates w in both cases.
waiter* core::grant_to_first(std::size_t n, word& w) noexcept {
  const std::uint32_t limit = limit_under(w);  // first: it may set `reserved`
  waiter* const first = queue_.front();  // there is one, since `queued` was set and the strand idle
  if (first->permits_ != n || used(w) != limit || (w & reserved) || queue_.has_hopeless(w, limit))
    return nullptr;
  if (!wait_queue::next(first)) {
    // Before it is delivered: its handler may know that no acquire waits any more.
    if (!word_.compare_exchange_strong(w, w & ~queued, std::memory_order_acquire)) return nullptr;
    w &= ~queued;
  }
  ++granted_refs_;
  queue_.take_out(first, outcome::granted);
  return first;
}

void core::return_otherwise(std::size_t n) noexcept {
  give_back(n);
  drop_reference();
}

std::size_t core::shrink(std::size_t n) noexcept {
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    const std::size_t available = free_permits(w, limit_under(w));
    const std::size_t taken = (w & reserved) ? 0 : (std::min)(n, available);
    if (taken == 0) return 0;
    if (word_.compare_exchange_weak(w, w + taken, std::memory_order_acquire)) return taken;
  }
}

void core::set_limit(std::size_t n) noexcept {
  change_limit(n);
  run_if_needed();
}

void core::cancel() noexcept {
  const word w = word_.load(std::memory_order_acquire);
  if (!(w & queued)) return;
  if (w & closed) return run_if_needed();  // what still waits is closed
  cancel_all();
}

void core::close() noexcept { set_flags(closed, decides::some); }
void core::abandon() noexcept { set_flags(abandoned, decides::some); }

// ---- Cancellation of one waiter ----------------------------------------------------------------

void cancellation::request(outcome o) noexcept {
  if (!claim(o)) return;
  core_.cancel(*this);
  core_.drop_reference();
}

void cancellation::finish() noexcept {
  // Not that it was granted: any outcome but `waiting` keeps later requests out.
  if (claim(outcome::granted)) core_.drop_reference();
  drop_reference();
}

}  // namespace turnstile::inline v1::detail
