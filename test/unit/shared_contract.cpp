// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A shared semaphore keeps the guarantees of the others within the share of its process: each case runs with every kind
// of semaphore.

#define BOOST_TEST_MODULE shared_contract
#include "context_executor.hpp"
#include "journal.hpp"

#include <turnstile/memory_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace test;
using namespace std::chrono_literals;
using turnstile::memory_engine;
using turnstile::shared_semaphore;

using every_kind = std::tuple<semaphore, bounded_semaphore, shared_semaphore>;
using limited_kinds = std::tuple<bounded_semaphore, shared_semaphore>;

namespace {

template <typename S, typename Context>
S make_semaphore(Context& c, memory_engine& e, std::size_t n) {
  if constexpr (std::is_same_v<S, shared_semaphore>)
    return S(c, e, {.name = "name", .limit = n, .lease = 600s, .linger = 600s});
  else
    return S(c, n);
}

struct world : journal {
  // With n permits, all of which are free.
  template <typename S>
  S make(std::size_t n) {
    S s = make_semaphore<S>(io, engine, n);
    s.async_acquire_permit(n, (*this)("all"));  // a shared one has its share afterwards
    poll();
    held.clear();
    return s;
  }
  // With n permits, all of which are in use.
  template <typename S>
  S make_used(std::size_t n) {
    S s = make<S>(n);
    BOOST_REQUIRE(s.try_acquire(n));
    return s;
  }

  turnstile::manual_clock clock;
  turnstile::memory_server server{clock};
  memory_engine engine{io, server};
};

template <typename S>
std::size_t free_of(const S& s) {
  if constexpr (std::is_same_v<S, shared_semaphore>)
    return s.share() - s.in_use();
  else
    return s.available();
}

template <typename T>
struct counting_allocator {
  using value_type = T;

  explicit counting_allocator(long& n) noexcept : live(&n) {}
  template <typename U>
  counting_allocator(const counting_allocator<U>& other) noexcept : live(other.live) {}
  T* allocate(std::size_t n) {
    ++*live;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) noexcept {
    --*live;
    std::allocator<T>().deallocate(p, n);
  }
  template <typename U>
  bool operator==(const counting_allocator<U>& other) const noexcept {
    return live == other.live;
  }
  long* live;
};

}  // namespace

