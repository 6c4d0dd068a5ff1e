// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What coming_from_asyncio.md says, as a program that checks it.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/version.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
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

int failures = 0;

void check(bool holds, const char* what) {
  std::cout << (holds ? "holds:  " : "FAILED: ") << what << std::endl;
  failures += !holds;
}

awaitable<void> work() {
  asio::steady_timer timer{co_await asio::this_coro::executor, 1ms};
  co_await timer.async_wait(use_awaitable);
}

void constructors(asio::io_context& io) {
  {
    turnstile::semaphore sem(io);
    check(sem.available() == 1, "one permit unless told otherwise");
  }
  {
    turnstile::semaphore sem(io, 10);
    check(sem.available() == 10 && !sem.locked(), "ten permits");
  }
  {
    turnstile::bounded_semaphore sem(io, 10);
    check(sem.limit() == 10 && sem.available() == 10, "ten permits, and no more");
  }
  {
    turnstile::bounded_semaphore sem(io, 3, 10);
    check(sem.limit() == 10 && sem.available() == 3, "seven of ten held already");
  }
  bool refused = false;
  try {
    turnstile::semaphore sem(io, static_cast<std::size_t>(-1));
  } catch (const std::invalid_argument&) {
    refused = true;
  }
  check(refused, "a negative number is refused");
}

awaitable<void> async_with(turnstile::semaphore& sem) {
  {
    auto permit = co_await sem.async_acquire_permit();
    co_await work();
  }  // the permit goes back here
}

awaitable<void> acquire_and_release(turnstile::semaphore& sem) {
  co_await sem.async_acquire();
  sem.release();

  const std::size_t n = 3;
  co_await sem.async_acquire(n);
  sem.release(n);
  check(sem.available() == 10, "as many as before");

  if (sem.try_acquire()) sem.release();
  check(!sem.locked(), "not locked");
}

void release_too_many(turnstile::bounded_semaphore& sem) {
  bool thrown = false;
  try {
    sem.release();
  } catch (const boost::system::system_error& e) {
    thrown = e.code() == turnstile::errc::over_release;
  }
  error_code ec;
  sem.release(ec);
  check(thrown && ec == turnstile::errc::over_release, "one release too many is an error");
}

int inside = 0, most = 0, ended = 0;

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
  check(most == 10, "ten at once, and never more");
  check(ended == 29 && errors[13] && !errors[12], "an exception for each worker that failed");
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

void run_task_group(asio::io_context& io, turnstile::semaphore& sem) {
  ended = inside = 0;
  std::string error;
  asio::co_spawn(io, task_group(sem), [&](const std::exception_ptr& e) {
    try {
      if (e) std::rethrow_exception(e);
    } catch (const std::runtime_error& first) {
      error = first.what();
    }
  });
  io.restart();
  io.run();
  check(error == "the thirteenth" && ended < 29 && sem.available() == 10,
        "the first error cancels the other workers");
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
  check(cancelled && sem.available() == 10, "a task that is cancelled gives its permit back");
}

int finished = 0;

awaitable<void> work_to_the_end() {
  co_await work();
  ++finished;
}

awaitable<void> shield() {
  const auto ex = co_await asio::this_coro::executor;
  co_await asio::co_spawn(ex, work_to_the_end(),
                          asio::bind_cancellation_slot(asio::cancellation_slot(), use_awaitable));
  check(finished == 1, "work that is shielded is not cancelled");
  co_await work();  // throws: operation_aborted
  check(false, "the next co_await throws");
}

void cancelled_while_it_shields(asio::io_context& io) {
  asio::cancellation_signal signal;
  bool aborted = false;
  asio::co_spawn(io, shield(),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](const std::exception_ptr& e) { aborted = e != nullptr; }));
  asio::post(io, [&] { signal.emit(asio::cancellation_type::terminal); });
  io.restart();
  io.run();
  check(aborted && finished == 1, "the next co_await throws");
}

