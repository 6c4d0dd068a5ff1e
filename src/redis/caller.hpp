// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_REDIS_CALLER_HPP
#define TURNSTILE_SRC_REDIS_CALLER_HPP

#include "redis/dialogue.hpp"

#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace turnstile::inline v1::detail::redis {

struct script {
  std::string_view text;
  std::string_view sha1;
};

// Of shared_script(); the build computes it.
std::string_view script_sha1() noexcept;

// The connection that executes the script.
class caller final : public dialogue {
 public:
  // Handlers and replies are given to `post`, in the order of the replies.
  using post_function = std::function<void(shared_engine::reply_handler, shared_engine::reply)>;

  caller(wire&, const redis_address&, duration timeout, script, post_function);

  void sync(shared_engine::request, shared_engine::reply_handler, time_point now);
  // Replies with this to what has no reply yet.
  void stop(const std::string& reason) { ended(reason); }
  void abandon() noexcept { calls_.clear(); }

 private:
  // Without a handler, it is a PING.
  struct call {
    shared_engine::request request;
    shared_engine::reply_handler handler;
    bool has_text = false;  // of the script, instead of its SHA1
  };

  void greeted(const greeting&, const answer&) override;
  void begin(time_point) override;
  void answered(answer, time_point) override;
  void ended(const std::string& reason) override;
  void ping(time_point) override;

  void send_call(const call&, time_point);
  void take_reply(call, answer, time_point);

  const script script_;
  const post_function post_;
  std::deque<call>
      calls_;  // as they were sent; those that came before the connection was ready are sent then
  std::string problem_;    // why the connection is not there, or not used
  bool is_usable_ = true;  // the server is not too old
};

}  // namespace turnstile::inline v1::detail::redis

#endif
