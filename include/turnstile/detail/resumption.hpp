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
  explicit recycled_resumption(core& c) noexcept : core_(c) {}
  ~recycled_resumption() = default;

  // Without another chance, as when the executor destroys it.
  void resume_now() noexcept {
    core_.resume(false);
    drop();
  }

  core& core_;
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
    // An executor that calls inside execute() would go on for ever.
    if (this->core_.resume(!delivery::is_active(d, this))) return this->drop();
    if (!post()) this->resume_now();
  }

  class handle {
   public:
    handle(posted_resumption& r, const delivery& d) noexcept : resumption_(&r), delivery_(&d) {}
    handle(handle&& other) noexcept
        : resumption_(std::exchange(other.resumption_, nullptr)), delivery_(other.delivery_) {}
    handle& operator=(handle&&) = delete;
    ~handle() {
      if (resumption_ && !delivery::come_back(delivery_, resumption_)) resumption_->resume_now();
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
    if (core_.resume(true)) return this->drop();
    // Another, since the scheduler counts each operation as work once.
    resumption* const next = make(core_, scheduler_);
    if (!next) return this->resume_now();
    this->drop();
    next->post();
  }
  void discard() noexcept { this->resume_now(); }

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
