// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The examples of the reference, which is made from the comments in include/turnstile/*.hpp, and of the
// project's README. Each snippet stands here word for word.

#include <turnstile.hpp>
#include <turnstile/memory_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#include <boost/asio.hpp>

#define BOOST_TEST_MODULE reference
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using socket_type = asio::local::stream_protocol::socket;

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

BOOST_AUTO_TEST_CASE(semaphore_limits_coroutines) {
  boost::asio::io_context io;
  turnstile::semaphore sem(io, 10);
  for (int i = 0; i < 30; ++i) co_spawn(io, work(sem), boost::asio::detached);
  io.run();
  BOOST_TEST(most == 10);
}

void use() { ++most; }

BOOST_AUTO_TEST_CASE(a_queue_has_a_bound) {
  asio::io_context io;
  turnstile::semaphore sem(io, 0);
  sem.set_max_waiting(1000);
  sem.async_acquire([&](turnstile::error_code ec) {
    if (ec == turnstile::errc::queue_full) return;  // too busy: refuse the request
  });
  BOOST_TEST(sem.waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(async_acquire_calls_the_handler_with_a_permit) {
  asio::io_context io;
  turnstile::semaphore sem(io, 1);
  most = 0;
  sem.async_acquire([&](turnstile::error_code ec) {
    if (ec) return;
    use();
    sem.release();
  });
  io.run();
  BOOST_TEST(most == 1);
  BOOST_TEST(sem.available() == 1);
}

turnstile::permit session;

void start_session(turnstile::permit p) { session = std::move(p); }

BOOST_AUTO_TEST_CASE(async_acquire_permit_hands_the_permit_to_the_handler) {
  asio::io_context io;
  turnstile::semaphore sem(io, 1);
  sem.async_acquire_permit([](turnstile::error_code ec, turnstile::permit p) {
    if (!ec) start_session(std::move(p));  // released when the session is destroyed
  });
  io.run();
  BOOST_TEST(session.count() == 1);
  BOOST_TEST(sem.available() == 0);
  session.release();
}

int rejected = 0;

void reject() { ++rejected; }

BOOST_AUTO_TEST_CASE(async_acquire_permit_for_rejects_after_the_timeout) {
  asio::io_context io;
  turnstile::semaphore sem(io, 1);
  const turnstile::permit held = sem.try_acquire_permit();
  sem.async_acquire_permit_for(100ms, [](turnstile::error_code ec, turnstile::permit p) {
    if (ec == turnstile::errc::timed_out) return reject();
    if (!ec) start_session(std::move(p));
  });
  io.run();
  BOOST_TEST(rejected == 1);
  BOOST_TEST(!session);
}

BOOST_AUTO_TEST_CASE(readme_starts_a_session_if_a_permit_is_free) {
  asio::io_context io;
  turnstile::semaphore connections(io, 1);
  connections.async_acquire_permit_for(100ms, [](turnstile::error_code ec, turnstile::permit p) {
    if (ec == turnstile::errc::timed_out) return reject();
    if (!ec) start_session(std::move(p));  // released when the session is destroyed
  });
  io.run();
  BOOST_TEST(session.count() == 1);
  session.release();
}

// ---- permit --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(permit_can_be_split_and_released_in_part) {
  asio::io_context io;
  turnstile::semaphore sem(io, 3);
  {
    turnstile::permit p = sem.try_acquire_permit(3);
    p.release(1);  // two are left
    turnstile::permit one = p.split(1);
    start_session(std::move(one));  // its last owner releases it
  }  // p releases its one here, also if an exception leaves the scope
  BOOST_TEST(sem.available() == 2);
  session.release();
}

// ---- basic_bounded_semaphore -----------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(bounded_semaphore_has_a_new_limit_at_once) {
  boost::asio::io_context io;
  turnstile::bounded_semaphore connections(io, 100);
  connections.set_limit(50);  // takes nothing from those that hold a permit; 50 from now on
  BOOST_TEST(connections.available() == 50);
}

