// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_DECISIONS_HPP
#define TURNSTILE_DETAIL_DECISIONS_HPP

#include <turnstile/detail/waiter.hpp>

#include <utility>

namespace turnstile::inline v1::detail {

// The waiters that were decided and not delivered yet, in the order of the decisions. They belong to the
// holder of the strand.
class decisions {
 public:
  bool has_decided() const noexcept { return !decided_.empty(); }

  // The waiters that were decided first and last, or null.
  waiter* first_decided() const noexcept { return decided_.front(); }
  const waiter* last_decided() const noexcept { return decided_.back(); }

  // Returns the first one, and takes it out of the list. Requires has_decided().
  waiter* take_decided() noexcept {
    waiter* const x = decided_.front();
    decided_.erase(x);
    return x;
  }

  // Whether a completion may have to be posted to another context than the semaphore's. Once true, it stays
  // so until a waiter comes while no other is queued or decided.
  bool has_elsewhere() const noexcept { return has_elsewhere_; }

 protected:
  void add_decided(waiter* x) noexcept { decided_.push_back(x); }

  // For each waiter that comes: whether others are queued.
  void note_elsewhere(const waiter* x, bool others) noexcept {
    has_elsewhere_ = x->elsewhere_ || (has_elsewhere_ && (others || has_decided()));
  }

  // Takes all of them out, after x, which was taken out before them.
  waiter_list take_all_decided(waiter* x) noexcept {
    decided_.push_front(x);
    return std::exchange(decided_, {});
  }

 private:
  waiter_list decided_;
  bool has_elsewhere_ = false;
};

}  // namespace turnstile::inline v1::detail

#endif
