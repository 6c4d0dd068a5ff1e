// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_LOSS_RELAY_HPP
#define TURNSTILE_DETAIL_LOSS_RELAY_HPP

// How async_with_permit learns that the permits of a shared semaphore are lost.

#include <turnstile/detail/loss_listener.hpp>
#include <turnstile/detail/relay.hpp>
#include <turnstile/detail/shared_core.hpp>
#include <turnstile/shared_permit.hpp>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>

namespace turnstile::inline v1::detail {

template <typename Executor>
class loss_relay final : public relay, public loss_listener {
 public:
  loss_relay(relay::owner& o, const Executor& ex) : relay(o), executor_(ex) {}

  // Before the operation starts. False if the lease is lost already. After the deadline it is, even if no timer has run.
  bool watch(const shared_permit& p) noexcept {
    if (!p) return true;
    core_ = &shared_core_of(p);
    core_->listeners().add(*this);
    if (core_->is_lost(mark_of(p)) || !core_->is_in_time())
      lost_.store(true, std::memory_order_relaxed);
    return !is_lost();
  }
  // While the permit is there.
  void unwatch() noexcept {
    if (core_) core_->listeners().remove(*this);
    core_ = nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    executor_.reset();  // its context may be gone later
  }

  bool is_lost() const noexcept { return lost_.load(std::memory_order_relaxed); }

  // On the handler's executor, as Asio asks of emissions.
  void lost() noexcept override {
    lost_.store(true, std::memory_order_relaxed);
    try {
      std::unique_lock<std::mutex> lock(mutex_);
      if (!executor_) return;
      // The operation has work, too. So the context does not run out of it until this is posted.
      const asio::executor_work_guard<Executor> work(*executor_);
      lock.unlock();
      asio::post(work.get_executor(),
                 [self = std::static_pointer_cast<loss_relay>(shared_from_this())] {
                   self->emit(asio::cancellation_type::terminal);
                 });
    } catch (...) {  // it cannot be posted: the operation goes on
    }
  }

 private:
  shared_core* core_ = nullptr;
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::optional<Executor> executor_;  // until the operation has ended
};

struct loss_watch {
  static constexpr bool watches = true;
  template <typename Executor>
  using relay_type = loss_relay<Executor>;
};

}  // namespace turnstile::inline v1::detail

#endif
