// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_MEMORY_STATE_HPP
#define TURNSTILE_DETAIL_MEMORY_STATE_HPP

#include <turnstile/detail/time_source.hpp>
#include <turnstile/shared_engine.hpp>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace turnstile::inline v1::detail {

// What a message is handed to, for each engine.
class message_sink {
 public:
  virtual void hear(const std::string& channel, const std::string& text) = 0;

 protected:
  ~message_sink() = default;
};

// What a memory_server and its engines share. Any thread may call it. The mutex is not held while a sink is called.
class TURNSTILE_API memory_state {
 public:
  explicit memory_state(std::shared_ptr<manual_time> time);
  ~memory_state();

  // Does what the script does.
  shared_engine::reply execute(const shared_engine::request& r);

  void restart(bool keeps_state);
  void add(const std::shared_ptr<message_sink>& s);

  const std::shared_ptr<manual_time>& time() const noexcept { return time_; }

 private:
  struct contents;

  const std::shared_ptr<manual_time> time_;  // null: the system's
  std::mutex mutex_;
  const std::unique_ptr<contents> contents_;
  std::vector<std::weak_ptr<message_sink>> sinks_;
};

}  // namespace turnstile::inline v1::detail

#endif
