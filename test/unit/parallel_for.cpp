// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The recipe "Run many, and wait for all": parallel_for() returns after its last child, whatever
// happens to it meanwhile.

#define BOOST_TEST_MODULE parallel_for

#include "recipes/parallel_for.hpp"
#include "support.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using recipes::parallel_for;
using turnstile::errc;
using turnstile::error_code;
using turnstile::semaphore;

namespace {

constexpr std::size_t children = 6, limit = 2;

// What is seen from outside of the coroutines.
struct observations {
  bool parent_alive = false;
  bool parallel_for_returned = false;
  std::size_t started = 0, ended = 0, inside = 0, most_inside = 0;
  std::size_t used_a_dead_frame = 0;
  std::optional<error_code> result;  // of the whole parent: empty while it runs
};

template <typename F>
struct at_exit {
  F f;
  ~at_exit() { f(); }
};
template <typename F>
at_exit(F) -> at_exit<F>;

awaitable<void> child(observations& seen, std::vector<int>& in_the_parents_frame, std::size_t i) {
  ++seen.started;
  seen.most_inside = std::max(seen.most_inside, ++seen.inside);
  const at_exit leave{[&] { --seen.inside; }};
  for (int n = 0; n != 3; ++n) co_await asio::post(use_awaitable);
  if (seen.parent_alive)
    in_the_parents_frame[i] = 1;
  else
    ++seen.used_a_dead_frame;
  ++seen.ended;
}

awaitable<void> parent(observations& seen, semaphore& sem) {
  seen.parent_alive = true;
  const at_exit leave{[&] { seen.parent_alive = false; }};
  std::vector<int> done(children);
  co_await parallel_for(co_await asio::this_coro::executor, sem, children,
                        [&](std::size_t i) { return child(seen, done, i); });
  seen.parallel_for_returned = true;
  co_await asio::post(use_awaitable);
}

auto record_result(observations& seen) {
  return [&seen](const std::exception_ptr& e) {
    seen.result.emplace();
    try {
      if (e) std::rethrow_exception(e);
    } catch (const boost::system::system_error& error) {
      seen.result = error.code();
    }
  };
}

// Runs at most n handlers. False if there were fewer.
bool steps(asio::io_context& io, std::size_t n) {
  for (; n != 0; --n)
    if (io.poll_one() == 0) return false;
  return true;
}

}  // namespace

BOOST_AUTO_TEST_CASE(parallel_for_runs_every_child_with_no_more_than_the_limit_at_once) {
  asio::io_context io;
  semaphore sem(io, limit);
  observations seen;
  asio::co_spawn(io, parent(seen, sem), record_result(seen));
  io.run();
  BOOST_TEST(!seen.result.value());
  BOOST_TEST(seen.ended == children);
  BOOST_TEST(seen.most_inside == limit);
  BOOST_TEST(sem.available() == limit);
}

BOOST_AUTO_TEST_CASE(parallel_for_may_have_no_children) {
  asio::io_context io;
  semaphore sem(io, 0);
  auto returned = asio::co_spawn(
      io,
      parallel_for(io.get_executor(), sem, 0, [](std::size_t) -> awaitable<void> { co_return; }),
      asio::use_future);
  io.run();
  BOOST_CHECK_NO_THROW(returned.get());
}

BOOST_AUTO_TEST_CASE(parallel_for_cancelled_at_any_step_returns_after_the_children_that_run) {
  bool before_the_end = true;
  std::size_t aborted_early = 0, aborted_while_it_waited = 0;
  // Cancelled before its first step, the parent does not run at all. With Boost 1.83, the exception then leaves
  // io.run(): https://github.com/chriskohlhoff/asio/issues/1452
  for (std::size_t n = 1; before_the_end; ++n) {
    asio::io_context io;
    semaphore sem(io, limit);
    observations seen;
    asio::cancellation_signal signal;
    asio::co_spawn(io, parent(seen, sem),
                   asio::bind_cancellation_slot(signal.slot(), record_result(seen)));
    before_the_end = steps(io, n) && !seen.result;
    signal.emit(asio::cancellation_type::terminal);
    io.restart();
    io.run();
    BOOST_TEST_CONTEXT("cancelled after " << n << " steps") {
      BOOST_TEST(seen.used_a_dead_frame == 0u);
      BOOST_TEST(seen.ended == seen.started);
      BOOST_TEST(sem.available() == limit);
      BOOST_TEST(sem.waiting() == 0u);
      BOOST_REQUIRE(seen.result);
      if (before_the_end) {
        BOOST_TEST((!*seen.result || *seen.result == asio::error::operation_aborted));
        BOOST_TEST((*seen.result || seen.ended == children));
      }
      if (*seen.result) {
        // The parent's next co_await throws if parallel_for() does not.
        ++(seen.parallel_for_returned ? aborted_while_it_waited : aborted_early);
        BOOST_TEST((!seen.parallel_for_returned || seen.ended == children));
      }
    }
  }
  BOOST_TEST(aborted_early > 0u);
  BOOST_TEST(aborted_while_it_waited > 0u);
}

