// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_RESUMPTION_HPP
#define TURNSTILE_DETAIL_RESUMPTION_HPP

// What continues the work of a strand that was offered: it calls core::resume() on an executor, or when that
// destroys it. If it is called too early, it posts itself again. Its memory is recycled by Asio.

#include <turnstile/detail/asio_internals.hpp>
#include <turnstile/detail/core.hpp>
#include <turnstile/detail/delivery.hpp>
#include <turnstile/detail/handler_executor.hpp>

#include <boost/asio/recycling_allocator.hpp>

#include <utility>

namespace turnstile::inline v1::detail {

template <typename Derived>
class recycled_resumption : public resumption {
  using allocator = asio::recycling_allocator<Derived>;

 public:
  // Null if there is no memory.
  template <typename Target>
  static resumption* make(core& c, const Target& target) noexcept {
    try {
      Derived* const p = allocator().allocate(1);
      try {
        return ::new (static_cast<void*>(p)) Derived(c, target);
      } catch (...) {
        allocator().deallocate(p, 1);
      }
    } catch (...) {
    }
    return nullptr;
  }

  void drop() noexcept override {
    auto* const p = static_cast<Derived*>(this);
    p->~Derived();
    allocator().deallocate(p, 1);
  }

 protected:
  explicit recycled_resumption(core& c) noexcept : core_(&c) {}

  // Once, when it is run or destroyed by the executor.
  void resume() noexcept {
    core& c = *core_;
    drop();
    c.resume();
  }

  bool is_too_early() const noexcept { return core_->is_making_offer(); }
  core& get_core() const noexcept { return *core_; }

 private:
  core* core_;
};

// On an executor.
template <typename E>
class posted_resumption final : public recycled_resumption<posted_resumption<E>> {
 public:
  posted_resumption(core& c, const E& ex)
      : recycled_resumption<posted_resumption>(c), executor_(ex) {}

  bool post() noexcept override {
    const delivery d(this);
    try {
      const E ex = executor_;  // *this may be gone before execute() returns
      detail::post(ex, handle(*this, d), asio::recycling_allocator<void>());
    } catch (...) {
    }
    return !d.came_back();
  }

 private:
  void call(const delivery* d) noexcept {
    // Not if an executor calls inside execute(), since that would not end.
    if (this->is_too_early() && !delivery::is_active(d, this) && post()) return;
    this->resume();
  }

  class handle {
   public:
    handle(posted_resumption& r, const delivery& d) noexcept : resumption_(&r), delivery_(&d) {}
    handle(handle&& other) noexcept
        : resumption_(std::exchange(other.resumption_, nullptr)), delivery_(other.delivery_) {}
    handle& operator=(handle&&) = delete;
    ~handle() {
      if (resumption_ && !delivery::come_back(delivery_, resumption_)) resumption_->resume();
    }

    void operator()() { std::exchange(resumption_, nullptr)->call(delivery_); }

   private:
    posted_resumption* resumption_;
    const delivery* delivery_;
  };

  E executor_;
};

#if !defined(TURNSTILE_NO_ASIO_INTERNALS)

// On Asio's scheduler.
class scheduled_resumption final : public recycled_resumption<scheduled_resumption>,
                                   private scheduled<scheduled_resumption> {
  friend scheduled<scheduled_resumption>;

 public:
  scheduled_resumption(core& c, scheduler* s)
      : recycled_resumption<scheduled_resumption>(c),
        scheduled<scheduled_resumption>(*s),
        scheduler_(s) {}

  bool post() noexcept override {
    this->schedule();
    return true;
  }

 private:
  void call() noexcept {
    if (this->is_too_early()) {
      // Another, since the scheduler counts each operation as work once.
      if (resumption* const next = make(this->get_core(), scheduler_)) {
        this->drop();
        next->post();
        return;
      }
    }
    this->resume();
  }
  void discard() noexcept { this->resume(); }

  scheduler* const scheduler_;
};

#endif

template <typename Scheduler>
resumption* make_scheduled_resumption([[maybe_unused]] core& c,
                                      [[maybe_unused]] Scheduler* s) noexcept {
#if !defined(TURNSTILE_NO_ASIO_INTERNALS)
  return scheduled_resumption::make(c, s);
#else
  return nullptr;  // never called
#endif
}

}  // namespace turnstile::inline v1::detail

#endif
