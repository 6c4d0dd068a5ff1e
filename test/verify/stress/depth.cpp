// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A million steps, each begun by the handler of the one before, on a stack of 256 KiB: were any of it
// called inside release(), or inside an acquire, the stack would not last.

#define BOOST_TEST_MODULE depth

#include <turnstile.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 108200
#include <boost/asio/bind_immediate_executor.hpp>
#endif

#include <pthread.h>
#include <functional>

namespace asio = boost::asio;
using turnstile::error_code;
using turnstile::permit;
using turnstile::semaphore;

namespace {

constexpr int steps = 1'000'000;

// Calls f on a small stack.
void on_a_small_stack(std::function<void()> f) {
  pthread_attr_t attributes;
  BOOST_REQUIRE(pthread_attr_init(&attributes) == 0);
  BOOST_REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  const auto call = [](void* p) -> void* {
    (*static_cast<std::function<void()>*>(p))();
    return nullptr;
  };
  BOOST_REQUIRE(pthread_create(&thread, &attributes, call, &f) == 0);
  BOOST_TEST(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

struct fixture {
  asio::io_context context{1};
  semaphore sem{context, 1};
  int done = 0;

  void run() {
    on_a_small_stack([this] { context.run(); });
    BOOST_TEST(done == steps);
    BOOST_TEST(sem.available() == 1u);
    BOOST_TEST(sem.waiting() == 0u);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(a_million_steps, fixture)

BOOST_AUTO_TEST_CASE(a_million_callbacks_that_are_granted_at_once) {
  struct step {
    fixture& f;
    void operator()(error_code) const {
      f.sem.release();
      if (++f.done != steps) f.sem.async_acquire(*this);
    }
  };
  sem.async_acquire(step{*this});
  run();
}

// The waiter is served by the release that follows.
BOOST_AUTO_TEST_CASE(a_million_callbacks_that_wait) {
  struct step {
    fixture& f;
    void operator()(error_code) const {
      if (++f.done != steps) f.sem.async_acquire(*this);
      f.sem.release();
    }
  };
  sem.async_acquire(step{*this});
  run();
}

// The waiter is served by the permit that goes out of scope.
BOOST_AUTO_TEST_CASE(a_million_permits) {
  struct step {
    fixture& f;
    void operator()(error_code, const permit&) const {
      if (++f.done != steps) f.sem.async_acquire_permit(*this);
    }
  };
  sem.async_acquire_permit(step{*this});
  run();
}

// A million wait, each cancelled by the handler of the one before.
BOOST_AUTO_TEST_CASE(a_million_cancelled_waits) {
  struct step {
    fixture& f;
    void operator()(error_code) const {
      if (++f.done == steps) return;
      f.sem.async_acquire(2, *this);
      f.sem.cancel();
    }
  };
  sem.async_acquire(2, step{*this});
  sem.cancel();
  run();
}

BOOST_AUTO_TEST_CASE(a_million_grants_at_once_to_a_coroutine) {
  auto walk = [](fixture& f) -> asio::awaitable<void> {
    while (f.done != steps) {
      const permit p = co_await f.sem.async_acquire_permit(asio::use_awaitable);
      ++f.done;
    }
  };
  asio::co_spawn(context, walk(*this), asio::detached);
  run();
}

BOOST_AUTO_TEST_CASE(a_million_turns_of_coroutines_that_wait_for_each_other) {
  auto walk = [](fixture& f, int count) -> asio::awaitable<void> {
    for (; count != 0; --count) {
      co_await f.sem.async_acquire(asio::use_awaitable);
      ++f.done;
      // Once round the executor, so that the other one waits when this releases.
      co_await asio::post(f.context, asio::use_awaitable);
      f.sem.release();
    }
  };
  asio::co_spawn(context, walk(*this, steps / 2), asio::detached);
  asio::co_spawn(context, walk(*this, steps - steps / 2), asio::detached);
  run();
}

#if BOOST_VERSION >= 108200
// An inline immediate executor is for what is decided in the initiating call, and for nothing else:
// here each acquire waits.
BOOST_AUTO_TEST_CASE(a_million_grants_on_an_inline_immediate_executor) {
  struct step {
    fixture& f;
    void operator()(error_code) const {
      if (++f.done != steps)
        f.sem.async_acquire(asio::bind_immediate_executor(asio::system_executor(), *this));
      f.sem.release();
    }
  };
  sem.async_acquire(asio::bind_immediate_executor(asio::system_executor(), step{*this}));
  run();
}
#endif

BOOST_AUTO_TEST_SUITE_END()
