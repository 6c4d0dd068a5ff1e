// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CORE_HPP
#define TURNSTILE_DETAIL_CORE_HPP

// The core of a semaphore: acquire and release, over the strand (strand.hpp) and the word (counter.hpp).
//
// A release that takes the strand does not lower the count at first: its permits still count as in use, so no
// other call can take them. Usually the first waiter wants just as many, and gets them without another change
// of the count (grant_to_first()). Otherwise they go back to the count, and run() looks at the queue.
//
// Queueing. An acquire that meets `queued`, or too few permits, sets `queued` in the compare-and-swap that
// takes the strand or announces the mail. From then on only the strand takes permits, in the order of the
// queue, until it clears `queued`: in the compare-and-swap that grants to the last waiter, or after the last
// waiter was decided otherwise. It never clears `queued` from a word with `pending`, since another waiter may
// have been announced without changing that word. So permits go from hand to hand, even if they pass through
// the word.

#include <turnstile/detail/strand.hpp>
#include <turnstile/detail/wait_queue.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace turnstile::inline v1::detail {

extern template class basic_strand<wait_queue>;  // src/core.cpp has it

class TURNSTILE_API core : public basic_strand<wait_queue> {
 public:
  // What acquires and waits.
  using waiter_type = waiter;

  counter& get_counter() noexcept { return *this; }
  static void begin_wait() noexcept {}
  static void end_wait() noexcept {}

  // Requires used <= max and limit <= max. The semaphore, which is the caller, has the one reference. It
  // calls orphan() before it drops that.
  core(std::uint32_t used, std::uint32_t limit) noexcept;

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
  outcome wait(waiter& x) noexcept;

  // Gives n permits back. Returns false, and changes nothing, if fewer are in use, apart from `kept` of them.
  bool release(std::size_t n, std::size_t kept = 0) noexcept {
    word w = word_.load(std::memory_order_relaxed);
    do {
      if (n + kept > used(w)) return false;
      if (n == 0) return true;
      if (w & queued) return release_to_queue(n, w, kept);
    } while (!word_.compare_exchange_weak(w, w - n, std::memory_order_release,
                                          std::memory_order_relaxed));
    return true;
  }

  // Gives n permits back, or as many as are in use: for callers that cannot report an error.
  void give_back(std::size_t n) noexcept {
    while (!release(n)) n = (std::min<std::size_t>)(n, in_use());
  }

  void add_object() noexcept final { add_reference(); }
  void drop_object() noexcept final { drop_reference(); }

  // Takes up to n available permits for good.
  std::size_t shrink(std::size_t n) noexcept;

  // Requires n <= max.
  void set_limit(std::size_t n) noexcept;

  void cancel() noexcept;
  using basic_strand::cancel;

  void close() noexcept;
  void abandon() noexcept override;

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

 protected:
  ~core() override = default;

 private:
  friend permit_owner;

  // How many wait, of so many that have entered.
  std::size_t waiting_among(std::uint32_t entered) const noexcept {
    // Some may have entered and left since that number was read.
    return static_cast<std::size_t>(
        (std::max)(static_cast<std::int32_t>(entered - queue_.left()), 0));
  }
  bool enter() noexcept;

  bool release_to_queue(std::size_t n, word w, std::size_t kept = 0) noexcept;
  inline waiter* grant_to_first(std::size_t n, word& w) noexcept;
  void return_otherwise(std::size_t n) noexcept final;

  // Waiters that came by the mailbox, or under a bound. Modulo 2^32, as wait_queue::left().
  std::atomic<std::uint32_t> entered_{0};
  std::atomic<std::uint32_t> max_waiting_{max};
};

inline void permit_owner::return_permits(std::size_t n) noexcept {
  // Permits in use, as they are in the two cases, are a core's.
  const auto c = [this] { return static_cast<core*>(this); };
  word w = word_.load(std::memory_order_relaxed);
  do {
    if (n > used(w)) [[unlikely]]
      return return_otherwise(n);
    if (w & queued) {
      if (!c()->release_to_queue(n, w)) [[unlikely]]
        return return_otherwise(n);
      break;
    }
  } while (
      !word_.compare_exchange_weak(w, w - n, std::memory_order_release, std::memory_order_relaxed));
  c()->drop_reference();
}

}  // namespace turnstile::inline v1::detail

#endif
