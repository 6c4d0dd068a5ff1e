// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A small program that uses a bit of everything.

#include <turnstile.hpp>

#include "check.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <string>
#include <utility>

static_assert(__cplusplus >= 202002L);
#if defined(STANDARD) && STANDARD > 20
static_assert(__cplusplus > 202002L);
#endif

int main() {
  boost::asio::io_context context;
  turnstile::bounded_semaphore semaphore(context, 2);

  turnstile::permit both;
  semaphore.async_acquire_permit(2, [&](turnstile::error_code ec, turnstile::permit p) {
    CHECK(!ec);
    both = std::move(p);
  });
  CHECK(semaphore.available() == 0);
  CHECK(!semaphore.try_acquire());
  context.run();
  CHECK(both.count() == 2);

  bool ran = false;
  boost::asio::steady_timer timer(context, std::chrono::milliseconds(1));
  turnstile::async_with_permit(semaphore, timer.async_wait(boost::asio::deferred),
                               [&](turnstile::error_code ec) { ran = !ec; });
  CHECK(semaphore.waiting() == 1);
  both.release(1);
  CHECK(semaphore.waiting() == 0);
  context.restart();
  context.run();
  CHECK(ran);
  CHECK(semaphore.in_use() == 1);

  both.release();
  turnstile::error_code ec;
  semaphore.release(ec);
  CHECK(ec == turnstile::errc::over_release);
  CHECK(ec.category().name() == std::string("turnstile"));

  semaphore.close();
  ec = {};
  semaphore.async_acquire([&](turnstile::error_code e) { ec = e; });
  context.restart();
  context.run();
  CHECK(ec == turnstile::errc::closed);
}
