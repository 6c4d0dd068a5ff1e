// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_SIGNATURE_HPP
#define TURNSTILE_DETAIL_SIGNATURE_HPP

// The completion signatures of an asynchronous operation, and how its handler gets the error if the operation
// never started.

#include <turnstile/error.hpp>

#include <boost/asio/async_result.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

template <typename... Signatures>
struct signature_list {};

// A signature without its qualifiers (`&`, `&&`, `noexcept`). They say how an operation calls its handler, and
// several of Asio's tokens do not take them.
template <typename Signature>
struct unqualified;
template <typename R, typename... Ts, bool Noexcept>
struct unqualified<R(Ts...) noexcept(Noexcept)> {
  using type = void(Ts...);
};
template <typename R, typename... Ts, bool Noexcept>
struct unqualified<R(Ts...) & noexcept(Noexcept)> {
  using type = void(Ts...);
};
template <typename R, typename... Ts, bool Noexcept>
struct unqualified<R(Ts...) && noexcept(Noexcept)> {
  using type = void(Ts...);
};

// A completion token: an operation that is given one returns its signatures, and starts nothing. Asio's own
// completion_signature_of takes only operations with a single signature in Boost 1.81.
struct signature_probe {};

template <typename Operation>
using signatures_of = decltype(std::declval<Operation>()(std::declval<signature_probe>()));

template <typename T>
constexpr bool is_signature_list = false;
template <typename... Signatures>
constexpr bool is_signature_list<signature_list<Signatures...>> = true;

template <typename Operation>
concept has_signatures = requires { requires is_signature_list<signatures_of<Operation>>; };

// ---- The report of a failed acquire -----------------------------------------------------------

template <typename T>
constexpr bool is_error = std::is_same_v<std::remove_cvref_t<T>, error_code> ||
                          std::is_same_v<std::remove_cvref_t<T>, std::exception_ptr>;

template <typename Signature>
constexpr bool begins_with_error = false;
template <typename First, typename... Ts>
constexpr bool begins_with_error<void(First, Ts...)> = is_error<First>;

// Whether there can be a value of type T without an operation that produces it: by default, or from one
// of the executors, as I/O objects are.
template <typename T, typename... Executors>
constexpr bool can_be_made =
    std::is_default_constructible_v<T> || (std::is_constructible_v<T, const Executors&> || ...);

// Whether a failed acquire can be reported to a handler with this signature.
template <typename Signature, typename... Executors>
constexpr bool can_report = false;
template <typename First, typename... Ts, typename... Executors>
constexpr bool can_report<void(First, Ts...), Executors...> =
    is_error<First> && (can_be_made<std::remove_cvref_t<Ts>, Executors...> && ...);

template <typename T>
struct stand_in {
  template <typename... Executors>
    requires std::is_default_constructible_v<T>
  explicit stand_in(const Executors&...) : value() {}

  template <typename Executor, typename... Executors>
    requires(!std::is_default_constructible_v<T> && std::is_constructible_v<T, const Executor&>)
  explicit stand_in(const Executor& ex, const Executors&...) : value(ex) {}

  template <typename Executor, typename... Executors>
    requires(!std::is_default_constructible_v<T> && !std::is_constructible_v<T, const Executor&>)
  explicit stand_in(const Executor&, const Executors&... others) : stand_in(others...) {}

  T value;
};

template <typename Error>
Error make_error(error_code ec) {
  if constexpr (std::is_same_v<Error, error_code>)
    return ec;
  else
    return std::make_exception_ptr(boost::system::system_error(ec));
}

// Calls the handler with ec and a stand-in for each of the other values.
template <typename Handler, typename First, typename... Ts, typename... Executors>
void report(Handler&& handler, void (*)(First, Ts...), error_code ec, const Executors&... ex) {
  auto error = detail::make_error<std::remove_cvref_t<First>>(ec);
  [&](auto&&... values) {
    std::move(handler)(static_cast<First&&>(error), static_cast<Ts&&>(values.value)...);
  }(stand_in<std::remove_cvref_t<Ts>>(ex...)...);
}

}  // namespace turnstile::inline v1::detail

/// @cond
template <typename... Signatures>
class boost::asio::async_result<turnstile::detail::signature_probe, Signatures...> {
 public:
  using return_type = turnstile::detail::signature_list<
      typename turnstile::detail::unqualified<Signatures>::type...>;

  template <typename Initiation, typename... Args>
  static return_type initiate(Initiation&&, turnstile::detail::signature_probe, Args&&...) {
    return {};
  }
};
/// @endcond

#endif
