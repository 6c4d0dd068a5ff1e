// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_FLEET_MESSAGES_HPP
#define TURNSTILE_SRC_FLEET_MESSAGES_HPP

// What a member and the server say to each other. There is one kind of request, and every number in it is absolute:
// to execute it twice is to execute it once.

#include <cstdint>
#include <string>

namespace turnstile::inline v1::detail::fleet {

// Permits, microseconds, and numbers that grow. Redis's scripts count in doubles, so all stay below 2^53.
using number = std::int64_t;
inline constexpr number largest = (number(1) << 53) - 1;

// The member gives its lease up after two thirds, counted from when it sent the request. The server ends it after the
// whole, counted from when it executed the request, and a jump of its clock takes away a third at most. So the server
// never ends a lease that its member still counts on.
constexpr number given_up_after(number lease) { return lease / 3 * 2; }
constexpr number longest_step(number lease) { return lease / 3; }
constexpr number renewed_after(number lease) { return lease / 5; }

struct request {
  std::string id;                          // of the member; new for each object
  number serial = 0;                       // 1, 2, ...: the server executes none after a later one
  number epoch = 0, version = 0;           // of the latest news that the member has
  number lease = 0, slice = 0, limit = 0;  // used if the name has none yet; a limit of 0 is none
  number set_limit = 0;                    // the limit from now on; 0 leaves it as it is
  bool lost = false;                       // the member has given its lease up, and grants nothing
  number held = 0;                         // the share that it counts on, or counted on until then
  number debt = 0;                         // as the server said last
  number in_use = 0;
  number keep = 0;  // at most `held`: the member gives back the rest
  number want = 0;  // what is in use, and what waits
  number need = 0;  // if the head of the queue waits in vain: the share that it needs; else 0
  bool leave = false;
};

// What the server says about one member. Of one epoch, the latest version holds, in whatever order they arrive.
struct news {
  number epoch = 0;  // another one if another server has taken over
  number version = 0;
  number share = 0;
  number recall = 0;  // of the share: is not granted again, and is given back as it becomes free
  number debt = 0;    // of the recall: there was no room for it when the member claimed it
  number idle_wanted = 0;  // so many more, if they are idle
  number token = 0;        // grows with each grant of a share
  number limit = 0, lease = 0, slice = 0;
};

enum class status {
  ok,
  claimed,  // the server did not know of the share, and counts it from now on
  late,     // the server has executed this request, or a later one: it did nothing
  no_limit  // the name has no limit, and the request brings none
};

struct reply {
  number serial = 0;  // of the request
  fleet::status status = fleet::status::ok;
  fleet::news news;
  number learning_left = 0;  // so long the server grants nothing new, since it may have lost grants
};

}  // namespace turnstile::inline v1::detail::fleet

#endif
