// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "member.hpp"

#include <turnstile/redis_semaphore.hpp>

#include <boost/asio.hpp>

#include <csignal>
#include <iostream>
#include <random>

namespace fleet {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

namespace {

constexpr int workers = 8;  // in each process: one process alone can use the whole limit

// Writes down what the semaphore knows. None of these calls makes a request.
void write_row(row& r, const turnstile::shared_semaphore& permits) {
  r.share = static_cast<int>(permits.share());
  r.waiting = static_cast<int>(permits.waiting());
  r.lease = permits.lease();
  r.valid_until = now() + permits.valid_for().count();
}

// One job after the other.
awaitable<void> work(turnstile::shared_semaphore& permits, table& t, int self) {
  std::minstd_rand random(std::random_device{}());
  asio::steady_timer job(co_await asio::this_coro::executor);
  for (;;) {
    auto [ec, permit] = co_await permits.async_acquire_permit(asio::as_tuple(asio::deferred));
    if (ec) co_return;  // the process ends, and has closed the semaphore
    // The process may have been stopped between the grant and this line, until the lease was over.
    if (!permit.valid()) continue;
    write_row(t.rows[static_cast<std::size_t>(self)], permits);
    t.enter(self);
    job.expires_after(std::chrono::milliseconds(5 + random() % 96));
    co_await job.async_wait(asio::use_awaitable);
    t.leave(self);
  }  // the permit releases itself here
}

// For the picture. A problem with Redis is no error of an acquire, which waits: the engine says what is the matter.
awaitable<void> report(turnstile::redis_engine& engine, turnstile::shared_semaphore& permits,
                       row& r) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  std::string last;
  for (;;) {
    write_row(r, permits);
    if (const std::string error = engine.last_error(); error != last)
      std::cerr << "Redis: " << (last = error) << std::endl;
    timer.expires_after(20ms);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

}  // namespace

void run_member(table& t, int self, const std::string& url) {
  asio::io_context io;
  turnstile::redis_engine engine(io, {.url = url});
  turnstile::shared_semaphore permits(io, engine,
                                      {.name = "fleet", .limit = limit, .lease = lease});

  for (int i = 0; i < workers; ++i) asio::co_spawn(io, work(permits, t, self), asio::detached);
  asio::co_spawn(io, report(engine, permits, t.rows[static_cast<std::size_t>(self)]),
                 asio::detached);

  // An orderly end: no new jobs, wait for those that run, and give the share back at once. Without this, the
  // others get the share when the lease ends, as after a crash.
  asio::signal_set end(io, SIGTERM);
  end.async_wait([&](turnstile::error_code, int) {
    permits.async_leave([&](turnstile::error_code) { io.stop(); });
  });
  io.run();
}

}  // namespace fleet
