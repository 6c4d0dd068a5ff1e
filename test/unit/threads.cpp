// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Several threads at one semaphore: nothing is lost, the order is kept, and what happened before a
// release is seen after the acquire. ThreadSanitizer sees more in these than they can check.

#define BOOST_TEST_MODULE threads

#include "recorder.hpp"
#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using turnstile::error_code;
using turnstile::permit;
using io_semaphore = turnstile::basic_semaphore<asio::io_context::executor_type>;
using pool_executor = asio::thread_pool::executor_type;
using semaphore = turnstile::basic_semaphore<pool_executor>;
using bounded_semaphore = turnstile::basic_bounded_semaphore<pool_executor>;

namespace {

// Calls f(0) .. f(n - 1), each on a thread of its own, all at once.
template <typename F>
void in_parallel(int n, F f) {
  test::barrier start(n);
  std::vector<std::thread> threads;
  for (int i = 0; i != n; ++i)
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      f(i);
    });
  for (auto& thread : threads) thread.join();
}

// Waits until what was posted to an executor, of a strand or of one thread, has been run.
template <typename Executor>
void drain(const Executor& ex) {
  asio::post(ex, asio::use_future).get();
}

// Where two threads meet; either may be the last to leave it.
auto meeting() { return std::make_shared<test::barrier>(2); }

}  // namespace

BOOST_AUTO_TEST_SUITE(what_happened_before)

