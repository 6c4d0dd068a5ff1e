// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_WITH_PERMIT_HPP
#define TURNSTILE_WITH_PERMIT_HPP

#include <turnstile/detail/signature.hpp>
#include <turnstile/detail/token.hpp>
#include <turnstile/detail/with_permit.hpp>
#include <turnstile/permit.hpp>
#include <turnstile/semaphore.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

namespace detail {

// Less than `acquirable`, which would have the compiler instantiate an acquire.
template <typename T>
concept a_semaphore = requires(T& s) {
  typename T::executor_type;
  { s.try_acquire_permit(std::size_t(1)) } -> std::derived_from<permit>;
};

// If the first argument is not a semaphore, any token: a static_assert says what is wrong.
template <typename Semaphore>
struct default_token_of {
  using type = no_token;
};
template <a_semaphore Semaphore>
struct default_token_of<Semaphore> : default_token<typename Semaphore::executor_type> {};

template <typename Token, typename Semaphore, typename Operation, typename... Signatures>
decltype(auto) with_permit(signature_list<Signatures...>, Semaphore& sem, std::size_t n,
                           Operation&& operation, Token& token) {
  static_assert(
      (begins_with_error<Signatures> || ...),
      "turnstile: the operation that async_with_permit is to run completes without an error, so "
      "its "
      "handler could not be told of a failed acquire; its signature has to be void(error_code, "
      "Ts...) or void(std::exception_ptr, Ts...)");
  static_assert(
      (is_token_for<Token, Signatures> && ...),
      "turnstile: async_with_permit takes a completion token for the signature of the operation: a "
      "handler that can be called with what the operation completes with, or use_awaitable and the "
      "like");
  using permit_type = decltype(sem.try_acquire_permit(n));
  // An acquire that has not started refers to what it acquires from, whatever that is.
  return asio::async_initiate<Token, Signatures...>(
      initiate_with_permit<typename Semaphore::executor_type, typename watch_of<permit_type>::type,
                           Signatures...>(sem.get_executor()),
      token, sem.async_acquire_permit(n, asio::deferred), std::forward<Operation>(operation));
}

}  // namespace detail

