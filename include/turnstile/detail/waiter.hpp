// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_WAITER_HPP
#define TURNSTILE_DETAIL_WAITER_HPP

#include <turnstile/detail/mailbox.hpp>

#include <cstdint>

namespace turnstile::inline v1::detail {

class cancellation;

// A queued acquire. The initiating call owns it, and passes it to core::wait(). If that returns `waiting`, the
// strand owns it, even before the return, until deliver() or discard(). Otherwise the initiating call still does.
class waiter : public mail {
 public:
  // Posts the completion to the handler's executor. False if the executor threw and left the waiter to the strand, or
  // the grant does not stand; otherwise the waiter does not belong to the strand any more, and may be gone.
  virtual bool deliver() noexcept = 0;

  // Destroys the waiter without calling its handler.
  virtual void discard() noexcept = 0;

  // Posts a resumption to the context that the completion is posted to. The resumption calls counter::resume()
  // there. If it cannot be posted, or is destroyed uncalled, it calls counter::resume(false) at that moment.
  virtual void post_resumption() noexcept = 0;

  // Called before core::wait() if the completion is posted to another context than the semaphore's.
  void set_elsewhere() noexcept { elsewhere_ = true; }

  std::uint32_t permits() const noexcept { return permits_; }

 protected:
  explicit waiter(std::uint32_t permits) noexcept : mail(kind::waiter, permits) {}
  ~waiter() = default;

  outcome get_outcome() const noexcept { return outcome_; }

  // Set before core::wait() if the acquire can be cancelled. It has to live as long as the waiter.
  cancellation* cancellation_ = nullptr;

 private:
  friend core;
  friend decisions;
  friend keyed_core;
  friend lane_queue;
  friend wait_queue;
  friend waiter_list;
  template <typename>
  friend class basic_strand;

  waiter* previous_ = nullptr;
};

// A list of waiters, linked through the waiters, so that any of them leaves in O(1) and nothing is ever
// allocated.
class waiter_list {
 public:
  bool empty() const noexcept { return first_ == nullptr; }
  waiter* front() const noexcept { return first_; }
  waiter* back() const noexcept { return last_; }
  static waiter* next(const waiter* w) noexcept { return static_cast<waiter*>(w->next_); }

  void push_back(waiter* w) noexcept {
    w->next_ = nullptr;
    w->previous_ = last_;
    if (last_)
      last_->next_ = w;
    else
      first_ = w;
    last_ = w;
  }

  void push_front(waiter* w) noexcept {
    w->next_ = first_;
    w->previous_ = nullptr;
    (first_ ? first_->previous_ : last_) = w;
    first_ = w;
  }

  void erase(waiter* w) noexcept {
    waiter* const after = next(w);
    (after ? after->previous_ : last_) = w->previous_;
    if (w->previous_)
      w->previous_->next_ = after;
    else
      first_ = after;
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace turnstile::inline v1::detail

#endif
