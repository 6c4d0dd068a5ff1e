// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Shared semaphores on several threads: no more permits than the limit, and no acquire is forgotten. For ThreadSanitizer, too.

#define BOOST_TEST_MODULE shared_threads
#include "context_executor.hpp"
#include "support.hpp"

#include <turnstile/manual_clock.hpp>
#include <turnstile/memory_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace test;
using turnstile::error_code;
using turnstile::shared_permit;
using turnstile::shared_semaphore;

namespace {

constexpr std::size_t limit = 3;

// Shared by all workers.
struct counters {
  std::atomic<bool> stop = false;
  std::atomic<int> inside = 0, most = 0, granted = 0, aborted = 0, others = 0, running = 0;

  void enter(int n) {
    const int now = inside.fetch_add(n) + n;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
  }
};

// Acquires so many times, one acquire after the other, and cancels some of them.
class worker : public std::enable_shared_from_this<worker> {
 public:
  worker(asio::thread_pool& pool, shared_semaphore& s, counters& c, int times, int seed)
      : strand_(asio::make_strand(pool)), semaphore_(s), counters_(c), left_(times), seed_(seed) {
    ++c.running;
  }
  ~worker() { --counters_.running; }

  void start() {
    asio::post(strand_, [self = shared_from_this()] { self->next(); });
  }

 private:
  void next() {
    if (left_-- == 0 || counters_.stop) return;
    const int n = (left_ + seed_) % 7 == 0 ? 2 : 1;
    semaphore_.async_acquire_permit(
        static_cast<std::size_t>(n),
        asio::bind_executor(strand_, asio::bind_cancellation_slot(
                                         signal_.slot(), [self = shared_from_this(), n](
                                                             error_code ec, shared_permit p) {
                                           self->ended(ec, std::move(p), n);
                                         })));
    if ((left_ + seed_) % 11 == 0) signal_.emit(asio::cancellation_type::terminal);
  }

  void ended(error_code ec, shared_permit p, int n) {
    if (!ec) {
      ++counters_.granted;
      counters_.enter(n);
      // It is given back on another thread, perhaps.
      asio::post(semaphore_.get_executor(),
                 [self = shared_from_this(), n, p = std::move(p)]() mutable {
                   self->counters_.inside -= n;
                   p.release();
                   self->start();
                 });
      return;
    }
    ++(ec == asio::error::operation_aborted ? counters_.aborted : counters_.others);
    next();
  }

  asio::strand<asio::thread_pool::executor_type> strand_;
  asio::cancellation_signal signal_;
  shared_semaphore& semaphore_;
  counters& counters_;
  int left_;
  const int seed_;
};

void start_workers(asio::thread_pool& pool, shared_semaphore& s, counters& c, int workers,
                   int times) {
  for (int i = 0; i != workers; ++i) std::make_shared<worker>(pool, s, c, times, i)->start();
}

// Accepts a function when the test has come so far, or after a while. The strand is held meanwhile.
struct slow : context_executor<slow, asio::thread_pool> {
  template <typename F>
  void execute(F&& f) const {
    for (int i = 0; i != 2000 && *phase < awaited; ++i) std::this_thread::yield();
    context->get_executor().execute(std::forward<F>(f));
  }
  const std::atomic<int>* phase;
  int awaited;
};

turnstile::shared_options options() {
  return {.name = "name", .limit = limit, .lease = 600s, .slice = 1ms, .linger = 10ms};
}

}  // namespace

BOOST_AUTO_TEST_CASE(several_processes_never_use_more_than_the_limit_and_forget_no_acquire) {
  const watchdog dog;
  asio::thread_pool pool(3);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  shared_semaphore a(pool, engine, options()), b(pool, engine, options());
  counters c;
  start_workers(pool, a, c, 4, 1000);
  start_workers(pool, b, c, 4, 1000);
  BOOST_TEST(eventually([&] { return c.running == 0; }));
  BOOST_TEST(c.most <= int(limit));
  BOOST_TEST(c.granted + c.aborted == 8000);
  BOOST_TEST(c.others == 0);
  BOOST_TEST(a.in_use() + b.in_use() == 0u);
  BOOST_TEST(a.waiting() + b.waiting() == 0u);
  pool.stop();
  pool.join();
}

