// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_PERMIT_HPP
#define TURNSTILE_PERMIT_HPP

#include <turnstile/detail/core.hpp>

#include <cstddef>
#include <stdexcept>
#include <utility>

namespace turnstile::inline v1 {

class permit;

/// Exchanges what two permits own.
void swap(permit& a, permit& b) noexcept;

namespace detail {
permit make_permit(permit_owner& o, std::size_t n) noexcept;
template <typename Owner>
void forget_permit_of(permit& p) noexcept;
permit_owner* owner_of(const permit& p) noexcept;
}

/// Owns a number of permits of one semaphore, and releases them when it is destroyed.
///
/// `basic_semaphore::async_acquire_permit` completes with a permit, and `try_acquire_permit` returns one. A
/// permit can be moved and not copied. Move it into a session, a container or another thread: its last
/// owner releases it.
///
/// @par Errors
/// Releasing a permit never fails and never throws. If it would pass the limit of a bounded semaphore,
/// or `max()`, because another caller released permits that it did not hold, the count stays there.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: unsafe. Permits of one semaphore may be used on several threads
/// at once, also while the semaphore is used or destroyed on others.
///
/// @par Lifetime
/// May outlive the semaphore and its execution context. Releasing it then does nothing.
///
/// @par Example
/// @code
/// {
///   turnstile::permit p = sem.try_acquire_permit(3);
///   p.release(1);  // two are left
///   turnstile::permit one = p.split(1);
///   start_session(std::move(one));  // its last owner releases it
/// }  // p releases its one here, also if an exception leaves the scope
/// @endcode
class [[nodiscard]] permit {
 public:
  /// Constructs an empty permit: of no semaphore, with a count of zero.
  permit() noexcept = default;

  /// Takes over what the source owns, and leaves it empty.
  permit(permit&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), count_(std::exchange(other.count_, 0)) {}

  /// Takes over what the source owns, leaves it empty, and releases what this permit owned before.
  permit& operator=(permit&& other) noexcept {
    permit(std::move(other)).swap(*this);
    return *this;
  }

  /// Releases all permits that this object owns.
  ~permit() {
    if (owner_) release();
  }

  /// Returns whether `count()` is not zero.
  explicit operator bool() const noexcept { return count_ != 0; }

  /// Returns how many permits this object owns.
  std::size_t count() const noexcept { return count_; }

  /// Releases all now, as `basic_semaphore::release` does. The permit is empty afterwards.
  void release() noexcept {
    // Empty first: the release may run user code that looks here.
    const std::size_t n = std::exchange(count_, 0);
    if (detail::permit_owner* const o = std::exchange(owner_, nullptr)) o->return_permits(n);
  }

  /// Releases n of the permits now, and keeps the others.
  /// @throws std::invalid_argument if `n > count()`; then nothing is changed.
  void release(std::size_t n) { split(n).release(); }

  /// Stops owning without releasing: the permits belong to the caller, which releases them with
  /// `basic_semaphore::release`. @returns how many. The permit is empty afterwards.
  std::size_t forget() noexcept {
    const std::size_t n = std::exchange(count_, 0);
    if (detail::permit_owner* const o = std::exchange(owner_, nullptr)) o->drop_object();
    return n;
  }

  /// Moves n of the permits to a permit of their own.
  /// @throws std::invalid_argument if `n > count()`; then nothing is changed.
  [[nodiscard]] permit split(std::size_t n) {
    if (n > count_) throw std::invalid_argument("turnstile::permit: more than it holds");
    if (n == 0) return {};
    if (n == count_) return std::move(*this);
    owner_->add_object();
    count_ -= n;
    return {*owner_, n};
  }

  /// Takes over what another permit of the same semaphore owns, and leaves it empty. Either may be empty.
  /// @throws std::invalid_argument if both are non-empty and of different semaphores; then nothing is
  /// changed.
  void merge(permit&& other) {
    if (this == &other || !other) return;
    if (!*this) {
      swap(other);
      return;
    }
    if (owner_ != other.owner_)
      throw std::invalid_argument("turnstile::permit: of different semaphores");
    count_ += other.forget();
  }

 private:
  friend void swap(permit&, permit&) noexcept;
  friend permit detail::make_permit(detail::permit_owner&, std::size_t) noexcept;
  template <typename Owner>
  friend void detail::forget_permit_of(permit&) noexcept;
  friend detail::permit_owner* detail::owner_of(const permit&) noexcept;

  // Takes over a reference to o.
  permit(detail::permit_owner& o, std::size_t n) noexcept : owner_(&o), count_(n) {}

  void swap(permit& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(count_, other.count_);
  }

  detail::permit_owner* owner_ = nullptr;  // a reference, unless null
  std::size_t count_ = 0;                  // zero if owner_ is null
};

inline void swap(permit& a, permit& b) noexcept { a.swap(b); }

namespace detail {

// A permit over n permits, not zero, that the caller has, with the caller's reference to o.
inline permit make_permit(permit_owner& o, std::size_t n) noexcept { return {o, n}; }

inline permit_owner* owner_of(const permit& p) noexcept { return p.owner_; }

// What p.forget() does, for a permit that is empty or of that kind of owner.
template <typename Owner>
inline void forget_permit_of(permit& p) noexcept {
  p.count_ = 0;
  if (permit_owner* const o = std::exchange(p.owner_, nullptr))
    static_cast<Owner*>(o)->drop_reference();
}

}  // namespace detail

}  // namespace turnstile::inline v1

#endif
