// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_REDIS_DIALOGUE_HPP
#define TURNSTILE_SRC_REDIS_DIALOGUE_HPP

// The life of one connection to the server, without I/O and without a clock of its own:
//
//   idle -- start() --> connecting --> greeting --> ready
//                           ^              |          |     lost, refused, or silent for too long
//                           +-- waiting <--+----------+
//
// The server answers in the order of the commands. If it owes an answer and says nothing for the time-out, the
// connection is lost. If it owes none, it is asked for one after a while.

#include "redis/answer.hpp"

#include <turnstile/detail/redis_client.hpp>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace turnstile::inline v1::detail::redis {

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

// What a dialogue needs of its connection. Nothing calls back before it returns.
class wire {
 public:
  virtual void connect(
      unsigned attempt) = 0;  // then connected() or lost(), unless close() is called
  virtual void send(const std::vector<std::string_view>& words) = 0;
  virtual void close() noexcept = 0;
  virtual void report(const std::string& problem) = 0;

 protected:
  ~wire() = default;
};

class dialogue {
 public:
  // A connection that failed is made again after 10 ms, doubling to 250 ms. If the server refuses the
  // greeting, it is made again after the latter.
  static constexpr duration shortest_delay = std::chrono::milliseconds(10);
  static constexpr duration longest_delay = std::chrono::milliseconds(250);
  // After so many time-outs without a word, the server is asked for one.
  static constexpr int silence = 5;

  dialogue(const dialogue&) = delete;
  dialogue& operator=(const dialogue&) = delete;

  bool is_ready() const noexcept { return state_ == state::ready; }
  time_point wake_at() const noexcept;

  void start(time_point now);  // if it is idle
  void connected(time_point now);
  void received(answer, time_point now);
  void lost(const std::string& reason, time_point now);
  void tick(time_point now);

 protected:
  // A command with which a connection begins.
  struct greeting {
    std::vector<std::string> words;
    bool is_needed = true;  // otherwise the server need not have it
  };

  dialogue(wire& w, const redis_address& a, duration timeout);
  ~dialogue() = default;

  bool is_waiting() const noexcept { return state_ == state::waiting; }
  void add_greeting(greeting g) { greetings_.push_back(std::move(g)); }
  void send(const std::vector<std::string_view>& words, time_point now);
  // The server has done what it is for: the next delay is the shortest again.
  void succeeded() noexcept { delay_ = shortest_delay; }
  void unexpected_answer(time_point now) {
    lost("the server said something that is no answer", now);
  }

  virtual void greeted(const greeting&, const answer&) {}
  virtual void begin(time_point) = 0;             // it is ready
  virtual void answered(answer, time_point) = 0;  // while it is ready
  virtual void ended(const std::string& reason) = 0;
  virtual void ping(time_point) = 0;

  bool is_owed() const noexcept { return owed_ != 0; }
  void answer_counted() noexcept { --owed_; }
  wire& get_wire() noexcept { return wire_; }

 private:
  enum class state { idle, waiting, connecting, greeting, ready };

  void connect(time_point now);
  void take_greeting(const answer&, time_point now);
  void fail(const std::string& reason, time_point retry_at);

  wire& wire_;
  const duration timeout_;
  std::vector<greeting> greetings_;
  state state_ = state::idle;
  time_point
      due_;  // when the time in this state is up; if ready, since when the server is too silent
  duration delay_ = shortest_delay;
  std::size_t owed_ = 0;     // answers
  std::size_t greeted_ = 0;  // greetings that were answered
  unsigned attempts_ = 0;
};

}  // namespace turnstile::inline v1::detail::redis

#endif
