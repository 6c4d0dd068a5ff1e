// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_INITIATE_SHARED_HPP
#define TURNSTILE_DETAIL_INITIATE_SHARED_HPP

// The initiating calls of a shared semaphore. They refer to a semaphore object.

#include <turnstile/detail/initiate_acquire.hpp>
#include <turnstile/detail/shared_core.hpp>
#include <turnstile/shared_permit.hpp>

#include <boost/asio/associator.hpp>
#include <boost/assert.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

namespace detail {

// What a permit is granted under. An acquire without a permit object has no use for it.
template <bool WithPermit>
class granted_under {
 public:
  explicit granted_under(const shared_core& c) noexcept : core_(&c), mark_(c.mark()) {}
  void note() noexcept { mark_ = core_->mark(); }
  grant_mark noted() const noexcept { return mark_; }
  // The share may have come during the initiation.
  grant_mark latest() const noexcept { return core_->mark_since(mark_); }

 private:
  const shared_core* core_;
  grant_mark mark_;
};
template <>
class granted_under<false> {
 public:
  explicit granted_under(const shared_core&) noexcept {}
  void note() noexcept {}
};

// The handler of an acquire. All that is associated with the user's handler is associated with this one.
template <typename Handler, bool WithPermit>
class shared_handler {
 public:
  template <typename H>
  shared_handler(H&& handler, const shared_core& c)
      : handler_(std::forward<H>(handler)), under_(c) {}

  // At the grant, if it comes later than the initiation.
  void note_grant() noexcept { under_.note(); }

  void operator()(error_code ec, permit p) {
    if constexpr (WithPermit) {
      // Without a permit, the core may be gone.
      const grant_mark m = p ? under_.latest() : under_.noted();
      std::move(handler_)(ec, make_shared_permit(std::move(p), m));
    } else {
      detail::forget_permit_of<waiter_gate>(p);  // they belong to the handler now
      std::move(handler_)(ec);
    }
  }

  const Handler& handler() const noexcept { return handler_; }

 private:
  Handler handler_;
  [[no_unique_address]] granted_under<WithPermit> under_;
};

template <typename Executor, bool WithPermit>
class initiate_shared {
  using shared_implementation = implementation<Executor, shared_core>;

 public:
  using executor_type = Executor;

  explicit initiate_shared(const shared_implementation& i) noexcept : implementation_(&i) {}

  executor_type get_executor() const noexcept { return implementation_->get_executor(); }

  template <typename Handler, std::same_as<patience>... Time>
  void operator()(Handler&& handler, std::size_t n, Time... time) const {
    BOOST_ASSERT_MSG(implementation_->get_core(), "turnstile: this semaphore was moved from");
    const Executor& ex = implementation_->get_executor();
    shared_core& c = *implementation_->get_core();

    tracking t;
    TURNSTILE_HANDLER_CREATION((implementation_->context(), t, "turnstile::shared_semaphore",
                                const_cast<shared_implementation*>(implementation_), 0,
                                name(sizeof...(Time) != 0)));

    // It notes the lease before the grant: if the lease is lost meanwhile, the permit is not valid.
    shared_handler<std::decay_t<Handler>, WithPermit> h(std::forward<Handler>(handler), c);
    outcome o = c.acquire_at_once(n);
    if (o == outcome::waiting && ((time <= patience::zero()) || ...) && !c.would_grant(n))
      o = outcome::timed_out;
    if (o != outcome::waiting)
      return detail::complete_at_once<true>(std::move(h), ex, o, permit_for(c.gate(), o, n), t);
    detail::queue_acquire<true>(*implementation_, c.gate(), ex, std::move(h), n, t, time...);
  }

 private:
  static constexpr const char* name([[maybe_unused]] bool timed) noexcept {
    if (WithPermit) return timed ? "async_acquire_permit_for" : "async_acquire_permit";
    return timed ? "async_acquire_for" : "async_acquire";
  }

  const shared_implementation* implementation_;
};

// Waits for an event.
template <typename Executor>
class initiate_event {
  using shared_implementation = implementation<Executor, shared_core>;

 public:
  using executor_type = Executor;

  explicit initiate_event(const shared_implementation& i) noexcept : implementation_(&i) {}

  executor_type get_executor() const noexcept { return implementation_->get_executor(); }

  template <typename Handler>
  void operator()(Handler&& handler, shared_core::event e, std::size_t limit) const {
    BOOST_ASSERT_MSG(implementation_->get_core(), "turnstile: this semaphore was moved from");
    shared_core& c = *implementation_->get_core();

    tracking t;
    TURNSTILE_HANDLER_CREATION((implementation_->context(), t, "turnstile::shared_semaphore",
                                const_cast<shared_implementation*>(implementation_), 0, name(e)));

    // First it waits, and then it is brought about. Meanwhile it may be cancelled on another thread, and its handler may
    // destroy the semaphore.
    struct drop {
      void operator()(shared_core* p) const noexcept { p->drop_reference(); }
    };
    c.add_reference();
    const std::unique_ptr<shared_core, drop> reference(&c);
    if (e == shared_core::limit_set) c.announce_limit();
    try {
      detail::queue_acquire<true>(
          *implementation_, c.events().gate(), implementation_->get_executor(),
          shared_handler<std::decay_t<Handler>, false>(std::forward<Handler>(handler), c), e, t);
    } catch (...) {
      if (e == shared_core::limit_set) c.withdraw_limit();
      throw;
    }
    if (e == shared_core::limit_set) c.set_total_limit(limit);
    if (e == shared_core::left) {
      c.close();
      c.leave();
    }
  }

 private:
  static constexpr const char* name(shared_core::event e) noexcept {
    if (e == shared_core::lease_lost) return "async_wait_lost";
    return e == shared_core::left ? "async_leave" : "async_set_limit";
  }

  const shared_implementation* implementation_;
};

}  // namespace detail

}  // namespace turnstile::inline v1

/// @cond
template <template <typename, typename> class Associator, typename Handler, bool WithPermit,
          typename Default>
struct boost::asio::associator<Associator, turnstile::detail::shared_handler<Handler, WithPermit>,
                               Default> : Associator<Handler, Default> {
  using base = Associator<Handler, Default>;
  static auto get(const turnstile::detail::shared_handler<Handler, WithPermit>& h) noexcept {
    return base::get(h.handler());
  }
  static auto get(const turnstile::detail::shared_handler<Handler, WithPermit>& h,
                  const Default& value) noexcept {
    return base::get(h.handler(), value);
  }
};
/// @endcond

#endif
