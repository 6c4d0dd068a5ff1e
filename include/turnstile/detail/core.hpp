// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CORE_HPP
#define TURNSTILE_DETAIL_CORE_HPP

// The state of a semaphore: a counter word, and a queue of waiters protected by a strand.
//
// The word. Everything that a call reports is decided by one compare-and-swap on `word_`. It holds
// the permits in use and some flags; how many are available follows from the limit. A semaphore
// without a limit has the limit max(): it is released past what it started with by lowering what is
// in use, and all the arithmetic is the same.
//
//   bits 0..30   used       permits in use, 0 .. max()
//   bit  31      closed     no acquire succeeds any more
//   bit  32      queued     somebody waits (or is in the mailbox): nobody may overtake
//   bit  33      busy       a thread has the strand
//   bit  34      pending    something was set down for the strand and not looked at yet
//   bit  35      owed       permits became free while somebody waits: they are the queue's until
//                           it has been looked at
//   bit  36      orphaned   the semaphore was destroyed: whoever waits is aborted
//   bit  37      abandoned  its execution context was destroyed: whoever waits is destroyed uncalled
//   bit  38      dead       the last reference is gone: whoever has the strand deletes the core
//   bit  39      offered    the strand has done its share for other threads, see below
//   bits 40..58  epoch      which limit is in force
//   bits 59..63  lent       references that went out with permits, modulo 32
//
// The strand. While `busy` is set, the queue belongs to the thread that set it. Who has work for
// the queue sets it down: a release as a lower count in the word, a waiter or a cancellation in the
// mailbox, the rest as a flag. Where the strand is free, the same compare-and-swap takes it, and
// run() works until nothing is left; where it is busy, the changed word tells its holder to look
// again, and the caller goes on at once. A call back into the semaphore from a handler's, an
// executor's or an allocator's code finds the strand busy as any other thread would: no deadlock and
// no recursion.
//
// A release that takes the strand has its permits in hand first: taken by nobody, and still counted as
// in use. Mostly the first in the queue waits for as many, and they are its own without another change
// of the count (pass_on()). Else they are given back to the count, and run() looks at the queue.
//
// No call works for others without end. Once a call has handed over what it decided itself, and a
// number of completions for other threads besides, it offers the strand: it sets `offered`, hands over
// one more completion, which is to call resume() when it is run or destroyed, and leaves, by a
// compare-and-swap that clears `busy` and succeeds only if `offered` is still set. Then `offered` without
// `busy` says that there is work left. The next call with work for the queue takes the strand, and all
// that work with it; if no call comes, resume() does. A resume() that comes before the holder has left
// clears `offered`, so that the holder stays and offers the strand again: an offer that is left
// behind always has a resume() to come.
//
// Why no wake-up is lost: apart from such an offer, `busy` is dropped only by a compare-and-swap from the very word under
// which nothing was left to do, and never from one with `pending`. Permits that come back change the
// word. Mail is put into the mailbox first and then announced, by a compare-and-swap that sets
// `pending`. Either that comes first and the strand is kept, or it comes second, finds the strand
// free and takes it.
//
// Who waits: an acquire that meets `queued`, or not enough permits, sets `queued` in the
// compare-and-swap that takes the strand or announces the mail. From then on nobody takes permits
// but the strand, in the order of the queue, until it clears `queued` in the compare-and-swap that
// grants to the last waiter. (Never from a word with `pending`: a waiter may have been announced
// without changing it.) So permits go hand to hand, also where they pass through the word.
//
// When user code runs: only in tell(), after all that was decided has been published, in the
// order of the decisions, with the strand kept. What it sets down there is looked at afterwards.
//
// In which order: what was set down while the strand was busy is looked at in the order of the mail,
// then the flags, then the permits that came back: a cancellation or a close() never comes too late
// for a permit released after it. It may come before permits that were released just before it. An acquire that could be granted at once, but meets a busy strand,
// takes its permits and lets the strand hand it over, behind those granted before.
//
// Who is alive: the semaphore, each permit, granted or held, and each cancellation has a reference to
// the core. Who waits needs none: the semaphore, when it goes, has the queue emptied first. Nor does
// the holder of the strand: the last reference, dropped while `busy` is set, leaves the deletion to
// it, like any other piece of work. References are dropped one by one, but come for nothing with the
// permits: one that the strand grants is counted in its own `lent_`, one that is taken at once in the
// top bits of the word. `references_` is short by these, and only once the semaphore is gone, and
// nothing can be acquired any more, does the strand add them up.
//
// Memory orders: a compare-and-swap that takes permits or the strand acquires, one that gives
// permits, the strand or work away releases. As every change of the word is a read-modify-write,
// an acquire sees all that happened before any release that came before it.

#include <turnstile/detail/waiter.hpp>

#include <algorithm>

namespace turnstile::inline v1::detail {

class core {
 public:
  static constexpr std::uint32_t max = 0x7fffffff;

  // Requires used <= max and limit <= max. The caller, the semaphore, has the one reference; it calls
  // orphan() before it drops that.
  core(std::uint32_t used, std::uint32_t limit) noexcept : word_(used), limit_(limit) {}