BOOST_AUTO_TEST_CASE(limits_events_and_readings_may_be_used_meanwhile) {
  const watchdog dog;
  asio::thread_pool pool(3);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  shared_semaphore a(pool, engine, options());
  counters c;
  start_workers(pool, a, c, 4, 1000);
  std::atomic<int> set = 0;
  for (int i = 0; i != 200; ++i) {
    a.async_set_limit(2 + static_cast<std::size_t>(i % 2), [&](error_code ec) { set += !ec; });
    a.async_wait_lost([](error_code) {});
    if (i % 50 == 0) a.cancel();
    (void)(a.limit() + a.share() + a.in_use() + a.waiting() + a.token());
    (void)(a.lease() == turnstile::lease_state::valid && a.valid_for() > 0s);
    if (const auto p = a.try_acquire_permit()) (void)p.valid();
  }
  BOOST_TEST(eventually([&] { return c.running == 0; }));
  BOOST_TEST(c.most <= int(limit));
  BOOST_TEST(c.granted + c.aborted == 4000);
  BOOST_TEST(c.others == 0);
  std::atomic<bool> left = false;
  a.async_leave([&](error_code ec) { left = !ec; });
  BOOST_TEST(eventually([&] { return left.load(); }));
  BOOST_TEST(set > 0);
  pool.stop();
  pool.join();
}

