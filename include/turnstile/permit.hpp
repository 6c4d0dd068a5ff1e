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
permit make_permit(core& c, std::size_t n) noexcept;
}

/// Owns a number of permits of one semaphore and gives them back when it is destroyed.
///
/// What `basic_semaphore::async_acquire_permit` completes with and `try_acquire_permit` returns. A
/// permit is movable and not copyable; it may travel into a session, a container or another thread,
/// and whoever holds it last gives the permits back.
///
/// @par Errors
/// Giving back never fails and never throws: where it would pass the limit of a bounded semaphore
/// (somebody released permits he did not have), the count stays at the limit.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: unsafe. Permits of one semaphore may be used on any
/// threads at once, also while the semaphore is used, or destroyed, on others.
///
/// @par Lifetime
/// May outlive the semaphore and its execution context; giving back then does nothing.
///
/// @par Example
/// @code
/// {
///   turnstile::permit p = sem.try_acquire_permit(3);
///   p.release(1);  // two are left
///   turnstile::permit one = p.split(1);
///   start_session(std::move(one));  // whoever holds it last gives it back
/// }  // p gives back its one here, also where an exception leaves the scope
/// @endcode
class [[nodiscard]] permit {
 public:
  /// Constructs an empty permit: of no semaphore, with a count of zero.
  permit() noexcept = default;

  /// Takes over what the source owns; that is left empty.
  permit(permit&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), count_(std::exchange(other.count_, 0)) {}

  /// Takes over what the source owns, which is left empty, and gives back what this permit owned.
  permit& operator=(permit&& other) noexcept {
    permit(std::move(other)).swap(*this);
    return *this;
  }

  /// Gives all back.
  ~permit() {
    if (core_) release();
  }

  /// True where `count()` is not zero.
  explicit operator bool() const noexcept { return count_ != 0; }

  /// How many permits this object owns.
  std::size_t count() const noexcept { return count_; }

  /// Gives all back now. The permit is empty afterwards. Waiters that this serves are completed as if
  /// by `basic_semaphore::release`.
  void release() noexcept {
    // Empty first: what is given back may run user code that looks here.
    const std::size_t n = std::exchange(count_, 0);
    if (detail::core* const c = std::exchange(core_, nullptr)) {
      c->give_back(n);
      c->drop_reference();
    }
  }

  /// Gives n of them back.
  /// @throws std::invalid_argument where `n > count()`; nothing is changed.
  void release(std::size_t n) { split(n).release(); }

  /// Stops owning, and gives nothing back: the caller has the permits, and gives them back with
  /// `basic_semaphore::release`. @returns how many. The permit is empty afterwards.
  std::size_t forget() noexcept {
    const std::size_t n = std::exchange(count_, 0);
    if (detail::core* const c = std::exchange(core_, nullptr)) c->drop_reference();
    return n;
  }

  /// Takes n of the permits out into a permit of their own.
  /// @throws std::invalid_argument where `n > count()`; nothing is changed.
  [[nodiscard]] permit split(std::size_t n) {
    if (n > count_) throw std::invalid_argument("turnstile::permit: more than it holds");
    if (n == 0) return {};
    if (n == count_) return std::move(*this);
    core_->add_reference();
    count_ -= n;
    return {*core_, n};
  }

  /// Takes over what another permit of the same semaphore owns; that is left empty. Either may be
  /// empty.
  /// @throws std::invalid_argument where both are non-empty and of different semaphores; nothing is
  /// changed.
  void merge(permit&& other) {
    if (this == &other || !other) return;
    if (!*this) {
      swap(other);
      return;
    }
    if (core_ != other.core_)
      throw std::invalid_argument("turnstile::permit: of different semaphores");
    count_ += other.forget();
  }

 private:
  friend void swap(permit&, permit&) noexcept;
  friend permit detail::make_permit(detail::core&, std::size_t) noexcept;

  // Takes over a reference to c.
  permit(detail::core& c, std::size_t n) noexcept : core_(&c), count_(n) {}

  void swap(permit& other) noexcept {
    std::swap(core_, other.core_);
    std::swap(count_, other.count_);
  }

  detail::core* core_ = nullptr;  // a reference, unless null
  std::size_t count_ = 0;         // zero where core_ is null
};

inline void swap(permit& a, permit& b) noexcept { a.swap(b); }

namespace detail {

// A permit over n permits, not zero, that the caller has, with the caller's reference to c.
inline permit make_permit(core& c, std::size_t n) noexcept { return {c, n}; }

}  // namespace detail

}  // namespace turnstile::inline v1

#endif
