// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_KEY_NODE_HPP
#define TURNSTILE_DETAIL_KEY_NODE_HPP

#include <turnstile/detail/counter.hpp>
#include <turnstile/detail/lanes.hpp>
#include <turnstile/detail/mailbox.hpp>
#include <turnstile/detail/permit_owner.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace turnstile::inline v1::detail {

class keyed_core;

// What a keyed semaphore knows of one key. Its state is one word:
//
//   bits 0..30   held         permits that the key holds, 0 .. max
//   bit  31      has_waiters  acquires of the key are queued: only the strand adds to `held`
//   bit  32      mailed       the node is in the mailbox, since permits came back while acquires of the key wait
//   bits 33..63  pins         permit objects, waiters, the mail, and threads that work on the node
//
// Pins keep the node. The last one is dropped under the mutex of the table, which finds and pins nodes under
// the same mutex. The node is then removed, unless the key holds permits that belong to no permit object
// any more (permit::forget()). Such a node stays until the semaphore is destroyed.
//
// The lane is the strand's. Its number of held permits may be higher than the one in the word, until the strand
// has read the mail.
class TURNSTILE_API key_node : public permit_owner, public mail, public lane {
 public:
  // What acquires and waits.
  using waiter_type = lane_waiter;

  explicit key_node(keyed_core& c) noexcept;
  ~key_node() override;

  counter& get_counter() const noexcept;
  void begin_wait() noexcept { pin(); }
  void end_wait() noexcept;
  outcome wait(lane_waiter& x) noexcept;

  void add_object() noexcept override { pin(); }
  void drop_object() noexcept override { end_wait(); }

  std::uint32_t held() const noexcept { return held(state_.load(std::memory_order_acquire)); }
  // As the strand knew last.
  std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

  // Takes n permits, with a pin, if no acquire of the key waits and the key holds at most `limit` afterwards.
  // Acquires what happened before the permits came back.
  bool claim(std::uint32_t n, std::uint32_t limit) noexcept {
    std::uint64_t s = state_.load(std::memory_order_relaxed);
    do {
      if ((s & has_waiters) || held(s) > limit || n > limit - held(s)) return false;
    } while (!state_.compare_exchange_weak(s, s + n + one_pin, std::memory_order_acquire,
                                           std::memory_order_relaxed));
    return true;
  }

  // Relaxed: the node is kept by the mutex or by another pin.
  void pin() noexcept { state_.fetch_add(one_pin, std::memory_order_relaxed); }

 private:
  friend keyed_core;
  friend lane_queue;
  template <typename Key, typename Compare>
  friend class key_table;

  static constexpr std::uint64_t has_waiters = std::uint64_t(1) << 31;
  static constexpr std::uint64_t mailed = std::uint64_t(1) << 32;
  static constexpr std::uint64_t one_pin = std::uint64_t(1) << 33;

  static std::uint32_t held(std::uint64_t s) noexcept {
    return static_cast<std::uint32_t>(s & state_word::max);
  }
  bool is_pinned() const noexcept { return state_.load(std::memory_order_relaxed) >= one_pin; }

  void return_otherwise(std::size_t n) noexcept override;

  keyed_core& core_;  // a reference
  std::atomic<std::uint64_t> state_{0};
  std::atomic<std::uint32_t> waiting_{0};  // written by the strand
};

}  // namespace turnstile::inline v1::detail

#endif