// ---- Counting, rules 1 to 6 -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(permits_are_taken_inside_the_initiating_call, S, every_kind) {
  world f;
  S sem = f.make<S>(2);
  sem.async_acquire(2, f("a"));
  BOOST_TEST(free_of(sem) == 0u);
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(f.poll() == "a");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(release_gives_back_all_or_nothing, S, limited_kinds) {
  world f;
  S sem = f.make<S>(3);
  BOOST_REQUIRE(sem.try_acquire());
  error_code ec;
  sem.release(2, ec);
  BOOST_TEST(ec == errc::over_release);
  BOOST_CHECK_THROW(sem.release(2), boost::system::system_error);
  BOOST_TEST(free_of(sem) == 2u);
  sem.release(ec);
  BOOST_TEST(!ec);
  BOOST_TEST(free_of(sem) == 3u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(zero_permits_are_had_unless_it_is_closed, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  sem.async_acquire(f("waits"));
  sem.async_acquire(0, f("zero"));
  sem.release(0);
  BOOST_TEST(f.poll() == "zero");
  BOOST_TEST(sem.try_acquire(0));
  sem.close();
  sem.async_acquire(0, f("late"));
  BOOST_TEST(!sem.try_acquire(0));
  BOOST_TEST(f.poll() == "waits!closed late!closed");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_released_permit_goes_from_hand_to_hand, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  sem.async_acquire(f("a"));
  sem.release();
  BOOST_TEST(free_of(sem) == 0u);
  BOOST_TEST(!sem.try_acquire());
  sem.async_acquire(f("b"));
  BOOST_TEST(f.poll() == "a");
  sem.release();
  BOOST_TEST(f.poll() == "b");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_permit_that_was_released_before_stays_at_the_limit, S,
                              limited_kinds) {
  world f;
  S sem = f.make<S>(2);
  auto a = sem.try_acquire_permit(), b = sem.try_acquire_permit();
  sem.release();
  a.release();
  b.release();
  BOOST_TEST(free_of(sem) == 2u);
  BOOST_TEST(sem.try_acquire(2));
  BOOST_TEST(!sem.try_acquire());
}

// ---- The queue, rules 7 to 10 -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(fifo_by_initiation_order, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  for (const char* name : {"a", "b", "c"}) sem.async_acquire(f(name));
  BOOST_TEST(sem.waiting() == 3u);
  for (const char* name : {"a", "b", "c"}) {
    sem.release();
    BOOST_TEST(!sem.try_acquire());
    BOOST_TEST(f.poll() == name);
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_head_holds_back_smaller_requests, S, every_kind) {
  world f;
  S sem = f.make_used<S>(3);
  sem.async_acquire(3, f("large"));
  sem.async_acquire(f("small"));
  for (int i = 0; i != 2; ++i) {
    sem.release();
    BOOST_TEST(!sem.try_acquire());
    BOOST_TEST(f.poll() == "");
  }
  sem.release();
  BOOST_TEST(f.poll() == "large");
  sem.release();
  BOOST_TEST(f.poll() == "small");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_cancelled_head_lets_those_behind_it_go, S, every_kind) {
  world f;
  S sem = f.make<S>(3);
  BOOST_REQUIRE(sem.try_acquire());
  asio::cancellation_signal signal;
  sem.async_acquire(3, asio::bind_cancellation_slot(signal.slot(), f("a")));
  for (const char* name : {"b", "c", "d"}) sem.async_acquire(f(name));
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(free_of(sem) == 0u);
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(f.poll() == "a!aborted b c");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_release_serves_as_many_as_it_suffices_for, S, every_kind) {
  world f;
  S sem = f.make_used<S>(4);
  sem.async_acquire(1, f("a"));
  sem.async_acquire(2, f("b"));
  sem.async_acquire(2, f("c"));
  sem.release(4);
  BOOST_TEST(f.poll() == "a b");
  sem.release();
  BOOST_TEST(f.poll() == "c");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_can_never_be_granted_is_refused_at_once, S, every_kind) {
  world f;
  S sem = f.make<S>(2);
  sem.async_acquire((S::max)() + 1, f("max"));
  BOOST_TEST(f.poll() == "max!exceeds");
  if constexpr (!std::is_same_v<S, semaphore>) {
    sem.async_acquire(3, f("limit"));
    BOOST_TEST(sem.waiting() == 0u);
    BOOST_TEST(f.poll() == "limit!exceeds");
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_acquire_beyond_the_bound_is_refused, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  sem.set_max_waiting(1);
  sem.async_acquire(f("a"));
  sem.async_acquire(f("b"));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(f.poll() == "b!full");
  sem.release();
  BOOST_TEST(f.poll() == "a");
  sem.release();
  BOOST_TEST(free_of(sem) == 1u);
}

// ---- Closing and cancelling, rules 12 to 16 and 29 ------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(close_ends_all_waiters_in_order_and_refuses_what_comes, S,
                              every_kind) {
  world f;
  S sem = f.make<S>(2);
  auto p = sem.try_acquire_permit();
  sem.async_acquire(2, f("a"));
  sem.async_acquire_permit(f("b"));
  sem.close();
  sem.close();
  BOOST_TEST(sem.is_closed());
  BOOST_TEST(sem.waiting() == 0u);
  sem.async_acquire(f("c"));
  sem.async_acquire((S::max)() + 1, f("d"));
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(f.read() == "");
  BOOST_TEST(f.poll() == "a!closed b!closed c!closed d!closed");
  BOOST_TEST(free_of(sem) == 1u);
  p.release();
  BOOST_TEST(free_of(sem) == 2u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(close_and_cancel_leave_grants_alone, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  sem.async_acquire_permit(f("a"));
  sem.async_acquire(f("b"));
  sem.release();
  sem.cancel();
  sem.close();
  BOOST_TEST(f.poll() == "a b!aborted");
  BOOST_TEST(f.held.size() == 1u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(every_cancellation_type_but_none_ends_a_wait, S, every_kind) {
  using type = asio::cancellation_type;
  for (const type t : {type::none, type::terminal, type::partial, type::total}) {
    world f;
    S sem = f.make_used<S>(1);
    asio::cancellation_signal signal;
    sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), f("a")));
    signal.emit(t);
    BOOST_TEST(sem.waiting() == (t == type::none ? 1u : 0u));
    BOOST_TEST(f.read() == "");
    BOOST_TEST(f.poll() == (t == type::none ? "" : "a!aborted"));
    sem.release();
    BOOST_TEST(f.poll() == (t == type::none ? "a" : ""));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(an_emission_after_the_grant_does_nothing, S, every_kind) {
  world f;
  S sem = f.make<S>(1);
  asio::cancellation_signal first, second;
  sem.async_acquire(asio::bind_cancellation_slot(first.slot(), f("at once")));
  first.emit(asio::cancellation_type::terminal);
  BOOST_TEST(f.poll() == "at once");
  sem.async_acquire(asio::bind_cancellation_slot(second.slot(), f("later")));
  sem.release();
  second.emit(asio::cancellation_type::terminal);
  BOOST_TEST(f.poll() == "later");
  second.emit(asio::cancellation_type::terminal);
  BOOST_TEST(free_of(sem) == 0u);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_timed_acquire_gives_up, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  sem.async_acquire_for(0ms, f("now"));
  sem.async_acquire_permit_for(1ms, f("soon"));
  sem.async_acquire_permit_for(1h, f("late"));
  f.io.restart();
  while (sem.waiting() != 1) f.io.run_one();
  BOOST_TEST(f.poll() == "now!timed out soon!timed out");
  sem.release();
  BOOST_TEST(f.poll() == "late");
  BOOST_TEST(f.held.size() == 1u);
}

// ---- Completion, rules 17 to 21 -------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(handlers_are_posted_to_their_executor, S, every_kind) {
  world f;
  asio::io_context other;
  S sem = f.make<S>(1);
  for (const char* name : {"a", "b"})
    sem.async_acquire(asio::bind_executor(other.get_executor(), f(name)));
  BOOST_TEST(f.poll() == "");
  other.poll();
  BOOST_TEST(f.read() == "a");
  sem.release();
  BOOST_TEST(f.poll() == "");
  other.restart();
  other.poll();
  BOOST_TEST(f.read() == "b");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_waiter_counts_as_work_on_both_executors, S, every_kind) {
  world f;
  asio::io_context other;
  S sem = f.make_used<S>(1);
  f.poll();
  BOOST_TEST(f.io.stopped());
  sem.async_acquire(asio::bind_executor(other.get_executor(), f("a")));
  f.poll();
  other.poll();
  BOOST_TEST(!f.io.stopped());
  BOOST_TEST(!other.stopped());
  sem.release();
  f.poll();
  other.poll();
  BOOST_TEST(f.io.stopped());
  BOOST_TEST(other.stopped());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_wait_is_allocated_with_the_handlers_allocator, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  long live = 0, live_in_handler = -1;
  sem.async_acquire(asio::bind_allocator(counting_allocator<char>(live),
                                         [&](error_code) { live_in_handler = live; }));
  BOOST_TEST(live > 0);
  sem.release();
  f.poll();
  BOOST_TEST(live_in_handler == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_handler_may_call_every_member, S, every_kind) {
  world f;
  S sem = f.make_used<S>(2);
  sem.async_acquire([&](error_code) {
    f.write("handler");
    sem.async_acquire(f("a"));
    sem.async_acquire(f("b"));
    BOOST_TEST(!sem.try_acquire());
    sem.release();
    sem.cancel();
    sem.close();
    BOOST_TEST(sem.is_closed());
  });
  sem.release();
  BOOST_TEST(f.poll() == "handler a b!aborted");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_long_chain_needs_no_stack, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  int left = 100'000;
  std::function<void()> next = [&] {
    if (--left == 0) return;
    sem.async_acquire([&](error_code) { next(); });
    sem.release();
  };
  next();
  f.poll();
  BOOST_TEST(left == 0);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(completion_tokens_work, S, every_kind) {
  world f;
  S sem = f.make<S>(1);
  auto future = sem.async_acquire_permit(asio::use_future);
  auto later = sem.async_acquire(asio::deferred);
  f.poll();
  BOOST_TEST(future.get().count() == 1u);  // and is released
  std::move(later)(f("later"));
  BOOST_TEST(f.poll() == "later");
  asio::co_spawn(
      f.io,
      [](world& w, S& s) -> asio::awaitable<void> {
        co_await s.async_acquire(asio::use_awaitable);
        w.write("coroutine");
        const auto [ec] = co_await s.async_acquire(asio::as_tuple(asio::use_awaitable));
        w.write(ec == errc::closed ? "closed" : "?");
      }(f, sem),
      asio::detached);
  BOOST_TEST(f.poll() == "");
  sem.release();
  BOOST_TEST(f.poll() == "coroutine");
  sem.close();
  BOOST_TEST(f.poll() == "closed");
}

// ---- Lifetime and failures, rules 15 and 22 to 26 -------------------------------------------------------

BOOST_AUTO_TEST_CASE_TEMPLATE(permits_of_handlers_that_are_destroyed_go_to_the_next, S,
                              every_kind) {
  world f;
  S sem = f.make<S>(1);
  {
    asio::io_context other;
    sem.async_acquire(asio::bind_executor(other.get_executor(), f("a")));
    sem.async_acquire(f("b"));
    BOOST_TEST(f.poll() == "");
  }
  BOOST_TEST(f.poll() == "b");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(the_destructor_aborts_waiters_and_grants_outlive_it, S, every_kind) {
  world f;
  permit p;
  {
    S sem = f.make<S>(2);
    p = sem.try_acquire_permit();
    sem.async_acquire_permit(f("a"));
    sem.async_acquire(f("b"));
  }
  BOOST_TEST(f.read() == "");
  BOOST_TEST(f.poll() == "a b!aborted");
  p.release();
  f.held.clear();
  f.poll();
  BOOST_TEST(f.io.stopped());
}

// With a handler that was granted, one that waits and is bound to a slot, and one whose handler has a permit.
BOOST_AUTO_TEST_CASE_TEMPLATE(any_order_of_destruction_is_safe, S, every_kind) {
  std::string order = "ceps";  // sorted
  do {
    turnstile::manual_clock clock;
    turnstile::memory_server server(clock);
    recorder t;
    asio::cancellation_signal signal;
    std::optional<asio::io_context> context(std::in_place);
    std::optional<memory_engine> engine(std::in_place, *context, server);
    std::optional<S> sem(make_semaphore<S>(*context, *engine, 3));
    permit held;
    sem->async_acquire_permit(2, [&](error_code, permit p) { held = std::move(p); });
    context->poll();
    context->restart();
    BOOST_REQUIRE(held.count() == 2u);
    sem->async_acquire([h = t("a"), p = held.split(1)](error_code) {});
    sem->async_acquire(asio::bind_cancellation_slot(signal.slot(), t("a")));
    sem->async_acquire_permit(t("a"));
    for (const char what : order) {
      if (what == 'c') context.reset();
      if (what == 'e') engine.reset();
      if (what == 'p') held.release();
      if (what == 's') sem.reset();
    }
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(t.read() == "");
    BOOST_TEST(t.alive() == 0);
  } while (std::next_permutation(order.begin(), order.end()));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(waits_and_permits_follow_a_move, S, every_kind) {
  world f;
  S a = f.make_used<S>(1);
  asio::cancellation_signal signal;
  a.async_acquire(f("a"));
  a.async_acquire(asio::bind_cancellation_slot(signal.slot(), f("b")));
  S b = std::move(a);
  a = make_semaphore<S>(f.io, f.engine, 1);  // another one
  BOOST_TEST(b.waiting() == 2u);
  b.release();
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(f.poll() == "a b!aborted");
  b.async_acquire(f("c"));
  b = std::move(a);
  BOOST_TEST(f.poll() == "c!aborted");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(one_permit_is_as_good_as_a_mutex, S, every_kind) {
  const watchdog dog;
  asio::thread_pool pool(2);
  turnstile::memory_server server;
  memory_engine engine(pool, server);
  S sem = make_semaphore<S>(pool, engine, 1);
  int count = 0;  // which ThreadSanitizer watches
  std::function<void(int)> next = [&](int left) {
    if (left == 0) return;
    sem.async_acquire([&next, &sem, &count, left](error_code) {
      ++count;
      sem.release();
      next(left - 1);
    });
  };
  for (int i = 0; i != 4; ++i) next(500);
  std::promise<void> done;
  const auto wait = [&](auto self) -> void {
    sem.async_acquire([&, self](error_code) {
      const bool is_done = count == 2000;
      sem.release();
      is_done ? done.set_value() : self(self);
    });
  };
  wait(wait);
  done.get_future().wait();
  pool.stop();
  pool.join();
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_waiter_that_its_executor_refuses_is_the_head_again, S, every_kind) {
  world f;
  S sem = f.make_used<S>(1);
  int times = 1;
  sem.async_acquire(asio::bind_executor(refusing{{&f.io}, &times}, f("a")));
  sem.async_acquire(f("b"));
  sem.release();
  BOOST_TEST(times == 0);
  std::string text = f.poll();  // a shared semaphore tries again
  BOOST_TEST(!sem.try_acquire());
  sem.async_acquire(f("c"));
  text += f.poll();
  BOOST_TEST(text == "a");
  sem.release();
  sem.release(0);
  BOOST_TEST(f.poll() == "b");
}
