// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_STRAND_HPP
#define TURNSTILE_DETAIL_STRAND_HPP

// The strand of a semaphore: how one thread at a time works on the queue of waiters, and how the others leave
// their work to it.
//
// The strand. While `busy` is set, the queue belongs to the thread that set it. A thread that has work for the
// queue changes the word by a compare-and-swap. If the strand is free, the same compare-and-swap takes it, and
// run() works until nothing is left. If it is busy, the thread records its work and goes on at once: a release
// lowers the count in the word, a waiter or a cancellation is in the mailbox before it is announced, everything
// else sets a flag. The changed word makes the holder look again. A call back into the semaphore from a
// handler, an executor or an allocator finds the strand busy as any other thread would: no deadlock and no
// recursion.
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

#include <turnstile/detail/cancellation.hpp>
#include <turnstile/detail/counter.hpp>
#include <turnstile/detail/mailbox.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace turnstile::inline v1::detail {

// The queue decides in which order waiters are granted: wait_queue, or lane_queue. The functions are defined in
// src/strand.hpp.
template <typename Queue>
class basic_strand : public counter {
 public:
  void cancel(cancellation& c) noexcept override;
  bool resume(bool can_repeat) noexcept override;
  void orphan() noexcept override { set_flags(orphaned | pending, decides::some); }

 protected:
  using counter::counter;

  // Whether a call may decide waits itself.
  enum class decides { none, some };

  // Sets the flags. If the strand is busy, also clears those of `withdrawn`. If it is free and there may be
  // work for it, takes it and runs it.
  void set_flags(word flags, decides d, word withdrawn = 0) noexcept;
  void run_if_needed() noexcept { set_flags(0, decides::some); }

  // Aborts every waiter that came before.
  void cancel_all() noexcept;

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
    void end(const Queue& q) noexcept {
      if (std::exchange(goes_on, false)) last = q.last_decided();
    }
  };
  void run(word w, decides d, bool refused = false) noexcept;
  std::uint32_t collect(word& w, own_work& own, bool& refused) noexcept;
  plan make_plan(word w, std::uint32_t limit, bool refused) noexcept;
  void read_mail(word& w) noexcept;
  inline bool deliver(waiter* x) noexcept;
  // `accepted`: the strand was left to the next call or the resumption. Otherwise this thread keeps it.
  enum class offer { accepted, not_now, impossible };
  offer offer_strand() noexcept;
  inline word try_leave(word w) noexcept;
  bool sum_references(word w) noexcept;

  mailbox mailbox_;

  // The strand's.
  Queue queue_;
  std::int64_t granted_refs_ = 0;  // references that the strand has granted
  bool references_summed_ = false;
};

}  // namespace turnstile::inline v1::detail

#endif
