// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A call is not kept by the work of others: besides what it decides itself, it hands over at most 64
// completions. The rest is not lost: the next call hands it over, or a resumption, which the call posts.

#define BOOST_TEST_MODULE bounded_work
#include "context_executor.hpp"
#include "fake_waiter.hpp"
#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using test::fake;
using test::fixture;
using turnstile::error_code;
using turnstile::detail::core;
using turnstile::detail::outcome;

namespace {

constexpr std::size_t bound = 64;

// While the first of `n` waiters is handed over, others' work arrives: n - 1 permits.
struct busy : fixture {
  explicit busy(std::size_t n = 1000) {
    make(0);
    queued("").then([this, n] {
      for (std::size_t i = 1; i != n; ++i) c->release(1);
    });
    for (std::size_t i = 1; i != n; ++i) queued("");
  }
  std::size_t handed_over() const { return posted.size(); }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(the_core)

BOOST_FIXTURE_TEST_CASE(one_call_hands_over_at_most_64_for_others, busy) {
  c->release(1);
  BOOST_TEST(handed_over() > 1u);
  BOOST_TEST(handed_over() <= 1 + bound);
}

BOOST_FIXTURE_TEST_CASE(a_resumption_hands_over_the_rest_in_parts, busy) {
  c->release(1);
  BOOST_TEST(resumptions.size() == 1u);
  std::size_t largest = 0, runs = 0;
  for (; !resumptions.empty(); ++runs) {
    const std::size_t before = handed_over();
    run_resumption();
    largest = std::max(largest, handed_over() - before);
  }
  BOOST_TEST(handed_over() == 1000u);
  BOOST_TEST(largest <= bound);
  BOOST_TEST(runs >= 1000 / bound - 1);
}

// Each of these works for the queue, and takes the strand that was left.
BOOST_DATA_TEST_CASE(the_next_call_hands_over_more, boost::unit_test::data::xrange(6), which) {
  busy f;
  f.c->release(1);
  const std::size_t before = f.handed_over();
  f.queued("late");
  BOOST_TEST(f.handed_over() > before);
  BOOST_TEST(f.handed_over() <= before + bound);
  fake& last = f.fakes.back();
  const std::size_t between = f.handed_over();
  switch (which) {
    case 0: f.c->release(1); break;
    case 1: f.c->cancel(); break;
    case 2: last.cancel(); break;
    case 3: f.c->close(); break;
    case 4: f.c->set_limit(core::max - 1); break;
    case 5: f.c->orphan(); break;
  }
  BOOST_TEST(f.handed_over() > between);
  if (which != 5) BOOST_TEST(f.handed_over() <= between + 1 + bound);
  f.run();
  BOOST_TEST(f.c->waiting() == (which == 0 ? 0u : which == 4 ? 1u : 0u));
  if (which == 4) f.c->set_limit(core::max);
  if (which == 5) std::exchange(f.c, nullptr)->drop_reference();
}

BOOST_FIXTURE_TEST_CASE(what_was_left_is_handed_over_before_what_comes_later, fixture) {
  make(0);
  queued("").then([this] { c->release(299); });
  for (int i = 1; i != 300; ++i) queued(std::to_string(i));
  c->release(1);
  c->release(1);  // more than there are waiters
  BOOST_TEST(c->acquire_at_once(1) == outcome::waiting);
  BOOST_TEST((*this)("late").wait() == outcome::waiting);  // granted, but not out of turn
  run();
  std::string expected;
  for (int i = 1; i != 300; ++i) expected += std::to_string(i) + ' ';
  BOOST_TEST(read() == expected + "late");
}

// An executor may throw when it is given a resumption. Then the call goes on: nothing is lost.
BOOST_AUTO_TEST_CASE(a_resumption_that_is_refused_makes_the_call_stay) {
  for (const int refusals : {1, 2, 1000}) {
    busy f;
    f.refused_resumptions = refusals;
    f.c->release(1);
    BOOST_TEST(f.handed_over() > bound);
    f.refused_resumptions = 0;
    f.run();
    BOOST_TEST(f.c->waiting() == 0u);
  }
}

// While the offer is being made, the strand is still busy. The resumption runs within post() here.
BOOST_FIXTURE_TEST_CASE(a_resumption_that_comes_too_early_comes_again, busy) {
  bool repeats = false;
  during_post = [&](core* resumed) {
    repeats = !resumed->resume(true);
    during_post = nullptr;
    return repeats;
  };
  c->release(1);
  BOOST_TEST(repeats);
  BOOST_TEST(handed_over() <= 1 + bound);
  run();
  BOOST_TEST(handed_over() == 0u);  // all have run
  BOOST_TEST(c->waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_resumption_that_comes_late_does_nothing, busy) {
  c->release(1);
  while (handed_over() != 1000) c->set_limit(core::max);  // looks at the queue
  BOOST_TEST(resumptions.size() > 10u);
  while (!resumptions.empty()) run_resumption();
  BOOST_TEST(handed_over() == 1000u);
}

BOOST_AUTO_TEST_CASE(completions_that_are_refused_are_put_back) {
  fixture f;
  f.make(0);
  f.queued("").then([&] { f.c->release(199); });
  for (int i = 1; i != 200; ++i) f.queued("").refuse(i >= 20 ? 1 : 0);
  for (int i = 0; i != 200 && f.c->waiting() != 0; ++i) {
    f.c->release(i == 0 ? 1 : 0);
    f.c->close();  // looks at the queue, and closes what was put back
    f.run();
  }
  BOOST_TEST(f.posted.empty());
  BOOST_TEST(f.c->waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(what_a_call_decides_itself_is_handed_over_by_it) {
  for (int which = 0; which != 6; ++which) {
    fixture f;
    f.make(which == 2 ? 0 : 0, which == 2 ? 1 : core::max);
    for (int i = 0; i != 1000; ++i) f.queued("");
    switch (which) {
      case 0: f.c->release(1000); break;
      case 1: f.c->cancel(); break;
      case 2: f.c->set_limit(1001); break;
      case 3: f.c->set_limit(0); break;
      case 4: f.c->close(); break;
      case 5: f.c->orphan(); break;
    }
    BOOST_TEST(f.posted.size() == 1000u);
    f.run();
    if (which == 5) std::exchange(f.c, nullptr)->drop_reference();
  }
}

// What is recorded while a call delivers is not that call's own, whatever the call may have decided.
BOOST_AUTO_TEST_CASE(what_comes_during_a_delivery_is_not_handed_over_without_bound) {
  for (int which = 0; which != 5; ++which) {
    fixture f;
    f.make(0, which == 1 || which == 2 ? 1000 : core::max);
    const auto others_release = [&] {
      for (int i = 0; i != 999; ++i) f.c->release(1);
    };
    fake& first = f.queued("", which == 4 ? 500 : 1);
    first.then([&, which] {
      if (which == 1)
        f.c->set_limit(2000);
      else
        others_release();
    });
    for (int i = 1; i != 1000; ++i) f.queued("");
    switch (which) {
      case 0: first.cancel(); break;
      case 1:
      case 2: f.c->set_limit(1001); break;
      case 3: f.c->release(1); break;
      case 4: f.c->release(500); break;
    }
    BOOST_TEST(f.posted.size() > 1u);
    BOOST_TEST(f.posted.size() <= 1 + bound);
    f.run();
  }
}

// The strand is not left to a completion on one context while a waiter completes on another.
BOOST_AUTO_TEST_CASE(a_waiter_of_another_context_is_never_left_behind) {
  for (const int elsewhere : {1, 50, 199}) {
    fixture f;
    f.make(0);
    f.queued("").then([&] { f.c->release(199); });
    for (int i = 1; i != 200; ++i) {
      fake& x = f("", 1);
      if (i == elsewhere) x.set_elsewhere();
      BOOST_TEST((x.wait() == outcome::waiting));
    }
    f.c->release(1);
    BOOST_TEST(f.posted.size() == 200u);
  }
}

BOOST_AUTO_TEST_CASE(a_waiter_of_another_context_takes_a_strand_that_was_offered) {
  busy f;
  f.c->release(1);
  BOOST_TEST(f.handed_over() < 1000u);
  fake& x = f("", 1);
  x.set_elsewhere();
  BOOST_TEST((x.wait() == outcome::waiting));
  BOOST_TEST(f.handed_over() == 1000u);
}

BOOST_AUTO_TEST_CASE(what_was_left_ends_with_the_semaphore) {
  busy f;
  f.c->release(1);
  f.c->orphan();
  BOOST_TEST(f.handed_over() == 1000u);
  f.run();
  std::exchange(f.c, nullptr)->drop_reference();
}

BOOST_FIXTURE_TEST_CASE(what_was_left_is_abandoned_at_once, busy) {
  c->release(1);
  c->abandon();
  BOOST_TEST(c->waiting() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(threads)

namespace {

// An executor that counts what is handed over on this thread.
struct counting : test::context_executor<counting> {
  static inline thread_local std::size_t handed_over = 0;

  template <typename Function>
  void execute(Function&& f) const {
    ++handed_over;
    asio::post(*context, std::forward<Function>(f));
  }
};

}  // namespace

// One thread releases and looks at what each call hands over; the others acquire and release.
BOOST_AUTO_TEST_CASE(no_release_works_without_bound_for_the_others) {
  const test::watchdog guard;
  asio::io_context io;
  turnstile::basic_semaphore<counting> sem(counting{{&io}}, 0);
  std::atomic<std::size_t> completed{0}, started{0};
  const auto acquire = [&] {
    started.fetch_add(1, std::memory_order_relaxed);
    sem.async_acquire([&](error_code) { completed.fetch_add(1, std::memory_order_relaxed); });
  };
  for (int i = 0; i != 8; ++i) acquire();
  std::atomic<int> others{3};
  std::vector<std::thread> threads;
  for (int t = 0; t != 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i != 50'000; ++i) {
        acquire();
        sem.release();
      }
      --others;
    });
  std::size_t largest = 0;
  while (others != 0) {
    counting::handed_over = 0;
    sem.release();
    largest = std::max(largest, counting::handed_over);
    acquire();
  }
  for (auto& thread : threads) thread.join();
  BOOST_TEST(largest <= 1 + bound);
  // Nothing is asleep: as many were granted as were released.
  io.run();
  BOOST_TEST(completed == started - 8);
  BOOST_TEST(sem.waiting() == 8u);
  BOOST_TEST(sem.available() == 0u);
  sem.cancel();
  io.restart();
  io.run();
  BOOST_TEST(completed == started);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(executors)

namespace {

struct scripted_context : asio::io_context {
  std::function<void(std::function<void()>)> on_completion, on_resumption;
};

template <typename F>
constexpr bool is_resumption = false;
template <typename E>
constexpr bool is_resumption<turnstile::detail::resumption<E>> = true;

// Posts to its context, or does what the test tells it to.
struct scripted : test::context_executor<scripted, scripted_context> {
  template <typename F>
  void execute(F f) const {
    const auto& script = is_resumption<F> ? context->on_resumption : context->on_completion;
    std::function<void()> copyable = [shared = std::make_shared<F>(std::move(f))] { (*shared)(); };
    if (script)
      script(std::move(copyable));
    else
      asio::post(*context, std::move(copyable));
  }
};

// A call for one waiter, during which another thread could have released permits for 199 more.
template <typename Executor>
struct offering {
  offering() {
    sem.async_acquire(
        asio::bind_executor(scripted{{&*context}}, [this](error_code) { ++completed; }));
    for (int i = 1; i != 200; ++i) sem.async_acquire([this](error_code) { ++completed; });
    context->on_completion = [this](std::function<void()> f) {
      context->on_completion = nullptr;
      asio::post(*context, std::move(f));
      sem.release(199);
    };
  }
  static Executor executor_of(scripted_context& c) {
    if constexpr (std::is_same_v<Executor, scripted>)
      return scripted{{&c}};
    else
      return c.get_executor();
  }

  // Whether the call has left the rest to a resumption: that runs after the first 33 completions.
  void expect_offer(bool offered) {
    for (int i = 0; i != 34; ++i) context->poll_one();
    BOOST_TEST(completed == (offered ? 33 : 34));
    context->run();
    BOOST_TEST(completed == 200);
  }

  int completed = 0;
  std::optional<scripted_context> context{std::in_place};
  turnstile::basic_semaphore<Executor> sem{executor_of(*context), 0};
};

using on_scripted = offering<scripted>;
using on_io_context = offering<asio::io_context::executor_type>;

}  // namespace

BOOST_FIXTURE_TEST_CASE(a_resumption_hands_over_the_rest_on_an_executor, on_scripted) {
  sem.release();
  expect_offer(true);
}

BOOST_FIXTURE_TEST_CASE(a_resumption_hands_over_the_rest_on_an_io_context, on_io_context) {
  sem.release();
  expect_offer(true);
}

BOOST_FIXTURE_TEST_CASE(a_call_stays_if_the_executor_refuses_the_resumption, on_scripted) {
  context->on_resumption = [](const std::function<void()>&) { throw std::bad_alloc(); };
  sem.release();
  expect_offer(false);
}

BOOST_FIXTURE_TEST_CASE(a_call_stays_if_the_executor_calls_the_resumption_at_once, on_scripted) {
  context->on_resumption = [](const std::function<void()>& f) { f(); };
  sem.release();
  expect_offer(false);
}

BOOST_FIXTURE_TEST_CASE(a_resumption_that_another_thread_runs_too_early_comes_again, on_scripted) {
  context->on_resumption = [this](const std::function<void()>& f) {
    context->on_resumption = nullptr;
    std::thread(f).join();
  };
  sem.release();
  expect_offer(true);
}

template <typename Offering>
void destroy_context(Offering& o) {
  o.sem.release();
  o.context.reset();
  BOOST_TEST(o.completed == 0);
}
BOOST_FIXTURE_TEST_CASE(a_resumption_on_an_executor_is_destroyed_with_its_context, on_scripted) {
  destroy_context(*this);
}
BOOST_FIXTURE_TEST_CASE(a_resumption_on_an_io_context_is_destroyed_with_it, on_io_context) {
  destroy_context(*this);
}

BOOST_AUTO_TEST_SUITE_END()
