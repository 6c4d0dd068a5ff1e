// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What include/turnstile/coming_from_asyncio.md says, as a program that checks it.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/version.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <stdexcept>
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
    auto permit = co_await sem.async_acquire_permit(use_awaitable);
    co_await work();
  }  // given back here
}

awaitable<void> acquire_and_release(turnstile::semaphore& sem) {
  co_await sem.async_acquire(use_awaitable);
  sem.release();

  const std::size_t n = 3;
  co_await sem.async_acquire(n, use_awaitable);
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

int inside = 0, most = 0;

awaitable<void> worker(turnstile::semaphore& sem) {
  auto permit = co_await sem.async_acquire_permit(use_awaitable);
  most = std::max(most, ++inside);
  co_await work();
  --inside;
}

awaitable<void> gather(turnstile::semaphore& sem) {
  const auto ex = co_await asio::this_coro::executor;
  using operation = decltype(asio::co_spawn(ex, worker(sem), asio::deferred));
  std::vector<operation> workers;
  workers.reserve(30);
  for (int i = 0; i < 30; ++i) workers.push_back(asio::co_spawn(ex, worker(sem), asio::deferred));
  co_await asio::experimental::make_parallel_group(std::move(workers))
      .async_wait(asio::experimental::wait_for_all(), use_awaitable);
  check(most == 10, "ten at once, and never more");
}

#if BOOST_VERSION >= 108600
using asio::cancel_after;

awaitable<void> wait_for(turnstile::semaphore& sem) {
  turnstile::permit all = sem.try_acquire_permit(10);
  asio::steady_timer soon{sem.get_executor(), 5ms};
  soon.async_wait([&](error_code) { all.release(); });
  co_await sem.async_acquire(cancel_after(5s, use_awaitable));
  check(sem.available() == 9, "granted in time");
  sem.release();
}
#endif

// A coroutine that is cancelled after the grant, and before it goes on, has its permit.
awaitable<void> late(turnstile::semaphore& sem, bool& granted) {
  auto permit = co_await sem.async_acquire_permit(use_awaitable);
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

// Waits meet free permits without a turn of the loop.
awaitable<void> three(turnstile::semaphore& sem, std::vector<int>& order) {
  for (int i = 0; i < 3; ++i) {
    co_await sem.async_acquire(use_awaitable);
    order.push_back(i);
  }
}

void goes_on(asio::io_context& io) {
  turnstile::semaphore sem(io, 5);
  std::vector<int> order;
  asio::co_spawn(io, three(sem, order), asio::detached);
  asio::post(io, [&] { order.push_back(99); });
  io.restart();
  io.run();
  check(order == std::vector{0, 1, 2, 99}, "who meets free permits goes on");
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
  release_too_many(bounded);
#if BOOST_VERSION >= 108600
  io.restart();
  asio::co_spawn(io, wait_for(sem), asio::detached);
  io.run();
#endif
  io.restart();
  cancelled_after_the_grant(io);
  goes_on(io);
  from_another_thread(io);
  return failures == 0 ? 0 : 1;
}
