// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_ACQUIRABLE_HPP
#define TURNSTILE_ACQUIRABLE_HPP

#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <concepts>
#include <cstddef>

namespace turnstile::inline v1 {

namespace detail {

struct permit_handler {
  void operator()(error_code, permit) const {}
};

}  // namespace detail

/// What acquires like a semaphore: `basic_semaphore`, `basic_bounded_semaphore`, `basic_shared_semaphore`, a key of a
/// `basic_keyed_semaphore`, what `measured()` returns, and types of your own. `async_with_permit` takes all of them.
///
/// Such a type has a member type `executor_type` and the member functions `get_executor()`,
/// `try_acquire_permit()`, `try_acquire_permit(n)`, `async_acquire_permit(token)` and
/// `async_acquire_permit(n, token)`, with the meaning that they have for `basic_semaphore`. The permits may be of a type that is derived from `permit`, the same for all of these functions.
///
/// @tparam T the type.
template <typename T>
concept acquirable = requires(T& t, std::size_t n, detail::permit_handler handler) {
  typename T::executor_type;
  { t.get_executor() } -> std::convertible_to<typename T::executor_type>;
  { t.try_acquire_permit() } -> std::derived_from<permit>;
  { t.try_acquire_permit(n) } -> std::derived_from<permit>;
  t.async_acquire_permit(handler);
  t.async_acquire_permit(n, handler);
};

}  // namespace turnstile::inline v1

#endif
