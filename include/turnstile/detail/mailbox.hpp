// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_MAILBOX_HPP
#define TURNSTILE_DETAIL_MAILBOX_HPP

// What a thread that finds the strand busy leaves behind for its holder: waiters, cancellations of one waiter,
// keys that permits came back to, and a mark for a cancellation of all. Any thread puts mail in, without
// blocking; the holder of the strand takes all of it, the oldest first.

#include <turnstile/detail/config.hpp>

#include <atomic>
#include <cstdint>

namespace turnstile::inline v1::detail {

// What became of an acquire.
enum class outcome : unsigned char {
  waiting,        // not decided: it is in the mailbox or in the queue, or would have to be
  granted,        // the permits are taken and belong to the waiter
  aborted,        // cancelled
  closed,         // the semaphore is closed
  exceeds_limit,  // can never be granted
  queue_full,     // as many wait as may
  timed_out,      // its time was up
  // Those below are of shared semaphores.
  done,  // what it waits for has happened; there are no permits
  lease_lost,
  unreachable,      // the server is, and nothing waits for that
  not_a_semaphore,  // the server says so
  no_limit          // likewise
};

class core;
class decisions;
class keyed_core;
class lane_queue;
class mailbox;
class wait_queue;
class waiter_list;
template <typename Queue>
class basic_strand;

// One piece of mail. Each may be in the mailbox once.
class mail {
 protected:
  enum class kind : unsigned char { waiter, cancellation, key };

  explicit mail(kind k, std::uint32_t permits = 0) noexcept : kind_(k), permits_(permits) {}
  ~mail() = default;
  mail(const mail&) = delete;
  mail& operator=(const mail&) = delete;

 private:
  friend lane_queue;
  friend mailbox;
  friend waiter_list;
  template <typename>
  friend class basic_strand;

  mail* next_ = nullptr;        // older mail in the mailbox; the next waiter in a list
  bool cancels_older_ = false;  // cancel() came after all older mail and before this
  const kind kind_;

 protected:
  // Only waiters use these. Here they fill bytes that the alignment would leave empty.
  outcome outcome_ = outcome::waiting;
  bool elsewhere_ = false;
  bool grant_stands_ = true;  // false: it was granted, and is to be put back (listed_core.hpp)
  const std::uint32_t permits_;
};

class mailbox {
 public:
  // As soon as m is in the mailbox, the holder of the strand may take it: when this returns, m may be gone.
  void put(mail& m) noexcept {
    std::uintptr_t newest = newest_.load(std::memory_order_relaxed);
    do {
      m.cancels_older_ = newest & 1;
      m.next_ = reinterpret_cast<mail*>(newest & ~std::uintptr_t(1));
      // Releases m and, as part of a sequence of swaps, what lies below it.
    } while (!newest_.compare_exchange_weak(newest, reinterpret_cast<std::uintptr_t>(&m),
                                            std::memory_order_release, std::memory_order_relaxed));
  }

  // Records that everything older is cancelled, and nothing that comes later. Each sender has released its mail.
  // Releases what listed_core::cancel_listed() has noted.
  void mark_cancel_all() noexcept { newest_.fetch_or(1, std::memory_order_release); }

  // The rest is for the holder of the strand.

  // Relaxed: what was announced in the state word is seen, since the holder has acquired that.
  bool empty() const noexcept { return newest_.load(std::memory_order_relaxed) == 0; }

  struct batch {
    mail* oldest;     // linked by next_ from the oldest to the newest
    bool cancel_all;  // cancel() came after all of it
  };
  batch take() noexcept {
    // Acquires the mail and what each sender did before.
    const std::uintptr_t newest = newest_.exchange(0, std::memory_order_acquire);
    batch b{nullptr, (newest & 1) != 0};
    for (mail* m = reinterpret_cast<mail*>(newest & ~std::uintptr_t(1)); m;) {
      mail* const older = m->next_;
      m->next_ = b.oldest;
      b.oldest = m;
      m = older;
    }
    return b;
  }

 private:
  std::atomic<std::uintptr_t> newest_{0};  // bit 0: cancel() came after it
};

}  // namespace turnstile::inline v1::detail

#endif
