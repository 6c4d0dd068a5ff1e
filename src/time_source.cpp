// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include <turnstile/detail/time_source.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#if defined(__linux__)
#include <ctime>
#endif

namespace turnstile::inline v1::detail {

std::int64_t boot_time() noexcept {
#if defined(__linux__)
  timespec t{};
  if (clock_gettime(CLOCK_BOOTTIME, &t) == 0)
    return std::int64_t(t.tv_sec) * 1'000'000 + t.tv_nsec / 1'000;
#endif
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class manual_time::manual_alarm final : public alarm {
 public:
  manual_alarm(std::shared_ptr<manual_time> t, std::function<void()> f)
      : time_(std::move(t)), function_(std::move(f)) {}
  ~manual_alarm() override { clear(); }

  void set(std::int64_t at) override {
    const std::lock_guard<std::mutex> lock(time_->mutex_);
    auto& all = time_->set_;
    if (std::find(all.begin(), all.end(), this) == all.end()) all.push_back(this);
    at_ = at;
  }
  void clear() noexcept override {
    const std::lock_guard<std::mutex> lock(time_->mutex_);
    auto& all = time_->set_;
    all.erase(std::remove(all.begin(), all.end(), this), all.end());
  }

 private:
  friend manual_time;

  const std::shared_ptr<manual_time> time_;
  const std::function<void()> function_;
  std::int64_t at_ = 0;  // while it is set
};

std::int64_t manual_time::now() const noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  return now_;
}

void manual_time::advance(std::int64_t time) {
  std::unique_lock<std::mutex> lock(mutex_);
  const std::int64_t end = now_ + time;
  for (;;) {
    const auto first = std::min_element(
        set_.begin(), set_.end(),
        [](const manual_alarm* a, const manual_alarm* b) { return a->at_ < b->at_; });
    if (first == set_.end() || (*first)->at_ > end) break;
    now_ = std::max(now_, (*first)->at_);
    const std::function<void()> f = (*first)->function_;  // the alarm may be gone when it runs
    set_.erase(first);
    lock.unlock();
    f();
    lock.lock();
  }
  now_ = std::max(now_, end);
}

void manual_time::jump(std::int64_t time) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  now_ += time;
}

std::unique_ptr<alarm> manual_time::make_alarm(std::function<void()> f) {
  return std::make_unique<manual_alarm>(shared_from_this(), std::move(f));
}

}  // namespace turnstile::inline v1::detail
