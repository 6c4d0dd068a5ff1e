// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What waits, and the strand that serves it. The head of core.hpp explains the state and the rules.

#include <turnstile/detail/core.hpp>

namespace turnstile::inline v1::detail {

namespace {

constexpr int most_granted = 32;  // by one compare-and-swap

// How many completions one call hands over for other threads before it offers the strand. An offer fails if
// its completion has run before the holder could leave, and costs one completion more: this leaves room
// for 32 of those in a bound of 64.
constexpr std::size_t most_for_others = 32;

}  // namespace

#if defined(TURNSTILE_MODEL)  // whose programs are too small for that
extern std::size_t model_most_for_others;
#define most_for_others model_most_for_others
#endif

// ---- Any thread -------------------------------------------------------------------------------

void core::drop_reference() noexcept {
  // Releases what was done through this reference, acquires what was done through the others.
  if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // Nobody is left to call us but, perhaps, the holder of the strand: it sees the flag when it leaves.
  if (!(word_.fetch_or(dead, std::memory_order_acq_rel) & busy)) delete this;
}

outcome core::wait(waiter& x) noexcept {
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    const outcome o = judge(w, x.permits_);
    if (o == outcome::granted) {
      const word next = w + x.permits_ + lent_unit;
      if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)) continue;
      book(next);
      if (!(w & (busy | offered))) return o;
      x.outcome_ = o;
      break;
    }
    if (o != outcome::waiting) return o;
    if (w & (busy | offered)) break;
    if (word_.compare_exchange_weak(w, w | busy | queued, std::memory_order_acquire)) {
      enqueue(&x);
      w |= busy | queued;
      // If no waiter has to leave, there is nothing to do: those in front could not be served either.
      // (Those that a new limit excludes are set_limit()'s.)
      if (!must_expel(w, max) && decided_.empty()) w = leave(w);
      if (w & busy) run(w, 0);
      return outcome::waiting;
    }
  }
  const word announcement = pending | (x.outcome_ == outcome::waiting ? queued : 0);
  if (announcement & queued) mailed_.fetch_add(1, std::memory_order_relaxed);
  // From put_into_mailbox() on, x and its reference may be gone at any moment.
  add_reference();
  put_into_mailbox(x);
  set(announcement, false);
  drop_reference();
  return outcome::waiting;
}

bool core::release_to_queue(std::size_t n, word w) noexcept {
  word next;
  do {
    if (n > used(w)) return false;
    next = w - n;
    if (w & queued) next = (w & busy) ? next | owed : with_strand(w);
    // Releases what the caller did before; acquires the strand, if it is free.
  } while (
      !word_.compare_exchange_weak(w, next, std::memory_order_acq_rel, std::memory_order_relaxed));
  if (!(next & busy) || (w & busy)) return true;

  // With an offer, other work comes first.
  const bool work_was_left = w & offered;
  w = next;
  if (waiter* const x = work_was_left ? nullptr : pass_on(n, w)) {
    const bool refused = !tell(x);
    w = leave(w);
    if (w & busy) run(w, 0, refused);
    return true;
  }
  // Acquires what was set down meanwhile. No release is needed, here and in pass_on(): the swap that took the
  // strand has released what came before.
  do {
    if (n > used(w)) {  // another thread has released more than it had meanwhile
      run(w, 0);
      return false;  // so it is this release that is one too many
    }
    next = (w - n) | owed;
  } while (!word_.compare_exchange_weak(w, next, std::memory_order_acquire));
  run(next, (std::min)(n, waiting()));
  return true;
}

std::size_t core::shrink(std::size_t n) noexcept {
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    const std::size_t available = free_permits(w, limit_under(w));
    const std::size_t taken = (w & owed) ? 0 : (std::min)(n, available);
    if (taken == 0) return 0;
    if (word_.compare_exchange_weak(w, w + taken, std::memory_order_acquire)) return taken;
  }
}

