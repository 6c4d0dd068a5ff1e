// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What is called inside a call of a keyed semaphore, by an executor, an allocator or a copy of a key: the strand is
// busy, or the call has looked at the semaphore already. And what becomes of completions that an executor refuses.

#define BOOST_TEST_MODULE keyed_strand
#include "context_executor.hpp"
#include "keyed_fixture.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

using namespace test;

namespace {

// An executor that makes calls first, once, or throws, when it is given a completion.
struct calling : context_executor<calling> {
  struct script {
    std::function<void()> calls;
    int refusals = 0;
    std::size_t handed_over = 0;
  };
  template <typename F>
  void execute(F&& f) const {
    if (const auto calls = std::exchange(of->calls, nullptr)) calls();
    if (of->refusals > 0) {
      --of->refusals;
      throw std::bad_alloc();
    }
    ++of->handed_over;
    context->get_executor().execute(std::forward<F>(f));
  }
  script* of;
};

struct fixture : keyed_fixture {
  template <typename Handler>
  auto on(calling::script& s, Handler h) {
    return asio::bind_executor(calling{{&io}, &s}, std::move(h));
  }
  // Makes the calls while a permit is handed over to the handler "busy".
  void make_busy(std::function<void()> calls) {
    const std::size_t all = sem->limits().per_key;
    permit p = (*sem)["busy"].try_acquire_permit(all);
    (*sem)["busy"].async_acquire_permit(all, on(busy, (*this)("busy")));
    busy.calls = std::move(calls);
    p.release();
  }
  std::string while_busy(std::function<void()> calls) {
    make_busy(std::move(calls));
    return poll();
  }

  calling::script busy;
  asio::cancellation_signal signal;
};

}  // namespace

// ---- Beside a busy strand -----------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(beside_a_busy_strand, fixture)

BOOST_AUTO_TEST_CASE(acquires_are_granted_in_their_order) {
  make({.per_key = 1});
  std::string expected = "busy";
  for (int i = 10; i != 40; ++i) expected += " k" + std::to_string(i) + "1";
  const auto calls = [&] {
    for (int i = 10; i != 40; ++i) acquire("k" + std::to_string(i));
  };
  BOOST_TEST(while_busy(calls) == expected);
  check(31, 0, 31);
}

BOOST_AUTO_TEST_CASE(try_acquire_takes_what_is_free) {
  make({.per_key = 1});
  permit a;
  const auto calls = [&] {
    a = (*sem)["a"].try_acquire_permit();
    BOOST_TEST(!(*sem)["a"].try_acquire_permit());
    BOOST_TEST(!(*sem)["busy"].try_acquire_permit());
  };
  BOOST_TEST(while_busy(calls) == "busy");
  BOOST_TEST(a.count() == 1u);
  check(2, 0, 2);
}

BOOST_AUTO_TEST_CASE(an_acquire_may_be_cancelled_at_once) {
  make({.per_key = 1});
  asio::cancellation_signal other;
  const auto calls = [&] {
    (*sem)["a"].async_acquire_permit(asio::bind_cancellation_slot(signal.slot(), (*this)("free")));
    (*sem)["busy"].async_acquire_permit(
        asio::bind_cancellation_slot(other.slot(), (*this)("waits")));
    signal.emit(asio::cancellation_type::terminal);
    other.emit(asio::cancellation_type::terminal);
    acquire("a");
  };
  BOOST_TEST(while_busy(calls) == "busy free!aborted waits!aborted a1");
  check(2, 0, 2);
}

BOOST_AUTO_TEST_CASE(an_acquire_meets_the_limit_that_came_after_it) {
  make({.per_key = 2});
  const auto calls = [&] {
    acquire("a", 2);
    acquire("b");
    sem->set_limits({.per_key = 1});
  };
  BOOST_TEST(while_busy(calls) == "busy a1!exceeds b1");
  check(3, 0, 2);
}

BOOST_AUTO_TEST_CASE(an_acquire_is_ended_by_what_ends_all_of_them) {
  for (const bool closes : {true, false}) {
    make({.per_key = 1});
    numbers.clear();
    const auto calls = [&] {
      acquire("a");
      acquire("busy");
      closes ? sem->close() : sem->cancel();
    };
    const std::string why = closes ? "!closed" : "!aborted";
    BOOST_TEST(while_busy(calls) == "busy a1" + why + " busy1" + why);
    check(1, 0, 1);
    held.clear();
  }
}

