// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_WORLD_HPP
#define TURNSTILE_TEST_FLEET_WORLD_HPP

// Runs one scenario: processes, a server, a network that loses, doubles, delays and reorders messages, and a time that
// no participant sees. After each step it checks the invariants, and throws a `violation`.

#include "choices.hpp"
#include "fleet/server.hpp"
#include "process.hpp"
#include "scenario.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

namespace simulation {

struct violation : std::runtime_error {
  using runtime_error::runtime_error;
};

struct figures {
  std::uint64_t steps = 0, requests = 0, grants = 0, losses = 0;
};

class world {
 public:
  // With choices, they say what the network does, and random numbers only what is left.
  explicit world(const scenario& s, bool with_trace = false, choices* c = nullptr);
  figures run();

 private:
  using process_ptr = std::shared_ptr<process>;
  using action = std::function<void()>;

  // world.cpp: time, processes, and what happens to them
  void at(number when, action a);
  void run_until(number end);
  void happen(const event& e);
  process_ptr start(std::size_t member);
  void replace(std::size_t member, number after);
  void do_in(const process_ptr& p, const action& a);
  void pause(const process_ptr& p, number span);
  void step(const process_ptr& p);
  bool serve(const process_ptr& p);
  void acquire(const process_ptr& p, const waiter& w);
  void cancel(const process_ptr& p, bool head);
  void end(const process_ptr& p, std::list<operation>::iterator o);

  // network.cpp: messages and the server
  number delay();
  bool is_lost();  // a new message
  bool is_twice();
  bool is_reported();  // if it is lost
  bool is_faulty() const { return now_ < start_ + scenario_.end; }
  void transmit(const process_ptr& p, const fleet::request& r);
  void answer(const process_ptr& p, const fleet::reply& r);
  void send_push(const fleet::push& p);
  void arrive(const process_ptr& p, const fleet::request& r, number sent);
  void execute(const process_ptr& p, const fleet::request& r, number sent);
  void fail(const process_ptr& p, const fleet::request& r);
  void server_event(const event& e);
  void start_server();
  number wall() const { return now_ + wall_offset_; }

  // invariants.cpp
  void check_execution(const fleet::state& before, const fleet::request& r,
                       const fleet::result& result);
  void check_leases(const fleet::state& before, const fleet::request& r,
                    const fleet::result& result);
  void check_grant(const process& p, const waiter& w);
  void check_loss(const process& p, bool is_reported);
  void check_timer(const process& p);
  void check_all();
  void check_shares_are_fair();
  void check_end();
  void excuse(number span) { excused_until_ = std::max(excused_until_, now_ + span); }
  [[noreturn]] void violate(const std::string& what) const { throw violation(what); }
  void trace(const process* p, const std::string& what) const;
  number lease() const { return scenario_.members[0].lease; }

  const scenario& scenario_;
  const bool with_trace_;
  choices* const choices_;
  fate fate_ = fate::prompt;  // of the latest message, by choice
  random_numbers random_;

  struct timed {
    number when;
    std::uint64_t order;
    action what;
    bool operator<(const timed& o) const {
      return when != o.when ? when > o.when : order > o.order;
    }
  };
  std::priority_queue<timed> timeline_;
  std::uint64_t order_ = 0;
  number start_, now_;
  std::vector<process_ptr> processes_;  // the present one of each member
  std::size_t started_ = 0;

  fleet::state state_;
  std::deque<std::pair<number, fleet::state>> history_;  // states of the last lease
  std::string run_id_;
  std::size_t server_starts_ = 0;
  number server_started_at_ = 0;  // by its wall clock
  number wall_offset_;
  bool is_server_up_ = true;
  number server_paused_until_ = 0;

  // For the invariants.
  number allowed_ =
      0;  // so many inside: the limit, or the one before until the shares have followed
  number excused_until_ = 0;   // the state was lost in a way that allows more
  number state_lost_at_ = -1;  // the server may know less of members that it has not heard since
  number latest_wall_ = 0;
  bool tokens_grow_ = true;
  number latest_token_ = 0;   // of all grants of a share
  std::string last_granted_;  // with a limit of 1: the member whose token was granted last
  number last_token_ = 0;
  std::map<std::string, number> most_granted_;  // of the share, to each member
  std::map<std::string, number>
      heard_from_;  // when the latest request of each member that was executed was sent
  figures figures_;
};

}  // namespace simulation

#endif