BOOST_AUTO_TEST_CASE(one_permit_is_as_good_as_a_mutex) {
  asio::thread_pool pool(3);
  semaphore sem(pool.get_executor(), 1);
  int counter = 0;  // not atomic
  in_parallel(2, [&](int) {
    for (int i = 0; i != 2000; ++i) {
      sem.async_acquire([&](error_code) {
        ++counter;
        sem.release();
      });
      sem.async_acquire_permit([&](error_code, const permit&) { ++counter; });
    }
  });
  pool.join();
  BOOST_TEST(counter == 8000);
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(try_acquire_is_as_good_as_a_mutex) {
  asio::thread_pool pool(1);
  semaphore sem(pool.get_executor(), 1);
  int counter = 0;
  in_parallel(3, [&](int) {
    for (int i = 0; i != 1000;) {
      if (const permit p = sem.try_acquire_permit()) {
        ++counter;
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  BOOST_TEST(counter == 3000);
}

BOOST_AUTO_TEST_CASE(one_permit_is_as_good_as_a_mutex_on_a_polymorphic_strand) {
  asio::thread_pool pool(3);
  turnstile::semaphore sem(asio::make_strand(pool), 1);
  int counter = 0;
  in_parallel(2, [&](int) {
    for (int i = 0; i != 500; ++i)
      sem.async_acquire(asio::bind_executor(pool, [&](error_code) {
        ++counter;
        sem.release();
      }));
  });
  pool.join();
  BOOST_TEST(counter == 1000);
}

BOOST_AUTO_TEST_CASE(what_several_threads_released_is_seen_by_one_handler) {
  for (int round = 0; round != 50; ++round) {
    asio::thread_pool pool(1);
    semaphore sem(pool.get_executor(), 0);
    std::array<int, 3> written{};
    int sum = 0;
    sem.async_acquire(
        3, [&](error_code) { sum = std::accumulate(written.begin(), written.end(), 0); });
    in_parallel(3, [&](int i) {
      written[static_cast<std::size_t>(i)] = i + 1;
      sem.release();
    });
    pool.join();
    BOOST_TEST(sum == 6);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(order)

BOOST_AUTO_TEST_CASE(grants_are_in_order_whichever_threads_release) {
  asio::io_context context;
  io_semaphore sem(context, 0);
  std::vector<int> order, expected(4000);
  std::iota(expected.begin(), expected.end(), 0);
  for (int i : expected) sem.async_acquire([&order, i](error_code) { order.push_back(i); });
  in_parallel(5, [&](int i) {
    if (i == 0) {
      context.run();
      return;
    }
    for (int k = 0; k != 250; ++k) {
      sem.release();
      sem.release(3);
    }
  });
  BOOST_TEST((order == expected));
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_CASE(acquires_of_each_thread_are_granted_in_order) {
  asio::io_context context;
  io_semaphore sem(context, 0);
  auto work = asio::make_work_guard(context);
  std::array<std::vector<int>, 3> order;
  std::atomic<int> initiating = 3;
  in_parallel(5, [&](int i) {
    if (i == 3) {
      context.run();
    } else if (i == 4) {
      std::size_t left = 3000;
      for (std::size_t n = 1; left != 0; left -= n, n = std::min<std::size_t>(left, n % 5 + 1))
        sem.release(n);
      while (initiating != 0) std::this_thread::yield();
      work.reset();
    } else {
      auto& mine = order[static_cast<std::size_t>(i)];
      for (int k = 0; k != 1000; ++k)
        sem.async_acquire([&mine, k](error_code) { mine.push_back(k); });
      --initiating;
    }
  });
  context.restart();
  context.run();
  for (auto& each : order) {
    BOOST_TEST(each.size() == 1000u);
    BOOST_TEST(std::is_sorted(each.begin(), each.end()));
  }
  BOOST_TEST(sem.available() == 0u);
}

// A waiter that has been told that it waits is not overtaken by a try_acquire, on any thread.
BOOST_AUTO_TEST_CASE(try_acquire_does_not_overtake_on_another_thread) {
  for (int round = 0; round != 50; ++round) {
    asio::thread_pool pool(1);
    semaphore sem(pool.get_executor(), 0);
    test::recorder r;
    sem.async_acquire(2, r.count());
    std::atomic<int> overtook = 0;
    in_parallel(3, [&](int i) {
      if (i == 0)
        overtook += sem.try_acquire();
      else
        sem.release();
    });
    pool.join();
    BOOST_TEST(overtook == 0);
    BOOST_TEST(r.counted.granted == 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(conservation)

BOOST_AUTO_TEST_CASE(no_more_are_inside_than_there_are_permits) {
  asio::thread_pool pool(3);
  bounded_semaphore sem(pool.get_executor(), 3);
  std::atomic<int> inside = 0, most = 0, done = 0;
  in_parallel(3, [&](int i) {
    for (int k = 0; k != 1000; ++k) {
      const int n = 1 + (i + k) % 3;
      sem.async_acquire_permit(static_cast<std::size_t>(n), [&, n](error_code, permit p) {
        const int now = inside += n;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        inside -= n;
        ++done;
        if (n == 3) p.release(2);
      });
    }
  });
  pool.join();
  BOOST_TEST(done == 3000);
  BOOST_TEST(most <= 3);
  BOOST_TEST(sem.available() == 3u);
}

BOOST_AUTO_TEST_CASE(an_emission_races_with_a_release) {
  constexpr int waiters = 1000;
  asio::thread_pool pool(2);
  semaphore sem(pool.get_executor(), 0);
  test::recorder r;
  std::deque<asio::cancellation_signal> signals(waiters);
  std::deque<asio::strand<pool_executor>> strands;
  for (int i = 0; i != waiters; ++i) {
    auto& signal = signals[static_cast<std::size_t>(i)];
    auto& strand = strands.emplace_back(pool.get_executor());
    auto handler =
        asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(strand, r.count()));
    if (i % 2)
      sem.async_acquire(handler);
    else
      sem.async_acquire_permit(handler);
  }
  in_parallel(2, [&](int thread) {
    for (std::size_t i = 0; i != waiters; ++i) {
      if (thread == 0)
        sem.release();
      else
        asio::post(strands[i], [&, i] {
          signals[i].emit(asio::cancellation_type::terminal);
          signals[i].emit(asio::cancellation_type::partial);
        });
    }
  });
  pool.join();
  BOOST_TEST(r.counted.all() == waiters);
  BOOST_TEST(r.counted.granted + r.counted.aborted == waiters);
  BOOST_TEST(sem.waiting() == 0u);
  // Those with odd numbers keep what they were granted.
  BOOST_TEST(sem.available() <= std::size_t(waiters));
  BOOST_TEST(sem.available() >= std::size_t(waiters - r.counted.granted));
}

BOOST_AUTO_TEST_CASE(an_emission_races_with_close_cancel_and_acquires) {
  asio::thread_pool pool(2);
  for (int round = 0; round != 30; ++round) {
    semaphore sem(pool.get_executor(), 0);
    test::recorder r;
    asio::strand<pool_executor> strand(pool.get_executor());
    std::deque<asio::cancellation_signal> signals(20);
    const auto ready = meeting();
    asio::post(strand, [&, ready] {
      for (auto& signal : signals)
        sem.async_acquire(
            asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(strand, r.count())));
      ready->arrive_and_wait();
      for (auto& signal : signals) signal.emit(asio::cancellation_type::total);
    });
    ready->arrive_and_wait();
    sem.async_acquire(r.count());
    if (round % 2) sem.cancel();
    sem.release();
    sem.close();
    BOOST_REQUIRE(test::eventually([&] { return r.counted.all() == 21; }));
    BOOST_TEST(r.counted.granted + static_cast<int>(sem.available()) == 1);
    BOOST_TEST(r.counted.others == 0);
    BOOST_REQUIRE(test::eventually([&] { return sem.waiting() == 0; }));
    drain(strand);  // the signals are the strand's until it has done with them
  }
}

BOOST_AUTO_TEST_CASE(close_races_with_acquires) {
  for (int round = 0; round != 20; ++round) {
    asio::thread_pool pool(1);
    semaphore sem(pool.get_executor(), 20);
    test::recorder r, late;
    in_parallel(3, [&](int i) {
      if (i == 0) {
        sem.close();
        sem.async_acquire(late.count());
      } else {
        for (int k = 0; k != 50; ++k) sem.async_acquire(r.count());
      }
    });
    pool.join();
    BOOST_TEST(r.counted.granted + r.counted.closed == 100);
    BOOST_TEST(late.counted.closed == 1);
    BOOST_TEST(sem.available() == 20u - static_cast<std::size_t>(r.counted.granted));
    BOOST_TEST(sem.waiting() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(cancel_races_with_acquires_and_releases) {
  asio::thread_pool pool(1);
  semaphore sem(pool.get_executor(), 0);
  test::recorder r;
  in_parallel(4, [&](int i) {
    for (int k = 0; k != 500; ++k) {
      if (i == 0)
        sem.release(2);
      else if (i == 1)
        sem.cancel();
      else
        sem.async_acquire(r.count());
    }
  });
  sem.cancel();
  pool.join();
  BOOST_TEST(r.counted.granted + r.counted.aborted == 1000);
  BOOST_TEST(sem.available() == 1000u - static_cast<std::size_t>(r.counted.granted));
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(set_limit_races_with_acquires_and_releases) {
  asio::thread_pool pool(2);
  bounded_semaphore sem(pool.get_executor(), 1);
  std::atomic<int> inside = 0, most = 0, done = 0;
  in_parallel(3, [&](int i) {
    for (int k = 0; k != 1000; ++k) {
      if (i == 0) {
        sem.set_limit(static_cast<std::size_t>(1 + k % 4));
        continue;
      }
      sem.async_acquire([&](error_code ec) {
        if (!ec) {
          const int now = ++inside;
          int seen = most;
          while (seen < now && !most.compare_exchange_weak(seen, now)) {
          }
          --inside;
          sem.release();
        }
        ++done;
      });
    }
  });
  pool.join();
  BOOST_TEST(done == 2000);
  BOOST_TEST(most <= 4);
  BOOST_TEST(sem.in_use() == 0u);
  BOOST_TEST(sem.available() == sem.limit());
}

BOOST_AUTO_TEST_CASE(set_limit_races_with_set_limit) {
  asio::thread_pool pool(1);
  bounded_semaphore sem(pool.get_executor(), 0, 8);
  test::recorder r;
  for (int i = 0; i != 8; ++i) sem.async_acquire(r.count());
  in_parallel(3, [&](int i) {
    for (std::size_t k = 0; k != 300; ++k) sem.set_limit(8 + static_cast<std::size_t>(i) * k % 9);
    sem.set_limit(16);
  });
  pool.join();
  BOOST_TEST(sem.limit() == 16u);
  BOOST_TEST(r.counted.granted == 8);
  BOOST_TEST(sem.in_use() == 16u);
}

BOOST_AUTO_TEST_CASE(release_by_many_threads_never_passes_the_limit) {
  asio::thread_pool pool(1);
  bounded_semaphore sem(pool.get_executor(), 0, 1000);
  std::atomic<int> succeeded = 0;
  in_parallel(3, [&](int) {
    for (int k = 0; k != 500; ++k) {
      error_code ec;
      sem.release(ec);
      succeeded += !ec;
    }
  });
  BOOST_TEST(succeeded == 1000);
  BOOST_TEST(sem.available() == 1000u);
}

BOOST_AUTO_TEST_CASE(shrink_races_with_acquires) {
  asio::thread_pool pool(1);
  semaphore sem(pool.get_executor(), 1000);
  std::atomic<std::size_t> removed = 0, taken = 0;
  in_parallel(3, [&](int i) {
    for (int k = 0; k != 500; ++k) {
      if (i == 0)
        removed += sem.shrink(2);
      else
        taken += sem.try_acquire() ? 1 : 0;
    }
  });
  BOOST_TEST(removed + taken + sem.available() == 1000u);
}

BOOST_AUTO_TEST_CASE(permits_travel_between_threads) {
  asio::thread_pool pool(3);
  bounded_semaphore sem(pool.get_executor(), 8);
  std::atomic<int> done = 0;
  for (int i = 0; i != 500; ++i)
    sem.async_acquire_permit(4, [&](error_code, permit p) {
      permit half = p.split(2);
      asio::post(pool, [&, p = std::move(p)] { ++done; });
      asio::post(pool, [&, p = std::move(half)]() mutable {
        p.release(1);
        ++done;
      });
    });
  pool.join();
  BOOST_TEST(done == 1000);
  BOOST_TEST(sem.available() == 8u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(lifetime)

BOOST_AUTO_TEST_CASE(a_semaphore_destroyed_while_its_permits_are_given_back) {
  asio::thread_pool pool(1);
  for (int round = 0; round != 200; ++round) {
    test::recorder r;
    auto sem = std::make_unique<semaphore>(pool.get_executor(), 2);
    permit one = sem->try_acquire_permit(), other = sem->try_acquire_permit();
    for (int i = 0; i != 3; ++i) sem->async_acquire_permit(r.count());
    in_parallel(3, [&](int i) {
      if (i == 0) sem.reset();
      if (i == 1) one.release();
      if (i == 2) other = permit();
    });
    BOOST_REQUIRE(test::eventually([&] { return r.counted.all() == 3; }));
    BOOST_TEST(r.counted.granted + r.counted.aborted == 3);
  }
}

BOOST_AUTO_TEST_CASE(a_semaphore_destroyed_while_a_wait_is_cancelled) {
  asio::thread_pool pool(1);
  for (int round = 0; round != 200; ++round) {
    test::recorder r;
    auto sem = std::make_unique<semaphore>(pool.get_executor(), 0);
    asio::cancellation_signal signal;
    const auto ready = meeting();
    sem->async_acquire(asio::bind_cancellation_slot(signal.slot(), r.count()));
    asio::post(pool, [&, ready] {
      ready->arrive_and_wait();
      signal.emit(asio::cancellation_type::terminal);
    });
    ready->arrive_and_wait();
    sem.reset();
    BOOST_REQUIRE(test::eventually([&] { return r.counted.all() == 1; }));
    drain(pool.get_executor());
    BOOST_TEST(r.counted.aborted == 1);
  }
}

BOOST_AUTO_TEST_CASE(semaphores_made_and_destroyed_on_one_context) {
  asio::thread_pool pool(1);
  test::recorder r;
  in_parallel(3, [&](int) {
    for (int k = 0; k != 200; ++k) {
      semaphore sem(pool.get_executor(), 0);
      sem.async_acquire(r.count());
      semaphore moved(std::move(sem));
    }
  });
  pool.join();
  BOOST_TEST(r.counted.aborted == 600);
}

BOOST_AUTO_TEST_SUITE_END()
