// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_LANE_QUEUE_HPP
#define TURNSTILE_DETAIL_LANE_QUEUE_HPP

// The waiters of a keyed semaphore, as the strand uses them: the lanes decide the order, and this class keeps the
// lanes and the words of the keys (key_node.hpp) in step. All of it belongs to the holder of the strand,
// except the limits and waiting(), which any thread may use.
//
// A waiter that comes is put into the inbox. plan() looks at one waiter after the other, and only while none that
// came earlier can be granted. A waiter that can be granted stays in the inbox until it is: if the word
// changes before, it is looked at again. So each is granted, queued or refused by the very state that it meets.

#include <turnstile/detail/decisions.hpp>
#include <turnstile/detail/key_node.hpp>
#include <turnstile/detail/lanes.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace turnstile::inline v1::detail {

class lane_queue : public decisions {
 public:
  // The pin of a granted waiter becomes the pin of its permit.
  static constexpr bool grants_come_with_references = false;

  // From now on. The strand has to look at the queue afterwards.
  void set_limits(const lane_limits& l) noexcept;
  std::uint32_t per_key() const noexcept { return per_key_.load(std::memory_order_relaxed); }

  // How many waiters are queued.
  std::size_t waiting() const noexcept { return waiting_.load(std::memory_order_relaxed); }

  // A waiter, or a key that permits came back to.
  void receive(mail& m, word w, std::uint32_t limit) noexcept;

  // What can be granted next; see wait_queue::turn.
  struct turn {
    unsigned grants;
    std::uint32_t permits;
    bool more;
    bool rest;
  };
  turn plan(std::uint32_t free) noexcept;
  turn no_turn() const noexcept {
    return {0, 0, false, lanes_.has_turn() || !inbox_.empty() || !standing_.empty()};
  }
  // Grants what plan() has found.
  void grant_next() noexcept;

  // Decides a queued waiter otherwise.
  void decide(waiter* x, outcome o) noexcept;
  void decide_all(outcome o) noexcept;

  // Whether a waiter may be queued that can never be granted, and the decision about those that are.
  bool has_hopeless(word w, std::uint32_t limit) const noexcept;
  void decide_hopeless(word w, std::uint32_t limit) noexcept;

  // After the executor of x has refused it; see wait_queue::requeue().
  struct returned {
    std::uint32_t permits;
    std::int64_t references;
  };
  returned requeue(waiter* x) noexcept;

  // Permits of k came back.
  void refresh(key_node& k) noexcept;

 private:
  static key_node& node_of(waiter* x) noexcept {
    return static_cast<key_node&>(static_cast<lane_waiter*>(x)->get_lane());
  }

  waiter* front() const noexcept { return lanes_.front(); }
  bool is_admitted(waiter* x, std::uint32_t free) noexcept;
  void finish(waiter* x, outcome o) noexcept;
  void count(key_node& k) noexcept;
  lane_limits limits_under(std::uint32_t total) const noexcept;

  lanes lanes_{lane_limits{}};
  waiter_list inbox_;
  waiter* next_ = nullptr;  // granted next, from a lane or the inbox
  bool next_is_queued_ = false;
  waiter_list standing_;  // refused by their executors, and not to be granted any more
  std::atomic<std::uint32_t> waiting_{0};

  std::atomic<std::uint32_t> per_key_{1};
  std::atomic<std::uint32_t> max_waiting_per_key_{state_word::max};
  std::atomic<std::uint32_t> max_waiting_{state_word::max};
};

}  // namespace turnstile::inline v1::detail

#endif
