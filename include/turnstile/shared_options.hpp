// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SHARED_OPTIONS_HPP
#define TURNSTILE_SHARED_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <string>

namespace turnstile::inline v1 {

/// What a shared semaphore does after its lease was lost, until the server answers again.
enum class unreachable {
  /// It grants nothing. Acquires wait.
  stop,
  /// It goes on with its last share. More permits than the limit may then be in use, all processes taken together.
  keep,
  /// It grants nothing. Acquires that wait or would have to wait complete with `errc::unreachable`.
  fail
};

/// What a shared semaphore knows about its lease.
enum class lease_state {
  /// It has none: it has not needed one yet, has left since it was idle, or the server has not answered yet.
  joining,
  /// It has one.
  valid,
  /// It has one, and the server, which has restarted or lost its state, grants nothing new for up to a lease.
  learning,
  /// The last request failed. The lease that it has, if any, still counts.
  unreachable,
  /// It has lost its lease, and none since.
  lost,
  /// It has left for good.
  left
};

/// The options of a shared semaphore.
struct shared_options {
  /// The name by which processes share it: 1 to 128 letters, digits, and `_ . : / -`.
  std::string name{};
  /// The limit, if the name has none yet. 0: it has to have one.
  std::size_t limit = 0;
  /// How long a dead process keeps its share at most: from 1 second to 10 minutes. It is renewed every fifth of that, and
  /// given up after two thirds without an answer. If the name has members already, theirs is used.
  std::chrono::milliseconds lease{15000};
  /// How long the first acquire in the queue waits before it asks for more than its turn: from 1 ms to a tenth of the lease.
  std::chrono::milliseconds slice{10};
  /// How long permits that are not used stay with this process while no other wants them: up to `lease`.
  std::chrono::milliseconds linger{1000};
  /// What happens after the lease was lost.
  unreachable when_unreachable = unreachable::stop;
  /// Whether the clock is looked at before each grant, so that nothing is granted under a lease that has ended, even if the
  /// process was stopped meanwhile. Without it, a function that runs before the timer may get such a grant.
  bool check_every_grant = true;
};

}  // namespace turnstile::inline v1

#endif
