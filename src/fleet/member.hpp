// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_FLEET_MEMBER_HPP
#define TURNSTILE_SRC_FLEET_MEMBER_HPP

// One process's half of a semaphore that many processes use: its lease, and the share of the limit under it. Without
// I/O, and without a clock or a queue of its own. src/fleet/README.md explains it.
//
// Its owner has the local queue of waiters. After each call of another function, when the local queue calls for it
// (see `local`), and at `wake_at`, the owner calls step() and does what that says. `now` is in microseconds of a clock
// that runs on while the machine sleeps. Calls come from one thread at a time.
//
// Invariants:
//
//   usable <= the share that the server counts for this member, until the deadline
//   usable <= keep of every request that was sent after the last one that was answered
//   while something waits or is in use, or the lease is valid, wake_at is a time

#include "fleet/messages.hpp"

#include <turnstile/shared_options.hpp>

#include <optional>
#include <string>

namespace turnstile::inline v1::detail::fleet {

using turnstile::lease_state;
using turnstile::unreachable;

struct options {
  std::string id;
  number limit = 0;
  number lease = 15'000'000, slice = 10'000, linger = 1'000'000;
  fleet::unreachable when_unreachable = fleet::unreachable::stop;
};

// The local queue, as it is now. The owner calls step() when the first waiter comes, when the last one leaves, and
// when in_use falls while it is above what is usable.
struct local {
  number in_use = 0;
  number want = 0;        // in_use, and the permits for which acquires wait
  number head = 0;        // the permits that the head of the queue needs; 0 if none waits
  number head_since = 0;  // when it became the head
};

struct orders {
  std::optional<request> send;
  number usable = 0;    // grant while no more than so many are in use, until the deadline
  bool again = false;   // once that is done, call step() again
  bool lost = false;    // the lease is over, and with it every permit that was granted under it
  bool refuse = false;  // acquires fail instead of waiting
  number wake_at = largest;
};

class member {
 public:
  explicit member(options o);

  orders step(number now, const local& l);
  void answered(number now, const reply& r);
  void pushed(const news& n) { hear(n); }
  void failed(number now, number serial);  // the request may have been executed, or may be yet
  void set_limit(number limit) { new_limit_ = limit; }
  void leave() { leaving_ = true; }  // the owner lets no acquire in from now on

  // To be asked before each grant: how long the process was stopped, only the clock knows.
  bool may_grant(number now) const;

  lease_state state(number now) const;
  number deadline() const { return valid_ ? deadline_ : 0; }
  number share() const { return share_; }
  number debt() const { return debt_; }  // so much of the share is only claimed
  number limit() const { return limit_; }
  number token() const { return token_; }
  number learning_until() const { return learning_until_; }
  bool has_new_limit() const { return new_limit_ > 0; }  // that the server has not confirmed

 private:
  bool counts_on_share() const;
  number held(const local& l) const;
  number keep(const local& l, number idle_wanted) const;
  number usable() const;
  bool has_left() const { return leaving_ && !valid_; }
  bool leaves_next(number now, const local& l) const;
  number due(const local& l) const;
  request make_request(number now, const local& l);
  void note_use(number now, const local& l);
  void end_if_due(number now);
  bool report_end(const local& l);
  void hear(const news& n);

  const options options_;
  number lease_, slice_;
  number epoch_ = 0, version_ = 0, limit_ = 0, share_ = 0, recall_ = 0, debt_ = 0, idle_wanted_ = 0,
         token_ = 0;  // the latest news
  number learning_until_ = 0;

  bool valid_ = false;  // there is a lease, unless the deadline has passed since the last step()
  bool lost_ = false;   // there was one, and none since
  // One has ended, which the next step() reports if anything was held under it.
  bool has_ended_ = false;
  bool had_share_ = false;
  bool has_joined_ = false;
  bool is_fresh_ = false;  // the share has grown since the last step()
  bool leaving_ = false;
  number deadline_ = 0;
  number renew_at_ = 0;

  request sent_;  // the last request
  number sent_at_ = 0;
  bool in_flight_ = false;  // neither answered nor given up
  bool unanswered_ = false;
  number ceiling_ = largest;  // the least that unanswered requests said to keep
  number retry_at_ = 0, backoff_ = 0;

  number new_limit_ = 0;
  number recent_use_ = 0, earlier_use_ = 0,
         use_until_ = 0;          // the most that was wanted, in two spans of linger
  number needed_at_ = 0;          // when something was held or wanted last
  number offered_at_ = -largest;  // when a request last gave idle permits back for others
};

}  // namespace turnstile::inline v1::detail::fleet

#endif
