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
  /// It has no lease: it has not been used yet, it gave its lease up because it was idle, or the server has not given it one yet,
  /// whatever the reason.
  joining,
  /// It has a lease.
  valid,
  /// It has a lease, and the server, which has restarted or lost its state, grants nothing new for up to a lease.
  learning,
  /// The last request failed. If it has a lease, that is still valid.
  unreachable,
  /// It has lost its lease, and has not got a new one yet.
  lost,
  /// It has left for good.
  left
};

/// The options of a shared semaphore.
struct shared_options {
  /// The name by which processes share it: 1 to 128 letters, digits, and `_ . : / -`.
  std::string name{};
  /// The limit to set if the name has none yet. With 0, acquires complete with `errc::no_limit` in that case. If the name has another
  /// limit, that is used: `limit()` returns it, and the engine's `last_error()` says so once.
  std::size_t limit = 0;
  /// How long a dead process keeps its share at most: from 1 second to 10 minutes. The process renews its lease every fifth of this
  /// time, and gives it up two thirds after its last answered request. If other processes use the name already, their lease is used.
  std::chrono::milliseconds lease{15000};
  /// How long the first acquire in this process's queue waits before the process gets permits ahead of those that have waited less:
  /// from 1 ms to a tenth of the lease. Meanwhile the process asks the server once in each slice. If other processes use the name
  /// already, their slice is used.
  std::chrono::milliseconds slice{10};
  /// How long this process keeps permits that it does not use, if no other process wants them: once to twice this time. From 0 to
  /// `lease`.
  std::chrono::milliseconds linger{1000};
  /// What happens after the lease was lost.
  unreachable when_unreachable = unreachable::stop;
  /// Whether each grant looks at the clock, so that nothing is granted under a lease that has ended, even if the process was stopped
  /// meanwhile. If false, an acquire saves one read of the clock. But when a process goes on after it was stopped, acquires may be
  /// granted under a lease that has ended, until the timer of the lease has run. With `unreachable::keep`, no grant looks at the clock.
  bool check_every_grant = true;
};

}  // namespace turnstile::inline v1

#endif
