// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_TIMER_ALARM_HPP
#define TURNSTILE_DETAIL_TIMER_ALARM_HPP

// The alarm of a shared semaphore: a timer on its execution context, or one of a clock that is moved by hand. It also
// tells that the context ends.

#include <turnstile/detail/context_hook.hpp>
#include <turnstile/detail/handler_executor.hpp>
#include <turnstile/detail/time_source.hpp>
#include <turnstile/error.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/wait_traits.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace turnstile::inline v1::detail {

template <typename Executor>
class timer_alarm final : public alarm, public context_hook {
  using clock = std::chrono::steady_clock;

 public:
  timer_alarm(const Executor& ex, manual_time* time, const std::function<void()>& ring,
              const std::function<void(bool)>& end)
      : ring_(ring), end_(end), executor_(ex) {
    if (time)
      manual_ = time->make_alarm(ring);
    else
      timer_.emplace(ex);  // before the hook, so that the services of timers end after it
    if (attach(detail::context_of(ex))) return;
    drop_context();
    end(false);
  }
  ~timer_alarm() override { detach(); }

  void set(std::int64_t at) override {
    with_context([&] {
      if (manual_) return manual_->set(at);
      if (!timer_) timer_.emplace(*executor_);
      const auto left = (std::max<std::int64_t>)(at - boot_time(), 0);
      timer_->expires_after(std::chrono::microseconds(left));
      timer_->async_wait([ring = ring_](const error_code& ec) {
        if (!ec) ring();
      });
    });
  }
  void clear() noexcept override {
    with_context([&] {
      if (manual_) manual_->clear();
      timer_.reset();  // cancel() may throw
    });
  }

 private:
  void drop_context() noexcept override {
    timer_.reset();
    manual_.reset();
    executor_.reset();
  }
  void context_ended() noexcept override { end_(true); }

  const std::function<void()> ring_;
  const std::function<void(bool)> end_;
  std::optional<Executor> executor_;
  std::optional<asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor>> timer_;
  std::unique_ptr<alarm> manual_;
};

}  // namespace turnstile::inline v1::detail

#endif
