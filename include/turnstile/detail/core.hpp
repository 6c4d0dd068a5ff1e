// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CORE_HPP
#define TURNSTILE_DETAIL_CORE_HPP

// The protocol of a semaphore: one word of state, a mailbox, and a queue of waiters protected by a strand.
//
// The word (state_word.hpp). Everything that a call reports is decided by one compare-and-swap of `word_`.
// It holds the permits in use and some flags; how many are available follows from the limit. A
// semaphore without a limit has the limit max: it is released past its initial permits by lowering
// what is in use, and all the arithmetic is the same.
//
// The strand. While `busy` is set, the queue belongs to the thread that set it. A thread that has work for the
// queue changes the word by a compare-and-swap. If the strand is free, the same compare-and-swap takes it, and
// run() works until nothing is left. If it is busy, the thread records its work and goes on at once: a release
// lowers the count in the word, a waiter or a cancellation is in the mailbox before it is announced, everything
// else sets a flag. The changed word makes the holder look again. A call back into the semaphore from a
// handler, an executor or an allocator finds the strand busy as any other thread would: no deadlock and no
// recursion.
//
// A release that takes the strand does not lower the count at first: its permits still count as in use, so no
// other call can take them. Usually the first waiter wants just as many, and gets them without another change
// of the count (grant_to_first()). Otherwise they go back to the count, and run() looks at the queue.
//
// Bounded work. A call delivers what it has decided before it met the work of another thread, and some more
// for other threads. If others are left then, it offers the strand: it sets `offered`,
// posts a resumption to the context of a waiter, and leaves, by a compare-and-swap that clears `busy` and
// succeeds only if `offered` is still set. From then on, `offered` without `busy` says that work is left. The
// next call with work for the queue records it as if the strand were busy, and takes the strand with all that
// is left; if no call comes, the resumption takes it. A resumption that runs before the holder has left posts
// itself again. If it cannot, it clears `offered`, and the holder stays. So whenever `offered` is set without
// `busy`, a resumption is still to come.
//
// That relies on the context of the resumption. So the strand is offered only while all waiters complete on
// the semaphore's own context: if that is not run, none of them could go on anyway. A waiter of another
// context that comes later withdraws the offer, or takes the strand.
//
// Why no wake-up is lost. Apart from such an offer, `busy` is cleared only by a compare-and-swap from the
// very word under which nothing was left to do, and never from one with `pending`. Permits that come back
// change the word. Mail is put into the mailbox first and announced afterwards, by a compare-and-swap
// that sets `pending`. If that swap comes before the holder leaves, the holder stays; if it comes after, it
// finds the strand free and takes it. If `pending` is set already, the swap does not change the word: the holder
// may clear `pending` after it has looked into the mailbox for the last time. But then it takes another turn, and
// finds the mail, since clearing `pending` has acquired what the sender's swap released.
//
// Queueing. An acquire that meets `queued`, or too few permits, sets `queued` in the compare-and-swap that
// takes the strand or announces the mail. From then on only the strand takes permits, in the order of the
// queue, until it clears `queued`: in the compare-and-swap that grants to the last waiter, or after the last
// waiter was decided otherwise. It never clears `queued` from a word with `pending`, since another waiter may
// have been announced without changing that word. So permits go from hand to hand, even if they pass through
// the word.
//
// User code runs in deliver(), after all that was decided has been published, in the order of the decisions,
// and when an executor is given a resumption. The strand is kept meanwhile. Work that user code records is
// looked at afterwards.
//
// Order. Work that was recorded while the strand was busy is looked at in this order: the mail, the flags, the
// permits that came back. So a cancellation or a close() never comes too late for a permit that was
// released after it, but it may come before permits that were released just before it. An acquire that
// could be granted at once, but finds the strand busy or offered, takes its permits and lets the strand deliver
// it, after the waiters that were granted before.
//
// Lifetime. The semaphore, each permit object, each granted waiter, each cancellation until its wait has ended,
// and each resumption has a reference to the core. A waiter that is not granted needs none, since the
// destructor of the semaphore has the queue emptied first. The holder of the strand needs none either: if the
// last reference is dropped while `busy` is set, the holder deletes the core when it leaves. The reference of a
// grant is not counted in `references_`, which saves an atomic operation: a grant by the strand is counted in
// `granted_refs_`, a grant at once in the top bits of the word. Only after the semaphore was destroyed, when
// nothing can be acquired any more, does the strand add both to `references_`. Until then `not_summed` keeps
// that above zero. (Counting each grant in `references_` instead costs 15 % of an uncontended acquire, and 11 %
// with a callback. Without grant_to_first() a hand-off costs 13 % more. Intel Xeon, minimum of 15 runs,
// test/bench.)
//
// Memory orders. A compare-and-swap that takes permits or the strand acquires; one that gives permits,
// the strand or work away releases. Since every change of the word is a read-modify-write, an acquire sees
// all that happened before any release that came before it.

