// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The core of a keyed semaphore. The head of turnstile/detail/keyed_core.hpp explains the protocol.

#include <turnstile/detail/keyed_core.hpp>

#include <algorithm>

namespace turnstile::inline v1::detail {

// ---- Any thread -------------------------------------------------------------------------------

keyed_core::keyed_core(const lane_limits& l) noexcept : basic_strand(0, l.total), limits_(l) {
  queue_.set_limits(l);
}

keyed_core::~keyed_core() = default;

outcome keyed_core::take_total_again(key_node& k, std::uint32_t n, bool beside_strand) noexcept {
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    outcome o = evaluate_total(w, n);
    // An acquire that can wait does not overtake the completions that the strand has yet to deliver.
    if (o == outcome::granted && beside_strand && !is_idle(w)) o = outcome::waiting;
    // The limit of a key may have become lower since the claim, which is undone if the key holds too much.
    const std::uint32_t limit = o == outcome::granted ? per_key() : 0;
    if (undo_claim(k, n, limit)) return o == outcome::granted ? outcome::waiting : o;
    // As in take_total().
    if (word_.compare_exchange_weak(w, w + n, std::memory_order_acquire)) return o;
  }
}

// Undoes it if the key holds more than the limit, in one step: of two claims that are above it together, one stays.
// What the strand has granted is part of what the key holds, or is yet to be added. Then `queued` is set, and no
// acquire takes the total.
bool keyed_core::undo_claim(key_node& k, std::uint32_t n, std::uint32_t limit) noexcept {
  std::uint64_t s = k.state_.load(std::memory_order_acquire);
  do {
    if (key_node::held(s) <= limit) return false;
    // Passes on what the last holders of these permits have released, which the claim has acquired.
  } while (!k.state_.compare_exchange_weak(s, s - n, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
  if (s & key_node::has_waiters) announce(k, 0);
  return true;
}

outcome keyed_core::wait(key_node& k, lane_waiter& x) noexcept {
  x.set_lane(k);
  word w = word_.load(std::memory_order_acquire);
  for (;;) {
    const std::uint32_t limit = limit_under(w);
    if (w & closed) return outcome::closed;
    if (x.permits_ > (std::min)(limit, queue_.per_key())) return outcome::exceeds_limit;
    if (!is_idle(w)) break;
    if (word_.compare_exchange_weak(w, w | busy, std::memory_order_acquire)) {
      queue_.receive(x, w, limit);
      run(w | busy, decides::none);
      return outcome::waiting;
    }
  }
  // `queued`: what this thread acquires next does not overtake x. From put() on, x and its pin may be gone at
  // any moment.
  add_reference();
  const word withdrawn = x.elsewhere_ ? offered : 0;
  mailbox_.put(x);
  set_flags(pending | queued, decides::none, withdrawn);
  drop_reference();
  return outcome::waiting;
}

// Takes an amount that includes a pin off the word of the key, if that is s. Otherwise reads it again, and returns
// false. The last pin goes under the mutex.
bool keyed_core::drop(key_node& k, std::uint64_t& s, std::uint64_t amount) noexcept {
  const std::uint64_t left = s - amount;
  if (left < key_node::one_pin) return drop_last(k, s, left);
  // Releases what was done through this pin.
  return k.state_.compare_exchange_weak(s, left, std::memory_order_release,
                                        std::memory_order_relaxed);
}

bool keyed_core::drop_last(key_node& k, std::uint64_t& s, std::uint64_t left) noexcept {
  {
    const std::scoped_lock lock(mutex_);
    // Acquires what was done through the other pins. It fails if the table has pinned the node again.
    if (!k.state_.compare_exchange_strong(s, left, std::memory_order_acq_rel,
                                          std::memory_order_relaxed))
      return false;
    if (left != 0 && !orphaned_nodes_) return true;
    remove(k);
  }
  delete &k;
  return true;
}

void keyed_core::give_back(key_node& k, std::uint32_t n) noexcept {
  std::uint64_t s = k.state_.load(std::memory_order_relaxed);
  if (!(s & key_node::has_waiters)) {
    for (word w = word_.load(std::memory_order_relaxed); !(w & queued);) {
      if (!word_.compare_exchange_weak(w, w - n, std::memory_order_release,
                                       std::memory_order_relaxed))
        continue;
      while (!(s & key_node::has_waiters))
        if (drop(k, s, n + key_node::one_pin)) return;
      // A waiter has come meanwhile, and may have met these permits of the key.
      k.state_.fetch_sub(n, std::memory_order_release);
      announce(k, 0);
      return unpin(k);
    }
  }
  k.state_.fetch_sub(n, std::memory_order_release);
  announce(k, n);
  unpin(k);
}

// Gives n permits of the total back, after they have left the key, and has the strand look at the key.
void keyed_core::announce(key_node& k, std::uint32_t n) noexcept {
  bool looked = false;
  word w = word_.load(std::memory_order_relaxed);
  for (;;) {
    if (!(w & busy)) {
      const word next = with_strand(w - n);
      // Releases what the caller did before; acquires the strand.
      if (!word_.compare_exchange_weak(w, next, std::memory_order_acq_rel,
                                       std::memory_order_relaxed))
        continue;
      queue_.refresh(k);
      return run(next, (w & offered) ? decides::none : decides::some);
    }
    // If no acquire of the key waits now, the strand reads the word of the key when one comes.
    if (!looked && (k.state_.load(std::memory_order_relaxed) & key_node::has_waiters) &&
        !(k.state_.fetch_or(key_node::mailed, std::memory_order_acquire) & key_node::mailed)) {
      k.pin();  // the mail's
      mailbox_.put(k);
    }
    looked = true;
    if (word_.compare_exchange_weak(w, (w - n) | pending, std::memory_order_acq_rel,
                                    std::memory_order_relaxed))
      return;
  }
}

void keyed_core::unpin(key_node& k) noexcept {
  std::uint64_t s = k.state_.load(std::memory_order_relaxed);
  while (!drop(k, s, key_node::one_pin)) {
  }
}

void keyed_core::close() noexcept { set_flags(closed | pending, decides::some); }
void keyed_core::abandon() noexcept { set_flags(abandoned | pending, decides::some); }
void keyed_core::cancel(cancellation& c) noexcept { basic_strand::cancel(c); }
bool keyed_core::resume(bool can_repeat) noexcept { return basic_strand::resume(can_repeat); }

void keyed_core::cancel() noexcept {
  // What still waits at a closed semaphore is closed.
  if (is_closed()) return set_flags(pending, decides::some);
  cancel_all();
}

lane_limits keyed_core::limits() const {
  const std::scoped_lock lock(mutex_);
  return limits_;
}

void keyed_core::set_limits(const lane_limits& l) {
  {
    const std::scoped_lock lock(mutex_);
    // A lower limit of a key first, a higher one last: so no mixture allows what neither the old nor the new limits
    // do. take_total_again() compares claims that were made before with the lower limit.
    const bool lower = l.per_key < limits_.per_key;
    limits_ = l;
    if (lower) queue_.set_limits(l);
    change_limit(l.total);
    queue_.set_limits(l);
  }
  set_flags(pending, decides::some);
}

void keyed_core::orphan() noexcept {
  basic_strand::orphan();
  {
    const std::scoped_lock lock(mutex_);
    orphaned_nodes_ = true;
    remove_unpinned();
  }
  destroy_removed();
}

// ---- A key ------------------------------------------------------------------------------------

key_node::key_node(keyed_core& c) noexcept : permit_owner(0), mail(kind::key), core_(c) {
  core_.add_reference();
}
key_node::~key_node() { core_.drop_reference(); }
counter& key_node::get_counter() const noexcept { return core_; }
void key_node::end_wait() noexcept { core_.unpin(*this); }
outcome key_node::wait(lane_waiter& x) noexcept { return core_.wait(*this, x); }
void key_node::return_otherwise(std::size_t n) noexcept {
  core_.give_back(*this, static_cast<std::uint32_t>(n));
}

}  // namespace turnstile::inline v1::detail
