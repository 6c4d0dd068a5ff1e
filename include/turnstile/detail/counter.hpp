// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_COUNTER_HPP
#define TURNSTILE_DETAIL_COUNTER_HPP

// The part of a semaphore that any thread may change without the strand: the word, with the permits in use, and
// the limit. Everything that a call reports is decided by one compare-and-swap of the word. How many permits
// are available follows from the limit. A semaphore without a limit has the limit max: it is released past
// its initial permits by lowering what is in use, and all the arithmetic is the same.
//
// Memory orders. A compare-and-swap that takes permits or the strand acquires; one that gives permits,
// the strand or work away releases. Since every change of the word is a read-modify-write, an acquire sees
// all that happened before any release that came before it.

#include <turnstile/detail/mailbox.hpp>
#include <turnstile/detail/permit_owner.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace turnstile::inline v1::detail {

class cancellation;

class counter : public permit_owner {
 public:
  using state_word::max;

  // A reference is only taken through another one: nothing is published by it.
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  TURNSTILE_API void drop_reference() noexcept;

  std::size_t limit() const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return limit_under(w);
  }
  std::size_t in_use() const noexcept { return used(word_.load(std::memory_order_acquire)); }
  std::size_t available() const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return free_permits(w, limit_under(w));
  }
  bool is_closed() const noexcept { return word_.load(std::memory_order_acquire) & closed; }
  bool locked() const noexcept { return !would_grant(1); }
  bool would_grant(std::size_t n) const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return evaluate(w, n) == outcome::granted;
  }

  // Ends the wait of one waiter, as the cancellation requests.
  virtual void cancel(cancellation& c) noexcept = 0;

  // Called by each resumption: takes the strand if it is offered. If the offer is still being made, the
  // resumption comes too early. If it can repeat the call later, this returns false; otherwise the offer ends.
  // Returns true, and drops the resumption's reference, when it need not be called again.
  virtual bool resume(bool can_repeat) noexcept = 0;

  // The semaphore was destroyed: aborts the waiters. The execution context was: destroys them uncalled.
  virtual void orphan() noexcept = 0;
  virtual void abandon() noexcept = 0;

 protected:
  // Keeps `references_` above zero until the granted references are added up.
  static constexpr std::int64_t not_summed = std::int64_t(1) << 62;

  // Requires used <= max and limit <= max. The caller has the one reference. It calls orphan() before it
  // drops that.
  counter(std::uint32_t used, std::uint32_t limit) noexcept : permit_owner(used), limit_(limit) {}

  // The limit that belongs to w, which was acquired. A limit that is an epoch ahead of the word has been
  // proposed by change_limit() and is not in force yet: a thread that meets it puts it in force, and w is
  // updated. A compare-and-swap from w succeeds only under this limit. (Of 19 bits, the epoch could be
  // fooled by 2^19 changes of the limit between a load and its compare-and-swap.)
  std::uint32_t limit_under(word& w) const noexcept {
    // Relaxed: w was acquired, and with it the limit of its epoch.
    const word l = limit_.load(std::memory_order_relaxed);
    if (epoch(l) == epoch(w)) [[likely]]
      return used(l);
    const limited a = adopt_limit(w);
    w = a.w;
    return a.limit;
  }
  // A word and its limit: by value, so that the word stays in a register.
  struct limited {
    word w;
    std::uint32_t limit;
  };
  TURNSTILE_API limited adopt_limit(word w) const noexcept;

  // Requires n <= max. The strand has to look at the queue afterwards.
  void change_limit(std::size_t n) noexcept;

  // Takes n permits if that is possible at once, and the word has none of the flags `unless`. Otherwise changes
  // nothing. A template: one function for all calls would be too large to be inlined.
  template <word unless>
  outcome take(std::size_t n, word ref) noexcept {
    word w = word_.load(std::memory_order_acquire);
    for (;;) {
      const outcome o = evaluate(w, n);
      if (o != outcome::granted || n == 0) return o;
      if (w & unless) return outcome::waiting;
      const word next = w + n + ref;
      // Acquires what happened before the releases that made these permits free.
      if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)) continue;
      if (ref) carry_refs(next);
      return o;
    }
  }

  // Counts the references that have overflowed the top bits of the word. Relaxed: only a number, which is
  // not added up before the semaphore is destroyed, and so not before this call has ended.
  void carry_refs(word w) noexcept {
    if (w < ref_unit) [[unlikely]]
      references_.fetch_add(ref_modulus, std::memory_order_relaxed);
  }

  // What an acquire of n meets under w: it overtakes no waiter, except that zero permits overtake none.
  outcome evaluate(word& w, std::size_t n) const noexcept {
    const std::uint32_t limit = limit_under(w);
    if (w & closed) return outcome::closed;
    if (n == 0) return outcome::granted;
    if (n > limit) return outcome::exceeds_limit;
    if ((w & queued) || n > free_permits(w, limit)) return outcome::waiting;
    return outcome::granted;
  }

  // So many of the permits in use are never given back.
  virtual std::uint32_t ballast_permits() const noexcept { return 0; }

  mutable std::atomic<word> limit_;                       // the limit and its epoch, as in the word
  std::atomic<std::int64_t> references_{not_summed + 1};  // without those that were granted
};

}  // namespace turnstile::inline v1::detail

#endif
