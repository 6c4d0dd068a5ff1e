// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_WITH_PERMIT_HPP
#define TURNSTILE_WITH_PERMIT_HPP

#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>
#include <turnstile/semaphore.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>

#include <concepts>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

namespace detail {

// Acquires, runs the operation, gives the permits back; then completes. Asio's composed operations
// keep the work, the associated executor, allocator and cancellation slot of the handler throughout.
template <typename Semaphore, typename Operation, typename Signature>
class with_permit_op;

template <typename Semaphore, typename Operation, typename... Ts>
class with_permit_op<Semaphore, Operation, void(error_code, Ts...)> {
 public:
  template <typename O>
  with_permit_op(Semaphore& s, std::size_t n, O&& operation)
      : semaphore_(&s), permits_(n), operation_(std::forward<O>(operation)) {}

  // The first step.
  template <typename Self>
  void operator()(Self& self) {
    // What the acquire does not accept, the operation may.
    self.reset_cancellation_state(boost::asio::enable_total_cancellation());
    TURNSTILE_HANDLER_LOCATION((__FILE__, __LINE__, "async_with_permit"));
    semaphore_->async_acquire_permit(permits_, std::move(self));
  }

  // The end of the acquire, and the end of the operation. One template, for the operation may
  // complete with a permit as well.
  template <typename Self, typename... Args>
  void operator()(Self& self, error_code ec, Args&&... args) {
    if constexpr (std::is_same_v<void(Args...), void(permit)>) {
      if (acquiring_) {
        start(self, ec, std::forward<Args>(args)...);
        return;
      }
    }
    if constexpr (std::is_constructible_v<std::tuple<Ts...>, Args&&...>) {
      held_.release();
      self.complete(ec, std::forward<Args>(args)...);
    }
  }

 private:
  template <typename Self>
  void start(Self& self, error_code ec, permit p) {
    acquiring_ = false;
    // A cancellation that came too late for the acquire is in time for the operation.
    if (!ec && self.cancelled() != boost::asio::cancellation_type::none)
      ec = boost::asio::error::operation_aborted;
    if (ec) {
      p.release();
      self.complete(ec, std::decay_t<Ts>()...);
      return;
    }
    held_ = std::move(p);
    // Out of *this, which self takes along.
    Operation operation(std::move(operation_));
    TURNSTILE_HANDLER_LOCATION((__FILE__, __LINE__, "async_with_permit"));
    std::move(operation)(std::move(self));
  }

  Semaphore* semaphore_;
  std::size_t permits_;
  Operation operation_;
  permit held_;
  bool acquiring_ = true;
};

template <typename T>
concept a_semaphore = requires(T& s) {
  typename T::executor_type;
  { s.try_acquire_permit(std::size_t(1)) } -> std::same_as<permit>;
};

// A signature that Asio can tell: the operation takes a token, and has one signature.
template <typename Operation>
concept has_signature = boost::asio::is_async_operation<Operation>::value && requires {
  typename boost::asio::completion_signature_of<Operation>::type;
};

template <typename Signature>
struct without_noexcept {
  using type = Signature;
};
template <typename... Ts>
struct without_noexcept<void(Ts...) noexcept> {
  using type = void(Ts...);
};

template <typename Signature>
constexpr bool starts_with_error_code = false;
template <typename... Ts>
constexpr bool starts_with_error_code<void(error_code, Ts...)> = true;

// Of what is not a semaphore, any token: async_with_permit says what is wrong.
template <typename Semaphore>
struct default_token_of {
  using type = no_token;
};
template <a_semaphore Semaphore>
struct default_token_of<Semaphore> : default_token<typename Semaphore::executor_type> {};

}  // namespace detail