// ---- async_with_permit -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(async_with_permit_writes_and_gives_the_permit_back) {
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
  BOOST_TEST(written == 4);
  BOOST_TEST(writers.available() == 1);
}

// ---- adaptive_limit ------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(adaptive_limit_sets_the_limit_of_a_semaphore) {
  boost::asio::io_context io;
  const auto start = std::chrono::steady_clock::now();
  const std::size_t in_use = 1;
  turnstile::adaptive_limit adaptive({.initial = 8, .lowest = 2, .highest = 200});
  turnstile::bounded_semaphore upstream(io, adaptive.limit());

  // When a request has ended, which began at `start` with that many in use:
  upstream.set_limit(adaptive.ended(start, std::chrono::steady_clock::now(), in_use,
                                    turnstile::adaptive_limit::outcome::succeeded));
  BOOST_TEST(upstream.limit() == 8);
}

// ---- wait_statistics -----------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(wait_statistics_count_what_is_granted) {
  boost::asio::io_context io;
  turnstile::semaphore sem(io, 1);
  turnstile::wait_statistics waits;
  auto upstream = turnstile::measured(sem, waits);
  upstream.async_acquire_permit([](turnstile::error_code, turnstile::permit) {});
  io.run();
  auto now = waits.read();
  std::cout << now.granted << " granted, 99 % of them within " << now.quantile(0.99).count()
            << " ns\n";
  BOOST_TEST(now.granted == 1);
}

// ---- basic_keyed_semaphore -------------------------------------------------------------------------

struct request {
  std::string tenant;
};
int queries = 0;

boost::asio::awaitable<void> query_the_database(const request&) {
  ++queries;
  co_return;
}

boost::asio::io_context io;
turnstile::keyed_semaphore<std::string> tenants(io, {.per_key = 10,
                                                     .total = 100,
                                                     .max_waiting_per_key = 50});

boost::asio::awaitable<void> handle(request r) {
  auto permit = co_await tenants[r.tenant].async_acquire_permit();
  co_await query_the_database(r);
}

BOOST_AUTO_TEST_CASE(keyed_semaphore_counts_permits_for_each_tenant) {
  co_spawn(io, handle({"tenant"}), boost::asio::detached);
  io.run();
  BOOST_TEST(queries == 1);
  BOOST_TEST(tenants.size() == 0u);
}

// ---- basic_shared_semaphore ------------------------------------------------------------------------

namespace shared_by_processes {

asio::io_context io;
int queries = 0;

asio::awaitable<void> use_the_database() {
  ++queries;
  co_return;
}

turnstile::memory_server server;  // of one process; turnstile::redis_engine is for many
turnstile::memory_engine engine(io, server);
turnstile::shared_semaphore connections(io, engine, {.name = "db", .limit = 100});

boost::asio::awaitable<void> query() {
  auto permit = co_await connections.async_acquire_permit();
  co_await use_the_database();
}

}  // namespace shared_by_processes

BOOST_AUTO_TEST_CASE(processes_share_a_semaphore) {
  co_spawn(shared_by_processes::io, shared_by_processes::query(), asio::detached);
  while (shared_by_processes::queries == 0) shared_by_processes::io.run_one();
  BOOST_TEST(shared_by_processes::connections.limit() == 100u);
}

BOOST_AUTO_TEST_CASE(a_test_moves_the_clock_of_a_shared_semaphore) {
  io.restart();
  turnstile::manual_clock clock;
  turnstile::memory_server server(clock);
  turnstile::memory_engine engine(io, server);
  turnstile::shared_semaphore a(io, engine, {.name = "db", .limit = 2});
  turnstile::shared_semaphore b(io, engine, {.name = "db", .limit = 2});  // as in another process
  a.async_acquire([](turnstile::error_code ec) { BOOST_TEST(!ec); });
  b.async_acquire([](turnstile::error_code ec) { BOOST_TEST(!ec); });
  io.poll();
  BOOST_TEST(a.in_use() + b.in_use() == 2u);
  clock.advance(10s);  // and no request was answered meanwhile
  BOOST_TEST((a.lease() == turnstile::lease_state::lost));
}