BOOST_AUTO_TEST_CASE(losses_forget_no_acquire) {
  using fault = turnstile::memory_engine::fault;
  const watchdog dog;
  asio::thread_pool pool(3);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  auto o = options();
  o.lease = 1s;
  shared_semaphore a(pool, engine, o);
  counters c;
  start_workers(pool, a, c, 4, 1'000'000'000);
  std::atomic<int> lost = 0;
  for (int round = 0; round != 2; ++round) {
    BOOST_TEST(eventually([&] { return a.lease() == turnstile::lease_state::valid; }));
    a.async_wait_lost([&](error_code ec) { lost += ec == turnstile::errc::lease_lost; });
    engine.set_fault(round == 0 ? fault::request_lost : fault::reply_lost);
    BOOST_TEST(eventually([&] { return lost == round + 1; }));
    engine.set_fault(fault::none);
  }
  const int granted = c.granted;
  BOOST_TEST(eventually([&] { return c.granted > granted; }));
  c.stop = true;
  BOOST_TEST(eventually([&] { return c.running == 0; }));
  BOOST_TEST(c.others == 0);
  BOOST_TEST(a.in_use() == 0u);
  BOOST_TEST(a.waiting() == 0u);
  pool.stop();
  pool.join();
}

// In each round, the lease of `a` is lost, `b` may get its share, and the next lease of `a` begins, while another thread
// delivers what it has granted.
BOOST_AUTO_TEST_CASE(valid_permits_are_never_more_than_the_limit_although_leases_are_lost) {
  using fault = turnstile::memory_engine::fault;
  const watchdog dog;
  asio::thread_pool pool(3);
  turnstile::manual_clock clock;
  turnstile::memory_server server(clock);
  turnstile::memory_engine engine(pool, server), others_engine(pool, server);
  auto o = options();
  o.lease = 1s;
  shared_semaphore a(pool, engine, o), b(pool, others_engine, o);
  const auto run_until = [&](auto condition) {
    while (!condition()) {
      clock.advance(10ms);
      std::this_thread::yield();
    }
  };
  std::size_t most = 0;
  for (int round = 0; round != 200; ++round) {
    std::atomic<bool> has_all = false;
    a.async_acquire(limit, [&](error_code) { has_all = true; });
    run_until([&] { return has_all.load(); });

    std::mutex mutex;
    std::vector<shared_permit> permits;
    std::atomic<std::size_t> called = 0;
    const auto keep = [&](error_code, shared_permit p) {
      const std::lock_guard<std::mutex> lock(mutex);
      permits.push_back(std::move(p));
      ++called;
    };
    std::atomic<int> phase = 0;
    for (std::size_t i = 0; i != limit; ++i)
      a.async_acquire_permit(asio::bind_executor(slow{{&pool}, &phase, round % 5}, keep));
    asio::post(pool, [&] { a.release(limit); });
    if (round % 2) run_until([&] { return a.waiting() == 0; });
    engine.set_fault(fault::request_lost);
    clock.jump(1s);
    ++phase;
    for (std::size_t i = 0; i != limit; ++i) b.async_acquire_permit(keep);
    run_until([&] { return b.in_use() == limit; });
    ++phase;
    engine.set_fault(fault::none);
    run_until([&] { return a.lease() == turnstile::lease_state::valid; });
    ++phase;
    a.cancel();
    b.cancel();
    ++phase;
    BOOST_TEST(eventually([&] { return called == 2 * limit; }));

    std::size_t valid = 0;
    for (const shared_permit& p : permits)
      if (p.valid()) valid += p.count();
    most = std::max(most, valid);
    permits.clear();
  }
  BOOST_TEST(most <= limit);
  BOOST_TEST(a.in_use() + b.in_use() == 0u);
  pool.stop();
  pool.join();
}

BOOST_AUTO_TEST_CASE(two_threads_cannot_release_the_same_permit) {
  const watchdog dog;
  asio::thread_pool pool(1);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  auto o = options();
  o.linger = o.lease;
  shared_semaphore a(pool, engine, o);
  std::atomic<int> ready = 0;
  a.async_acquire(limit, [&](error_code) { ++ready; });
  BOOST_TEST(eventually([&] { return ready == 1; }));
  a.release(limit);
  constexpr int rounds = 20000;
  std::atomic<int> started = 0, released = 0;
  const auto meet = [&](int n) {
    ++started;
    while (started < n) std::this_thread::yield();
  };
  const auto release = [&] {
    error_code ec;
    a.release(1, ec);
    if (!ec) ++released;
  };
  std::thread other([&] {
    for (int i = 0; i != rounds; ++i) {
      meet(4 * i + 2);
      release();
      meet(4 * i + 4);
    }
  });
  int wrong = 0;
  for (int i = 0; i != rounds; ++i) {
    released = 0;
    wrong += !a.try_acquire();
    meet(4 * i + 2);
    release();
    meet(4 * i + 4);
    wrong += released != 1 || a.in_use() != 0;
  }
  other.join();
  BOOST_TEST(wrong == 0);
  pool.stop();
  pool.join();
}

// The clock stands still: nothing but a release tells the member.
BOOST_AUTO_TEST_CASE(of_two_releases_at_once_one_gives_back_what_is_recalled) {
  const watchdog dog;
  asio::io_context io;
  turnstile::manual_clock clock;
  turnstile::memory_server server(clock);
  turnstile::memory_engine engine(io, server);
  auto o = options();
  o.limit = 2;
  o.linger = o.lease;
  shared_semaphore a(io, engine, o), b(io, engine, o);
  const auto settle = [&] {
    io.restart();
    io.poll();
  };
  constexpr int rounds = 2000;
  std::atomic<int> arrived = 0;
  const auto meet_and_release = [&](int round) {
    ++arrived;
    while (arrived < 2 * (round + 1)) std::this_thread::yield();
    a.release();
  };
  std::atomic<int> started = 0, released = 0;
  std::thread other([&] {
    for (int i = 0; i != rounds; ++i) {
      while (started <= i) std::this_thread::yield();
      meet_and_release(i);
      ++released;
    }
  });
  int granted = 0;
  for (int i = 0; i != rounds; ++i) {
    bool has_both = false, has_one = false;
    a.async_acquire(2, [&](error_code) { has_both = true; });
    while (!has_both) {
      clock.advance(1ms);
      settle();
    }
    b.async_acquire([&](error_code) { has_one = true; });
    settle();
    ++started;
    meet_and_release(i);
    while (released <= i) std::this_thread::yield();
    settle();
    granted += has_one;
    while (!has_one) {
      clock.advance(1ms);
      settle();
    }
    b.release();
  }
  other.join();
  BOOST_TEST(granted == rounds);
}

BOOST_AUTO_TEST_CASE(a_semaphore_may_be_destroyed_while_others_release_its_permits) {
  const watchdog dog;
  asio::thread_pool pool(3);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  for (int i = 0; i != 100; ++i) {
    std::atomic<int> called = 0;
    auto a = std::make_unique<shared_semaphore>(pool, engine, options());
    for (int k = 0; k != 6; ++k)
      a->async_acquire_permit([&](error_code, shared_permit) { ++called; });
    if (i % 2) std::this_thread::yield();
    a.reset();
    BOOST_TEST(eventually([&] { return called == 6; }));
  }
  pool.join();  // when all of them have left
}

// The engine's thread brings replies, which grant, set the alarm and end the lease, while the semaphore's context is destroyed.
BOOST_AUTO_TEST_CASE(a_context_may_end_while_the_engine_has_another_one) {
  const watchdog dog;
  asio::thread_pool pool(1);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  for (int i = 0; i != 5000; ++i) {
    auto io = std::make_unique<asio::io_context>();
    auto o = options();
    o.name += std::to_string(i);
    auto a = std::make_unique<shared_semaphore>(*io, engine, o);
    bool granted = false;
    shared_permit held;
    a->async_acquire_permit([&](error_code, shared_permit p) {
      granted = true;
      if (i % 4 == 0) held = std::move(p);
    });
    while (i % 8 < 6 && !granted) io->run_one();
    for (int k = 0; i % 8 > 3 && k != 5; ++k) a->async_acquire(limit, [](error_code) {});
    a->async_wait_lost([](error_code) {});
    if (i % 2) a.reset();
    for (int k = i * 37 % 4000; k > 0; --k) std::atomic_signal_fence(std::memory_order_seq_cst);
    io.reset();
  }
  pool.stop();
  pool.join();
}

BOOST_AUTO_TEST_CASE(the_context_of_an_engine_may_end_while_requests_are_made) {
  const watchdog dog;
  turnstile::memory_server server;
  for (int i = 0; i != 1000; ++i) {
    auto io = std::make_unique<asio::io_context>();
    turnstile::memory_engine engine(*io, server);
    std::atomic<int> requests = 0;
    std::thread other([&] {
      for (int k = 0; k != 200; ++k) {
        engine.async_sync({"key", {}}, [](const turnstile::shared_engine::reply&) {});
        ++requests;
      }
    });
    while (requests < i % 100) std::this_thread::yield();
    io.reset();
    other.join();
  }
}

BOOST_AUTO_TEST_CASE(the_handler_of_a_wait_may_destroy_the_semaphore_during_the_initiating_call) {
  const watchdog dog;
  asio::thread_pool pool(1);
  turnstile::memory_server server;
  turnstile::memory_engine engine(pool, server);
  for (int i = 0; i != 2000; ++i) {
    auto a = std::make_unique<shared_semaphore>(pool, engine, options());
    bool is_called = false;
    std::atomic<bool> has_ended = false;
    const auto handler = [&](error_code) {
      a.reset();
      is_called = true;
    };
    // Cancels it as soon as it waits.
    const std::function<void()> cancel = [&] {
      if (is_called) {
        has_ended = true;
      } else {
        a->cancel();
        asio::post(pool, cancel);
      }
    };
    asio::post(pool, cancel);
    for (int k = i * 37 % 2000; k > 0; --k) std::atomic_signal_fence(std::memory_order_seq_cst);
    if (i % 2)
      a->async_leave(handler);
    else
      a->async_set_limit(limit, handler);
    BOOST_TEST(eventually([&] { return has_ended.load(); }));
  }
  pool.join();
}
