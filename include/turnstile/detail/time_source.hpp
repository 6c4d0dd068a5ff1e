// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_TIME_SOURCE_HPP
#define TURNSTILE_DETAIL_TIME_SOURCE_HPP

// The clock of shared semaphores, in microseconds, and what calls them at a time.

#include <turnstile/detail/config.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace turnstile::inline v1::detail {

// Calls a function once for each set(), at that time or later. A later set() replaces an earlier one.
class alarm {
 public:
  virtual ~alarm() = default;
  virtual void set(std::int64_t at) = 0;
  virtual void clear() noexcept = 0;
};

// A clock that goes on while the machine sleeps, if the system has one.
TURNSTILE_API std::int64_t boot_time() noexcept;

// A clock that is moved by hand. Its alarms share it.
class TURNSTILE_API manual_time : public std::enable_shared_from_this<manual_time> {
 public:
  std::int64_t now() const noexcept;

  // Moves it, and calls what is to be called on the way.
  void advance(std::int64_t time);
  // Moves it, and calls nothing.
  void jump(std::int64_t time) noexcept;

  std::unique_ptr<alarm> make_alarm(std::function<void()> f);

 private:
  class manual_alarm;

  mutable std::mutex mutex_;
  std::int64_t now_ = 1'000'000;
  std::vector<manual_alarm*> set_;  // those that are set
};

}  // namespace turnstile::inline v1::detail

#endif
