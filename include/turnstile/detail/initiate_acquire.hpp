// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_INITIATE_ACQUIRE_HPP
#define TURNSTILE_DETAIL_INITIATE_ACQUIRE_HPP

// The initiating call of an acquire: decides it at once, or queues it. It refers to a semaphore object, as the
// initiations of Asio's own I/O objects do.

#include <turnstile/detail/acquire_op.hpp>

#include <boost/assert.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

// Queues an acquire that cannot be granted at once. It completes in the initiating call after all if something has
// changed meanwhile.
template <bool WithPermit, typename Owner, typename Executor, typename Handler,
          std::same_as<patience>... Time>
void queue_acquire(const registration& sem, Owner& owner, const Executor& ex, Handler&& handler,
                   std::size_t n, const tracking& t, Time... time) {
  constexpr bool timed = sizeof...(Time) != 0;
  const auto handler_executor = asio::get_associated_executor(handler, ex);
  detail::with_target<Executor>(handler_executor, [&]<typename E>(const E& handler_ex) {
    using operation = acquire_op<std::decay_t<Handler>, E, Executor, Owner, WithPermit, timed>;
    auto op = operation::create(sem, owner, static_cast<std::uint32_t>(n),
                                std::forward<Handler>(handler), handler_ex, ex, t);
    const outcome late = op->connect_and_wait(ex, time...);
    if (late == outcome::waiting) return void(op.release());  // disowned: it may be gone
    // Decided in the initiating call after all. The operation is taken apart, and with it goes its work.
    // Until its handler is posted, these keep the contexts from running out.
    permit p = permit_for(owner, late, n);
    const work<E> handler_work(handler_ex);
    const work<Executor> semaphore_work(ex);
    detail::complete_at_once<WithPermit>(op.release()->take_apart().handler_, ex, late,
                                         std::move(p), t);
  });
}

template <typename Executor, bool WithPermit>
class initiate_acquire {
 public:
  using executor_type = Executor;

  explicit initiate_acquire(const implementation<Executor, core>& i) noexcept
      : implementation_(&i) {}

  executor_type get_executor() const noexcept { return implementation_->get_executor(); }

  template <typename Handler, std::same_as<patience>... Time>
  void operator()(Handler&& handler, std::size_t n, Time... time) const {
    BOOST_ASSERT_MSG(implementation_->get_core(), "turnstile: this semaphore was moved from");
    const Executor& ex = implementation_->get_executor();
    core& c = *implementation_->get_core();

    tracking t;
    TURNSTILE_HANDLER_CREATION((implementation_->context(), t, "turnstile::semaphore",
                                const_cast<implementation<Executor, core>*>(implementation_), 0,
                                name(sizeof...(Time) != 0)));

    outcome o = c.acquire_at_once(n);
    // `waiting` may also mean that the strand is busy: then the completion has to wait for its turn.
    if (o == outcome::waiting && ((time <= patience::zero()) || ...) && !c.would_grant(n))
      o = outcome::timed_out;
    if (o != outcome::waiting)
      return detail::complete_at_once<WithPermit>(std::forward<Handler>(handler), ex, o,
                                                  permit_for(c, o, n), t);
    detail::queue_acquire<WithPermit>(*implementation_, c, ex, std::forward<Handler>(handler), n, t,
                                      time...);
  }

 private:
  static constexpr const char* name([[maybe_unused]] bool timed) noexcept {
    if (WithPermit) return timed ? "async_acquire_permit_for" : "async_acquire_permit";
    return timed ? "async_acquire_for" : "async_acquire";
  }

  const implementation<Executor, core>* implementation_;
};

}  // namespace turnstile::inline v1::detail

#endif
