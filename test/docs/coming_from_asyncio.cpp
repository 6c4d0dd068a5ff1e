// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What example/coming_from_asyncio.md says. Each of its snippets stands here word for word.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/version.hpp>

#define BOOST_TEST_MODULE coming_from_asyncio
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using namespace std::chrono_literals;

struct fixture {
  asio::io_context io;
  turnstile::semaphore ten{io, 10};

  void run(awaitable<void> coroutine) {
    asio::co_spawn(io, std::move(coroutine), [](const std::exception_ptr& e) {
      if (e) std::rethrow_exception(e);
    });
    io.restart();
    io.run();
  }
};

awaitable<void> work() {
  asio::steady_timer timer{co_await asio::this_coro::executor, 1ms};
  co_await timer.async_wait(use_awaitable);
}

BOOST_FIXTURE_TEST_SUITE(coming_from_asyncio, fixture)

BOOST_AUTO_TEST_CASE(a_semaphore_has_one_permit_unless_told_otherwise) {
  turnstile::semaphore sem(io);
  BOOST_TEST(sem.available() == 1);
}

BOOST_AUTO_TEST_CASE(a_semaphore_has_as_many_permits_as_given) {
  turnstile::semaphore sem(io, 10);
  BOOST_TEST(sem.available() == 10);
  BOOST_TEST(!sem.locked());
}

BOOST_AUTO_TEST_CASE(a_bounded_semaphore_has_its_permits_as_limit) {
  turnstile::bounded_semaphore sem(io, 10);
  BOOST_TEST(sem.limit() == 10);
  BOOST_TEST(sem.available() == 10);
}

BOOST_AUTO_TEST_CASE(a_bounded_semaphore_may_start_with_some_permits_held) {
  turnstile::bounded_semaphore sem(io, 3, 10);
  BOOST_TEST(sem.limit() == 10);
  BOOST_TEST(sem.available() == 3);
}

BOOST_AUTO_TEST_CASE(a_negative_number_of_permits_is_refused) {
  const auto construct = [&] { turnstile::semaphore sem(io, static_cast<std::size_t>(-1)); };
  BOOST_CHECK_THROW(construct(), std::invalid_argument);
}

awaitable<void> async_with(turnstile::semaphore& sem) {
  {
    auto permit = co_await sem.async_acquire_permit();
    co_await work();
  }  // the permit goes back here
}

BOOST_AUTO_TEST_CASE(async_with_gives_the_permit_back_at_the_end_of_the_scope) {
  run(async_with(ten));
  BOOST_TEST(ten.available() == 10);
}

awaitable<void> acquire_and_release(turnstile::semaphore& sem) {
  co_await sem.async_acquire();
  sem.release();

  const std::size_t n = 3;
  co_await sem.async_acquire(n);
  sem.release(n);
  BOOST_TEST(sem.available() == 10);

  if (sem.try_acquire()) sem.release();
  BOOST_TEST(!sem.locked());
}

BOOST_AUTO_TEST_CASE(acquire_and_release_leave_as_many_permits_as_before) {
  run(acquire_and_release(ten));
}

BOOST_AUTO_TEST_CASE(one_release_too_many_is_an_error) {
  turnstile::bounded_semaphore sem(io, 10);
  BOOST_CHECK_EXCEPTION(sem.release(), boost::system::system_error,
                        [](const auto& e) { return e.code() == turnstile::errc::over_release; });
  error_code ec;
  sem.release(ec);
  BOOST_TEST(bool(ec == turnstile::errc::over_release));
}

int inside, most, ended;  // workers

awaitable<void> worker(turnstile::semaphore& sem, int n) {
  auto permit = co_await sem.async_acquire_permit();
  most = std::max(most, ++inside);
  co_await work();
  --inside;
  if (n == 13) throw std::runtime_error("the thirteenth");
  ++ended;
}

