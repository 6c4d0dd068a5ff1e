// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/dialogue.hpp"

#include <algorithm>
#include <utility>

namespace turnstile::inline v1::detail::redis {

dialogue::dialogue(wire& w, const redis_address& a, duration timeout)
    : wire_(w), timeout_(timeout) {
  if (a.has_login) {
    greeting login{{"AUTH"}};
    if (!a.user.empty()) login.words.push_back(a.user);
    login.words.push_back(a.password);
    add_greeting(std::move(login));
  }
  add_greeting({{"CLIENT", "SETNAME", "turnstile"}, false});
}

time_point dialogue::wake_at() const noexcept {
  return state_ == state::idle ? (time_point::max)() : due_;
}

void dialogue::start(time_point now) {
  if (state_ == state::idle) connect(now);
}

void dialogue::connect(time_point now) {
  state_ = state::connecting;
  due_ = now + timeout_;
  wire_.connect(attempts_++);
}

void dialogue::connected(time_point now) {
  state_ = state::greeting;
  owed_ = greeted_ = 0;
  for (const greeting& g : greetings_) send({g.words.begin(), g.words.end()}, now);
}

void dialogue::send(const std::vector<std::string_view>& words, time_point now) {
  if (owed_++ == 0) due_ = now + timeout_;
  wire_.send(words);
}

void dialogue::received(answer a, time_point now) {
  if (state_ == state::greeting) {
    due_ = now + timeout_;
    take_greeting(a, now);
  } else if (state_ == state::ready) {
    answered(std::move(a), now);
    if (state_ == state::ready) due_ = now + (owed_ ? 1 : silence) * timeout_;
  }
}

void dialogue::take_greeting(const answer& a, time_point now) {
  const greeting& g = greetings_[greeted_++];
  answer_counted();
  if (a.type == answer::kind::error && (g.is_needed || !is_refused_command(a.text)))
    return fail(a.text, now + longest_delay);
  greeted(g, a);
  if (greeted_ < greetings_.size()) return;
  state_ = state::ready;
  due_ = now + silence * timeout_;
  begin(now);
}

void dialogue::lost(const std::string& reason, time_point now) {
  fail(reason, now + std::exchange(delay_, (std::min)(2 * delay_, longest_delay)));
}

void dialogue::fail(const std::string& reason, time_point retry_at) {
  wire_.close();
  state_ = state::waiting;
  due_ = retry_at;
  wire_.report(reason);
  ended(reason);
}

void dialogue::tick(time_point now) {
  if (now < wake_at()) return;
  switch (state_) {
    case state::idle: return;
    case state::waiting: return connect(now);
    case state::connecting: return lost("the server cannot be reached in time", now);
    case state::greeting: return lost("the server does not answer", now);
    case state::ready:
      if (owed_) return lost("the server does not answer", now);
      return ping(now);
  }
}

}  // namespace turnstile::inline v1::detail::redis
