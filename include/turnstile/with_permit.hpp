// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_WITH_PERMIT_HPP
#define TURNSTILE_WITH_PERMIT_HPP

#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>

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
      self.complete(ec, Ts()...);
      return;
    }
    held_ = std::move(p);
    // Out of *this, which self takes along.
    Operation operation(std::move(operation_));
    std::move(operation)(std::move(self));
  }

  Semaphore* semaphore_;
  std::size_t permits_;
  Operation operation_;
  permit held_;
  bool acquiring_ = true;
};

template <typename Operation>
concept operation_with_error_code =
    requires(typename boost::asio::completion_signature_of<Operation>::type* signature) {
      []<typename... Ts>(void (*)(error_code, Ts...)) {}(signature);
    };

template <typename Semaphore>
using default_token =
    typename boost::asio::default_completion_token<typename Semaphore::executor_type>::type;

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
/// and value-initialised Ts.
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
          typename Token = detail::default_token<Semaphore>>
auto async_with_permit(Semaphore& sem, std::size_t n, Operation&& operation,
                       Token&& token = Token()) {
  using operation_type = std::decay_t<Operation>;
  static_assert(detail::operation_with_error_code<operation_type>,
                "turnstile: async_with_permit takes an operation whose completion signature Asio "
                "can tell, and which starts with an error_code");
  using signature = typename boost::asio::completion_signature_of<operation_type>::type;
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
          typename Token = detail::default_token<Semaphore>>
  requires(!std::is_convertible_v<Operation, std::size_t>)
auto async_with_permit(Semaphore& sem, Operation&& operation, Token&& token = Token()) {
  return turnstile::async_with_permit(sem, 1, std::forward<Operation>(operation),
                                      std::forward<Token>(token));
}

}  // namespace turnstile::inline v1

#endif
