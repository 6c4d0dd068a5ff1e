// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_TOKEN_HPP
#define TURNSTILE_DETAIL_TOKEN_HPP

// Completion tokens: which are accepted, which is the default, and how a coroutine goes on without waiting.

#include <turnstile/detail/asio_internals.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>

namespace turnstile::inline v1::detail {

// Asserted in the functions instead of required of them, for the sake of the message.
template <typename Token, typename Signature>
constexpr bool is_token_for =
#if defined(BOOST_ASIO_HAS_CONCEPTS)
    boost::asio::completion_token_for<Token, Signature>;
#else
    true;  // Asio cannot tell
#endif

// Whether an argument is meant as a number of permits. A handler may be convertible to bool, and so to a number.
template <typename T, typename Signature>
concept count_not_token = std::is_convertible_v<T, std::size_t>
#if defined(BOOST_ASIO_HAS_CONCEPTS)
                          && !is_token_for<T, Signature>
#endif
    ;

// What async_with_permit without a token gets if its first argument is no semaphore.
struct no_token {};

// The default token of the executor, or `deferred` if it has none. In newer versions of Asio, `deferred` is also
// the default token of every executor that names no other.
template <typename Executor>
struct default_token {
  using type = typename boost::asio::default_completion_token<Executor>::type;
};
template <typename Executor>
  requires std::is_void_v<typename boost::asio::default_completion_token<Executor>::type>
struct default_token<Executor> {
  using type = boost::asio::deferred_t;
};
template <typename Executor>
using default_token_t = typename default_token<Executor>::type;

template <typename Token>
constexpr bool is_use_awaitable = false;
template <typename Executor>
constexpr bool is_use_awaitable<asio::use_awaitable_t<Executor>> = true;

// Whether a coroutine that meets a free permit goes on at once. Not always: a coroutine that never waits
// would keep its thread from everything else. Measured, with two coroutines that work 1 ms for each permit:
// a timer on their context is late by 131 ms if they wait their turn every 128th time, 51 ms for every
// 32nd, 11 ms for every 8th; and the price of every 8th is within the noise of one acquire (66 ns).
inline bool goes_on_at_once() noexcept {
  static thread_local constinit unsigned char count = 0;
  return ++count % 8 != 0;
}

}  // namespace turnstile::inline v1::detail

#endif
