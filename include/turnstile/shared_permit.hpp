// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SHARED_PERMIT_HPP
#define TURNSTILE_SHARED_PERMIT_HPP

#include <turnstile/detail/shared_core.hpp>
#include <turnstile/permit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace turnstile::inline v1 {

class shared_permit;

/// Exchanges what two permits own.
void swap(shared_permit& a, shared_permit& b) noexcept;

namespace detail {
template <typename Permit>
struct watch_of;
struct loss_watch;
// Here, so that every use of a shared_permit sees it.
template <>
struct watch_of<shared_permit> {
  using type = loss_watch;
};

shared_permit make_shared_permit(permit&& p, const grant_mark& m) noexcept;
const grant_mark& mark_of(const shared_permit& p) noexcept;

// Of a permit that is not empty.
inline shared_core& shared_core_of(const permit& p) noexcept {
  return static_cast<shared_core&>(static_cast<waiter_gate*>(owner_of(p))->get_core());
}
}

/// Owns a number of permits of one shared semaphore, and releases them when it is destroyed.
///
/// A `permit`, with two more functions. It can be moved to a `permit`, and then is one, without these two.
///
/// @par Lifetime
/// May outlive the semaphore and its execution context. While the context lives, the lease is renewed until the permits
/// have come back.
class [[nodiscard]] shared_permit : public permit {
 public:
  /// Constructs an empty permit.
  shared_permit() noexcept = default;

  /// Returns the number of the grant by which this process got its share. Later grants have larger numbers. With a limit of 1, a
  /// resource that refuses a smaller number than it has seen is protected from processes that lost their lease. With a larger limit,
  /// several numbers are valid at once, so this does not protect. Merged permits have the smallest of their numbers.
  std::uint64_t token() const noexcept { return mark_.token; }

  /// Returns whether the lease that the permits were granted under is valid. This looks at the clock. False for an empty
  /// permit.
  bool valid() const noexcept { return *this && detail::shared_core_of(*this).is_valid(mark_); }

  /// Moves n of the permits to a permit of their own.
  /// @throws std::invalid_argument if `n > count()`; then nothing is changed.
  [[nodiscard]] shared_permit split(std::size_t n) { return {permit::split(n), mark_}; }

  /// Takes over what another permit of the same semaphore owns, and leaves it empty. Either may be empty.
  /// @throws std::invalid_argument if both are non-empty and of different semaphores; then nothing is changed.
  void merge(shared_permit&& other) {
    if (this == &other || !other) return;
    const bool was_empty = !*this;
    permit::merge(std::move(other));
    if (was_empty) {
      mark_ = other.mark_;
    } else {
      mark_.lease = (std::min)(mark_.lease, other.mark_.lease);
      mark_.token = (std::min)(mark_.token, other.mark_.token);
    }
  }

 private:
  friend void swap(shared_permit&, shared_permit&) noexcept;
  friend const detail::grant_mark& detail::mark_of(const shared_permit&) noexcept;
  friend shared_permit detail::make_shared_permit(permit&&, const detail::grant_mark&) noexcept;

  shared_permit(permit&& p, const detail::grant_mark& m) noexcept
      : permit(std::move(p)), mark_(m) {}

  detail::grant_mark mark_;
};

inline void swap(shared_permit& a, shared_permit& b) noexcept {
  swap(static_cast<permit&>(a), static_cast<permit&>(b));
  std::swap(a.mark_, b.mark_);
}

namespace detail {

inline const grant_mark& mark_of(const shared_permit& p) noexcept { return p.mark_; }

inline shared_permit make_shared_permit(permit&& p, const grant_mark& m) noexcept {
  return {std::move(p), m};
}

}  // namespace detail

}  // namespace turnstile::inline v1

#include <turnstile/detail/loss_relay.hpp>  // for async_with_permit

#endif