BOOST_AUTO_TEST_CASE(parallel_for_destroyed_with_its_context_at_any_step_gives_all_back) {
  bool before_the_end = true;
  for (std::size_t n = 0; before_the_end; ++n) {
    std::optional<asio::io_context> io(std::in_place);
    semaphore sem(*io, limit);
    observations seen;
    asio::co_spawn(*io, parent(seen, sem), record_result(seen));
    before_the_end = steps(*io, n) && !seen.result;
    io.reset();
    BOOST_TEST_CONTEXT("destroyed after " << n << " steps") {
      BOOST_TEST(seen.inside == 0u);
      BOOST_TEST(sem.available() == limit);
    }
  }
}

BOOST_AUTO_TEST_CASE(
    parallel_for_rethrows_an_error_after_the_children_that_run_and_starts_no_more) {
  asio::io_context io;
  semaphore sem(io, limit);
  std::size_t started = 0, ended = 0;
  auto work = [&](std::size_t i) -> awaitable<void> {
    ++started;
    co_await asio::post(use_awaitable);
    if (i == 1) throw std::runtime_error("one");
    for (int n = 0; n != 9; ++n) co_await asio::post(use_awaitable);
    ++ended;
  };
  auto returned =
      asio::co_spawn(io, parallel_for(io.get_executor(), sem, 100, work), asio::use_future);
  io.run();
  BOOST_CHECK_EXCEPTION(returned.get(), std::runtime_error,
                        [](const std::runtime_error& e) { return std::string(e.what()) == "one"; });
  BOOST_TEST(started < 5u);
  BOOST_TEST(ended == started - 1);
  BOOST_TEST(sem.available() == limit);
}

BOOST_AUTO_TEST_CASE(parallel_for_ends_with_the_error_of_a_limit_that_was_closed) {
  asio::io_context io;
  semaphore sem(io, limit);
  observations seen;
  asio::co_spawn(io, parent(seen, sem), record_result(seen));
  while (seen.started < limit) BOOST_REQUIRE(steps(io, 1));
  sem.close();
  io.run();
  BOOST_TEST((seen.result == error_code(errc::closed)));
  BOOST_TEST(seen.ended == seen.started);
  BOOST_TEST(seen.used_a_dead_frame == 0u);
}

// The children run on several threads, and the parent, with its cancellation, on a strand.
BOOST_AUTO_TEST_CASE(parallel_for_on_a_pool_may_be_cancelled_at_any_time) {
  const test::watchdog watchdog;
  asio::thread_pool pool(4);
  semaphore sem(pool, 3);
  std::size_t aborted = 0;
  for (int round = 0; round != 300; ++round) {
    constexpr std::size_t many = 40;
    std::atomic<std::size_t> started{0}, ended{0}, inside{0};
    std::atomic<bool> more_than_the_limit{false}, too_early{false}, not_written{false};
    const auto strand = asio::make_strand(pool);
    asio::cancellation_signal signal;
    const std::size_t cancel_at = static_cast<std::size_t>(round % 45);  // some come too late

    auto run = [&]() -> awaitable<void> {
      std::vector<int> done(many);  // each child writes into this frame
      std::exception_ptr error;
      try {
        co_await parallel_for(
            pool.get_executor(), sem, many, [&](std::size_t i) -> awaitable<void> {
              if (++started == cancel_at)
                asio::post(strand, [&] { signal.emit(asio::cancellation_type::terminal); });
              if (++inside > 3) more_than_the_limit = true;
              co_await asio::post(use_awaitable);
              --inside;
              done[i] = 1;
              ++ended;
            });
      } catch (...) {
        error = std::current_exception();
      }
      too_early = started != ended;
      not_written = std::size_t(std::count(done.begin(), done.end(), 1)) != ended;
      if (error) std::rethrow_exception(error);
    };
    // The exception stays on the strand: ThreadSanitizer cannot see how libstdc++ counts the
    // references to one.
    observations seen;
    std::promise<void> returned;
    asio::co_spawn(strand, run(),
                   asio::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr& e) {
                     record_result(seen)(e);
                     returned.set_value();
                   }));
    returned.get_future().get();
    BOOST_REQUIRE((!*seen.result || *seen.result == asio::error::operation_aborted));
    if (*seen.result) ++aborted;
    // The emission may still be to come: it must find the signal.
    asio::post(strand, asio::use_future).get();
    BOOST_REQUIRE(!more_than_the_limit);
    BOOST_REQUIRE(!too_early);
    BOOST_REQUIRE(!not_written);
  }
  BOOST_TEST(aborted > 0u);
  pool.join();
  BOOST_TEST(sem.available() == 3u);
}
