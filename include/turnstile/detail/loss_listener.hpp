// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_LOSS_LISTENER_HPP
#define TURNSTILE_DETAIL_LOSS_LISTENER_HPP

// What is told that the lease of a shared semaphore is lost: the operations that run with its permits.

#include <turnstile/detail/config.hpp>

#include <memory>
#include <mutex>

namespace turnstile::inline v1::detail {

class loss_listener : public std::enable_shared_from_this<loss_listener> {
 public:
  virtual ~loss_listener() = default;

  // On any thread.
  virtual void lost() noexcept = 0;

 private:
  friend class loss_listeners;

  loss_listener* next_ = nullptr;
  loss_listener* previous_ = nullptr;
  bool is_listed_ = false;
};

// The mutex is not held while a listener is told.
class loss_listeners {
 public:
  void add(loss_listener& l) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    l.is_listed_ = true;
    l.previous_ = nullptr;
    l.next_ = first_;
    if (first_) first_->previous_ = &l;
    first_ = &l;
  }
  void remove(loss_listener& l) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (l.is_listed_) unlink(l);
  }
  // Tells all, each of which leaves the list.
  void tell() noexcept {
    for (;;) {
      std::shared_ptr<loss_listener> l;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!first_) return;
        // Empty if it is about to be destroyed, and so has nothing to end any more.
        l = first_->weak_from_this().lock();
        unlink(*first_);
      }
      if (l) l->lost();
    }
  }

 private:
  void unlink(loss_listener& l) noexcept {
    (l.previous_ ? l.previous_->next_ : first_) = l.next_;
    if (l.next_) l.next_->previous_ = l.previous_;
    l.is_listed_ = false;
  }

  std::mutex mutex_;
  loss_listener* first_ = nullptr;
};

}  // namespace turnstile::inline v1::detail

#endif
