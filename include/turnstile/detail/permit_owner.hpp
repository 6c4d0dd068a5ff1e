// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_PERMIT_OWNER_HPP
#define TURNSTILE_DETAIL_PERMIT_OWNER_HPP

#include <turnstile/detail/state_word.hpp>

#include <atomic>
#include <cstddef>

namespace turnstile::inline v1::detail {

// What a permit object refers to: the core of a semaphore, or a key of a keyed semaphore. Permits of a core never
// call a virtual function unless too many are given back. A key has a word without permits in use, so that
// all of its permits take that way.
class permit_owner : protected state_word {
 public:
  permit_owner(const permit_owner&) = delete;
  permit_owner& operator=(const permit_owner&) = delete;

  // Gives the n permits of a permit object back, not zero, or as many as are in use, and drops the object's
  // reference.
  inline void return_permits(std::size_t n) noexcept;

  // Adds the reference of one more permit object; drops that of one.
  virtual void add_object() noexcept = 0;
  virtual void drop_object() noexcept = 0;

 protected:
  explicit permit_owner(word w) noexcept : word_(w) {}
  virtual ~permit_owner() = default;

  // What return_permits() does if fewer than n permits are in use.
  virtual void return_otherwise(std::size_t n) noexcept = 0;

  mutable std::atomic<word> word_;  // see state_word.hpp
};

}  // namespace turnstile::inline v1::detail

#endif
