// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The protocol of the state word, and the strand. The head of core.hpp explains both.

#include <turnstile/detail/core.hpp>

#include <utility>

namespace turnstile::inline v1::detail {

namespace {

constexpr unsigned most_grants = 32;  // by one compare-and-swap

// How many turns the strand may take before it delivers, besides those that its own grants need.
constexpr std::size_t most_turns = 16;

// How many completions one call delivers for other threads before it offers the strand.
constexpr std::size_t most_for_others = 32;

}  // namespace

#if defined(TURNSTILE_MODEL)  // the programs of the model are too small for that
extern std::size_t model_most_for_others;
#define most_for_others model_most_for_others
#endif

// ---- Any thread -------------------------------------------------------------------------------

void core::drop_reference() noexcept {
  // Releases what was done through this reference, acquires what was done through the others.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Only the holder of the strand may still use the core: it sees the flag when it leaves.
  if (!(word_.fetch_or(dead, std::memory_order_acq_rel) & busy)) delete this;
}

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

bool core::release_to_queue(std::size_t n, word w) noexcept {
  word next;
  do {
    if (n > used(w)) return false;
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
    if (n > used(w)) {  // another thread has released more than it held meanwhile,
      run(w, decides::none);
      return false;  // and so this release is the one too many
    }
    next = (w - n) | reserved;
  } while (!word_.compare_exchange_weak(w, next, std::memory_order_acquire));
  run(next, work_was_left ? decides::none : decides::some);
  return true;
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
  run_if_needed();
}

std::uint32_t core::adopt_limit(word& w) const noexcept {
  for (;;) {
    // Read after w: it is of the same epoch, or one ahead (proposed), or w is stale and its swap fails.
    const word l = limit_.load(std::memory_order_acquire);
    if (epoch(l) == epoch(w)) return used(l);
    // Permits that a higher limit makes free are reserved for the queue. set_limit(), of which this is
    // a part, has the queue looked at afterwards.
    const word next = (w & ~epoch_mask) | next_epoch(w) | ((w & queued) ? reserved : 0);
    if (word_.compare_exchange_strong(w, next, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      w = next;
  }
}

void core::cancel() noexcept {
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    if (!(w & queued)) return;
    if (w & closed) return run_if_needed();  // what still waits is closed
    if (!is_idle(w)) break;
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

void core::cancel(cancellation& c) noexcept {
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

void core::set_flags(word flags, decides d, word withdrawn) noexcept {
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

bool core::resume(bool can_repeat) noexcept {
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

// ---- The strand -------------------------------------------------------------------------------

// Works until nothing is left, or until this call has done its share. w is the word as this thread last saw or
// set it, `busy` included. Each turn collects what was recorded, plans, publishes the plan by one
// compare-and-swap from the very word that the plan was made for, and delivers. Afterwards *this may be gone.
// If the call decides waits itself, those that it decides before it meets work of other threads are its own.
// With `refused`, an executor has thrown, and the waiters that were put back are left to the next call.
void core::run(word w, decides d, bool refused) noexcept {
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
    granted_refs_ += p.grants;
    for (unsigned i = 0; i != p.grants; ++i) queue_.decide(queue_.front(), outcome::granted);

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
        case offer::impossible: for_others = most_grants; [[fallthrough]];
        case offer::not_now: w = word_.load(std::memory_order_acquire); continue;
      }
    }
    w = p.complete ? try_leave(w) : word_.load(std::memory_order_acquire);
    if (!(w & busy)) return;
  }
}

// Takes the mail, and decides the waiters that are hopeless. Returns the limit that belongs to w.
std::uint32_t core::collect(word& w, own_work& own, bool& refused) noexcept {
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

core::plan core::make_plan(word w, std::uint32_t limit, bool refused) const noexcept {
  plan p{w, 0, false, false};
  std::uint32_t free = refused ? 0 : free_permits(w, limit);
  const waiter* rest = queue_.front();
  // At most so many: if the word changes before the plan is published, the work on the plan is lost.
  for (; p.grants != most_grants && rest && rest->permits_ <= free; ++p.grants) {
    free -= rest->permits_;
    p.next += rest->permits_;
    rest = wait_queue::next(rest);
  }
  const bool more = rest && rest->permits_ <= free;
  if (!more) p.next &= ~(reserved | pending);
  if (!(w & pending)) p.next &= ~queued;
  if (rest) p.next |= queued;
  p.complete = !(w & pending) && !more;
  p.leaves = p.grants == 0 && !(w & pending) && !queue_.has_decided();
  if (p.leaves) p.next &= ~busy;
  return p;
}

// Takes all mail, the oldest first. Updates w to the limit that is in force now.
void core::read_mail(word& w) noexcept {
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
    } else if (waiter* const x = static_cast<waiter*>(m); x->outcome_ == outcome::granted) {
      queue_.add_decided(x);
    } else {
      queue_.enqueue(x, true);
      // The limit may have changed since the sender looked.
      if (x->outcome_ == outcome::waiting && x->permits_ > limit && !(w & closed))
        queue_.decide(x, outcome::exceeds_limit);
    }
    m = newer;
  }
  if (b.cancel_all) queue_.decide_all(outcome::aborted);
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

// Delivers a waiter that is in no list any more. False if its executor refused it: then it is back in the
// queue, with everything that was decided after it. User code runs here. If it calls the semaphore, it finds
// the strand busy, and records its work like any other thread.
bool core::deliver(waiter* x) noexcept {
  // Relaxed: a flag that is set meanwhile is seen in time by run().
  if (!(word_.load(std::memory_order_relaxed) & abandoned) && x->deliver()) return true;
  if (word_.load(std::memory_order_relaxed) & (orphaned | abandoned)) {
    x->discard();
    return true;
  }
  const wait_queue::returned r = queue_.requeue(x);
  granted_refs_ -= r.references;
  word w = word_.load(std::memory_order_relaxed);
  word next;
  do {
    // Fewer, if another thread has released more than it held.
    next = (w - (std::min)(r.permits, used(w))) | queued;
    // Relaxed: a swap keeps what the first release of these permits has released.
  } while (!word_.compare_exchange_weak(w, next, std::memory_order_relaxed));
  return false;
}

// Offers the strand, with the work that is left, to the next call or to a resumption, and leaves. Not now if
// mail was announced that has not been read, since it may be a waiter that completes on another context.
// Impossible if such a waiter may be queued or comes meanwhile, if the resumption cannot be posted or comes too
// early and cannot repeat, or if the semaphore or its context is gone: the context of a semaphore that is gone
// may be destroyed at any time.
core::offer core::offer_strand() noexcept {
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
word core::try_leave(word w) noexcept {
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
bool core::sum_references(word w) noexcept {
  if (std::exchange(references_summed_, true)) return false;
  const std::int64_t missing = granted_refs_ + static_cast<std::int64_t>(w / ref_unit) - not_summed;
  // Acquires what was done through those that were dropped; what is done here is released by leaving.
  return references_.fetch_add(missing, std::memory_order_acquire) + missing == 0;
}

}  // namespace turnstile::inline v1::detail
