// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Shared semaphores over Redis engines and a redis-server of the test's own. Two engines stand for two processes.

#define BOOST_TEST_MODULE redis_semaphore

#include "engine_fixture.hpp"
#include "redis.hpp"

#include <turnstile/shared_semaphore.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using turnstile::error_code;
using turnstile::shared_permit;
using turnstile::shared_semaphore;

struct fixture : engine_fixture {
  struct process {
    process(fixture& f, turnstile::shared_options o)
        : engine(f.io, {.url = f.url}), sem(f.io, engine, std::move(o)) {}
    turnstile::redis_engine engine;
    shared_semaphore sem;
  };

  // A server that was just started grants nothing for a lease.
  static turnstile::shared_options options(std::size_t limit) {
    return {.name = "db", .limit = limit, .lease = std::chrono::seconds(1)};
  }
  std::unique_ptr<process> make(std::size_t limit) {
    return std::make_unique<process>(*this, options(limit));
  }

  shared_permit acquire(shared_semaphore& s, std::size_t n = 1) {
    std::optional<shared_permit> result;
    s.async_acquire_permit(n, [&](error_code ec, shared_permit p) {
      BOOST_TEST(!ec);
      result = std::move(p);
    });
    BOOST_REQUIRE(wait([&] { return result.has_value(); }));
    return std::move(*result);
  }

  redis_server server;
  redis_connection admin{server.socket()};
  const std::string url = "unix://" + std::filesystem::absolute(server.socket()).string();
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(permits_go_from_one_process_to_the_other, fixture) {
  const auto a = make(4), b = make(4);
  for (int i = 0; i < 8; ++i) {
    shared_permit p = acquire(a->sem, 4);
    BOOST_TEST(a->sem.in_use() == 4U);
    BOOST_TEST(!b->sem.try_acquire());
    std::optional<shared_permit> q;
    b->sem.async_acquire_permit(4, [&](error_code, shared_permit x) { q = std::move(x); });
    if (i % 4 == 1) admin({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
    if (i % 4 == 2) admin({"CLIENT", "KILL", "TYPE", "pubsub"});
    if (i % 4 == 3) admin({"SCRIPT", "FLUSH"});
    for (int k = 0; k < 20; ++k) io.run_one_for(std::chrono::milliseconds(1));
    BOOST_TEST(!q.has_value());
    p.release();
    BOOST_TEST(wait([&] { return q.has_value(); }));
  }
}

BOOST_FIXTURE_TEST_CASE(acquire_before_the_server_is_there_waits_for_it, fixture) {
  server.stop();
  const auto a = make(1);
  std::optional<shared_permit> p;
  a->sem.async_acquire_permit([&](error_code, shared_permit x) { p = std::move(x); });
  BOOST_TEST(wait([&] { return !a->engine.last_error().empty(); }));
  BOOST_TEST(!p.has_value());
  server.start();
  BOOST_TEST(wait([&] { return p.has_value(); }));
}

BOOST_FIXTURE_TEST_CASE(key_of_another_program_is_an_error_of_the_acquire, fixture) {
  const auto a = make(1);
  admin({"SET", "turnstile:{db}", "x"});
  std::optional<error_code> result;
  a->sem.async_acquire([&](error_code ec) { result = ec; });
  BOOST_TEST(wait([&] { return result.has_value(); }));
  BOOST_TEST((*result == turnstile::errc::not_a_semaphore));
}

BOOST_FIXTURE_TEST_CASE(limit_in_the_options_that_differs_is_the_last_error, fixture) {
  const auto a = make(4), b = make(3);
  static_cast<void>(acquire(a->sem));
  static_cast<void>(acquire(b->sem));
  BOOST_TEST(b->sem.limit() == 4U);
  BOOST_TEST(b->engine.last_error() ==
             "the limit of db is 4, not 3 as in the options of this process");
}

BOOST_FIXTURE_TEST_CASE(engine_semaphore_and_permits_may_end_in_any_order, fixture) {
  const auto b = make(2);
  for (int order = 0; order < 3; ++order) {
    auto engine = std::make_unique<turnstile::redis_engine>(io, turnstile::redis_options{url});
    auto sem = std::make_unique<shared_semaphore>(
        io, *engine,
        turnstile::shared_options{.name = "db", .limit = 2, .lease = std::chrono::seconds(1)});
    std::optional<shared_permit> p = acquire(*sem);
    sem->async_acquire(2, [](error_code) {});
    if (order == 0) engine.reset();
    if (order == 1) sem.reset();
    p.reset();
    sem.reset();
    engine.reset();
    BOOST_TEST(acquire(b->sem, 2).count() == 2U);
  }
}

BOOST_AUTO_TEST_CASE(context_may_end_before_engine_semaphore_and_permits) {
  std::optional<fixture> f(std::in_place);
  auto a = f->make(2);
  shared_permit p = f->acquire(a->sem);
  a->sem.async_acquire(2, [](error_code) {});
  f.reset();
  p.release();
  a.reset();
}

BOOST_AUTO_TEST_CASE(example_of_the_reference_compiles) {
  boost::asio::io_context io;
  turnstile::redis_engine engine(io, {.url = "redis://user:secret@redis.example.com/2"});
  turnstile::shared_semaphore connections(io, engine, {.name = "db", .limit = 100});
  BOOST_TEST(!engine.connected());
}
