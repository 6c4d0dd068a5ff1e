// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CANCELLATION_HPP
#define TURNSTILE_DETAIL_CANCELLATION_HPP

#include <turnstile/detail/counter.hpp>
#include <turnstile/detail/waiter.hpp>

#include <atomic>
#include <cstdint>

namespace turnstile::inline v1::detail {

// Ends one wait from outside the strand, at any time: it refers to the waiter only while that is queued, and
// only the strand follows the reference. The waiter owns it together with each source of a request: the
// handler in a cancellation slot, a timer. A source may keep it long after the wait has ended, so it keeps
// the core alive only until then.
class cancellation : public mail {
 public:
  // One reference, the waiter's.
  explicit cancellation(counter& c) noexcept : mail(kind::cancellation), core_(c) {
    core_.add_reference();
  }
  virtual ~cancellation() = default;

  void add_reference() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void drop_reference() noexcept {
    // Releases what was done through this reference, acquires what was done through the others.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // Ends the wait with that outcome, unless it has been decided before. The first request counts. The caller
  // needs a reference to *this of its own.
  TURNSTILE_API void request(outcome o) noexcept;

  // Ends nothing. But a waiter that was granted, and that the strand puts back afterwards, ends with that outcome. The
  // first request or note counts. The caller has a reference to the core.
  void note(outcome o) noexcept {
    if (claim(o)) core_.drop_reference();
  }

  // Called by the waiter when the wait has ended. Drops the waiter's reference to *this.
  TURNSTILE_API void finish() noexcept;

 private:
  friend lane_queue;
  friend wait_queue;
  template <typename>
  friend class basic_strand;

  // True once: for the first request, or for finish() if it comes first. That call drops the reference to
  // the core. Relaxed: a request is published by what counter::cancel() does, and a note by mark_cancel_all(), unless
  // the strand makes it itself.
  bool claim(outcome o) noexcept {
    auto unclaimed = static_cast<std::uint32_t>(outcome::waiting);
    return requested_.compare_exchange_strong(unclaimed, static_cast<std::uint32_t>(o),
                                              std::memory_order_relaxed);
  }
  outcome requested() const noexcept {
    return static_cast<outcome>(requested_.load(std::memory_order_relaxed));
  }

  counter& core_;
  waiter* target_ = nullptr;  // the strand's: the waiter while it is queued
  std::atomic<std::uint32_t> references_{1};
  std::atomic<std::uint32_t> requested_{static_cast<std::uint32_t>(outcome::waiting)};
};

}  // namespace turnstile::inline v1::detail

#endif
