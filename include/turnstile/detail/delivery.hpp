// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_DELIVERY_HPP
#define TURNSTILE_DETAIL_DELIVERY_HPP

#include <turnstile/detail/config.hpp>

#include <utility>

namespace turnstile::inline v1::detail {

// Tells a thread whether an executor has kept what it was given: an operation or a resumption, in a function
// object that owns it. A delivery stands on the thread's stack while execute() runs. If the function object is
// destroyed uncalled in this time, on this thread, the thing has come back, and the thread decides what becomes
// of it: after execute() has thrown, the executor has refused it; after a return, it was thrown away. If the
// object is destroyed on another thread, or later, the executor had accepted it.
class delivery {
 public:
  explicit delivery(const void* what) noexcept
      : what_(what), outer_(std::exchange(innermost_, this)) {}
  delivery(const delivery&) = delete;
  delivery& operator=(const delivery&) = delete;
  ~delivery() { innermost_ = outer_; }

  bool came_back() const noexcept { return came_back_; }

  // Called when the function object that was made for `d` and owns `what` is destroyed uncalled. True if this
  // thread is still delivering it: then came_back() is true from now on. Neither address is enough by itself. An
  // executor may keep a function object, and destroy it while another is delivered from the same place on the
  // stack. And what was called may have freed its memory, which something else has now. But two function
  // objects that exist at the same time own different things.
  static bool come_back(const delivery* d, const void* what) noexcept {
    delivery* const i = find(d, what);
    return i && (i->came_back_ = true);
  }

  // Whether this thread is still delivering it.
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