/// Runs one asynchronous operation while holding n permits.
///
/// Acquires n permits, starts the operation, and releases the permits when the operation has ended,
/// before it calls the handler. If the acquire fails, the operation is never started.
///
/// Completes when
/// @li the operation has ended: with the operation's result; or
/// @li the acquire has failed: with the error of the acquire; or
/// @li a cancellation arrived after the grant and before the start of the operation: with
///     `boost::asio::error::operation_aborted`.
///
/// Permits that are available are taken inside this call, unless the token is lazy, such as
/// `boost::asio::use_awaitable` or `boost::asio::deferred`, the default of most executors.
///
/// If the lease of a shared semaphore is lost, the operation gets a terminal cancellation, and `errc::lease_lost` takes
/// the place of its error. If it succeeds nevertheless, that is what the handler gets: so success does not mean that the
/// lease was valid until the end. The operation does not see its permit, and so has no token.
///
/// @tparam Semaphore a `basic_semaphore`, a `basic_bounded_semaphore`, a `basic_shared_semaphore`, a key of a
/// `basic_keyed_semaphore`, or another `acquirable` type.
/// @tparam Operation the type of `operation`.
/// @tparam Token a completion token for the signature.
/// @param sem the semaphore. It has to live until the acquire is initiated, which is later than this
/// call only for a lazy token such as `boost::asio::deferred` or `boost::asio::use_awaitable`. A key of a keyed
/// semaphore, and what `measured()` returns, only refer to the semaphore, and may be temporary objects.
/// @param n how many permits to hold.
/// @param operation what to run: an operation that waits for its completion token. That is what an
/// asynchronous function returns for the token `boost::asio::deferred`, or any function object that
/// takes a completion token and returns what the asynchronous function that it calls returns.
/// @param token the completion token.
///
/// @par Signature
/// That of the operation: `void(turnstile::error_code, Ts...)` or `void(std::exception_ptr, Ts...)`.
/// The second is the signature of a coroutine, `boost::asio::co_spawn(ex, coroutine,
/// boost::asio::deferred)`. The types may be any that a completion token takes, including `bool`,
/// references and permits. An operation may have several signatures; one of them has to begin with an
/// error.
///
/// @par If the acquire fails
/// The handler gets the error, or a `boost::system::system_error` with it as a `std::exception_ptr`.
/// Every other value is value-initialised. A type without a default constructor is constructed from
/// the semaphore's executor, or else from the handler's. So `async_accept` works: its handler gets a
/// socket that is not open. A program does not compile if a value can be made in neither way. If the
/// operation has several signatures, the first that can report the failure is used.
///
/// @par Lifetime of the operation
/// When the acquire is initiated, the operation is moved into the allocation below, or copied if it is
/// an lvalue. It stays at that address until it has ended and the call that started it has returned.
/// Then it is destroyed, the permits are released, and the handler is called, in this order. So a
/// function object may own the socket or the timer that it uses. A reference that the operation
/// completes with must not refer to the operation itself.
///
/// @par Executor
/// The operation is started, and the handler called, on the handler's associated executor, by default
/// the semaphore's. The handler is not called inside this call, unless it is bound to an immediate
/// executor that does so.
///
/// @par Cancellation
/// Until the permits are granted, terminal, partial and total cancellation end the acquire. If a
/// cancellation arrives after the grant and before the start of the operation, the operation is not started.
/// From then on the operation decides which types it supports. A cancellation that arrives while the
/// operation is being started is passed on to it afterwards.
/// An emission may come from another thread than that of the handler, during the acquire and between
/// the acquire and the operation. While the operation runs, that is safe if it is safe for the operation
/// alone, as it is for a timer, a socket or a channel. Asio's composed operations, such as
/// `async_read`, need a strand.
///
/// @par Memory
/// One allocation from the handler's associated allocator holds the operation and the handler, and is
/// freed before the handler is called.
///
/// @par Errors
/// @li `boost::asio::error::operation_aborted`: a cancellation ended the acquire, or came before the start of
///     the operation, or the semaphore was destroyed before the grant;
/// @li `errc::closed`: the semaphore is closed;
/// @li `errc::exceeds_limit`: n permits can never be granted;
/// @li `errc::queue_full`: the acquire would have had to wait, and as many as `max_waiting()` waited already;
/// @li `errc::lease_lost`: the lease of a shared semaphore was lost before the start of the operation, or while it ran;
/// @li the other errors of the semaphore's acquires: for a shared one, `errc::unreachable`, `errc::no_limit` and
///     `errc::not_a_semaphore`;
/// @li the errors of the operation.
///
/// If the initiation of the operation throws, the permits are released, and the exception leaves the
/// handler's executor like an exception of a handler. The handler is then destroyed without a call.
///
/// @par Example
/// @code
/// turnstile::async_with_permit(
///     writers, boost::asio::async_write(socket, boost::asio::buffer(text), boost::asio::deferred),
///     [&](turnstile::error_code ec, std::size_t n) {
///       if (!ec) written += n;  // the permit has gone back
///     });
/// @endcode
template <
    typename Semaphore, typename Operation,
    typename Token = typename detail::default_token_of<std::remove_reference_t<Semaphore>>::type>
decltype(auto) async_with_permit(Semaphore&& sem, std::size_t n, Operation&& operation,
                                 Token&& token = Token()) {
  using operation_type = std::decay_t<Operation>;
  static_assert(detail::a_semaphore<std::remove_reference_t<Semaphore>>,
                "turnstile: the first argument of async_with_permit is not a basic_semaphore, a "
                "basic_bounded_semaphore or a key of a keyed semaphore (limits[key])");
  static_assert(std::is_lvalue_reference_v<Semaphore> ||
                    std::is_copy_constructible_v<std::remove_reference_t<Semaphore>>,
                "turnstile: the semaphore of async_with_permit is a temporary object; it has to "
                "live until the acquire is initiated");
  static_assert(detail::has_signatures<operation_type>,
                "turnstile: Asio cannot tell the completion signature of the operation that "
                "async_with_permit is to run; it takes what boost::asio::deferred returns, or a "
                "function of a completion token that returns what the operation returns");
  return detail::with_permit<Token>(detail::signatures_of<operation_type>(), sem, n,
                                    std::forward<Operation>(operation), token);
}

/// Runs one asynchronous operation while holding one permit. Like the overload for n permits.
/// @tparam Semaphore a `basic_semaphore`, a `basic_bounded_semaphore`, a `basic_shared_semaphore`, a key of a
/// `basic_keyed_semaphore`, or another `acquirable` type.
/// @tparam Operation the type of `operation`.
/// @tparam Token a completion token for the signature.
template <
    typename Semaphore, typename Operation,
    typename Token = typename detail::default_token_of<std::remove_reference_t<Semaphore>>::type>
  requires(!std::is_convertible_v<Operation, std::size_t> ||
           detail::has_signatures<std::decay_t<Operation>>)
decltype(auto) async_with_permit(Semaphore&& sem, Operation&& operation, Token&& token = Token()) {
  return turnstile::async_with_permit(std::forward<Semaphore>(sem), 1,
                                      std::forward<Operation>(operation),
                                      std::forward<Token>(token));
}

}  // namespace turnstile::inline v1

#endif
