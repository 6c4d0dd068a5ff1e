// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_STATISTICS_HPP
#define TURNSTILE_STATISTICS_HPP

#include <turnstile/acquirable.hpp>
#include <turnstile/detail/measured_handler.hpp>
#include <turnstile/detail/token.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>
#include <turnstile/wait_statistics.hpp>

#include <boost/asio/async_result.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <utility>

namespace turnstile::inline v1 {

/// A semaphore of which every acquire is counted and timed. `measured()` makes it.
///
/// The functions do what the functions of the same names do for the semaphore, with the same completion
/// tokens, executors, allocators and cancellation, and without a further allocation. With `use_awaitable`, a
/// coroutine that meets free permits gives others a turn first, as it does with `deferred`.
///
/// An acquire is timed from its initiation until its handler is called. So a deferred operation is timed from
/// when it is started. An acquire whose handler is destroyed instead of called is not counted. A successful
/// `try_acquire` or `try_acquire_permit` counts as granted without a wait. A failed one is not counted.
///
/// This object may be copied, and destroyed while acquires wait. The semaphore has to live, and stay in its
/// place, as for its own acquires. A semaphore that can be copied, such as a key of a keyed semaphore, is taken for a
/// reference to one: it is copied, and may be a temporary object. The statistics have to live until all
/// acquires have ended.
///
/// @tparam Semaphore the type of the semaphore. It has to have those functions that are called here.
template <typename Semaphore>
class measured_semaphore {
  template <typename Acquire>
  using initiation = detail::initiate_measured<Semaphore, wait_statistics, Acquire>;

  detail::semaphore_handle<Semaphore> sem_;
  wait_statistics* stats_;

 public:
  /// The type of the semaphore's executor.
  using executor_type = typename Semaphore::executor_type;
  /// The type of the semaphore's permits: `permit`, or a type that is derived from it, such as `shared_permit`.
  using permit_type = decltype(std::declval<Semaphore&>().try_acquire_permit());

  /// Measures this semaphore.
  measured_semaphore(Semaphore& sem, wait_statistics& stats) : sem_(sem), stats_(&stats) {}

  /// Returns the semaphore's executor.
  executor_type get_executor() const noexcept { return sem_->get_executor(); }

  /// Acquires one permit asynchronously.
  /// @tparam Token a completion token for `void(turnstile::error_code)`.
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire(Token&& token = Token()) const {
    return async_acquire(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously.
  /// @tparam Token a completion token for `void(turnstile::error_code)`.
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire(std::size_t n, Token&& token = Token()) const {
    return initiate<detail::acquire, void(error_code), Token>(token, n);
  }

  /// Acquires one permit asynchronously. The permit releases itself.
  /// @tparam Token a completion token for `void(turnstile::error_code, permit_type)`.
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, permit_type)>)
  decltype(auto) async_acquire_permit(Token&& token = Token()) const {
    return async_acquire_permit(std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously. The permits release themselves.
  /// @tparam Token a completion token for `void(turnstile::error_code, permit_type)`.
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit(std::size_t n, Token&& token = Token()) const {
    return initiate<detail::acquire_permit, void(error_code, permit_type), Token>(token, n);
  }

  /// Acquires one permit asynchronously, or gives up after a time.
  /// @tparam Token a completion token for `void(turnstile::error_code)`.
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience,
                                   Token&& token = Token()) const {
    return async_acquire_for(patience, std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, or gives up after a time.
  /// @tparam Token a completion token for `void(turnstile::error_code)`.
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience, std::size_t n,
                                   Token&& token = Token()) const {
    return initiate<detail::acquire_for, void(error_code), Token>(token, patience, n);
  }

  /// Acquires one permit asynchronously, or gives up after a time. The permit releases itself.
  /// @tparam Token a completion token for `void(turnstile::error_code, permit_type)`.
  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, permit_type)>)
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          Token&& token = Token()) const {
    return async_acquire_permit_for(patience, std::size_t(1), std::forward<Token>(token));
  }

  /// Acquires n permits asynchronously, or gives up after a time. The permits release themselves.
  /// @tparam Token a completion token for `void(turnstile::error_code, permit_type)`.
  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          std::size_t n, Token&& token = Token()) const {
    return initiate<detail::acquire_permit_for, void(error_code, permit_type), Token>(token,
                                                                                      patience, n);
  }

  /// Takes n permits if that is possible at once. @returns whether they were taken.
  [[nodiscard]] bool try_acquire(std::size_t n = 1) const noexcept(noexcept(sem_->try_acquire(n))) {
    const bool taken = sem_->try_acquire(n);
    if (taken) stats_->add({}, std::chrono::nanoseconds::zero());
    return taken;
  }

  /// Takes n permits if that is possible at once. The permits release themselves. @returns an empty permit if
  /// they could not be taken.
  [[nodiscard]] permit_type try_acquire_permit(std::size_t n = 1) const
      noexcept(noexcept(sem_->try_acquire_permit(n))) {
    permit_type p = sem_->try_acquire_permit(n);
    if (p) stats_->add({}, std::chrono::nanoseconds::zero());
    return p;
  }

 private:
  template <typename Acquire, typename Signature, typename Token, typename... Args>
  decltype(auto) initiate(Token& token, Args... args) const {
    static_assert(detail::is_token_for<Token, Signature>,
                  "turnstile: an acquire takes a completion token for void(error_code), or for "
                  "void(error_code, permit) if it completes with a permit");
    return boost::asio::async_initiate<Token, Signature>(initiation<Acquire>(sem_, *stats_), token,
                                                         args...);
  }
};

/// Returns a semaphore through which every acquire is counted and timed.
/// @tparam Semaphore a `basic_semaphore`, a `basic_bounded_semaphore`, a `basic_shared_semaphore`, a key of a
/// `basic_keyed_semaphore` or another `acquirable` type.
/// @param sem the semaphore. It stays usable by itself. What is acquired directly is not measured.
/// @param stats where to count.
template <acquirable Semaphore>
measured_semaphore<Semaphore> measured(Semaphore& sem, wait_statistics& stats) {
  return {sem, stats};
}

/// Returns a semaphore through which every acquire is counted and timed.
/// @tparam Semaphore the type of a key of a keyed semaphore, or of another reference to a semaphore.
/// @param sem the reference, which is copied.
/// @param stats where to count.
template <acquirable Semaphore>
  requires std::copy_constructible<Semaphore>
measured_semaphore<Semaphore> measured(Semaphore&& sem, wait_statistics& stats) {
  return {sem, stats};
}

}  // namespace turnstile::inline v1

#endif
