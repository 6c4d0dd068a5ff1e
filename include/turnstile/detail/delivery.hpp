// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_DELIVERY_HPP
#define TURNSTILE_DETAIL_DELIVERY_HPP

#include <turnstile/detail/config.hpp>

#include <utility>

namespace turnstile::inline v1::detail {

// On this thread's stack while it gives something to an executor: an operation or a resumption, in a function
// object that owns it. If that object is destroyed meanwhile, on this thread, the thing has come back; what
// becomes of it is known when execute() has thrown or returned. If the object is destroyed on another thread, or
// later, the executor had accepted it.
class delivery {
 public:
  explicit delivery(const void* what) noexcept
      : what_(what), outer_(std::exchange(innermost_, this)) {}
  delivery(const delivery&) = delete;
  delivery& operator=(const delivery&) = delete;
  ~delivery() { innermost_ = outer_; }

  bool came_back() const noexcept { return came_back_; }

  // The object that was made for `d` is destroyed uncalled. True if this thread is still delivering it, and
  // now knows. Neither address is enough by itself: an object may be kept and destroyed while another is
  // delivered from the same place on the stack, and what was called may have left its memory to something
  // else. But two objects that exist at once own different things.
  static bool come_back(const delivery* d, const void* what) noexcept {
    delivery* const i = find(d, what);
    return i && (i->came_back_ = true);
  }

  // This thread is still delivering it.
  static bool is_active(const delivery* d, const void* what) noexcept { return find(d, what); }

 private:
  static delivery* find(const delivery* d, const void* what) noexcept {
    delivery* i = innermost_;
    while (i && i != d) i = i->outer_;
    return i && i->what_ == what ? i : nullptr;
  }

  const void* const what_;
  bool came_back_ = false;
  delivery* const outer_;

  static inline thread_local constinit delivery* innermost_ = nullptr;
};

}  // namespace turnstile::inline v1::detail

#endif
