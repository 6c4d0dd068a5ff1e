// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_SHARED_CONTENTS_HPP
#define TURNSTILE_SRC_SHARED_CONTENTS_HPP

// What a shared_core has besides what its header shows.

#include "fleet/member.hpp"

#include <turnstile/detail/shared_core.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace turnstile::inline v1::detail {

using fleet::number;

// What happens to the core on other threads, until it is cut.
class shared_core::inlet {
 public:
  explicit inlet(shared_core& c) noexcept : core_(&c) {}

  struct answer {
    number serial;
    shared_engine::reply reply;
  };
  struct mail {
    std::vector<answer> answers;
    std::vector<std::string> news;
    bool rang = false, ends = false, leaves = false;
    std::size_t limit = 0;
    int limits = 0;  // so many were set
  };

  template <typename Function>
  void put(Function write) {
    shared_core* c;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!core_) return;
      try {
        write(mail_);
      } catch (...) {
        return;  // there is no memory for a message: it is lost, as others are
      }
      c = core_;
      c->add_reference();
    }
    c->kick();
    c->drop_reference();
  }
  mail take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(mail_, {});
  }
  // The execution context ends, which waits for another thread that has the turn.
  void end(bool waits) {
    put([](mail& m) { m.ends = true; });
    std::unique_lock<std::mutex> lock(mutex_);
    if (waits) is_cut_.wait(lock, [this] { return !core_; });
  }
  void cut() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    core_ = nullptr;
    is_cut_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable is_cut_;
  shared_core* core_;  // which has a reference to itself, unless null
  mail mail_;
};

// What belongs to the thread that has the turn.
struct shared_core::contents {
  contents(shared_core& c, const shared_setup& s);

  // False if there is no engine any more, or it could not take the request.
  bool send(const fleet::request& r);
  bool has_engine() {
    return engine->with_engine([](shared_engine&) {});
  }
  // The limit of all processes is known.
  void compare_limits(std::size_t other) noexcept;
  // False if there was no memory for the alarm.
  bool wake(number at, number now) noexcept;

  const std::string id, key, name;
  const std::size_t limit;  // in the options
  const std::shared_ptr<engine_link> engine;
  fleet::member member;
  const std::shared_ptr<inlet> in;
  std::shared_ptr<detail::alarm> alarm;
  number alarm_at = fleet::largest;  // if it is set
  std::size_t usable = 0;            // as the core has it
  bool listens = false, leaves = false, refuses = false, sets_limit = false, is_over = false;
};

}  // namespace turnstile::inline v1::detail

#endif