awaitable<void> gather(turnstile::semaphore& sem) {
  const auto ex = co_await asio::this_coro::executor;
  using operation = decltype(asio::co_spawn(ex, worker(sem, 0), asio::deferred));
  std::vector<operation> workers;
  workers.reserve(30);
  for (int n = 0; n < 30; ++n)
    workers.push_back(asio::co_spawn(ex, worker(sem, n), asio::deferred));
  auto [order, errors] = co_await asio::experimental::make_parallel_group(std::move(workers))
                             .async_wait(asio::experimental::wait_for_all(), use_awaitable);
  BOOST_TEST(most == 10);
  BOOST_TEST(ended == 29);
  BOOST_TEST(!errors[12]);
  BOOST_TEST(bool(errors[13]));
}

BOOST_AUTO_TEST_CASE(gather_reports_an_exception_of_each_worker_that_failed) {
  inside = most = ended = 0;
  run(gather(ten));
}

awaitable<void> task_group(turnstile::semaphore& sem) {
  const auto ex = co_await asio::this_coro::executor;
  using operation = decltype(asio::co_spawn(ex, worker(sem, 0), asio::deferred));
  std::vector<operation> workers;
  workers.reserve(30);
  for (int n = 0; n < 30; ++n)
    workers.push_back(asio::co_spawn(ex, worker(sem, n), asio::deferred));
  auto [order, errors] = co_await asio::experimental::make_parallel_group(std::move(workers))
                             .async_wait(asio::experimental::wait_for_one_error(), use_awaitable);
  for (const std::size_t n : order)
    if (errors[n]) std::rethrow_exception(errors[n]);  // the first one
}

BOOST_AUTO_TEST_CASE(task_group_cancels_the_other_workers_at_the_first_error) {
  inside = most = ended = 0;
  BOOST_CHECK_EXCEPTION(run(task_group(ten)), std::runtime_error,
                        [](const auto& e) { return e.what() == std::string("the thirteenth"); });
  io.run();
  BOOST_TEST(ended < 29);
  BOOST_TEST(ten.available() == 10);
}

awaitable<void> create_task(turnstile::semaphore& sem) {
  const auto ex = co_await asio::this_coro::executor;
  bool cancelled = false;

  asio::cancellation_signal task;
  auto when_done = [&](const std::exception_ptr& e) { cancelled = e != nullptr; };
  asio::co_spawn(ex, worker(sem, 0), asio::bind_cancellation_slot(task.slot(), when_done));
  co_await asio::post(use_awaitable);
  task.emit(asio::cancellation_type::terminal);

  co_await work();
  BOOST_TEST(cancelled);
  BOOST_TEST(sem.available() == 10);
}

BOOST_AUTO_TEST_CASE(a_task_that_is_cancelled_gives_its_permit_back) {
  inside = most = ended = 0;
  run(create_task(ten));
}

int finished;  // coroutines that were shielded

awaitable<void> work_to_the_end() {
  co_await work();
  ++finished;
}

awaitable<void> shield() {
  const auto ex = co_await asio::this_coro::executor;
  co_await asio::co_spawn(ex, work_to_the_end(),
                          asio::bind_cancellation_slot(asio::cancellation_slot(), use_awaitable));
  BOOST_TEST(finished == 1);
  co_await work();  // throws: operation_aborted
  BOOST_ERROR("the next co_await does not throw");
}

BOOST_AUTO_TEST_CASE(work_that_is_shielded_is_not_cancelled) {
  finished = 0;
  asio::cancellation_signal signal;
  bool aborted = false;
  asio::co_spawn(io, shield(),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](const std::exception_ptr& e) { aborted = e != nullptr; }));
  asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
  io.run();
  BOOST_TEST(aborted);
  BOOST_TEST(finished == 1);
}

awaitable<void> wait_for(turnstile::semaphore& sem) {
  turnstile::permit all = sem.try_acquire_permit(10);
  error_code ec;
  try {
    co_await sem.async_acquire_for(1ms);
  } catch (const boost::system::system_error& e) {
    ec = e.code();
  }
  BOOST_TEST(bool(ec == turnstile::errc::timed_out));
  BOOST_TEST(sem.waiting() == 0);

  asio::steady_timer soon{sem.get_executor(), 5ms};
  soon.async_wait([&](error_code) { all.release(); });
  co_await sem.async_acquire_for(5s);
  BOOST_TEST(sem.available() == 9);
  sem.release();
}

