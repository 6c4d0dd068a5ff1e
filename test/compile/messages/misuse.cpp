// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Misuse that must not compile, and what the compiler has to say of it in its first error. `run`
// takes each line "NAME: message" for a case, and compiles this file with NAME defined; without any,
// it compiles.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <functional>
#include <mutex>

namespace asio = boost::asio;
using turnstile::error_code;
using turnstile::permit;

void misuse(asio::io_context& io, asio::steady_timer& timer, turnstile::semaphore& sem,
            turnstile::bounded_semaphore& bounded) {
  [[maybe_unused]] const auto refers = [](auto token) {
    return asio::async_initiate<decltype(token), void(error_code, std::reference_wrapper<int>)>(
        [](auto) {}, token);
  };

  // HANDLER_OF_ANOTHER_SIGNATURE: turnstile: async_acquire takes a completion token for void(error_code)
#ifdef HANDLER_OF_ANOTHER_SIGNATURE
  sem.async_acquire([](int) {});
#elif !defined(MISUSE)
  sem.async_acquire([](error_code) {});
#endif

  // HANDLER_THAT_WANTS_A_PERMIT: turnstile: async_acquire takes a completion token for void(error_code)
#ifdef HANDLER_THAT_WANTS_A_PERMIT
  bounded.async_acquire(2, [](error_code, permit) {});
#elif !defined(MISUSE)
  bounded.async_acquire(2, [](error_code) {});
#endif

  // HANDLER_WITHOUT_PERMIT: turnstile: async_acquire_permit takes a completion token for void(error_code, permit)
#ifdef HANDLER_WITHOUT_PERMIT
  sem.async_acquire_permit([](error_code) {});
#elif !defined(MISUSE)
  sem.async_acquire_permit([](error_code, permit) {});
#endif

  // NO_TOKEN: turnstile: async_acquire takes a completion token for void(error_code)
#ifdef NO_TOKEN
  sem.async_acquire("now");
#elif !defined(MISUSE)
  sem.async_acquire(asio::use_future);
#endif

  // NO_TOKEN_AFTER_COUNT: turnstile: async_acquire_permit takes a completion token for void(error_code, permit)
#ifdef NO_TOKEN_AFTER_COUNT
  bounded.async_acquire_permit(2, 3);
#elif !defined(MISUSE)
  bounded.async_acquire_permit(2, asio::detached);
#endif

  // CONTEXT_FOR_EXECUTOR: turnstile: the Executor of a semaphore is not an executor
#ifdef CONTEXT_FOR_EXECUTOR
  turnstile::basic_semaphore<asio::io_context> of_context(io, 1);
#elif !defined(MISUSE)
  turnstile::basic_semaphore<asio::io_context::executor_type> of_context(io, 1);
#endif

  // INT_FOR_EXECUTOR: turnstile: the Executor of a semaphore is not an executor
#ifdef INT_FOR_EXECUTOR
  turnstile::basic_bounded_semaphore<int> of_int(io, 1);
#elif !defined(MISUSE)
  turnstile::basic_bounded_semaphore<asio::any_io_executor> of_int(io, 1);
#endif

  // NO_SEMAPHORE: turnstile: the first argument of async_with_permit is not a basic_semaphore
#ifdef NO_SEMAPHORE
  std::mutex mutex;
  turnstile::async_with_permit(mutex, timer.async_wait(asio::deferred), [](error_code) {});
#elif !defined(MISUSE)
  turnstile::async_with_permit(sem, timer.async_wait(asio::deferred), [](error_code) {});
#endif

  // NO_SEMAPHORE_AND_NO_TOKEN: turnstile: the first argument of async_with_permit is not a basic_semaphore
#ifdef NO_SEMAPHORE_AND_NO_TOKEN
  turnstile::async_with_permit(timer, 2, timer.async_wait(asio::deferred));
#endif

  // NOTHING_TO_RUN: turnstile: Asio cannot tell the completion signature of the operation
#ifdef NOTHING_TO_RUN
  turnstile::async_with_permit(sem, 2, [](error_code) {});
#elif !defined(MISUSE)
  turnstile::async_with_permit(sem, 2, timer.async_wait(asio::deferred), [](error_code) {});
#endif

  // FORGOTTEN_RETURN: turnstile: Asio cannot tell the completion signature of the operation
#ifdef FORGOTTEN_RETURN
  turnstile::async_with_permit(
      bounded, [&](auto token) { timer.async_wait(std::move(token)); }, [](error_code) {});
#elif !defined(MISUSE)
  turnstile::async_with_permit(
      bounded, [&](auto token) { return timer.async_wait(std::move(token)); }, [](error_code) {});
#endif

  // OPERATION_WITHOUT_ERROR: turnstile: the operation that async_with_permit is to run completes without an error
#ifdef OPERATION_WITHOUT_ERROR
  turnstile::async_with_permit(
      sem, [&](auto token) { return asio::post(io, std::move(token)); }, [](error_code) {});
#endif

  // VALUE_FROM_NOWHERE: turnstile: async_with_permit cannot make the values that the handler gets if the acquire fails
#ifdef VALUE_FROM_NOWHERE
  turnstile::async_with_permit(sem, refers, [](error_code, std::reference_wrapper<int>) {});
#endif

  // HANDLER_OF_ANOTHER_OPERATION: turnstile: async_with_permit takes a completion token for the signature of the operation
#ifdef HANDLER_OF_ANOTHER_OPERATION
  turnstile::async_with_permit(sem, timer.async_wait(asio::deferred),
                               [](error_code, std::size_t) {});
#endif

  // NEGATIVE_COUNT: narrowing
#ifdef NEGATIVE_COUNT
  turnstile::semaphore negative{io, -1};
#elif !defined(MISUSE)
  turnstile::semaphore negative{io, 1};
#endif
}