void core::set_limit(std::size_t n) noexcept {
  for (;;) {
    word w = word_.load(std::memory_order_acquire);
    limit_under(w);  // finishes the change that somebody else may have begun
    std::uint64_t l = limit_.load(std::memory_order_acquire);
    if ((l & epoch_mask) != (w & epoch_mask)) continue;
    // Releases what the caller did to those who gain by a higher limit.
    const std::uint64_t proposal = next_epoch(w) | n;
    if (limit_.compare_exchange_strong(l, proposal, std::memory_order_acq_rel)) break;
  }
  word w = word_.load(std::memory_order_acquire);
  limit_under(w);  // puts ours in force, unless another thread has
  set(0, true);
}

std::uint32_t core::adopt_limit(word& w) const noexcept {
  for (;;) {
    // Read after w: of the same epoch, one ahead (proposed), or w is stale and its swap fails.
    const std::uint64_t l = limit_.load(std::memory_order_acquire);
    if ((l & epoch_mask) == (w & epoch_mask)) return used(l);
    // What a higher limit makes free is the queue's first. That the queue is looked at is left to
    // set_limit(), which this is part of, whoever does it.
    const word next = (w & ~epoch_mask) | next_epoch(w) | ((w & queued) ? owed : 0);
    if (word_.compare_exchange_strong(w, next, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
      w = next;
  }
}

void core::cancel() noexcept {
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    if (!(w & queued)) return;
    if (w & closed) return set(0, true);  // what still waits is closed
    if (w & (busy | offered)) break;
    if (word_.compare_exchange_weak(w, w | busy, std::memory_order_acquire)) {
      const std::size_t own = waiting_.load(std::memory_order_relaxed);
      decide_all(outcome::aborted);
      run(w | busy, own);
      return;
    }
  }
  // Marks the place in the mail: whoever comes later is not meant. Relaxed: the mail below it was
  // released by who put it there, and what matters of the mark is in the word, by set().
  add_reference();  // those who wait, and hold the others, may be gone before set()
  mailbox_.fetch_or(1, std::memory_order_relaxed);
  set(pending, true);
  drop_reference();
}

void core::cancel(cancellation& c) noexcept {
  word w = word_.load(std::memory_order_acquire);
  while (!(w & (busy | offered))) {
    if (word_.compare_exchange_weak(w, w | busy, std::memory_order_acquire)) {
      const std::size_t own = waiting_.load(std::memory_order_relaxed);
      if (c.target_) decide(c.target_, c.requested());
      run(w | busy, own);
      return;
    }
  }
  c.add_reference();  // the mailbox's
  put_into_mailbox(c);
  set(pending, true);
}

void core::put_into_mailbox(mail& m) noexcept {
  std::uintptr_t newest = mailbox_.load(std::memory_order_relaxed);
  do {
    m.cancels_older_ = newest & 1;
    m.next_ = reinterpret_cast<mail*>(newest & ~std::uintptr_t(1));
    // Releases m and, as part of a sequence of swaps, what lies below it.
  } while (!mailbox_.compare_exchange_weak(newest, reinterpret_cast<std::uintptr_t>(&m),
                                           std::memory_order_release, std::memory_order_relaxed));
}

void core::set(word flags, bool ends_waits) noexcept {
  word w = word_.load(std::memory_order_relaxed);
  word next;
  do {
    next = w | flags;
    if (next & (queued | pending | offered)) next = (w & busy) ? next | pending : with_strand(next);
    // Also where nothing changes: the swap is what the holder of the strand synchronises with.
  } while (
      !word_.compare_exchange_weak(w, next, std::memory_order_acq_rel, std::memory_order_relaxed));
  // What an offer left behind is not this call's own.
  if ((next & busy) && !(w & busy)) run(next, ends_waits && !(w & offered) ? waiting() : 0);
}

void core::resume() noexcept {
  word w = word_.load(std::memory_order_acquire);
  while (w & offered) {
    const word next = with_strand(w);
    // Acquires the queue from the holder that left it.
    if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)) continue;
    if (!(w & busy)) run(next, 0);
    break;
  }
  drop_reference();
}

