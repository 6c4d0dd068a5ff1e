// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_RESUMPTION_HPP
#define TURNSTILE_DETAIL_RESUMPTION_HPP

// A resumption continues the work of a strand that was offered: it calls counter::resume() on an executor. If that
// is too early, it posts itself again. One that is destroyed uncalled calls counter::resume() at that moment. It
// owns a reference to the core.

#include <turnstile/detail/asio_internals.hpp>
#include <turnstile/detail/counter.hpp>
#include <turnstile/detail/delivery.hpp>
#include <turnstile/detail/handler_executor.hpp>

#include <boost/asio/recycling_allocator.hpp>

#include <utility>

namespace turnstile::inline v1::detail {

// A resumption on any executor.
template <typename E>
class resumption {
 public:
  resumption(counter& c, const E& ex, const delivery& d) noexcept
      : core_(&c), executor_(ex), delivery_(&d) {}
  resumption(resumption&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)),
        executor_(std::move(other.executor_)),
        delivery_(other.delivery_) {}
  resumption& operator=(resumption&&) = delete;
  ~resumption() {
    if (core_) core_->resume(false);
  }

  TURNSTILE_COLD static void post(counter& c, const E& ex) noexcept {
    const delivery d(&c);
    try {
      detail::post(ex, resumption(c, ex, d), asio::recycling_allocator<void>());
    } catch (...) {  // then it was destroyed uncalled
    }
  }

  void operator()() {
    counter& c = *std::exchange(core_, nullptr);
    // An executor may call this inside execute(), that is, while the offer is being made. To post it again would
    // go on for ever, so there it cannot repeat. Another resumption of this core, posted from the same place on
    // the stack, may be taken for this one: then the call that makes the offer stays.
    if (!c.resume(!delivery::is_active(delivery_, &c))) post(c, executor_);
  }

 private:
  counter* core_;
  E executor_;
  const delivery* delivery_;
};

template <typename E>
void post_resumption(counter& c, const E& ex) noexcept {
  resumption<E>::post(c, ex);
}

#if !defined(TURNSTILE_NO_ASIO_INTERNALS)

// A resumption on one of Asio's schedulers.
template <typename Scheduler>
class scheduled_resumption final : private scheduled<scheduled_resumption<Scheduler>, Scheduler> {
  using base = scheduled<scheduled_resumption, Scheduler>;
  friend base;
  using allocator = asio::recycling_allocator<scheduled_resumption>;

 public:
  static void post(counter& c, Scheduler& s) noexcept {
    try {
      scheduled_resumption* const p = allocator().allocate(1);
      (::new (static_cast<void*>(p)) scheduled_resumption(c, s))->schedule();
    } catch (...) {  // no memory
      c.resume(false);
    }
  }

 private:
  scheduled_resumption(counter& c, Scheduler& s) : base(s), core_(c), scheduler_(s) {}
  ~scheduled_resumption() = default;

  void call() noexcept {
    if (core_.resume(true))
      destroy();
    else
      this->schedule_again(scheduler_);
  }
  void discard() noexcept {
    counter& c = core_;
    destroy();
    c.resume(false);
  }
  void destroy() noexcept {
    this->~scheduled_resumption();
    allocator().deallocate(this, 1);
  }

  counter& core_;
  Scheduler& scheduler_;
};

#else

template <typename Scheduler>
struct scheduled_resumption {
  template <typename S>
  static void post(counter&, S&) noexcept;  // never called
};

#endif

}  // namespace turnstile::inline v1::detail

#endif
