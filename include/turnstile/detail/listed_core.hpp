// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_LISTED_CORE_HPP
#define TURNSTILE_DETAIL_LISTED_CORE_HPP

// A core that knows which acquires wait, for a shared semaphore: how many permits they want, and how many the first of
// them needs. It can end the waits of some of them, and it confirms each grant before the handler hears of it.
//
// The queue belongs to the strand, and a plain semaphore is not to pay for this. So there is a second list, under a mutex
// that is held for a few instructions, or for as many for each waiter by cancel(), and that only acquires which have to
// wait ever meet. An acquire enters it before core::wait(), and leaves it when it is delivered or destroyed.
//
// Order. Two threads may enter the list in one order and the queue in the other. An acquire that enters the list while
// another is between the two steps is not `in_order_`. So the first in the queue is the first in the list, or one of those
// behind it up to the first that is in order.
//
// Permits and waiting acquires refer to the gate, whose word has no permits in use (see permit_owner). So permits come
// back by its return_otherwise(). Their references are the core's.

#include <turnstile/detail/cancellation.hpp>
#include <turnstile/detail/core.hpp>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

class listed_core;

// A place in a list, or the head of one.
struct listed_link {
  listed_link* next = this;
  listed_link* previous = this;
};

class TURNSTILE_API listed_waiter : public waiter, public listed_link {
 protected:
  explicit listed_waiter(std::uint32_t permits) noexcept : waiter(permits) {}
  ~listed_waiter() = default;

  // Before its cancellation is gone, through which others end the waits of the list.
  void leave_list() noexcept;

 private:
  friend listed_core;
  friend class waiter_gate;

  listed_core* list_ = nullptr;  // a reference, while it is in a list
  bool in_order_ = true;
  bool is_ending_ = false;
};

// Acts as a core for acquire_op.
class TURNSTILE_API waiter_gate final : public permit_owner {
 public:
  using waiter_type = listed_waiter;

  // An operation is passed on to its executor, by the holder of the strand.
  class departure {
   public:
    explicit departure(waiter_gate* g) noexcept : core_(g->core_) {}
    // Takes it out of the list, and tells the handler what it was granted under. False if the grant does not stand.
    template <typename Operation, typename Handler>
    inline bool begins(Operation& x, Handler& h) noexcept;
    // Returns whether it was passed on; then it may be gone.
    bool ends(bool is_passed_on) noexcept;

   private:
    listed_core& core_;
    listed_waiter* waiter_ = nullptr;  // which has left the list
    bool is_granted_ = false, was_last_ = false;
  };

  explicit waiter_gate(listed_core& c) noexcept : permit_owner(0), core_(c) {}
  ~waiter_gate() override = default;

  inline counter& get_counter() noexcept;
  listed_core& get_core() noexcept { return core_; }
  static void begin_wait() noexcept {}
  static void end_wait() noexcept {}
  outcome wait(listed_waiter& x) noexcept;

  inline void drop_reference() noexcept;
  void add_object() noexcept override;
  void drop_object() noexcept override;

 private:
  void return_otherwise(std::size_t n) noexcept override;

  listed_core& core_;
};

class TURNSTILE_API listed_core : public core {
 public:
  using core::core;

  waiter_gate& gate() noexcept { return gate_; }

  // What waits, in permits.
  struct waits {
    std::int64_t permits, first, first_since;
  };
  waits get_waits() const noexcept;

  // From now on, acquires that would wait end with that outcome, as those that wait do; `waiting`: they wait again.
  void refuse(outcome o) noexcept;

  // From now on, acquires of more permits exceed the limit, and those that wait do.
  void set_most(std::size_t n) noexcept;

  // Ends the waits of the acquires for more than `above` permits and no more than `most`.
  void end_waits(outcome o, std::size_t above = 0, std::size_t most = max) noexcept;

  // Like cancel(). Those that have been granted, and whose grants do not stand, are aborted, too.
  void cancel_listed() noexcept;

  // Gives back what a grant has taken that does not stand, with its reference.
  void take_back(std::size_t n) noexcept {
    take_permits(n);  // fewer, if another call has released more than it held
    drop_reference();
  }

 protected:
  ~listed_core() override = default;

 private:
  friend waiter_gate;
  friend listed_waiter;

  virtual std::int64_t time() const noexcept { return 0; }
  // Whether a grant stands. If not, it is taken back, and the acquire waits on.
  virtual bool confirm() noexcept { return true; }
  // The first waiter has come, or the last one has left.
  virtual void begin_or_end_of_waits() noexcept {}
  // Gives n permits back, or as many as are in use.
  virtual void take_permits(std::size_t n) noexcept { give_back(n); }

  // Has the strand, which this thread holds, look at the queue again, as it does not after an executor has refused.
  void look_again() noexcept;

  bool has_waits() const noexcept { return list_.next != &list_; }
  outcome wait_listed(listed_waiter& x) noexcept;
  // Takes x out of the list, and leaves its reference to the caller. True if it was the last.
  bool leave(listed_waiter& x) noexcept;
  // An executor has refused it: puts it first again, with a reference of the caller.
  void come_back(listed_waiter& x) noexcept;

  void insert(listed_waiter& x, listed_link& before) noexcept;
  void remove(listed_waiter& x) noexcept;

  mutable std::mutex list_mutex_;
  listed_link list_;    // those that wait
  listed_link ending_;  // those that are about to be ended
  std::int64_t permits_ = 0;
  std::int64_t first_since_ = 0;
  int entering_ = 0;  // in the list, and not yet in the queue
  outcome refusal_ = outcome::waiting;
  std::size_t most_ = max;

  waiter_gate gate_{*this};
};

counter& waiter_gate::get_counter() noexcept { return core_; }
void waiter_gate::drop_reference() noexcept { core_.drop_reference(); }

template <typename Operation, typename Handler>
bool waiter_gate::departure::begins(Operation& x, Handler& h) noexcept {
  listed_waiter& w = x;
  is_granted_ = w.get_outcome() == outcome::granted;
  // The lease is noted first: if it is lost and renewed meanwhile, the permit is of the lost one.
  if (is_granted_) h.note_grant();
  w.grant_stands_ = !is_granted_ || core_.confirm();
  if (!w.grant_stands_) {
    core_.look_again();
    return false;  // the strand puts it back into the queue
  }
  if (!w.list_) return true;  // it has left the list before, and its executor has refused it
  waiter_ = &w;
  was_last_ = core_.leave(w);
  return true;
}

}  // namespace turnstile::inline v1::detail

#endif
