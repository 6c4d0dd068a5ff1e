// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What Boost 1.86 and newer bring: the default token is `deferred`, and time-outs are adapters of it.
// (Immediate executors and time-outs with tokens of one's own are among the tests of those.)

#define BOOST_TEST_MODULE newer_boost
#include <turnstile.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancel_after.hpp>
#include <boost/asio/cancel_at.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 109000  // has inline_executor
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/bind_immediate_executor.hpp>
#include <boost/asio/inline_executor.hpp>
#endif

#include <chrono>
#include <exception>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using turnstile::error_code;
using turnstile::permit;

namespace {

// Runs a coroutine to its end, which must come.
template <typename Coroutine>
void run(asio::io_context& context, Coroutine coroutine) {
  bool ended = false;
  asio::co_spawn(context, std::move(coroutine), [&](std::exception_ptr e) {
    ended = true;
    if (e) std::rethrow_exception(e);
  });
  context.restart();
  context.run();
  BOOST_TEST_REQUIRE(ended);
}

// What an awaited operation throws.
template <typename Operation>
asio::awaitable<error_code> error_of(Operation operation) {
  try {
    static_cast<void>(co_await std::move(operation));
  } catch (const boost::system::system_error& e) {
    co_return e.code();
  }
  co_return error_code();
}

}  // namespace

BOOST_AUTO_TEST_CASE(without_a_token_an_operation_waits_for_one) {
  asio::io_context context;
  turnstile::semaphore sem(context, 3);
  auto acquire = sem.async_acquire(2);
  BOOST_TEST(sem.available() == 3u);  // not begun
  bool called = false;
  std::move(acquire)([&](error_code ec) { called = !ec; });
  BOOST_TEST(sem.available() == 1u);
  context.run();
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(without_a_token_an_operation_is_awaited) {
  asio::io_context context;
  turnstile::semaphore sem(context, 3);
  turnstile::bounded_semaphore bounded(context, 2);
  run(context, [&]() -> asio::awaitable<void> {
    co_await sem.async_acquire();
    co_await sem.async_acquire(2);
    BOOST_TEST(sem.locked());
    permit one = co_await bounded.async_acquire_permit();
    BOOST_TEST(one.count() == 1u);
    one.release();
    permit two = co_await bounded.async_acquire_permit(2);
    BOOST_TEST(two.count() == 2u);
    two.release();
    asio::steady_timer timer(context, 1ns);
    co_await turnstile::async_with_permit(bounded, 2, timer.async_wait());
    BOOST_TEST(bounded.in_use() == 0u);
    bounded.close();
    const error_code ec = co_await error_of(bounded.async_acquire());
    BOOST_TEST((ec == turnstile::errc::closed));
  });
}

BOOST_AUTO_TEST_CASE(a_time_limit_needs_no_token) {
  asio::io_context context;
  turnstile::bounded_semaphore sem(context, 1);
  run(context, [&]() -> asio::awaitable<void> {
    co_await sem.async_acquire(asio::cancel_after(24h));
    const error_code after = co_await error_of(sem.async_acquire(asio::cancel_after(1ns)));
    BOOST_TEST(after == asio::error::operation_aborted);
    const auto now = std::chrono::steady_clock::now();
    const error_code at = co_await error_of(sem.async_acquire_permit(asio::cancel_at(now)));
    BOOST_TEST(at == asio::error::operation_aborted);
    asio::steady_timer timer(context, 24h);
    const error_code queued = co_await error_of(turnstile::async_with_permit(
        sem, timer.async_wait(), asio::cancel_after(1ns, asio::deferred)));
    BOOST_TEST(queued == asio::error::operation_aborted);
    sem.release();
    const error_code begun = co_await error_of(turnstile::async_with_permit(
        sem, timer.async_wait(), asio::cancel_after(1ns, asio::deferred)));
    BOOST_TEST(begun == asio::error::operation_aborted);
    BOOST_TEST(sem.available() == 1u);
    BOOST_TEST(sem.waiting() == 0u);
  });
}

#if BOOST_VERSION >= 109000  // has inline_executor

BOOST_AUTO_TEST_CASE(an_inline_executor_is_not_run_inside_the_call) {
  asio::io_context context;
  turnstile::semaphore sem(context, 1);
  int called = 0;
  const auto count = asio::bind_executor(asio::inline_executor(), [&](error_code) { ++called; });
  sem.async_acquire(count);
  sem.async_acquire(count);
  BOOST_TEST(called == 0);
  sem.release();
  BOOST_TEST(called == 0);
  context.run();
  BOOST_TEST(called == 2);

  sem.release();
  sem.async_acquire(asio::bind_immediate_executor(asio::inline_executor(), count));
  BOOST_TEST(called == 3);
}

#endif
