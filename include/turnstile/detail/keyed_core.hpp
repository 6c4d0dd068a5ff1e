// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_KEYED_CORE_HPP
#define TURNSTILE_DETAIL_KEYED_CORE_HPP

// The core of a keyed semaphore. The word of the strand counts the permits of all keys, and each key has a node
// with a word of its own (key_node.hpp). An acquire takes permits of both, or of none.
//
// Acquire. The total is evaluated. The look-up finds the node and claims permits of it, or only pins it. Then one
// compare-and-swap takes permits of the total, from the word that was evaluated. If the word has changed, it is
// evaluated again, and so is what the key holds, since the limits may have changed. If the total has too few then, or
// the key holds too many, the claim is undone, which is a release of the key alone. The acquire waits like that of a
// plain semaphore, and the strand admits it. `queued` says that a waiter that is not passed over is queued, or that
// mail is on its way. So acquires of other keys are granted at once beside a key that waits for its own permits.
//
// Release. If no acquire of the key waits, and `queued` is not set, the permits leave the total and then the key:
// until the second step the permits keep the node, and the node keeps the core. Otherwise they leave the key
// first, and a pin keeps the node. The compare-and-swap that takes them from the total takes the strand, too, or
// announces the node in the mailbox. So the strand never sees one without the other, and gives the permits to
// the key that holds fewest now.
//
// Both words of an acquire that meets `has_waiters` or `queued` are changed by the strand alone, and only
// releases of other threads change them meanwhile, downwards. So what the strand has planned stays possible.
//
// The mutex guards the table of nodes. It is held to find, insert and remove a node, and never while user code runs,
// except the comparison of keys.

#include <turnstile/detail/key_node.hpp>
#include <turnstile/detail/lane_queue.hpp>
#include <turnstile/detail/strand.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace turnstile::inline v1::detail {

extern template class basic_strand<lane_queue>;  // src/lane_queue.cpp has it

class TURNSTILE_API keyed_core : public basic_strand<lane_queue> {
 public:
  // What n permits of a key meet under w, if the key is not looked at.
  outcome evaluate_total(word& w, std::size_t n) const noexcept {
    const outcome o = evaluate(w, n);
    return o != outcome::closed && n > queue_.per_key() ? outcome::exceeds_limit : o;
  }

  // Takes n permits of the total, which w has, for a key that has claimed them. If that fails, the claim is undone,
  // and its pin stays.
  outcome take_total(key_node& k, std::uint32_t n, word w, bool beside_strand) noexcept {
    // Acquires what the last holders of these permits have released. If other limits are in force than when w was
    // read, its epoch has changed, and this fails.
    if ((is_idle(w) || !beside_strand) &&
        word_.compare_exchange_strong(w, w + n, std::memory_order_acquire)) [[likely]]
      return outcome::granted;
    return take_total_again(k, n, beside_strand);
  }

  // Like core::wait(). The caller has a pin. If x is granted, its permits have a pin.
  outcome wait(key_node& k, lane_waiter& x) noexcept;

  // Gives the n permits of a permit object back, with its pin.
  void give_back(key_node& k, std::uint32_t n) noexcept;

  void unpin(key_node& k) noexcept;

  lane_limits limits() const;
  // Requires that no limit is above max.
  void set_limits(const lane_limits& l);

  std::size_t waiting() const noexcept { return queue_.waiting(); }
  std::uint32_t per_key() const noexcept { return queue_.per_key(); }

  void cancel() noexcept;
  void close() noexcept;

  // A table has a table of virtual functions in the user's program, and these are all that the library exports.
  void cancel(cancellation& c) noexcept override;
  bool resume(bool can_repeat) noexcept override;
  void abandon() noexcept override;
  void orphan() noexcept override;

 protected:
  explicit keyed_core(const lane_limits& l) noexcept;
  ~keyed_core() override;

  // For the table. The mutex is locked.
  virtual void remove(key_node& k) noexcept = 0;
  virtual void remove_unpinned() noexcept = 0;
  // Destroys what remove_unpinned() has removed. The mutex is not locked.
  virtual void destroy_removed() noexcept = 0;

  mutable std::mutex mutex_;
  bool orphaned_nodes_ = false;  // nodes without pins are removed, whatever their keys hold

 private:
  void return_otherwise(std::size_t) noexcept override {}  // the permits are the keys'
  void add_object() noexcept override {}
  void drop_object() noexcept override {}

  outcome take_total_again(key_node& k, std::uint32_t n, bool beside_strand) noexcept;
  bool undo_claim(key_node& k, std::uint32_t n, std::uint32_t limit) noexcept;
  void announce(key_node& k, std::uint32_t n) noexcept;
  inline bool drop(key_node& k, std::uint64_t& s, std::uint64_t amount) noexcept;
  bool drop_last(key_node& k, std::uint64_t& s, std::uint64_t left) noexcept;

  lane_limits limits_;
};

}  // namespace turnstile::inline v1::detail

#endif