/// Runs one asynchronous operation while holding n permits.
///
/// Acquires the permits, starts the operation, and gives the permits back before the handler is
/// called. Where the acquire fails, the operation is never started.
///
/// @tparam Semaphore a `basic_semaphore` or `basic_bounded_semaphore`.
/// @tparam Operation what `operation` is.
/// @tparam Token a completion token for the signature.
/// @param sem the semaphore. It has to live until the operation is started.
/// @param n how many permits to hold.
/// @param operation an Asio operation that waits for its token: what `boost::asio::deferred`
/// returns, or any callable that takes a completion token and whose completion signature Asio can
/// tell (`boost::asio::completion_signature_of`). It is moved or copied into the composed operation.
/// @param token the completion token.
///
/// @par Signature
/// The operation's own, `void(turnstile::error_code, Ts...)`. Where the acquire fails: its error,
/// and value-initialised Ts, without references.
///
/// @par Executor
/// All steps run on the handler's associated executor, by default the semaphore's.
///
/// @par Cancellation
/// While it waits for the permits, as the acquire: terminal, partial and total. From then on, as the
/// operation. A cancellation that arrives between the grant and the start of the operation is kept:
/// the operation is not started, and the result is `boost::asio::error::operation_aborted`.
///
/// @par Errors
/// Those of the acquire (`operation_aborted`, `errc::closed`, `errc::exceeds_limit`), and those of
/// the operation. Where the initiation of the operation throws, the permits are given back, and the
/// exception leaves the handler's executor as an exception of a handler would.
///
/// @par Example
/// @code
/// turnstile::async_with_permit(
///     writers, boost::asio::async_write(socket, boost::asio::buffer(text), boost::asio::deferred),
///     [&](turnstile::error_code ec, std::size_t n) {
///       if (!ec) written += n;  // the permit has gone back
///     });
/// @endcode
template <typename Semaphore, typename Operation,
          typename Token = typename detail::default_token_of<Semaphore>::type>
decltype(auto) async_with_permit(Semaphore& sem, std::size_t n, Operation&& operation,
                                 Token&& token = Token()) {
  using operation_type = std::decay_t<Operation>;
  static_assert(detail::a_semaphore<Semaphore>,
                "turnstile: the first argument of async_with_permit is not a basic_semaphore or "
                "basic_bounded_semaphore");
  static_assert(detail::has_signature<operation_type>,
                "turnstile: Asio cannot tell the completion signature of the operation that "
                "async_with_permit is to run; it takes what boost::asio::deferred returns, or a "
                "function of a completion token that returns what the operation returns");
  using signature = typename detail::without_noexcept<
      typename boost::asio::completion_signature_of<operation_type>::type>::type;
  static_assert(detail::starts_with_error_code<signature>,
                "turnstile: the operation that async_with_permit is to run completes without an "
                "error_code; its signature has to be void(error_code, Ts...), so that the handler "
                "can be told of an acquire that failed");
  static_assert(
      detail::is_token_for<Token, signature>,
      "turnstile: async_with_permit takes a completion token for the signature of the "
      "operation: a handler that can be called with what the operation completes with, or "
      "use_awaitable and the like");
  return boost::asio::async_compose<Token, signature>(
      detail::with_permit_op<Semaphore, operation_type, signature>(
          sem, n, std::forward<Operation>(operation)),
      token, sem);
}

/// Runs one asynchronous operation while holding one permit. As the function for n permits.
/// @tparam Semaphore a `basic_semaphore` or `basic_bounded_semaphore`.
/// @tparam Operation what `operation` is.
/// @tparam Token a completion token for the signature.
template <typename Semaphore, typename Operation,
          typename Token = typename detail::default_token_of<Semaphore>::type>
  requires(!std::is_convertible_v<Operation, std::size_t> ||
           detail::has_signature<std::decay_t<Operation>>)
decltype(auto) async_with_permit(Semaphore& sem, Operation&& operation, Token&& token = Token()) {
  return turnstile::async_with_permit(sem, 1, std::forward<Operation>(operation),
                                      std::forward<Token>(token));
}

}  // namespace turnstile::inline v1

#endif