  core(const core&) = delete;
  core& operator=(const core&) = delete;

  // A reference is only taken through another: nothing is published by it.
  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  TURNSTILE_API void drop_reference() noexcept;

  // Takes n permits where that is possible at once; `waiting` where it is not, and nothing changed.
  // Where asked for, and n is not zero, with a reference for who keeps them.
  outcome try_acquire(std::size_t n, bool reference = false) noexcept {
    return take<0>(n, reference ? lent_unit : 0);
  }

  // As try_acquire(), but `waiting` also if a completion might overtake those that the strand has yet
  // to hand over.
  outcome acquire_at_once(std::size_t n, bool reference = true) noexcept {
    return take<busy | offered>(n, reference ? lent_unit : 0);
  }

  // As acquire_at_once(), for one permit or more; but where this says `waiting`, x belongs to the
  // strand and may be gone. It will be granted with a reference, too.
  TURNSTILE_API outcome wait(waiter& x) noexcept;

  // Gives n permits back. False, and nothing changed, where that many are not in use.
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

  // Gives n permits back, or as many as are in use; for those who cannot be told that it failed.
  void give_back(std::size_t n) noexcept {
    while (!release(n)) n = (std::min<std::size_t>)(n, in_use());
  }

  // Takes up to n available permits for good.
  TURNSTILE_API std::size_t shrink(std::size_t n) noexcept;

  // Requires n <= max.
  TURNSTILE_API void set_limit(std::size_t n) noexcept;

  TURNSTILE_API void cancel() noexcept;
  TURNSTILE_API void cancel(cancellation& c) noexcept;

  void close() noexcept { set(closed, true); }
  void orphan() noexcept { set(orphaned | pending, true); }
  void abandon() noexcept { set(abandoned, true); }

  // Called once by each completion for which waiter::carries_strand() is true: takes the strand if no
  // thread has it and work was left. Drops the reference of the completion.
  TURNSTILE_API void resume() noexcept;

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
    // Acquires: whoever is not in the mailbox any more is counted in the queue.
    const std::size_t mailed = mailed_.load(std::memory_order_acquire);
    return mailed + waiting_.load(std::memory_order_relaxed);
  }
  bool is_closed() const noexcept { return word_.load(std::memory_order_acquire) & closed; }
  bool locked() const noexcept { return !would_grant(1); }
  bool would_grant(std::size_t n) const noexcept {
    word w = word_.load(std::memory_order_acquire);
    return judge(w, n) == outcome::granted;
  }

 private:
  using word = std::uint64_t;

  static constexpr word used_mask = max;
  static constexpr word closed = word(1) << 31;
  static constexpr word queued = word(1) << 32;
  static constexpr word busy = word(1) << 33;
  static constexpr word pending = word(1) << 34;
  static constexpr word owed = word(1) << 35;
  static constexpr word orphaned = word(1) << 36;
  static constexpr word abandoned = word(1) << 37;
  static constexpr word dead = word(1) << 38;
  static constexpr word offered = word(1) << 39;
  static constexpr word epoch_unit = word(1) << 40;
  static constexpr word lent_unit = word(1) << 59;
  static constexpr word epoch_mask = lent_unit - epoch_unit;
  static constexpr int lent_modulus = 32;

  // What keeps `references_` from zero until they are added up.
  static constexpr std::int64_t unsettled = std::int64_t(1) << 62;

  ~core() = default;

  static std::uint32_t used(word w) noexcept { return static_cast<std::uint32_t>(w & used_mask); }

  // w as a thread sets it that takes the strand, if that is free; else w without an offer.
  static word with_strand(word w) noexcept { return (w | busy) & ~offered; }

  static word next_epoch(word w) noexcept { return (w + epoch_unit) & epoch_mask; }

  // The limit that w, which was acquired, stands under. `limit_` holds a limit and its epoch; one
  // that is an epoch ahead of the word has been proposed by set_limit() and is not in force yet:
  // whoever meets it puts it in force, and w is updated. A compare-and-swap from w succeeds only
  // under this limit. (19 bits: it could be fooled by 2^19 calls of set_limit() between a load and
  // its compare-and-swap.)
  std::uint32_t limit_under(word& w) const noexcept {
    // Relaxed: w was acquired, and with it the limit of its epoch.
    const std::uint64_t l = limit_.load(std::memory_order_relaxed);
    if ((l & epoch_mask) == (w & epoch_mask)) [[likely]]
      return used(l);
    word adopted = w;  // not w itself, which a reference would keep out of the registers
    const std::uint32_t limit = adopt_limit(adopted);
    w = adopted;
    return limit;
  }
  TURNSTILE_API std::uint32_t adopt_limit(word& w) const noexcept;

  // After the limit was lowered, more may be in use than it allows.
  static std::uint32_t free_permits(word w, std::uint32_t limit) noexcept {
    return limit > used(w) ? limit - used(w) : 0;
  }

