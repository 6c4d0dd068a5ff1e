// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CANCEL_REQUEST_HPP
#define TURNSTILE_DETAIL_CANCEL_REQUEST_HPP

// What may request the end of a wait: the handler in a cancellation slot, and a timer. Each shares ownership of a
// `cancellation` with the wait, and touches nothing else of it, so that it can be called and destroyed at
// any time and on any thread.

#include <turnstile/detail/core.hpp>
#include <turnstile/error.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/wait_traits.hpp>

#include <chrono>
#include <cstddef>
#include <utility>

namespace turnstile::inline v1::detail {

namespace asio = boost::asio;

// A cancellation in memory that Asio recycles, like the memory of a slot's handler. The handler's allocator
// cannot be used: the slot may keep the cancellation for longer than that lives.
class recycled_cancellation final : public cancellation {
  using allocator = asio::recycling_allocator<recycled_cancellation>;

 public:
  using cancellation::cancellation;

  static void* operator new(std::size_t) { return allocator().allocate(1); }
  static void operator delete(void* p) noexcept {
    allocator().deallocate(static_cast<recycled_cancellation*>(p), 1);
  }
};

class cancellation_share {
 public:
  explicit cancellation_share(cancellation& c) noexcept : cancellation_(&c) { c.add_reference(); }
  cancellation_share(cancellation_share&& other) noexcept
      : cancellation_(std::exchange(other.cancellation_, nullptr)) {}
  cancellation_share& operator=(cancellation_share&&) = delete;
  ~cancellation_share() {
    if (cancellation_) cancellation_->drop_reference();
  }

  void request(outcome o) noexcept {
    // The request may post or destroy the acquire, and that may destroy *this.
    const cancellation_share share(*cancellation_);
    share.cancellation_->request(o);
  }

 private:
  cancellation* cancellation_;
};

// What a cancellation slot holds.
class cancel_handler {
 public:
  explicit cancel_handler(cancellation& c) noexcept : share_(c) {}

  void operator()(asio::cancellation_type_t type) noexcept {
    using enum asio::cancellation_type;
    if ((type & (terminal | partial | total)) != none) share_.request(outcome::aborted);
  }

 private:
  cancellation_share share_;
};

// How long a timed acquire may wait.
using patience = std::chrono::steady_clock::duration;

// Ends an acquire's wait when its time is up. If it is destroyed before, its timer's handler, cancelled, is
// still on its way to the semaphore's executor.
template <typename Executor>
class expiry {
  using clock = std::chrono::steady_clock;

 public:
  explicit expiry(const Executor& ex) : timer_(ex) {}

  void start(patience time, cancellation& c) {
    timer_.expires_after(time);
    wait(c);
  }
  void start(clock::time_point time, cancellation& c) {
    timer_.expires_at(time);
    wait(c);
  }

  // What it takes to start another in its place.
  struct stopped {
    Executor executor;
    clock::time_point time;
  };
  stopped stop() { return {timer_.get_executor(), timer_.expiry()}; }

 private:
  void wait(cancellation& c) {
    timer_.async_wait([share = cancellation_share(c)](const error_code& ec) mutable {
      if (!ec) share.request(outcome::timed_out);
    });
  }

  asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor> timer_;
};

}  // namespace turnstile::inline v1::detail

#endif
