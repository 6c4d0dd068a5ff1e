// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The recipes of example/recipes.md do what that page says. parallel_for has a file of its own.

#define BOOST_TEST_MODULE recipes

#include "recipes/adaptive.hpp"
#include "recipes/hosts.hpp"
#include "recipes/limits.hpp"
#include "recipes/metrics.hpp"
#include "recipes/object_pool.hpp"
#include "recipes/overload.hpp"
#include "recipes/retry.hpp"
#include "recipes/shutdown.hpp"
#include "recipes/task.hpp"
#include "recipes/threads.hpp"
#include "recipes/timeouts.hpp"
#include "support.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using recipes::sleep_for;
using turnstile::bounded_semaphore;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;
using turnstile::semaphore;
using namespace std::chrono_literals;

namespace {

// How a coroutine ended.
struct ending {
  bool ended = false;
  error_code error;     // of a system_error
  std::string message;  // of another exception

  auto record() {
    return [this](const std::exception_ptr& e) {
      ended = true;
      try {
        if (e) std::rethrow_exception(e);
      } catch (const boost::system::system_error& system_error) {
        error = system_error.code();
      } catch (const std::exception& other) {
        message = other.what();
      }
    };
  }
};

ending run(asio::io_context& io, awaitable<void> coroutine) {
  ending e;
  asio::co_spawn(io, std::move(coroutine), e.record());
  io.restart();
  io.run();
  BOOST_TEST(e.ended);
  return e;
}

void poll(asio::io_context& io) {
  io.restart();
  io.poll();
}

// Counts how many are inside at once, on any thread.
class occupancy {
 public:
  void enter() {
    const std::size_t now = ++inside_;
    for (std::size_t most = most_; now > most && !most_.compare_exchange_weak(most, now);) {
    }
  }
  void leave() { --inside_; }
  std::size_t most() const { return most_; }