BOOST_AUTO_TEST_CASE(cancel_ends_only_what_came_before) {
  make({.per_key = 1});
  const auto calls = [&] {
    acquire("a");
    sem->cancel();
    acquire("a");
  };
  BOOST_TEST(while_busy(calls) == "busy a1!aborted a2");
}

BOOST_AUTO_TEST_CASE(the_semaphore_may_be_destroyed) {
  make({.per_key = 1});
  const auto calls = [&] {
    acquire("a");
    sem.reset();
  };
  BOOST_TEST(while_busy(calls) == "busy a1!aborted");
}

BOOST_AUTO_TEST_CASE(permits_that_come_back_one_by_one_all_serve_their_key) {
  make({.per_key = 3});
  for (int i = 0; i != 6; ++i) acquire("a");
  BOOST_TEST(poll() == "a1 a2 a3");
  const auto calls = [&] {
    for (auto name : {"a1", "a2", "a3"}) held.at(name).release();
  };
  BOOST_TEST(while_busy(calls) == "busy a4 a5 a6");
  check(6, 0, 2);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Many completions ---------------------------------------------------------------------------

namespace {

// While a permit is handed over, others come back, for many acquires.
struct many : fixture {
  static constexpr std::size_t bound = 64;  // of what a call hands over for others
  static constexpr int waits = 300, large = 40;

  many() {
    make({.per_key = 400});
    all = (*sem)["a"].try_acquire_permit(400);
    for (int i = 0; i != waits; ++i) {
      if (i == large)
        (*sem)["a"].async_acquire_permit(
            2, asio::bind_cancellation_slot(signal.slot(), on(refuses, (*this)("large"))));
      else
        (*sem)["a"].async_acquire_permit(on(completes, [this](error_code, permit) { ++called; }));
    }
  }

  permit all;
  calling::script completes, refuses;
  int called = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(many_completions, many)

BOOST_AUTO_TEST_CASE(a_release_takes_a_strand_that_was_offered) {
  make_busy([&] { all.release(200); });
  const std::size_t before = completes.handed_over;
  BOOST_TEST(before <= bound);
  all.release(10);  // some wait for it
  BOOST_TEST(completes.handed_over > before);
  BOOST_TEST(completes.handed_over <= before + bound);
  all.release();
  BOOST_TEST(poll() == "busy large");
  BOOST_TEST(called == waits - 1);
}

BOOST_AUTO_TEST_CASE(nothing_is_left_behind_beside_a_waiter_of_another_context) {
  asio::io_context other;
  make_busy([&] {
    all.release();
    (*sem)["b"].async_acquire_permit(asio::bind_executor(other, (*this)("b")));
  });
  BOOST_TEST(completes.handed_over == std::size_t(waits - 1));
  other.poll();
  BOOST_TEST(read() == "b");
}

BOOST_AUTO_TEST_CASE(a_grant_that_is_refused_under_a_lower_limit_exceeds_it) {
  make_busy([&] { all.release(); });
  refuses.refusals = 1;
  sem->set_limits({.per_key = 1});
  BOOST_TEST(refuses.refusals == 0);
  held.clear();
  BOOST_TEST(poll() == "busy large!exceeds");
  BOOST_TEST(called == waits - 1);
}

BOOST_AUTO_TEST_CASE(a_grant_that_is_refused_after_its_cancellation_is_cancelled) {
  make_busy([&] { all.release(); });
  refuses.refusals = 1;
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(refuses.refusals == 0);
  BOOST_TEST(poll() == "busy large!aborted");
  BOOST_TEST(called == waits - 1);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Refusals -----------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(refusals, fixture)

BOOST_AUTO_TEST_CASE(a_refused_end_of_a_wait_stands) {
  make({.per_key = 1});
  acquire("a");
  (*sem)["a"].async_acquire_permit(on(busy, (*this)("refused")));
  busy.refusals = 2;
  sem->cancel();
  BOOST_TEST(poll() == "a1");
  // Each call that looks at the queue tries again.
  held.clear();
  BOOST_TEST(poll() == "");
  acquire("b");
  BOOST_TEST(poll() == "refused!aborted b1");
  check(1, 0, 1);
}

BOOST_AUTO_TEST_CASE(a_grant_that_was_refused_can_be_cancelled) {
  for (const bool at_once : {true, false}) {
    make({.per_key = 1});
    acquire("a");
    poll();
    (*sem)["a"].async_acquire_permit(
        asio::bind_cancellation_slot(signal.slot(), on(busy, (*this)("refused"))));
    busy.refusals = 1;
    const auto cancel = [&] { signal.emit(asio::cancellation_type::terminal); };
    if (at_once) busy.calls = cancel;
    held.clear();
    if (!at_once) {
      BOOST_TEST(poll() == "");
      check(0, 1, 1);
      cancel();
    }
    BOOST_TEST(poll() == "refused!aborted");
    check(0, 0, 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Inside the initiating call -----------------------------------------------------------------

namespace {

// Calls when it is asked for memory, as another thread may while a wait is being prepared.
template <typename T>
struct calling_allocator {
  using value_type = T;
  explicit calling_allocator(std::function<void()>& f) : calls(&f) {}
  template <typename U>
  calling_allocator(const calling_allocator<U>& other) : calls(other.calls) {}
  T* allocate(std::size_t n) {
    if (const auto f = std::exchange(*calls, nullptr)) f();
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
  bool operator==(const calling_allocator&) const = default;

  std::function<void()>* calls;
};

// Calls when it is copied.
struct calling_key {
  explicit calling_key(int i) : n(i) {}
  calling_key(const calling_key& other) : n(other.n) {
    if (copied) copied();
  }
  bool operator<(const calling_key& other) const { return n < other.n; }

  int n;
  static inline std::function<void()> copied;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(inside_the_initiating_call, fixture)

BOOST_AUTO_TEST_CASE(an_allocator_may_close_or_lower_the_limits) {
  make({.per_key = 2});
  std::function<void()> calls;
  const auto wait = [&](std::function<void()> f) {
    calls = std::move(f);
    (*sem)["a"].async_acquire_permit(
        2, asio::bind_allocator(calling_allocator<void>(calls), (*this)("late")));
    return poll();
  };
  acquire("a");
  poll();
  BOOST_TEST(wait([&] { sem->set_limits({.per_key = 2, .total = 1}); }) == "late!exceeds");
  sem->set_limits({.per_key = 2});
  BOOST_TEST(wait([&] { sem->set_limits({.per_key = 1}); }) == "late!exceeds");
  sem->set_limits({.per_key = 2});
  BOOST_TEST(wait([&] { sem->close(); }) == "late!closed");
  check(1, 0, 1);
}

// Of all the copies of the key that the call makes.
BOOST_AUTO_TEST_CASE(a_copy_of_a_key_may_use_the_semaphore) {
  using semaphore_type = turnstile::keyed_semaphore<calling_key>;
  permit other;
  const std::function<void(semaphore_type&)> uses[] = {
      [](semaphore_type& s) { s.close(); },
      [](semaphore_type& s) { s.set_limits({.per_key = 2, .total = 1}); },
      [&](semaphore_type& s) { other = s[calling_key(1)].try_acquire_permit(); },
      [&](semaphore_type& s) { other = s[calling_key(2)].try_acquire_permit(); },
  };
  for (const auto& use : uses) {
    int used = 0;
    for (int nth = 0; nth != 5; ++nth) {
      semaphore_type sem2(io, {.per_key = 2, .total = 2});
      const auto key = sem2[calling_key(1)];
      bool has_used = false;
      int left = nth;
      calling_key::copied = [&] {
        if (left-- != 0) return;
        has_used = true;
        use(sem2);
      };
      permit p = key.try_acquire_permit(2);
      calling_key::copied = nullptr;
      used += has_used;
      BOOST_TEST(p.count() == (has_used ? 0u : 2u));
      BOOST_TEST(sem2.in_use() == p.count() + other.count());
      p.release();
      other.release();
      BOOST_TEST(sem2.size() == 0u);
    }
    BOOST_TEST(used > 0);
  }
}

BOOST_AUTO_TEST_SUITE_END()
