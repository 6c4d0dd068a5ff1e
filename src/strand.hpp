// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_STRAND_HPP
#define TURNSTILE_STRAND_HPP

// The functions of the strand, whose protocol the head of turnstile/detail/strand.hpp explains. Each kind of
// semaphore has a source of its own, which makes them for its queue.

#include <turnstile/detail/strand.hpp>

#include <algorithm>
#include <utility>

namespace turnstile::inline v1::detail {

// How many turns the strand may take before it delivers, besides those that its own grants need.
inline constexpr std::size_t most_turns = 16;

// How many completions one call delivers for other threads before it offers the strand.
inline constexpr std::size_t most_for_others = 32;

// And how many more if it cannot.
inline constexpr std::size_t most_without_offer = 32;

#if defined(TURNSTILE_MODEL)  // the programs of the model are too small for that
extern std::size_t model_most_for_others;
#define most_for_others model_most_for_others
#endif

// ---- Any thread -------------------------------------------------------------------------------

template <typename Queue>
void basic_strand<Queue>::cancel_all() noexcept {
  word w = word_.load(std::memory_order_acquire);
  while (is_idle(w)) {
    if (word_.compare_exchange_weak(w, w | busy, std::memory_order_acquire)) {
      queue_.decide_all(outcome::aborted);
      run(w | busy, decides::some);
      return;
    }
  }
  add_reference();  // the waiters, which hold the others, may be gone before set_flags()
  mailbox_.mark_cancel_all();
  set_flags(pending, decides::some);
  drop_reference();
}

template <typename Queue>
void basic_strand<Queue>::cancel(cancellation& c) noexcept {
  word w = word_.load(std::memory_order_acquire);
  while (is_idle(w)) {
    if (word_.compare_exchange_weak(w, w | busy, std::memory_order_acquire)) {
      if (c.target_) queue_.decide(c.target_, c.requested());
      run(w | busy, decides::some);
      return;
    }
  }
  c.add_reference();  // the mailbox's
  mailbox_.put(c);
  set_flags(pending, decides::some);
}

template <typename Queue>
void basic_strand<Queue>::set_flags(word flags, decides d, word withdrawn) noexcept {
  word w = word_.load(std::memory_order_relaxed);
  word next;
  do {
    next = w | flags;
    if (next & (queued | pending | offered))
      next = (w & busy) ? (next | pending) & ~withdrawn : with_strand(next);
    // Also if nothing changes: the holder of the strand synchronises with this swap.
  } while (
      !word_.compare_exchange_weak(w, next, std::memory_order_acq_rel, std::memory_order_relaxed));
  // Work that an offer left behind is not this call's own.
  if ((next & busy) && !(w & busy)) run(next, (w & offered) ? decides::none : d);
}

template <typename Queue>
bool basic_strand<Queue>::resume(bool can_repeat) noexcept {
  word w = word_.load(std::memory_order_relaxed);
  while (w & offered) {
    if ((w & busy) && can_repeat) return false;
    // Acquires the queue from the holder that left it.
    if (!word_.compare_exchange_weak(w, with_strand(w), std::memory_order_acquire,
                                     std::memory_order_relaxed))
      continue;
    if (!(w & busy)) run(with_strand(w), decides::none);
    break;
  }
  drop_reference();
  return true;
}

// ---- The strand -------------------------------------------------------------------------------

// Works until nothing is left, or until this call has done its share. w is the word as this thread last saw or
// set it, `busy` included. Each turn collects what was recorded, plans, publishes the plan by one
// compare-and-swap from the very word that the plan was made for, and delivers. Afterwards *this may be gone.
// If the call decides waits itself, those that it decides before it meets work of other threads are its own.
// With `refused`, an executor has thrown, and the waiters that were put back are left to the next call.
template <typename Queue>
void basic_strand<Queue>::run(word w, decides d, bool refused) noexcept {
  own_work own{d == decides::some};
  std::size_t for_others = most_for_others, turns = most_turns;
  for (;;) {
    const std::uint32_t limit = collect(w, own, refused);

    const plan p = make_plan(w, limit, refused);
    if (p.leaves && ((w & dead) || ((w & orphaned) && sum_references(w)))) {
      delete this;
      return;
    }

    // Acquires what was recorded; releases the queue to the next holder.
    const word planned = w;
    if (p.next != w && !word_.compare_exchange_weak(w, p.next, std::memory_order_acq_rel,
                                                    std::memory_order_acquire)) {
      if (w != planned) own.end(queue_);
      continue;
    }
    if (p.leaves) return;
    w = p.next;
    if constexpr (Queue::grants_come_with_references) granted_refs_ += p.grants;
    for (unsigned i = 0; i != p.grants; ++i) queue_.grant_next();

    // First everything is decided. But other threads cannot keep this one from delivering by adding work.
    if (!p.complete && (own.goes_on || turns-- != 0)) continue;
    turns = most_turns;
    own.end(queue_);
    for (refused = false; (own.last || for_others != 0) && !refused && queue_.has_decided();) {
      waiter* const x = queue_.take_decided();
      const bool was_last = x == own.last;
      if (!own.last) --for_others;
      refused = !deliver(x);
      if (was_last || refused) own.last = nullptr;
    }
    if (queue_.has_decided()) {
      switch (offer_strand()) {
        case offer::accepted: return;
        case offer::impossible: for_others = most_without_offer; [[fallthrough]];
        case offer::not_now: w = word_.load(std::memory_order_acquire); continue;
      }
    }
    w = p.complete ? try_leave(w) : word_.load(std::memory_order_acquire);
    if (!(w & busy)) return;
  }
}

// Takes the mail, and decides the waiters that are hopeless. Returns the limit that belongs to w.
template <typename Queue>
std::uint32_t basic_strand<Queue>::collect(word& w, own_work& own, bool& refused) noexcept {
  // The mailbox is checked after each change of w, so that in the end all mail announced in w has been taken.
  std::uint32_t limit = limit_under(w);
  for (; !mailbox_.empty(); limit = limit_under(w)) {
    own.end(queue_);
    read_mail(w);
  }
  // Another call has come, so that refused waiters are tried again.
  if (w & (pending | reserved | orphaned | abandoned)) refused = false;
  if (!refused && queue_.has_hopeless(w, limit)) queue_.decide_hopeless(w, limit);
  return limit;
}

template <typename Queue>
typename basic_strand<Queue>::plan basic_strand<Queue>::make_plan(word w, std::uint32_t limit,
                                                                  bool refused) noexcept {
  plan p{w, 0, false, false};
  const typename Queue::turn t = refused ? queue_.no_turn() : queue_.plan(free_permits(w, limit));
  p.grants = t.grants;
  p.next += t.permits;
  if (!t.more) p.next &= ~(reserved | pending);
  if (!(w & pending)) p.next &= ~queued;
  if (t.rest) p.next |= queued;
  p.complete = !(w & pending) && !t.more;
  p.leaves = p.grants == 0 && !(w & pending) && !queue_.has_decided();
  if (p.leaves) p.next &= ~busy;
  return p;
}

// Takes all mail, the oldest first. Updates w to the limit that is in force now.
template <typename Queue>
void basic_strand<Queue>::read_mail(word& w) noexcept {
  const mailbox::batch b = mailbox_.take();
  // Afterwards, so that no waiter is held to an older limit than its call has seen.
  const std::uint32_t limit = limit_under(w);
  for (mail* m = b.oldest; m;) {
    mail* const newer = m->next_;
    if (m->cancels_older_) queue_.decide_all(outcome::aborted);
    if (m->kind_ == mail::kind::cancellation) {
      cancellation* const c = static_cast<cancellation*>(m);
      if (c->target_) queue_.decide(c->target_, c->requested());
      c->drop_reference();
    } else {
      queue_.receive(*m, w, limit);
    }
    m = newer;
  }
  if (b.cancel_all) queue_.decide_all(outcome::aborted);
}

// Delivers a waiter that is in no list any more. False if its executor refused it, or its grant does not stand: then it
// is back in the queue, with everything that was decided after it. User code runs here. If it calls the semaphore, it finds
// the strand busy, and records its work like any other thread.
template <typename Queue>
bool basic_strand<Queue>::deliver(waiter* x) noexcept {
  // Relaxed: a flag that is set meanwhile is seen in time by run().
  if (!(word_.load(std::memory_order_relaxed) & abandoned) && x->deliver()) return true;
  // If its grant does not stand, it goes back to the queue also of a semaphore that is gone, and is aborted.
  const word gone = x->grant_stands_ ? orphaned | abandoned : abandoned;
  if (word_.load(std::memory_order_relaxed) & gone) {
    x->discard();
    return true;
  }
  const typename Queue::returned r = queue_.requeue(x);
  granted_refs_ -= r.references;
  word w = word_.load(std::memory_order_relaxed);
  word next;
  do {
    // Fewer, if another thread has released more than it held.
    next = (w - (std::min)(r.permits, used(w) - ballast_permits())) | queued;
    // Relaxed: a swap keeps what the first release of these permits has released.
  } while (!word_.compare_exchange_weak(w, next, std::memory_order_relaxed));
  return false;
}

// Offers the strand, with the work that is left, to the next call or to a resumption, and leaves. Not now if
// mail was announced that has not been read, since it may be a waiter that completes on another context.
// Impossible if such a waiter may be queued or comes meanwhile, if the resumption cannot be posted or comes too
// early and cannot repeat, or if the semaphore or its context is gone: the context of a semaphore that is gone
// may be destroyed at any time.
template <typename Queue>
typename basic_strand<Queue>::offer basic_strand<Queue>::offer_strand() noexcept {
  if (queue_.has_elsewhere()) return offer::impossible;
  // Relaxed: the queue is published by leaving. A waiter that is announced later withdraws the offer.
  const word before = word_.fetch_or(offered, std::memory_order_relaxed);
  if (!(before & (pending | orphaned | abandoned))) {
    add_reference();  // the resumption's
    queue_.first_decided()->post_resumption();
    for (word w = word_.load(std::memory_order_relaxed); w & offered;) {
      if (w & (orphaned | abandoned)) break;
      // Releases the queue to the next holder.
      if (word_.compare_exchange_weak(w, w & ~busy, std::memory_order_release,
                                      std::memory_order_relaxed))
        return offer::accepted;
    }
  }
  word_.fetch_and(~offered, std::memory_order_relaxed);
  return (before & pending) ? offer::not_now : offer::impossible;
}

// Leaves from w, under which nothing is left to do. Returns what the word is then: with `busy` if it has
// changed, or if there is more to do at the end.
template <typename Queue>
word basic_strand<Queue>::try_leave(word w) noexcept {
  // Not yet: run() adds the references up first, by the present word, since user code may have acquired.
  if (w & orphaned) return word_.load(std::memory_order_acquire);
  // Releases the queue to the next holder; or acquires what was recorded, and stays.
  return word_.compare_exchange_strong(w, w & ~busy, std::memory_order_release,
                                       std::memory_order_acquire)
             ? w & ~busy
             : w;
}

// Adds the granted references to the others, once, when nothing can be granted any more. True if that leaves
// none: then the core is to be deleted.
template <typename Queue>
bool basic_strand<Queue>::sum_references(word w) noexcept {
  if (std::exchange(references_summed_, true)) return false;
  const std::int64_t missing = granted_refs_ + static_cast<std::int64_t>(w / ref_unit) - not_summed;
  // Acquires what was done through those that were dropped; what is done here is released by leaving.
  return references_.fetch_add(missing, std::memory_order_acquire) + missing == 0;
}

}  // namespace turnstile::inline v1::detail

#endif
