// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_FLEET_SERVER_HPP
#define TURNSTILE_SRC_FLEET_SERVER_HPP

// The server's half of a semaphore that many processes use: one function of the state and a request, which the script
// for Redis repeats line by line. src/fleet/README.md explains it.
//
// In Redis, the state of the semaphore NAME is one hash without a time to live, turnstile:{NAME}. sync.lua says more.
//
// Invariants, after each request:
//
//   used == the sum of all shares
//   used <= limit, unless shares were claimed or the limit was lowered; then no share grows but by claims
//   the share of a member is at least what the member counts on, until its lease ends
//   recall <= share, debt <= share, and turn is not 0 only if share < need

#include "fleet/messages.hpp"

#include <map>
#include <string>
#include <vector>

namespace turnstile::inline v1::detail::fleet {

struct session {
  number end = 0;      // of the lease, in virtual time
  number serial = 0;   // of the last request that was executed
  number epoch = 0;    // in which that was
  number version = 0;  // of the news about this member
  number token = 0;    // the version at which the share grew last
  number share = 0;    // counted against the limit
  number recall = 0;   // what the member is asked to give back of it
  number debt =
      0;  // what was claimed of it beyond the limit: is recalled from this member and no other
  number in_use = 0, want = 0, need = 0;  // as reported last
  number turn =
      0;  // the place among the starving members, whose share is below their need; 0 is none
  number turn_end = 0;  // the share reached the need a slice before; until then the turn lasts
};

struct state {
  number limit = 0;  // the first member's, until it is set
  number lease = 0;  // the first member's, until all have left
  number slice = 0;  // likewise
  number used = 0;   // the sum of all shares
  number now = 0;    // virtual time: moves with the requests, a third of a lease at most with each
  number wall = 0;   // the server's clock at the last request
  number learning_until = 0;  // in virtual time
  number version = 0;         // of the latest news and the latest token
  number epoch = 0;           // the version at which the present server took over
  number turns = 0;           // given out so far
  number idle_wanted = 0;     // what waits would like of the others' idle permits
  std::string run_id;         // of the server that executed the last request
  std::map<std::string, session> sessions;
};

// What a script can learn about the server that executes it.
struct server_facts {
  std::string run_id;  // new with each start, and another one on a replica
  number wall = 0;     // may jump
  number age = 0;      // since the start, by that clock
};

struct push {
  std::string id;
  fleet::news news;
};

struct result {
  fleet::reply reply;
  std::vector<push> pushes;  // for other members whose news have changed
};

result sync(state& s, const request& r, const server_facts& f);

}  // namespace turnstile::inline v1::detail::fleet

#endif
