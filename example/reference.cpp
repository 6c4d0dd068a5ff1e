// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The examples of the reference, which is the comments in include/turnstile/*.hpp.

#include <turnstile.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using socket_type = asio::local::stream_protocol::socket;

int failures = 0;

void check(bool holds, const char* what) {
  std::cout << (holds ? "holds:  " : "FAILED: ") << what << std::endl;
  failures += !holds;
}

// ---- basic_semaphore ---------------------------------------------------------------------------

int inside = 0, most = 0;

asio::awaitable<void> use_the_resource() {
  most = std::max(most, ++inside);
  asio::steady_timer timer(co_await asio::this_coro::executor, 10ms);
  co_await timer.async_wait(asio::use_awaitable);
  --inside;
}

boost::asio::awaitable<void> work(turnstile::semaphore& sem) {
  auto permit = co_await sem.async_acquire_permit();
  co_await use_the_resource();
}  // the permit releases itself here, also if an exception leaves

void class_semaphore() {
  boost::asio::io_context io;
  turnstile::semaphore sem(io, 10);
  for (int i = 0; i < 30; ++i) co_spawn(io, work(sem), boost::asio::detached);
  io.run();
  check(most == 10, "basic_semaphore");
}

void use() { ++most; }

void async_acquire() {
  asio::io_context io;
  turnstile::semaphore sem(io, 1);
  most = 0;
  sem.async_acquire([&](turnstile::error_code ec) {
    if (ec) return;
    use();
    sem.release();
  });
  io.run();
  check(most == 1 && sem.available() == 1, "async_acquire");
}

turnstile::permit session;

void start_session(turnstile::permit p) { session = std::move(p); }

void async_acquire_permit() {
  asio::io_context io;
  turnstile::semaphore sem(io, 1);
  sem.async_acquire_permit([](turnstile::error_code ec, turnstile::permit p) {
    if (!ec) start_session(std::move(p));  // released when the session is destroyed
  });
  io.run();
  check(session.count() == 1 && sem.available() == 0, "async_acquire_permit");
  session.release();
}

int rejected = 0;

void reject() { ++rejected; }

void async_acquire_permit_for() {
  asio::io_context io;
  turnstile::semaphore sem(io, 1);
  const turnstile::permit held = sem.try_acquire_permit();
  sem.async_acquire_permit_for(100ms, [](turnstile::error_code ec, turnstile::permit p) {
    if (ec == turnstile::errc::timed_out) return reject();
    if (!ec) start_session(std::move(p));
  });
  io.run();
  check(rejected == 1 && !session, "async_acquire_permit_for");
}

void readme() {
  asio::io_context io;
  turnstile::semaphore connections(io, 1);
  connections.async_acquire_permit_for(100ms, [](turnstile::error_code ec, turnstile::permit p) {
    if (ec == turnstile::errc::timed_out) return reject();
    if (!ec) start_session(std::move(p));  // released when the session is destroyed
  });
  io.run();
  check(session.count() == 1, "README.md");
  session.release();
}

// ---- permit --------------------------------------------------------------------------------------

void class_permit() {
  asio::io_context io;
  turnstile::semaphore sem(io, 3);
  {
    turnstile::permit p = sem.try_acquire_permit(3);
    p.release(1);  // two are left
    turnstile::permit one = p.split(1);
    start_session(std::move(one));  // its last owner releases it
  }  // p releases its one here, also if an exception leaves the scope
  check(sem.available() == 2, "permit");
  session.release();
}

// ---- basic_bounded_semaphore -----------------------------------------------------------------------

void class_bounded_semaphore() {
  boost::asio::io_context io;
  turnstile::bounded_semaphore connections(io, 100);
  connections.set_limit(50);  // takes nothing from those that hold a permit; 50 from now on
  check(connections.available() == 50, "basic_bounded_semaphore");
}

// ---- async_with_permit -----------------------------------------------------------------------------

void async_with_permit() {
  asio::io_context io;
  turnstile::semaphore writers(io, 1);
  socket_type socket(io), other(io);
  asio::local::connect_pair(socket, other);
  const std::string text = "text";
  std::size_t written = 0;

  turnstile::async_with_permit(
      writers, boost::asio::async_write(socket, boost::asio::buffer(text), boost::asio::deferred),
      [&](turnstile::error_code ec, std::size_t n) {
        if (!ec) written += n;  // the permit has gone back
      });
  io.run();
  check(written == 4 && writers.available() == 1, "async_with_permit");
}

int main() {
  class_semaphore();
  async_acquire();
  async_acquire_permit();
  async_acquire_permit_for();
  readme();
  class_permit();
  class_bounded_semaphore();
  async_with_permit();
  return failures == 0 ? 0 : 1;
}