 private:
  std::atomic<std::size_t> inside_{0}, most_{0};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(timeouts)

BOOST_AUTO_TEST_CASE(a_coroutine_gets_a_permit_or_gives_up) {
  asio::io_context io;
  semaphore sem(io, 1);
  auto both = [&]() -> awaitable<void> {
    permit first = co_await recipes::acquire_within(sem, 1ms);
    BOOST_TEST(bool(first));
    permit second = co_await recipes::acquire_within(sem, 1ms);
    BOOST_TEST(!second);
    BOOST_TEST(sem.waiting() == 0u);
  };
  BOOST_TEST(!run(io, both()).error);
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_coroutine_gets_the_other_errors) {
  asio::io_context io;
  semaphore sem(io, 1);
  sem.close();
  auto one = [&]() -> awaitable<void> { (void)co_await recipes::acquire_within(sem, 1ms); };
  BOOST_TEST((run(io, one()).error == errc::closed));
}

BOOST_AUTO_TEST_CASE(a_callback_gets_a_permit_or_an_empty_one) {
  asio::io_context io;
  semaphore sem(io, 1);
  std::vector<permit> permits;
  for (int i = 0; i != 2; ++i)
    recipes::acquire_within(sem, 1ms, [&](permit p) { permits.push_back(std::move(p)); });
  io.run();
  BOOST_REQUIRE(permits.size() == 2u);
  BOOST_TEST((permits[0] && !permits[1]));
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_limit_for_the_whole_work_covers_the_wait_and_the_work) {
  asio::io_context io;
  semaphore sem(io, 1);
  bool worked = false;
  auto quick = [&]() -> awaitable<void> {
    worked = true;
    co_return;
  };
  auto endless = [&]() -> awaitable<void> { co_await sleep_for(test::patience); };
  const auto strand = asio::make_strand(io);
  ending in_time, too_long, waits_too_long;

  asio::co_spawn(strand, recipes::visit_within(sem, test::patience, quick), in_time.record());
  io.run();
  BOOST_TEST((in_time.ended && !in_time.error && worked));

  asio::co_spawn(strand, recipes::visit_within(sem, 1ms, endless), too_long.record());
  io.restart();
  io.run();
  BOOST_TEST((too_long.error == asio::error::operation_aborted));
  BOOST_TEST(sem.available() == 1u);

  worked = false;
  const permit taken = sem.try_acquire_permit();
  asio::co_spawn(strand, recipes::visit_within(sem, 1ms, quick), waits_too_long.record());
  io.restart();
  io.run();
  BOOST_TEST((waits_too_long.error == asio::error::operation_aborted));
  BOOST_TEST((!worked && sem.waiting() == 0u));
}

BOOST_AUTO_TEST_CASE(a_limit_for_the_whole_work_passes_an_error_on_before_the_time_is_up) {
  asio::io_context io;
  semaphore sem(io, 1);
  auto fails = [&]() -> awaitable<void> {
    throw std::runtime_error("failed");
    co_return;
  };
  const test::watchdog watchdog;
  const ending e = run(io, recipes::visit_within(sem, 2 * test::patience, fails));
  BOOST_TEST(e.message == "failed");
}

BOOST_AUTO_TEST_CASE(on_strands_of_a_pool_no_permit_is_lost) {
  asio::thread_pool pool(4);
  semaphore sem(pool, 3);
  std::atomic<int> ended{0};
  occupancy inside;
  auto work = [&]() -> awaitable<void> {
    inside.enter();
    co_await asio::post(use_awaitable);
    inside.leave();
  };
  for (int i = 0; i != 300; ++i) {
    asio::co_spawn(asio::make_strand(pool), recipes::visit_within(sem, 1ms * (i % 3 + 1), work),
                   [&](const std::exception_ptr&) { ++ended; });
    asio::co_spawn(pool, recipes::acquire_within(sem, 1ms * (i % 3)),
                   [&](const std::exception_ptr&, const permit&) { ++ended; });
    recipes::acquire_within(sem, 1ms * (i % 3), [&](const permit&) { ++ended; });
  }
  pool.join();
  BOOST_TEST(ended == 900);
  BOOST_TEST(sem.available() == 3u);
  BOOST_TEST(inside.most() <= 3u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(limits)

BOOST_AUTO_TEST_CASE(limit_any_operation) {
  asio::io_context io;
  semaphore writers(io, 1);
  auto one = std::make_shared<recipes::socket_type>(io);
  recipes::socket_type other(io);
  asio::local::connect_pair(*one, other);

  std::size_t sent = 0;
  asio::co_spawn(io, recipes::send(writers, *one, "hello "),
                 [&](const std::exception_ptr&, std::size_t n) { sent = n; });
  recipes::send(writers, one, "world");
  io.run();

  std::string text(11, ' ');
  asio::read(other, asio::buffer(text));
  BOOST_TEST(sent == 6u);
  BOOST_TEST(text.find("world") != text.npos);
  BOOST_TEST(writers.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_request_that_needs_several_permits) {
  asio::io_context io;
  bounded_semaphore megabytes(io, 100);
  std::array<ending, 3> endings;
  for (std::size_t i = 0; const std::size_t needed : {60u, 500u, 1u})
    asio::co_spawn(io, recipes::convert(megabytes, needed), endings[i++].record());
  io.run();
  for (const ending& e : endings) BOOST_TEST((e.ended && !e.error));
  BOOST_TEST(megabytes.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(change_the_limit_while_running) {
  asio::io_context io;
  bounded_semaphore upstream(io, 8);
  permit held = upstream.try_acquire_permit(8);
  recipes::adapt(upstream, true);
  BOOST_TEST(upstream.limit() == 4u);
  BOOST_TEST(upstream.in_use() == 8u);  // nothing was taken away
  held.release(4);
  BOOST_TEST(!upstream.try_acquire());
  recipes::adapt(upstream, false);
  BOOST_TEST(upstream.try_acquire());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(a_limit_for_each_key)

BOOST_AUTO_TEST_CASE(a_limit_for_each_host_holds_on_a_pool) {
  asio::thread_pool pool(4);
  recipes::hosts hosts(pool.get_executor());
  std::array<occupancy, 2> inside;
  std::atomic<int> ended{0};
  for (int i = 0; i != 100; ++i) {
    auto request = [&inside = inside[static_cast<std::size_t>(i % 2)]]() -> awaitable<void> {
      inside.enter();
      co_await asio::post(use_awaitable);
      inside.leave();
    };
    asio::co_spawn(pool, hosts.fetch(i % 2 ? "one" : "other", request),
                   [&](const std::exception_ptr& e, bool ran) { ended += !e && ran; });
  }
  pool.join();
  BOOST_TEST(ended == 100);
  for (const occupancy& host : inside) BOOST_TEST((host.most() == 1 || host.most() == 2));
  BOOST_TEST(hosts.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_limit_for_each_host_forgets_hosts_whose_requests_throw) {
  asio::io_context io;
  recipes::hosts hosts(io.get_executor());
  int thrown = 0;
  auto request = []() -> awaitable<void> {
    co_await asio::post(use_awaitable);
    throw std::runtime_error("failed");
  };
  for (int i = 0; i != 10'000; ++i)
    asio::co_spawn(io, hosts.fetch(std::to_string(i), request),
                   [&](const std::exception_ptr& e, bool) { thrown += !!e; });
  poll(io);
  io.run();
  BOOST_TEST(thrown == 10'000);
  BOOST_TEST(hosts.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_limit_for_each_host_forgets_hosts_whose_requests_are_cancelled) {
  asio::io_context io;
  recipes::hosts hosts(io.get_executor());
  auto request = []() -> awaitable<void> { co_await sleep_for(test::patience); };
  std::array<asio::cancellation_signal, 4> signals;  // two run, and two wait
  std::array<ending, 4> endings;
  for (std::size_t i = 0; i != signals.size(); ++i)
    asio::co_spawn(io, hosts.fetch("host", request),
                   asio::bind_cancellation_slot(
                       signals[i].slot(),
                       [r = endings[i].record()](const std::exception_ptr& e, bool) { r(e); }));
  poll(io);
  BOOST_TEST(hosts.size() == 1u);
  for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  poll(io);
  for (const ending& e : endings) BOOST_TEST((e.error == asio::error::operation_aborted));
  BOOST_TEST(hosts.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_limit_for_each_host_may_be_destroyed_before_its_requests) {
  asio::io_context io;  // destroys the requests
  recipes::hosts hosts(io.get_executor());
  auto request = []() -> awaitable<void> { co_await sleep_for(test::patience); };
  for (int i = 0; i != 4; ++i) asio::co_spawn(io, hosts.fetch("host", request), asio::detached);
  poll(io);
  BOOST_TEST(hosts.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_limit_for_each_host_refuses_what_would_be_too_many_to_wait) {
  asio::io_context io;
  recipes::hosts hosts(io.get_executor());
  int ran = 0, refused = 0;
  for (int i = 0; i != 60; ++i)
    asio::co_spawn(
        io, hosts.fetch("host", []() -> awaitable<void> { co_await asio::post(use_awaitable); }),
        [&](const std::exception_ptr&, bool b) { ++(b ? ran : refused); });
  io.run();
  BOOST_TEST(ran == 52);  // two, and 50 that waited
  BOOST_TEST(refused == 8);
}

BOOST_AUTO_TEST_CASE(a_limit_for_each_host_by_hand_takes_the_host_first) {
  asio::io_context io;
  semaphore slow(io, 1), fast(io, 1), all(io, 2);
  auto wait = []() -> awaitable<void> { co_await sleep_for(test::patience); };
  int ended = 0;
  for (int i = 0; i != 2; ++i)
    asio::co_spawn(io, recipes::fetch_by_hand(slow, all, wait), asio::detached);
  asio::co_spawn(io, recipes::fetch_by_hand(fast, all, []() -> awaitable<void> { co_return; }),
                 [&](const std::exception_ptr& e) { ended += !e; });
  poll(io);
  BOOST_TEST(ended == 1);  // the second request to the slow host holds nothing of the total
  BOOST_TEST(all.available() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(overload)

BOOST_AUTO_TEST_CASE(important_requests_find_the_reserved_permits) {
  asio::io_context io;
  recipes::priorities server(io.get_executor(), 3, 1);
  int ordinary = 0, important = 0;
  auto count = [](int& n) {
    return [&n]() -> awaitable<void> {
      ++n;
      co_await sleep_for(test::patience);
    };
  };
  for (int i = 0; i != 5; ++i)
    asio::co_spawn(io, server.run_ordinary(count(ordinary)), asio::detached);
  poll(io);
  BOOST_TEST(ordinary == 2);
  for (int i = 0; i != 2; ++i)
    asio::co_spawn(io, server.run_important(count(important)), asio::detached);
  poll(io);
  BOOST_TEST(important == 1);
}

BOOST_AUTO_TEST_CASE(what_waited_too_long_is_not_run_and_lets_the_next_one_pass) {
  asio::io_context io;
  semaphore slots(io, 0);
  int ran = 0;
  std::vector<bool> in_time;
  auto request = [&](std::chrono::milliseconds patience) {
    asio::co_spawn(io,
                   recipes::run_in_time(slots, patience,
                                        [&]() -> awaitable<void> {
                                          ++ran;
                                          co_return;
                                        }),
                   [&](const std::exception_ptr&, bool b) { in_time.push_back(b); });
  };
  request(-1ms);
  request(std::chrono::duration_cast<std::chrono::milliseconds>(test::patience));
  poll(io);
  slots.release();
  poll(io);
  BOOST_TEST(in_time == (std::vector<bool>{false, true}), boost::test_tools::per_element());
  BOOST_TEST(ran == 1);
  BOOST_TEST(slots.available() == 1u);
}

BOOST_AUTO_TEST_CASE(metrics_are_of_the_last_minute) {
  asio::io_context io;
  recipes::measured_database database(io.get_executor());
  for (int i = 0; i != 12; ++i)
    asio::co_spawn(io, database.query([]() -> awaitable<void> { co_await sleep_for(1ms); }),
                   asio::detached);
  poll(io);
  const std::string full = database.metrics();
  BOOST_TEST(full.find("granted 10\nrefused 0\nin_use 10\nwaiting 2\n") == 0u);
  io.restart();
  io.run();
  BOOST_TEST(database.metrics().find("granted 12\n") == 0u);
  BOOST_TEST(database.metrics().find("wait_p99_us 0\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_refused_client_comes_back_when_the_queue_is_served) {
  asio::io_context io;
  bounded_semaphore slots(io, 10);
  BOOST_TEST(recipes::retry_after(slots, 100ms).count() == 1);
  for (int i = 0; i != 59; ++i) slots.async_acquire(asio::detached);
  BOOST_TEST(slots.waiting() == 49u);
  BOOST_TEST(recipes::retry_after(slots, 1000ms).count() == 5);
  slots.set_limit(0);
  BOOST_TEST(recipes::retry_after(slots, 100ms).count() == 60);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(threads)

BOOST_AUTO_TEST_CASE(permits_travel_to_the_threads_of_a_pool) {
  asio::thread_pool pool(2);
  semaphore slots(pool, 1);
  occupancy inside;
  for (int i = 0; i != 20; ++i)
    recipes::compress(slots, pool, [&] {
      inside.enter();
      inside.leave();
    });
  pool.join();
  BOOST_TEST(inside.most() == 1u);
  BOOST_TEST(slots.available() == 1u);
}

BOOST_AUTO_TEST_CASE(plain_threads_wait_with_a_limit_or_not_at_all) {
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  std::thread runs_io([&] { io.run(); });
  semaphore slots(io, 1);

  int in_turn = 0;
  {
    const auto increment = [&] { ++in_turn; };
    std::thread one([&] { recipes::from_a_thread(slots, increment); });
    std::thread other([&] { recipes::from_a_thread(slots, increment); });
    one.join();
    other.join();
  }
  BOOST_TEST(in_turn == 2);

  // A permit comes back after its last user has gone on.
  BOOST_TEST(test::eventually([&] { return slots.available() == 1; }));
  const bool worked = recipes::from_a_thread_within(slots, test::patience, [&] {
    BOOST_TEST(!recipes::from_a_thread_within(slots, 1ms, [&] { BOOST_TEST(false); }));
    BOOST_TEST(!recipes::from_a_thread_within(slots, 0ms, [&] { BOOST_TEST(false); }));
    BOOST_TEST(!recipes::without_waiting(slots, [&] { BOOST_TEST(false); }));
    BOOST_TEST(slots.waiting() == 0u);
  });
  BOOST_TEST(worked);
  BOOST_TEST(test::eventually([&] { return slots.available() == 1; }));
  BOOST_TEST(recipes::without_waiting(slots, [] {}));

  {
    const permit held = slots.try_acquire_permit();
    // The future is dropped. What it was to get goes back.
    (void)slots.async_acquire_permit(asio::use_future);
  }
  BOOST_TEST(test::eventually([&] { return slots.available() == 1; }));
  work.reset();
  runs_io.join();
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(a_pool_of_objects)

namespace {

struct connection {
  int used = 0;
};

std::vector<std::unique_ptr<connection>> two_connections() {
  std::vector<std::unique_ptr<connection>> objects;
  for (int i = 0; i != 2; ++i) objects.push_back(std::make_unique<connection>());
  return objects;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_object_pool_lends_each_object_to_one_lease_at_a_time) {
  asio::thread_pool threads(4);
  recipes::object_pool<connection> pool(threads.get_executor(), two_connections());
  occupancy inside;
  std::mutex mutex;
  std::set<connection*> all, lent;
  bool lent_twice = false;
  auto use = [&]() -> awaitable<void> {
    auto lease = co_await pool.acquire();
    inside.enter();
    {
      const std::scoped_lock lock(mutex);
      all.insert(&*lease);
      lent_twice |= !lent.insert(&*lease).second;
    }
    ++lease->used;  // a data race if two had the object
    co_await asio::post(use_awaitable);
    {
      const std::scoped_lock lock(mutex);
      lent.erase(&*lease);
    }
    inside.leave();
    throw std::runtime_error("the object goes back all the same");
  };
  std::atomic<int> ended{0};
  for (int i = 0; i != 200; ++i)
    asio::co_spawn(threads, use(), [&](const std::exception_ptr&) { ++ended; });
  threads.join();
  BOOST_TEST(ended == 200);
  BOOST_TEST(!lent_twice);
  BOOST_TEST(all.size() <= 2u);
  BOOST_TEST(inside.most() <= 2u);
}

BOOST_AUTO_TEST_CASE(an_object_pool_may_be_destroyed_before_its_leases_and_waiters) {
  asio::io_context io;
  std::optional<recipes::object_pool<connection>> pool(std::in_place, io.get_executor(),
                                                       two_connections());
  std::array<ending, 4> endings;
  asio::steady_timer later(io, test::patience);
  auto use = [&]() -> awaitable<void> {
    auto lease = co_await pool->acquire();
    co_await later.async_wait(asio::as_tuple(use_awaitable));
    ++lease->used;
  };
  for (ending& e : endings) asio::co_spawn(io, use(), e.record());
  poll(io);
  pool.reset();
  poll(io);
  later.cancel();
  poll(io);
  for (std::size_t i = 0; i != endings.size(); ++i) {
    BOOST_TEST(endings[i].ended);
    BOOST_TEST((endings[i].error == (i < 2 ? error_code() : asio::error::operation_aborted)));
  }
}

BOOST_AUTO_TEST_CASE(an_object_pool_may_be_destroyed_between_the_grant_and_the_lease) {
  asio::io_context io;
  std::optional<recipes::object_pool<connection>> pool(std::in_place, io.get_executor(),
                                                       two_connections());
  ending e;
  auto use = [&]() -> awaitable<void> {
    auto lease = co_await pool->acquire();
    ++lease->used;
  };
  asio::co_spawn(io, use(), e.record());
  io.poll_one();  // it starts, and its permit is granted
  pool.reset();
  poll(io);
  BOOST_TEST((e.ended && !e.error));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(stopping)

namespace {

// Starts jobs until that is over; each lasts until the timer is cancelled.
struct server {
  asio::io_context io;
  bounded_semaphore jobs{io, 2};
  asio::steady_timer until_then{io, test::patience};
  int running = 0;
  std::array<ending, 3> endings;  // two jobs run, and one waits

  server() {
    for (ending& e : endings) asio::co_spawn(io, job(), e.record());
    poll(io);
    BOOST_TEST(running == 2);
    BOOST_TEST(jobs.waiting() == 1u);
  }

  awaitable<void> job() {
    auto permit = co_await jobs.async_acquire_permit();
    ++running;
    co_await until_then.async_wait(asio::as_tuple(use_awaitable));
    --running;
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(drain_waits_for_the_jobs_that_run) {
  server s;
  ending drained, late;
  asio::co_spawn(s.io, recipes::drain(s.jobs), drained.record());
  poll(s.io);
  BOOST_TEST((s.endings[2].error == asio::error::operation_aborted));
  asio::co_spawn(s.io, s.job(), late.record());
  poll(s.io);
  BOOST_TEST((!drained.ended && !late.ended));
  s.until_then.cancel();
  poll(s.io);
  BOOST_TEST((drained.ended && !drained.error));
  BOOST_TEST((late.error == errc::closed));
  BOOST_TEST((s.endings[0].ended && s.endings[1].ended));
  BOOST_TEST((s.running == 0 && s.jobs.is_closed()));
}

BOOST_AUTO_TEST_CASE(drain_within_says_whether_all_jobs_have_ended) {
  for (const bool in_time : {true, false}) {
    server s;
    std::optional<bool> result;
    asio::co_spawn(s.io, recipes::drain_within(s.jobs, in_time ? test::patience : 1ms),
                   [&](const std::exception_ptr&, bool r) { result = r; });
    poll(s.io);
    if (in_time) s.until_then.cancel();
    while (!result) s.io.run_one();
    BOOST_TEST(*result == in_time);
    BOOST_TEST(s.jobs.is_closed());
    BOOST_TEST(s.running == (in_time ? 0 : 2));
  }
}

BOOST_AUTO_TEST_CASE(drain_on_ctrl_c_begins_with_the_signal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    server s;
    std::optional<bool> result;
    asio::co_spawn(s.io, recipes::drain_on_ctrl_c(s.jobs, test::patience),
                   [&](const std::exception_ptr&, bool r) { result = r; });
    poll(s.io);
    BOOST_TEST(s.jobs.waiting() == 1u);
    std::raise(signal);
    while (!s.endings[2].ended) s.io.run_one();
    s.until_then.cancel();
    while (!result) s.io.run_one();
    BOOST_TEST(*result);
    // The next signal has its usual effect.
    struct sigaction now = {};
    ::sigaction(signal, nullptr, &now);
    BOOST_TEST((now.sa_handler == SIG_DFL));
  }
}

BOOST_AUTO_TEST_CASE(closed_is_an_end_and_no_error) {
  asio::io_context io;
  semaphore jobs(io, 1);
  int done = 0;
  auto job = [&]() -> awaitable<void> {
    co_await asio::post(use_awaitable);
    if (++done == 5) jobs.close();
  };
  std::array<ending, 3> endings;
  for (ending& e : endings) asio::co_spawn(io, recipes::work(jobs, job), e.record());
  io.run();
  BOOST_TEST(done == 5);
  for (const ending& e : endings) BOOST_TEST((e.ended && !e.error && e.message.empty()));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(another_coroutine_type)

BOOST_AUTO_TEST_CASE(another_coroutine_type_waits_for_permits_on_a_pool) {
  asio::thread_pool pool(4);
  semaphore slots(pool, 2);
  occupancy inside;
  std::atomic<int> worked{0};
  for (int i = 0; i != 200; ++i)
    recipes::visit(pool.get_executor(), slots, [&] {
      inside.enter();
      ++worked;
      inside.leave();
    });
  pool.join();
  BOOST_TEST(worked == 200);
  BOOST_TEST(inside.most() <= 2u);
  BOOST_TEST(slots.available() == 2u);
}

BOOST_AUTO_TEST_CASE(another_coroutine_type_resumes_on_its_executor) {
  asio::io_context io;
  asio::thread_pool pool(1);
  semaphore slots(pool, 1);
  std::thread::id thread;
  recipes::visit(io.get_executor(), slots, [&] { thread = std::this_thread::get_id(); });
  io.run();
  BOOST_TEST((thread == std::this_thread::get_id()));
}

BOOST_AUTO_TEST_CASE(another_coroutine_type_gets_an_error_as_an_exception) {
  asio::io_context io;
  semaphore slots(io, 0);
  error_code error;
  [](semaphore& sem, asio::any_io_executor executor, error_code& ec) -> recipes::task {
    try {
      auto permit = co_await recipes::permit_awaiter{executor, sem.async_acquire_permit_for(1ms)};
    } catch (const boost::system::system_error& e) {
      ec = e.code();
    }
  }(slots, io.get_executor(), error);
  io.run();
  BOOST_TEST((error == errc::timed_out));
}

BOOST_AUTO_TEST_CASE(another_coroutine_type_is_destroyed_with_its_context) {
  const auto owned = std::make_shared<int>(1);
  {
    asio::io_context io;
    semaphore slots(io, 0);
    recipes::visit(io.get_executor(), slots, [owned] {});
    BOOST_TEST(owned.use_count() > 1);
  }
  BOOST_TEST(owned.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(retry)

BOOST_AUTO_TEST_CASE(retry_ends_when_the_retries_are_used_up_and_they_come_back) {
  asio::io_context io;
  semaphore upstream(io, 1);
  bounded_semaphore retries(io, 3);
  int requests = 0;
  auto request = [&]() -> awaitable<bool> {
    BOOST_TEST(upstream.available() == 0u);
    ++requests;
    co_return false;
  };
  BOOST_TEST(run(io, recipes::call(upstream, retries, request)).message == "too many retries");
  BOOST_TEST(requests == 4);
  BOOST_TEST(upstream.available() == 1u);
  BOOST_TEST(retries.available() == 0u);

  auto until_all_are_back = [&]() -> awaitable<void> {
    while (retries.in_use() > 0) co_await sleep_for(1ms);
    co_await sleep_for(5ms);  // refill() goes on, and finds it full
    retries.close();
  };
  asio::co_spawn(io, recipes::refill(retries, 1000), asio::detached);
  run(io, until_all_are_back());
  BOOST_TEST(retries.available() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(adaptive)

namespace {

// Runs `clients` coroutines that send `requests` each, one after the other.
template <typename Context>
void send(Context& context, recipes::adaptive_upstream& upstream, int clients, int requests,
          std::function<awaitable<void>()> request) {
  for (int i = 0; i != clients; ++i)
    asio::co_spawn(
        context,
        [&upstream, requests, request]() -> awaitable<void> {
          for (int k = 0; k != requests; ++k) {
            try {
              co_await upstream.call(request);
            } catch (const boost::system::system_error&) {
            }
          }
        },
        asio::detached);
}

awaitable<void> fail(error_code ec) {
  co_await sleep_for(100us);
  throw boost::system::system_error(ec);
}

awaitable<void> succeed() { co_await sleep_for(100us); }

}  // namespace

BOOST_AUTO_TEST_CASE(adaptive_upstream_limit_falls_with_timeouts_and_rises_again) {
  asio::io_context io;
  recipes::adaptive_upstream upstream(io.get_executor(), {.lowest = 2, .window = 1ms});
  send(io, upstream, 50, 20, [] { return fail(asio::error::timed_out); });
  io.run();
  BOOST_TEST(upstream.limit() == 2u);
  // On a busy machine, timers are late by more than they last, which looks like a queue.
  for (int i = 0; i != 100 && upstream.limit() <= 4; ++i) {
    send(io, upstream, 50, 40, succeed);
    io.restart();
    io.run();
  }
  BOOST_TEST(upstream.limit() > 4u);
}

BOOST_AUTO_TEST_CASE(adaptive_upstream_ignores_what_is_cancelled) {
  asio::io_context io;
  recipes::adaptive_upstream upstream(io.get_executor(), {.window = 1ms});
  send(io, upstream, 50, 20, [] { return fail(asio::error::operation_aborted); });
  io.run();
  BOOST_TEST(upstream.limit() == 8u);
}

BOOST_AUTO_TEST_CASE(adaptive_upstream_passes_exceptions_on_and_gets_permits_back) {
  asio::io_context io;
  recipes::adaptive_upstream upstream(io.get_executor(), {.initial = 1});
  const auto broken = []() -> awaitable<void> {
    throw std::runtime_error("broken");
    co_return;
  };
  for (int i = 0; i != 3; ++i) BOOST_TEST(run(io, upstream.call(broken)).message == "broken");
  BOOST_TEST(run(io, upstream.call([] { return fail(asio::error::eof); })).error ==
             asio::error::eof);
  BOOST_TEST(!run(io, upstream.call(succeed)).error);
}

BOOST_AUTO_TEST_CASE(adaptive_upstream_runs_on_a_pool) {
  asio::thread_pool pool(3);
  recipes::adaptive_upstream upstream(pool.get_executor(),
                                      {.initial = 8, .highest = 20, .window = 1ms});
  occupancy inside;
  send(pool, upstream, 40, 50, [&inside]() -> awaitable<void> {
    inside.enter();
    co_await sleep_for(100us);
    inside.leave();
  });
  pool.join();
  BOOST_TEST(inside.most() <= 20u);
  BOOST_TEST(upstream.limit() <= 20u);
}

BOOST_AUTO_TEST_SUITE_END()
