// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_REDIS_LISTENER_HPP
#define TURNSTILE_SRC_REDIS_LISTENER_HPP

#include "redis/dialogue.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>

namespace turnstile::inline v1::detail::redis {

// The connection that subscribes to channels. It is made when there is a channel.
class listener final : public dialogue {
 public:
  using handler_pointer = std::shared_ptr<const shared_engine::message_handler>;
  using post_function = std::function<void(handler_pointer, std::string)>;

  listener(wire& w, const redis_address& a, duration timeout, post_function post)
      : dialogue(w, a, timeout), post_(std::move(post)) {}

  void listen(std::string channel, shared_engine::message_handler, time_point now);
  void ignore(const std::string& channel, time_point now);
  void abandon() noexcept { channels_.clear(); }

 private:
  void begin(time_point) override;
  void answered(answer, time_point) override;
  void ended(const std::string&) override {}
  void ping(time_point now) override { send({"PING"}, now); }

  const post_function post_;
  std::map<std::string, handler_pointer> channels_;
};

}  // namespace turnstile::inline v1::detail::redis

#endif