awaitable<void> wait_for(turnstile::semaphore& sem) {
  turnstile::permit all = sem.try_acquire_permit(10);
  bool timed_out = false;
  try {
    co_await sem.async_acquire_for(1ms);
  } catch (const boost::system::system_error& e) {
    timed_out = e.code() == turnstile::errc::timed_out;
  }
  check(timed_out && sem.waiting() == 0, "not granted in time");

  asio::steady_timer soon{sem.get_executor(), 5ms};
  soon.async_wait([&](error_code) { all.release(); });
  co_await sem.async_acquire_for(5s);
  check(sem.available() == 9, "granted in time");
  sem.release();
}

#if BOOST_VERSION >= 108600
using asio::cancel_after;

awaitable<void> timeout(turnstile::semaphore& sem) {
  const auto ex = co_await asio::this_coro::executor;
  co_await asio::co_spawn(ex, async_with(sem), cancel_after(5s, use_awaitable));
  check(sem.available() == 10, "worked in time");

  turnstile::permit all = sem.try_acquire_permit(10);
  bool aborted = false;
  try {
    co_await asio::co_spawn(ex, async_with(sem), cancel_after(1ms, use_awaitable));
  } catch (const boost::system::system_error& e) {
    aborted = e.code() == asio::error::operation_aborted;
  }
  check(aborted && sem.waiting() == 0, "not in time");
}
#endif

// A coroutine that is cancelled between the grant and its resumption has its permit.
awaitable<void> late(turnstile::semaphore& sem, bool& granted) {
  auto permit = co_await sem.async_acquire_permit();
  granted = true;
  co_await work();  // throws: operation_aborted
}

void cancelled_after_the_grant(asio::io_context& io) {
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
  check(granted && aborted && sem.available() == 1,
        "a grant is final, and the next co_await throws; the permit goes back");
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

void goes_on(asio::io_context& io) {
  turnstile::semaphore sem(io, 6);
  std::vector<int> at_once, in_turn;
  asio::co_spawn(io, three_at_once(sem, at_once), asio::detached);
  asio::post(io, [&] { at_once.push_back(99); });
  asio::co_spawn(io, three_in_turn(sem, in_turn), asio::detached);
  asio::post(io, [&] { in_turn.push_back(99); });
  io.restart();
  io.run();
  check(at_once == std::vector{0, 1, 2, 99}, "use_awaitable: goes on at once if a permit is free");
  check(in_turn == std::vector{99, 0, 1, 2}, "deferred: others have a turn first");
}

void from_another_thread(asio::io_context& io) {
  turnstile::semaphore sem(io, 0);
  bool granted = false;
  sem.async_acquire([&](error_code ec) { granted = !ec; });
  std::thread other([&] { sem.release(); });
  other.join();
  io.restart();
  io.run();
  check(granted, "released by another thread");
}

int main() {
  asio::io_context io;
  constructors(io);

  turnstile::semaphore sem(io, 10);
  turnstile::bounded_semaphore bounded(io, 10);
  asio::co_spawn(io, acquire_and_release(sem), asio::detached);
  io.run();
  io.restart();
  asio::co_spawn(io, async_with(sem), asio::detached);
  io.run();
  check(sem.available() == 10, "given back at the end of the scope");
  io.restart();
  asio::co_spawn(io, gather(sem), asio::detached);
  io.run();
  run_task_group(io, sem);
  io.restart();
  asio::co_spawn(io, create_task(sem), asio::detached);
  io.run();
  cancelled_while_it_shields(io);
  release_too_many(bounded);
  io.restart();
  asio::co_spawn(io, wait_for(sem), asio::detached);
  io.run();
#if BOOST_VERSION >= 108600
  io.restart();
  asio::co_spawn(io, timeout(sem), asio::detached);
  io.run();
#endif
  io.restart();
  cancelled_after_the_grant(io);
  goes_on(io);
  from_another_thread(io);
  return failures == 0 ? 0 : 1;
}