// ---- The strand -------------------------------------------------------------------------------

// Works until nothing is left, or this call has done its share. w is the word as this thread last saw
// or set it, `busy` included. Each turn of the loop does one thing, and each change of the word is one
// compare-and-swap from the very word that was judged: grant to those in front; or clear `pending`;
// or hand over what was decided; or leave. Afterwards *this may be gone. `own` is how many completions
// this call may decide itself. With `refused`, an executor threw: what was put back waits for the next
// call.
void core::run(word w, std::size_t own, bool refused) noexcept {
  std::size_t left = own + most_for_others;     // completions
  std::size_t turns = own / most_granted + 16;  // before the next hand-over
  for (;;) {
    // In this order, so that at last all mail that was announced in w has been taken. Relaxed: what
    // was announced in w is seen, since w was acquired.
    std::uint32_t limit = limit_under(w);
    for (; mailbox_.load(std::memory_order_relaxed) != 0; limit = limit_under(w)) w = take_mail(w);
    if (w & (pending | owed | orphaned | abandoned)) refused = false;  // that next call came
    if (!refused && must_expel(w, limit)) expel(w, limit);

    // Not all at once: if the word changes meanwhile, they are looked at again.
    std::uint32_t free = refused ? 0 : free_permits(w, limit);
    waiter* rest = queue_.front();
    word next = w;
    int granted = 0;
    for (; granted != most_granted && rest && rest->permits_ <= free; ++granted) {
      free -= rest->permits_;
      next += rest->permits_;
      rest = waiter_list::next(rest);
    }
    const bool more = rest && rest->permits_ <= free;
    const bool done = granted == 0 && !(w & pending) && decided_.empty();
    if (!more) next &= ~(owed | pending);
    if (!(w & pending)) next &= ~queued;
    if (rest) next |= queued;
    if (done) {
      if ((w & dead) || ((w & orphaned) && settle(w))) {
        delete this;
        return;
      }
      next &= ~busy;
    }
    // Acquires what was set down; releases the queue to the next holder.
    if (next != w &&
        !word_.compare_exchange_weak(w, next, std::memory_order_acq_rel, std::memory_order_acquire))
      continue;
    if (done) return;
    const bool settled = !(w & pending) && !more;
    w = next;
    lent_ += granted;
    for (; granted != 0; --granted) decide(queue_.front(), outcome::granted);
    // While others keep adding work, at some time without waiting for its end.
    if (!settled && turns != 0) {
      --turns;
      continue;
    }
    turns = 16;
    refused = !hand_over(left);
    if (!decided_.empty()) {
      if (offer(refused)) return;
      w = word_.load(std::memory_order_acquire);
      continue;
    }
    w = settled ? leave(w) : word_.load(std::memory_order_acquire);
    if (!(w & busy)) return;
  }
}

// Hands over one completion, which may carry the strand, and leaves. False if this thread still has the
// strand: the completion has run before, or, with `refused`, its executor refused it.
bool core::offer(bool& refused) noexcept {
  waiter* const x = decided_.front();
  decided_.erase(x);
  x->carries_strand_ = true;
  add_reference();  // the completion's
  word_.fetch_or(offered, std::memory_order_relaxed);
  refused = !tell(x);
  word w = word_.load(std::memory_order_relaxed);
  if (refused) {
    word_.fetch_and(~offered, std::memory_order_relaxed);
    drop_reference();
    return false;
  }
  while (w & offered) {
    // Releases the queue to the next holder.
    if (word_.compare_exchange_weak(w, w & ~busy, std::memory_order_release,
                                    std::memory_order_relaxed))
      return true;
  }
  return false;
}

