// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_ERROR_HPP
#define TURNSTILE_ERROR_HPP

#include <turnstile/detail/config.hpp>

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <type_traits>

namespace turnstile::inline v1 {

using boost::system::error_code;

/// The errors of a semaphore. A cancelled wait completes with `boost::asio::error::operation_aborted`
/// instead, as everywhere in Asio.
enum class errc {
  /// The semaphore is closed: no acquire succeeds any more.
  closed = 1,
  /// More permits were released than are in use at a bounded semaphore, or than `max()` has room for. Nothing
  /// was changed.
  over_release,
  /// More permits were requested than the limit of a bounded semaphore, a limit of a keyed one, or `max()` allows.
  exceeds_limit,
  /// The acquire would have had to wait, but as many were waiting as `max_waiting()`, or a bound of a keyed semaphore,
  /// allows. Nothing was taken.
  queue_full,
  /// A timed acquire was not granted before its time was up. Compares equal to
  /// `boost::system::errc::timed_out`.
  timed_out,
  /// The lease of a shared semaphore was lost, and with it the permits that were granted under it.
  lease_lost,
  /// The server of a shared semaphore cannot be reached, and its options say that acquires fail then.
  unreachable,
  /// The server cannot run this shared semaphore: the key holds something else, was written by another version of the script, or
  /// the server is too old.
  not_a_semaphore,
  /// A shared semaphore has no limit yet: its name is new, and its options bring none.
  no_limit
};

/// The category of `errc`; its `name()` is "turnstile".
TURNSTILE_API const boost::system::error_category& error_category() noexcept;

/// Makes an error code of an `errc`, so that `ec == turnstile::errc::closed` works.
inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), error_category()};
}

namespace detail {

// In the library, so that a release saves no registers for it.
[[noreturn]] TURNSTILE_API void throw_over_release();

}  // namespace detail

}  // namespace turnstile::inline v1

/// @cond
template <>
struct boost::system::is_error_code_enum<turnstile::errc> : std::true_type {};
/// @endcond

#endif
