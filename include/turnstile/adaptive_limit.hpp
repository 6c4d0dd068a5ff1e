// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_ADAPTIVE_LIMIT_HPP
#define TURNSTILE_ADAPTIVE_LIMIT_HPP

#include <turnstile/detail/adaptive_state.hpp>
#include <turnstile/detail/config.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>

namespace turnstile::inline v1 {

/// Looks for the limit at which an upstream works best.
///
/// A limit that is too low leaves the upstream idle. One that is too high makes requests wait inside the
/// upstream, where they can be neither cancelled nor ordered. This class looks for the limit between the
/// two. A *hold* is the time from the grant of a permit to its release. You report each hold when it ends, and set
/// the semaphore to the limit that the call returns.
///
/// The class has no clock, no lock and no executor, and does not know semaphores. It needs no header of Asio.
///
/// @par How it works
/// From time to time the class lowers the limit for a moment and watches the hold time. If it falls too,
/// requests were waiting in a queue inside the upstream. If not, it is the service's own time. It starts with a
/// search: it halves the limit until that makes no difference, then raises it quickly until the upstream has a
/// queue. From then on it aims at c + sqrt(c), where c is the number of requests that the upstream can serve at
/// once. `src/adaptive_limit.md` has the rules and a simulation.
///
/// @par What it guarantees
/// @li The limit is always in [`lowest`, `highest`].
/// @li The limit changes at most once in a window. A window lasts for `settings::window` or longer, until
///     enough holds have ended.
/// @li The limit changes only in windows in which it was reached: something waited, or as many permits
///     as the limit were in use. So it stays as it is while there is little to do.
/// @li Only holds that started after the last change of the limit count.
///
/// @par Complexity
/// Every function takes constant time, and none allocates memory.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: `waited()` and `limit()` may be called at any time. Calls of
/// `ended()` must not overlap each other: call it on one strand, or under a mutex.
///
/// @par Example
/// @code
/// turnstile::adaptive_limit adaptive({.initial = 8, .lowest = 2, .highest = 200});
/// turnstile::bounded_semaphore upstream(io, adaptive.limit());
///
/// // When a request has ended, which began at `start` with that many in use:
/// upstream.set_limit(adaptive.ended(start, std::chrono::steady_clock::now(), in_use,
///                                   turnstile::adaptive_limit::outcome::succeeded));
/// @endcode
class adaptive_limit {
 public:
  /// When a hold started or ended.
  using time_point = std::chrono::steady_clock::time_point;

  /// What an `adaptive_limit` starts with.
  struct settings {
    /// The limit at the start.
    std::size_t initial = 8;
    /// The limit never falls below this value, which is at least 1.
    std::size_t lowest = 1;
    /// The limit never rises above this value, which is at least `initial`. A semaphore takes at most `semaphore::max()`.
    std::size_t highest = 1000;
    /// How long a window lasts at least.
    std::chrono::nanoseconds window = std::chrono::milliseconds(250);
    /// A hold that succeeded counts as overloaded if it took longer than this.
    std::chrono::nanoseconds tolerable = (std::chrono::nanoseconds::max)();
  };

  /// How a hold ended.
  enum class outcome {
    /// The upstream answered. A request that failed for a reason of its own counts, too, if it took as much
    /// work as others.
    succeeded,
    /// The upstream refused the request because it has too much to do, or did not answer in time.
    overloaded,
    /// The hold says nothing about the upstream: the client cancelled it, for example.
    ignored
  };

  /// Starts with the default settings.
  TURNSTILE_API adaptive_limit();

  /// Starts with these settings.
  /// @throws std::invalid_argument if `lowest` is zero, `initial` is not in [`lowest`, `highest`], or `window`
  /// or `tolerable` is not positive.
  TURNSTILE_API explicit adaptive_limit(const settings& s);

  adaptive_limit(const adaptive_limit&) = delete;
  adaptive_limit& operator=(const adaptive_limit&) = delete;

  /// Reports that an acquire had to wait, or was refused: the limit was reached.
  void waited() noexcept {
    if (!waited_.load(std::memory_order_relaxed)) waited_.store(true, std::memory_order_relaxed);
  }

  /// Reports that a hold has ended.
  ///
  /// All values are taken: an end before the start counts as a hold of no time.
  ///
  /// @param start when the permit was granted, not when it was asked for.
  /// @param end when it was given back.
  /// @param in_use_at_start how many permits were in use just after the grant, this one included.
  /// @param o how the hold ended.
  /// @returns the limit from now on.
  TURNSTILE_API std::size_t ended(time_point start, time_point end, std::size_t in_use_at_start,
                                  outcome o) noexcept;

  /// Returns the limit.
  std::size_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }

 private:
  settings settings_;
  detail::adaptive_state state_;
  // Read by other threads, with nothing that depends on them.
  std::atomic<std::size_t> limit_;
  std::atomic<bool> waited_{false};
};

}  // namespace turnstile::inline v1

#endif