// What a release does first, whose n permits are in hand: taken by nobody, and still counted as in use.
// Where the first in the queue waits for as many, and nothing else is to be done, they are granted to it,
// and the count stays as it is. Returns whom to tell; or null, and w as it is then.
waiter* core::pass_on(std::size_t n, word& w) noexcept {
  // First: must_expel() sees what that changes. So w has no `pending`, as when the strand was taken.
  const std::uint32_t limit = limit_under(w);
  waiter* const first = queue_.front();  // there is one: `queued` was set, and the strand was free
  if (first->permits_ != n || used(w) != limit || (w & owed) || must_expel(w, limit))
    return nullptr;
  if (!waiter_list::next(first)) {
    // Before it is told: it may know that nobody waits any more.
    if (!word_.compare_exchange_strong(w, w & ~queued, std::memory_order_acquire)) return nullptr;
    w &= ~queued;
  }
  ++lent_;
  take_out(first, outcome::granted);
  return first;
}

// Leaves from w, under which nothing is left to do, and returns what the word is then: with `busy` where
// it has changed, or where there is more to do at the end.
core::word core::leave(word w) noexcept {
  // User code may have acquired since: to be settled with what it was lent.
  if (w & orphaned) return word_.load(std::memory_order_acquire);
  // Releases the queue to the next holder; or acquires what was set down, and goes on.
  return word_.compare_exchange_strong(w, w & ~busy, std::memory_order_release,
                                       std::memory_order_acquire)
             ? w & ~busy
             : w;
}

// Adds up the references, once, when no more can be lent. True where there are none.
bool core::settle(word w) noexcept {
  if (std::exchange(settled_, true)) return false;
  const std::int64_t missing = lent_ + static_cast<std::int64_t>(w / lent_unit) - unsettled;
  // Acquires what was done through those that were dropped; what is done here is released by leaving.
  return references_.fetch_add(missing, std::memory_order_acquire) + missing == 0;
}

// Takes all mail, the oldest first. Returns w, under the limit that is in force now.
core::word core::take_mail(word w) noexcept {
  // Acquires the mail and what each sender did before.
  const std::uintptr_t newest = mailbox_.exchange(0, std::memory_order_acquire);
  // Afterwards, so that nobody is judged by an older limit than he saw himself.
  const std::uint32_t limit = limit_under(w);
  mail* oldest = nullptr;
  for (mail* m = reinterpret_cast<mail*>(newest & ~std::uintptr_t(1)); m;) {
    mail* const older = m->next_;
    m->next_ = oldest;
    oldest = m;
    m = older;
  }
  while (mail* const m = oldest) {
    oldest = m->next_;
    if (m->cancels_older_) decide_all(outcome::aborted);
    if (m->kind_ == mail::kind::waiter) {
      waiter* const x = static_cast<waiter*>(m);
      if (x->outcome_ == outcome::granted) {
        decided_.push_back(x);
        continue;
      }
      enqueue(x);
      mailed_.fetch_sub(1, std::memory_order_release);  // see waiting()
      // The limit may have changed since the sender looked.
      if (x->outcome_ == outcome::waiting && x->permits_ > limit && !(w & closed))
        decide(x, outcome::exceeds_limit);
    } else {
      cancellation* const c = static_cast<cancellation*>(m);
      if (c->target_) decide(c->target_, c->requested());
      c->drop_reference();
    }
  }
  if (newest & 1) decide_all(outcome::aborted);
  return w;
}

// Whether somebody may be in the queue who has nothing to wait for.
bool core::must_expel(word w, std::uint32_t limit) const noexcept {
  const waiter* const head = queue_.front();
  return head && ((w & (closed | orphaned | abandoned)) || largest_ > limit);
}

// Takes out of the queue who has nothing to wait for: all, where w says so; those that a lowered
// limit excludes; and those who were put back decided, which only stand at the head.
void core::expel(word w, std::uint32_t limit) noexcept {
  while (queue_.front() && queue_.front()->outcome_ != outcome::waiting)
    decide(queue_.front(), outcome::aborted);  // as it was decided before
  if (w & (orphaned | abandoned)) decide_all(outcome::aborted);
  if (w & closed) decide_all(outcome::closed);
  if (largest_ <= limit) return;
  largest_ = 0;
  for (waiter* x = queue_.front(); x;) {
    waiter* const after = waiter_list::next(x);
    if (x->permits_ > limit)
      decide(x, outcome::exceeds_limit);
    else
      largest_ = (std::max)(largest_, x->permits_);
    x = after;
  }
}

