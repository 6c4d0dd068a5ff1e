// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SHARED_SEMAPHORE_HPP
#define TURNSTILE_SHARED_SEMAPHORE_HPP

#include <turnstile/detail/initiate_shared.hpp>
#include <turnstile/detail/loss_relay.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/detail/shared_core.hpp>
#include <turnstile/detail/timer_alarm.hpp>
#include <turnstile/detail/token.hpp>
#include <turnstile/detail/with_permit.hpp>
#include <turnstile/error.hpp>
#include <turnstile/shared_engine.hpp>
#include <turnstile/shared_options.hpp>
#include <turnstile/shared_permit.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

template <typename Executor = boost::asio::any_io_executor>
class basic_shared_semaphore {
 public:
  using executor_type = Executor;

  template <typename Executor1>
  struct rebind_executor {
    using other = basic_shared_semaphore<Executor1>;
  };

  basic_shared_semaphore(const executor_type& ex, shared_engine& engine, shared_options options)
      : impl_(ex, setup(ex, engine, std::move(options))) {}

  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  basic_shared_semaphore(ExecutionContext& context, shared_engine& engine, shared_options options)
      : basic_shared_semaphore(executor_type(context.get_executor()), engine, std::move(options)) {}

  basic_shared_semaphore(basic_shared_semaphore&&) noexcept = default;

  basic_shared_semaphore& operator=(basic_shared_semaphore&& other) noexcept {
    if (this != &other) impl_.assign(std::move(other.impl_));
    return *this;
  }

  ~basic_shared_semaphore() = default;

  executor_type get_executor() const noexcept { return impl_.get_executor(); }

  static constexpr std::size_t(max)() noexcept { return detail::shared_core::most; }

  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire(Token&& token = Token()) {
    return async_acquire(std::size_t(1), std::forward<Token>(token));
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire(std::size_t n, Token&& token = Token()) {
    return acquire<false>(token, n);
  }

  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, shared_permit)>)
  decltype(auto) async_acquire_permit(Token&& token = Token()) {
    return async_acquire_permit(std::size_t(1), std::forward<Token>(token));
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit(std::size_t n, Token&& token = Token()) {
    return acquire<true>(token, n);
  }

  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code)>)
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience,
                                   Token&& token = Token()) {
    return async_acquire_for(patience, std::size_t(1), std::forward<Token>(token));
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_for(std::chrono::steady_clock::duration patience, std::size_t n,
                                   Token&& token = Token()) {
    return acquire<false>(token, n, patience);
  }

  template <typename Token = detail::default_token_t<executor_type>>
    requires(!detail::count_not_token<Token, void(error_code, shared_permit)>)
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          Token&& token = Token()) {
    return async_acquire_permit_for(patience, std::size_t(1), std::forward<Token>(token));
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_acquire_permit_for(std::chrono::steady_clock::duration patience,
                                          std::size_t n, Token&& token = Token()) {
    return acquire<true>(token, n, patience);
  }

  [[nodiscard]] bool try_acquire(std::size_t n = 1) noexcept {
    return try_acquire_permit(n).forget() == n && (n != 0 || !is_closed());
  }

  [[nodiscard]] shared_permit try_acquire_permit(std::size_t n = 1) noexcept {
    const detail::grant_mark m = core().mark();
    return detail::make_shared_permit(detail::permit_for(core().gate(), core().try_acquire(n), n),
                                      m);
  }

  void release(std::size_t n = 1) {
    if (!core().release(n))
      throw boost::system::system_error(errc::over_release, "turnstile::release");
  }
  void release(error_code& ec) noexcept { release(1, ec); }
  void release(std::size_t n, error_code& ec) noexcept {
    if (core().release(n))
      ec = {};
    else
      ec = errc::over_release;
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_set_limit(std::size_t limit, Token&& token = Token()) {
    if (limit == 0 || limit > (max)())
      throw std::invalid_argument("turnstile: the limit of a shared semaphore is of 1 to max()");
    return wait(token, detail::shared_core::limit_set, limit);
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_wait_lost(Token&& token = Token()) {
    return wait(token, detail::shared_core::lease_lost);
  }

  template <typename Token = detail::default_token_t<executor_type>>
  decltype(auto) async_leave(Token&& token = Token()) {
    return wait(token, detail::shared_core::left);
  }

  void cancel() noexcept { core().cancel_all(); }
  void close() noexcept { core().close(); }
  bool is_closed() const noexcept { return core().is_closed(); }

  std::size_t limit() const noexcept { return core().total_limit(); }
  std::size_t share() const noexcept { return core().share(); }
  std::size_t in_use() const noexcept { return core().in_use(); }
  std::size_t waiting() const noexcept { return core().waiting(); }
  lease_state lease() const noexcept { return core().lease(); }
  std::chrono::microseconds valid_for() const noexcept {
    return std::chrono::microseconds(core().valid_for());
  }
  std::uint64_t token() const noexcept { return core().mark().token; }

  std::size_t max_waiting() const noexcept { return core().max_waiting(); }
  void set_max_waiting(std::size_t n) noexcept {
    core().set_max_waiting((std::min<std::size_t>)(n, detail::core::max));
  }

 private:
  template <bool WithPermit, typename Token, typename... Args>
  decltype(auto) acquire(Token& token, Args... args) {
    using signature =
        std::conditional_t<WithPermit, void(error_code, shared_permit), void(error_code)>;
    static_assert(detail::is_token_for<Token, signature>,
                  "turnstile: an acquire takes a completion token for void(error_code), or for "
                  "void(error_code, shared_permit) if it completes with a permit");
    return boost::asio::async_initiate<Token, signature>(
        detail::initiate_shared<Executor, WithPermit>(impl_), token, args...);
  }

  template <typename Token>
  decltype(auto) wait(Token& token, detail::shared_core::event e, std::size_t limit = 0) {
    static_assert(detail::is_token_for<Token, void(error_code)>,
                  "turnstile: this takes a completion token for void(error_code): a handler that "
                  "can be called with one turnstile::error_code, or use_awaitable and the like");
    return boost::asio::async_initiate<Token, void(error_code)>(
        detail::initiate_event<Executor>(impl_), token, e, limit);
  }

  static detail::shared_setup setup(const Executor& ex, shared_engine& engine,
                                    shared_options options) {
    const auto time = engine.manual();
    return {std::move(options), engine.link_, time,
            [ex, time](const std::function<void()>& ring, std::function<void()> end) {
              return std::unique_ptr<detail::alarm>(
                  new detail::timer_alarm<Executor>(ex, time.get(), ring, std::move(end)));
            }};
  }

  detail::shared_core& core() const noexcept { return *impl_.get_core(); }

  detail::implementation<Executor, detail::shared_core> impl_;
};

using shared_semaphore = basic_shared_semaphore<>;

namespace detail {

template <typename Executor>
struct watch_of<basic_shared_semaphore<Executor>> {
  using type = loss_watch;
};

}  // namespace detail

}  // namespace turnstile::inline v1

#endif