  // A template: one function for all calls would be too large to be inlined.
  template <word unless>
  outcome take(std::size_t n, word lent) noexcept {
    word w = word_.load(std::memory_order_acquire);
    for (;;) {
      const outcome o = judge(w, n);
      if (o != outcome::granted || n == 0) return o;
      if (w & unless) return outcome::waiting;
      const word next = w + n + lent;
      // Acquires what happened before the releases that made these permits free.
      if (!word_.compare_exchange_weak(w, next, std::memory_order_acquire)) continue;
      if (lent) book(next);
      return o;
    }
  }

  // Books the references that the word, after one was lent in it, has lost count of. Relaxed: only a
  // number, which nobody adds up before the semaphore, and with it this call, has ended.
  void book(word w) noexcept {
    if (w < lent_unit) [[unlikely]]
      references_.fetch_add(lent_modulus, std::memory_order_relaxed);
  }

  // What an acquire of n meets under w: nobody overtakes a waiter, but zero permits overtake nobody.
  outcome judge(word& w, std::size_t n) const noexcept {
    const std::uint32_t limit = limit_under(w);
    if (w & closed) return outcome::closed;
    if (n == 0) return outcome::granted;
    if (n > limit) return outcome::exceeds_limit;
    if ((w & queued) || n > free_permits(w, limit)) return outcome::waiting;
    return outcome::granted;
  }

  // Sets what the flags say, and has the queue looked at if there is a reason to. `ends_waits` says
  // that this may decide all that wait now.
  TURNSTILE_API void set(word flags, bool ends_waits) noexcept;
  TURNSTILE_API bool release_to_queue(std::size_t n, word w) noexcept;
  void put_into_mailbox(mail& m) noexcept;

  // The rest is the strand's: only the thread that set `busy` calls it.
  void run(word w, std::size_t own, bool refused = false) noexcept;
  inline waiter* pass_on(std::size_t n, word& w) noexcept;
  word take_mail(word w) noexcept;
  inline bool must_expel(word w, std::uint32_t limit) const noexcept;
  void expel(word w, std::uint32_t limit) noexcept;
  inline void enqueue(waiter* x) noexcept;
  void make_cancellable(waiter* x) noexcept;
  inline void take_out(waiter* x, outcome o) noexcept;
  inline void decide(waiter* x, outcome o) noexcept;
  void decide_all(outcome o) noexcept;
  inline bool hand_over(std::size_t& left) noexcept;
  bool offer(bool& refused) noexcept;
  inline bool tell(waiter* x) noexcept;
  void put_back() noexcept;
  inline word leave(word w) noexcept;
  bool settle(word w) noexcept;
  void count_waiting(std::ptrdiff_t change) noexcept;

  mutable std::atomic<word> word_;            // see above
  mutable std::atomic<std::uint64_t> limit_;  // bits 0..30 the limit, bits 40..58 its epoch
  // The newest mail; bit 0: cancel() came after it.
  std::atomic<std::uintptr_t> mailbox_{0};
  std::atomic<std::int64_t> references_{unsettled + 1};  // less those that are lent
  std::atomic<std::uint32_t> mailed_{0};                 // waiters in the mailbox
  std::atomic<std::size_t> waiting_{0};  // waiters in queue_; written by the strand only

  // The strand's.
  waiter_list queue_;          // those who wait, first come, first served
  waiter_list decided_;        // those who are to be told, in the order of the decisions
  std::uint32_t largest_ = 0;  // no waiter in queue_ wants more; may be too high
  bool settled_ = false;       // references_ is all of them
  std::int64_t lent_ = 0;      // references of those to whom the strand has granted
};

// Ends one wait from outside the strand, however late: it knows the waiter only while that is queued, and
// only the strand looks. The waiter owns it together with each source of a request: the handler in a
// cancellation slot, a timer. These may keep it long after the wait has ended, so it keeps the core
// alive only until then.
class cancellation : public mail {
 public:
  // One reference, the waiter's.
  explicit cancellation(core& c) noexcept : mail(kind::cancellation), core_(c) {
    core_.add_reference();
  }
  virtual ~cancellation() = default;

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    // Releases what was done through this reference, acquires what was done through the others.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // Ends the wait with that outcome, unless it has been decided. Requires a reference of the caller's own.
  void request(outcome o) noexcept {
    if (!claim(o)) return;
    core_.cancel(*this);
    core_.drop_reference();
  }

  // The wait has ended. Drops the waiter's reference.
  void finish() noexcept {
    if (claim(outcome::granted)) core_.drop_reference();
    drop_reference();
  }

 private:
  friend core;

  // The first request, or the end of the wait, has the reference to the core. Relaxed: a request
  // is published by what core::cancel() does.
  bool claim(outcome o) noexcept {
    auto nothing = static_cast<std::uint32_t>(outcome::waiting);
    return requested_.compare_exchange_strong(nothing, static_cast<std::uint32_t>(o),
                                              std::memory_order_relaxed);
  }
  outcome requested() const noexcept {
    return static_cast<outcome>(requested_.load(std::memory_order_relaxed));
  }

  core& core_;
  waiter* target_ = nullptr;  // the strand's: the waiter while it is queued
  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint32_t> requested_{static_cast<std::uint32_t>(outcome::waiting)};
};

}  // namespace turnstile::inline v1::detail

#endif