void core::enqueue(waiter* x) noexcept {
  largest_ = (std::max)(largest_, x->permits_);
  queue_.push_back(x);
  count_waiting(1);
  if (x->cancellation_) [[unlikely]]
    make_cancellable(x);
}

void core::make_cancellable(waiter* x) noexcept {
  x->cancellation_->target_ = x;
  // A timer may have requested it before it was queued.
  const outcome requested = x->cancellation_->requested();
  if (requested != outcome::waiting) decide(x, requested);
}

void core::take_out(waiter* x, outcome o) noexcept {
  queue_.erase(x);
  count_waiting(-1);
  if (x->cancellation_) x->cancellation_->target_ = nullptr;
  if (x->outcome_ == outcome::waiting) x->outcome_ = o;  // a decision stands
}

void core::decide(waiter* x, outcome o) noexcept {
  take_out(x, o);
  decided_.push_back(x);
}

void core::decide_all(outcome o) noexcept {
  while (queue_.front()) decide(queue_.front(), o);
}

// Tells those who are to be told, as many as are left for this call. False if an executor refused: then
// the rest is back in the queue. All of this is user code's turn; only what it sets down reaches us.
bool core::hand_over(std::size_t& left) noexcept {
  for (; decided_.front() && left != 0; --left) {
    waiter* const x = decided_.front();
    decided_.erase(x);
    if (!tell(x)) return false;
  }
  return true;
}

// Tells one who is in no list any more. False where its executor refused: then it is back in the queue,
// with all of decided_.
bool core::tell(waiter* x) noexcept {
  // Relaxed: a flag that is set meanwhile is seen in time by run().
  if (!(word_.load(std::memory_order_relaxed) & abandoned) && x->deliver()) return true;
  if (word_.load(std::memory_order_relaxed) & (orphaned | abandoned)) {
    x->discard();
    return true;
  }
  decided_.push_front(x);
  put_back();
  return false;
}

// Puts all of decided_ back at the head of the queue. Who was granted waits again, in the old order,
// and has given back the permits; other decisions stand, and stand in front.
void core::put_back() noexcept {
  largest_ = max + 1;  // they have escaped the latest limit, or stand decided
  std::uint32_t permits = 0;
  waiter_list standing;
  while (waiter* const x = decided_.back()) {
    decided_.erase(x);
    count_waiting(1);
    x->carries_strand_ = false;
    cancellation* const c = x->cancellation_;
    if (x->outcome_ == outcome::granted) {
      --lent_;
      permits += x->permits_;
      // A cancellation that came too late for the grant is in time now.
      x->outcome_ = c ? c->requested() : outcome::waiting;
    }
    if (x->outcome_ == outcome::waiting) {
      if (c) c->target_ = x;
      queue_.push_front(x);
    } else {
      standing.push_front(x);
    }
  }
  while (waiter* const x = standing.back()) {
    standing.erase(x);
    queue_.push_front(x);
  }
  word w = word_.load(std::memory_order_relaxed);
  word next;
  do {
    // Fewer, where somebody has released what he did not have.
    next = (w - (std::min)(permits, used(w))) | queued;
    // Relaxed: these permits were released by who gave them back first, and a swap keeps that.
  } while (!word_.compare_exchange_weak(w, next, std::memory_order_relaxed));
}

void core::count_waiting(std::ptrdiff_t change) noexcept {
  // Only the strand writes; the others read it to be shown.
  waiting_.store(waiting_.load(std::memory_order_relaxed) + static_cast<std::size_t>(change),
                 std::memory_order_relaxed);
}

}  // namespace turnstile::inline v1::detail