#include <turnstile/detail/cancellation.hpp>
#include <turnstile/detail/mailbox.hpp>
#include <turnstile/detail/state_word.hpp>
#include <turnstile/detail/wait_queue.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace turnstile::inline v1::detail {

class core : private state_word {
 public:
  using state_word::max;

  // Requires used <= max and limit <= max. The semaphore, which is the caller, has the one reference. It
  // calls orphan() before it drops that.
  core(std::uint32_t used, std::uint32_t limit) noexcept : word_(used), limit_(limit) {}

  core(const core&) = delete;
  core& operator=(const core&) = delete;

  // A reference is only taken through another one: nothing is published by it.
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  TURNSTILE_API void drop_reference() noexcept;

  // Takes n permits if that is possible at once. Otherwise changes nothing, and returns why: `waiting` if the
  // acquire would have to wait, `closed`, or `exceeds_limit`. If asked for, and n is not zero, the permits come
  // with a reference.
  outcome try_acquire(std::size_t n, bool reference = false) noexcept {
    return take<0>(n, reference ? ref_unit : 0);
  }

  // Like try_acquire(), but also returns `waiting` if the completion might overtake those that the strand
  // has yet to deliver.
  outcome acquire_at_once(std::size_t n, bool reference = true) noexcept {
    return take<not_idle>(n, reference ? ref_unit : 0);
  }

  // Like acquire_at_once(), for one permit or more. But if this returns `waiting`, x belongs to the
  // strand and may be gone. If the strand grants it, that comes with a reference, too.
  TURNSTILE_API outcome wait(waiter& x) noexcept;

  // Gives n permits back. Returns false, and changes nothing, if fewer are in use.
  bool release(std::size_t n) noexcept {
    word w = word_.load(std::memory_order_relaxed);
    do {
      if (n > used(w)) return false;
      if (n == 0) return true;
      if (w & queued) return release_to_queue(n, w);
    } while (!word_.compare_exchange_weak(w, w - n, std::memory_order_release,
                                          std::memory_order_relaxed));
    return true;
  }

  // Gives n permits back, or as many as are in use: for callers that cannot report an error.
  void give_back(std::size_t n) noexcept {
    while (!release(n)) n = (std::min<std::size_t>)(n, in_use());
  }

  // Takes up to n available permits for good.
  TURNSTILE_API std::size_t shrink(std::size_t n) noexcept;

  // Requires n <= max.
  TURNSTILE_API void set_limit(std::size_t n) noexcept;

  TURNSTILE_API void cancel() noexcept;
  TURNSTILE_API void cancel(cancellation& c) noexcept;

  void close() noexcept { set_flags(closed, decides::some); }
  void orphan() noexcept { set_flags(orphaned | pending, decides::some); }
  void abandon() noexcept { set_flags(abandoned, decides::some); }

  // Called by each resumption: takes the strand if it is offered. If the offer is still being made, the
  // resumption comes too early. If it can repeat the call later, this returns false; otherwise the offer ends.
  // Returns true, and drops the resumption's reference, when it need not be called again.
  TURNSTILE_API bool resume(bool can_repeat) noexcept;