BOOST_AUTO_TEST_CASE(wait_for_throws_timed_out_unless_granted_in_time) { run(wait_for(ten)); }

#if BOOST_VERSION >= 108600
using asio::cancel_after;

awaitable<void> timeout(turnstile::semaphore& sem) {
  const auto ex = co_await asio::this_coro::executor;
  co_await asio::co_spawn(ex, async_with(sem), cancel_after(5s, use_awaitable));
  BOOST_TEST(sem.available() == 10);

  turnstile::permit all = sem.try_acquire_permit(10);
  error_code ec;
  try {
    co_await asio::co_spawn(ex, async_with(sem), cancel_after(1ms, use_awaitable));
  } catch (const boost::system::system_error& e) {
    ec = e.code();
  }
  BOOST_TEST(ec == asio::error::operation_aborted);
  BOOST_TEST(sem.waiting() == 0);
}

BOOST_AUTO_TEST_CASE(timeout_limits_a_whole_coroutine) { run(timeout(ten)); }
#endif

awaitable<void> late(turnstile::semaphore& sem, bool& granted) {
  auto permit = co_await sem.async_acquire_permit();
  granted = true;
  co_await work();  // throws: operation_aborted
}

BOOST_AUTO_TEST_CASE(a_coroutine_that_is_cancelled_after_the_grant_has_its_permit) {
  turnstile::semaphore sem(io, 1);
  asio::cancellation_signal signal;
  bool granted = false, aborted = false;
  turnstile::permit taken = sem.try_acquire_permit();
  asio::co_spawn(io, late(sem, granted),
                 asio::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr& e) {
                   try {
                     if (e) std::rethrow_exception(e);
                   } catch (const boost::system::system_error& error) {
                     aborted = error.code() == asio::error::operation_aborted;
                   }
                 }));
  while (sem.waiting() == 0) io.run_one();
  taken.release();                                 // the grant
  signal.emit(asio::cancellation_type::terminal);  // too late for the acquire
  io.run();
  BOOST_TEST(granted);
  BOOST_TEST(aborted);
  BOOST_TEST(sem.available() == 1);
}

awaitable<void> three_at_once(turnstile::semaphore& sem, std::vector<int>& order) {
  for (int i = 0; i < 3; ++i) {
    co_await sem.async_acquire(use_awaitable);
    order.push_back(i);
  }
}

awaitable<void> three_in_turn(turnstile::semaphore& sem, std::vector<int>& order) {
  for (int i = 0; i < 3; ++i) {
    co_await sem.async_acquire();
    order.push_back(i);
  }
}

BOOST_AUTO_TEST_CASE(use_awaitable_goes_on_at_once_and_deferred_lets_others_run_first) {
  turnstile::semaphore sem(io, 6);
  std::vector<int> at_once, in_turn;
  asio::co_spawn(io, three_at_once(sem, at_once), asio::detached);
  asio::post(io, [&] { at_once.push_back(99); });
  asio::co_spawn(io, three_in_turn(sem, in_turn), asio::detached);
  asio::post(io, [&] { in_turn.push_back(99); });
  io.run();
  BOOST_TEST(at_once == (std::vector{0, 1, 2, 99}), boost::test_tools::per_element());
  BOOST_TEST(in_turn == (std::vector{99, 0, 1, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(release_from_another_thread_wakes_the_loop) {
  turnstile::semaphore sem(io, 0);
  bool granted = false;
  sem.async_acquire([&](error_code ec) { granted = !ec; });
  std::thread other([&] { sem.release(); });
  other.join();
  io.run();
  BOOST_TEST(granted);
}

BOOST_AUTO_TEST_SUITE_END()
