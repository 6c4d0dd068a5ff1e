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
class timer_alarm final : public alarm, private context_hook {
  using clock = std::chrono::steady_clock;

 public:
  timer_alarm(const Executor& ex, manual_time* time, const std::function<void()>& ring,
              std::function<void()> end)
      : ring_(ring), end_(std::move(end)) {
    if (time)
      manual_ = time->make_alarm(ring);
    else
      timer_.emplace(ex);
    attach(detail::context_of(ex));
  }
  ~timer_alarm() override { detach(); }

  void set(std::int64_t at) override {
    if (manual_) manual_->set(at);
    if (!timer_) return;
    timer_->expires_after(std::chrono::microseconds((std::max<std::int64_t>)(at - boot_time(), 0)));
    timer_->async_wait([ring = ring_](const error_code& ec) {
      if (!ec) ring();
    });
  }
  void clear() noexcept override {
    if (manual_) manual_->clear();
    if (timer_) timer_.emplace(timer_->get_executor());  // cancel() may throw
  }

 private:
  void context_ended() noexcept override {
    timer_.reset();
    manual_.reset();
    const auto end = std::move(end_);  // *this may be gone when it returns
    end();
  }

  const std::function<void()> ring_;
  std::function<void()> end_;
  std::optional<asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor>> timer_;
  std::unique_ptr<alarm> manual_;
};

}  // namespace turnstile::inline v1::detail

#endif