  std::size_t limit() const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return limit_under(w);
  }
  std::size_t in_use() const noexcept { return used(word_.load(std::memory_order_acquire)); }
  std::size_t available() const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return free_permits(w, limit_under(w));
  }
  std::size_t waiting() const noexcept {
    for (std::uint32_t entered = entered_.load(std::memory_order_acquire);;) {
      const std::size_t n = waiting_among(entered);
      // A waiter that has entered since may have left, too, and would be missing.
      const std::uint32_t now = entered_.load(std::memory_order_acquire);
      if (std::exchange(entered, now) == now) return n;
    }
  }

  // How many acquires may wait; max is no bound. If more wait already, they go on waiting. Relaxed: nothing else
  // is read or written by this number.
  std::size_t max_waiting() const noexcept { return max_waiting_.load(std::memory_order_relaxed); }
  // Requires n <= max.
  void set_max_waiting(std::size_t n) noexcept {
    max_waiting_.store(static_cast<std::uint32_t>(n), std::memory_order_relaxed);
  }
  bool is_closed() const noexcept { return word_.load(std::memory_order_acquire) & closed; }
  bool locked() const noexcept { return !would_grant(1); }
  bool would_grant(std::size_t n) const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return evaluate(w, n) == outcome::granted;
  }

 private:
  // Keeps `references_` above zero until the granted references are added up.
  static constexpr std::int64_t not_summed = std::int64_t(1) << 62;

  ~core() = default;

  // The limit that belongs to w, which was acquired. A limit that is an epoch ahead of the word has been
  // proposed by set_limit() and is not in force yet: a thread that meets it puts it in force, and w is
  // updated. A compare-and-swap from w succeeds only under this limit. (Of 19 bits, the epoch could be
  // fooled by 2^19 calls of set_limit() between a load and its compare-and-swap.)
  std::uint32_t limit_under(word& w) const noexcept {
    // Relaxed: w was acquired, and with it the limit of its epoch.
    const word l = limit_.load(std::memory_order_relaxed);
    if (epoch(l) == epoch(w)) [[likely]]
      return used(l);
    word adopted = w;  // not w itself, which a reference would keep out of the registers
    const std::uint32_t limit = adopt_limit(adopted);
    w = adopted;
    return limit;
  }
  TURNSTILE_API std::uint32_t adopt_limit(word& w) const noexcept;

  // How many wait, of so many that have entered.
  std::size_t waiting_among(std::uint32_t entered) const noexcept {
    // Some may have entered and left since that number was read.
    return static_cast<std::size_t>(
        (std::max)(static_cast<std::int32_t>(entered - queue_.left()), 0));
  }
  bool enter() noexcept;

  // A template: one function for all calls would be too large to be inlined.
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

  // Whether a call may decide waits itself.
  enum class decides { none, some };

  // Sets the flags. If the strand is busy, also clears those of `withdrawn`. If it is free and there may be
  // work for it, takes it and runs it.
  TURNSTILE_API void set_flags(word flags, decides d, word withdrawn = 0) noexcept;
  void run_if_needed() noexcept { set_flags(0, decides::some); }
  TURNSTILE_API bool release_to_queue(std::size_t n, word w) noexcept;

  // The rest is for the holder of the strand.

  // What the holder does next, derived from the word and the queue alone.
  struct plan {
    word next;        // the new word
    unsigned grants;  // how many waiters at the head of the queue are granted
    bool complete;    // afterwards nothing but deliveries is left to do
    bool leaves;      // nothing at all is left to do: `next` clears `busy`
  };
  // What a call decides itself: everything until it meets the work of another thread.
  struct own_work {
    bool goes_on;
    const waiter* last = nullptr;  // null: nothing, or all of it was delivered
    void end(const wait_queue& q) noexcept {
      if (std::exchange(goes_on, false)) last = q.last_decided();
    }
  };
  void run(word w, decides d, bool refused = false) noexcept;
  std::uint32_t collect(word& w, own_work& own, bool& refused) noexcept;
  plan make_plan(word w, std::uint32_t limit, bool refused) const noexcept;
  void read_mail(word& w) noexcept;
  inline waiter* grant_to_first(std::size_t n, word& w) noexcept;
  inline bool deliver(waiter* x) noexcept;
  // `accepted`: the strand was left to the next call or the resumption. Otherwise this thread keeps it.
  enum class offer { accepted, not_now, impossible };
  offer offer_strand() noexcept;
  inline word try_leave(word w) noexcept;
  bool sum_references(word w) noexcept;

  mutable std::atomic<word> word_;   // see state_word.hpp
  mutable std::atomic<word> limit_;  // the limit and its epoch, as in the word
  mailbox mailbox_;
  std::atomic<std::int64_t> references_{not_summed + 1};  // without those that were granted
  // Waiters that came by the mailbox, or under a bound. Modulo 2^32, as wait_queue::left().
  std::atomic<std::uint32_t> entered_{0};
  std::atomic<std::uint32_t> max_waiting_{max};

  // The strand's.
  wait_queue queue_;
  std::int64_t granted_refs_ = 0;  // references that the strand has granted
  bool references_summed_ = false;
};

inline cancellation::cancellation(core& c) noexcept : mail(kind::cancellation), core_(c) {
  core_.add_reference();
}

}  // namespace turnstile::inline v1::detail

#endif
