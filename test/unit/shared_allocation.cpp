// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Shared semaphores while memory is short: what happens is tried again when there is some.

#define BOOST_TEST_MODULE shared_allocation
#include "shared_fixture.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <string>
#include <utility>

using namespace test;

namespace {

// The allocations in a scope: so many fail, after so many others.
long allocations_left = -1, failures_left = 0;
bool has_failed = false;

bool fails() {
  if (allocations_left < 0 || --allocations_left >= 0) return false;
  allocations_left = 0;
  if (failures_left-- <= 0) return false;
  return has_failed = true;
}

struct memory_is_short {
  memory_is_short(long first, long n) {
    has_failed = false;
    failures_left = n;
    allocations_left = first;
  }
  memory_is_short(const memory_is_short&) = delete;
  memory_is_short& operator=(const memory_is_short&) = delete;
  ~memory_is_short() { allocations_left = -1; }
};

}  // namespace

void* operator new(std::size_t size) {
  void* const p = fails() ? nullptr : std::malloc(size);
  if (!p) throw std::bad_alloc();
  return p;
}
// Not inline: g++ would warn of a free() of what was allocated with new.
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

turnstile::shared_options options() {
  return {.name = "name", .limit = 2, .lease = 1s, .slice = 1ms, .linger = 10ms};
}

struct fixture : shared_fixture {
  // True if it did not throw for want of memory, which it may.
  template <typename Function>
  static bool tried(Function f) {
    try {
      f();
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }
  // Like run(), but goes on after exceptions, and keeps no text.
  void pass(std::chrono::milliseconds d) {
    for (auto passed = 0ms; passed < d; passed += 1ms) {
      tried([this] { clock.advance(1ms); });
      io.restart();
      while (!tried([this] { io.poll(); })) io.restart();
    }
  }

  // Acquires and counts, and keeps the permit in one place.
  void acquire(shared_semaphore& s, std::size_t n, shared_permit& place) {
    started += tried([&] {
      s.async_acquire_permit(n, [&](error_code ec, shared_permit p) {
        granted += !ec;
        place = std::move(p);
      });
    });
  }

  shared_semaphore& a = make(options());
  shared_semaphore& b = make(options());
  shared_permit in_a, in_b;
  int started = 0, granted = 0;
};

// One allocation fails; or so many that all fail for some time.
template <typename Scenario>
void at_each_allocation(Scenario scenario) {
  for (const long n : {1L, 40L}) {
    bool goes_on = true;
    for (long first = 0; goes_on; ++first) {
      BOOST_TEST_CONTEXT("allocation " << first << ", failures " << n) {
        scenario(first, n);
        goes_on = has_failed;
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(every_acquire_is_granted_although_memory_was_short) {
  at_each_allocation([](long first, long n) {
    fixture f;
    {
      const memory_is_short failing(first, n);
      f.acquire(f.a, 2, f.in_a);
      f.pass(3ms);
      f.acquire(f.b, 1, f.in_b);
      f.pass(20ms);
      f.in_a.release();
      f.pass(20ms);
    }
    // If there was no memory for the alarm either, the next acquire sets it.
    shared_permit next_a, next_b;
    f.acquire(f.a, 1, next_a);
    f.acquire(f.b, 1, next_b);
    for (int i = 0; i != 4; ++i) {
      f.pass(250ms);
      for (shared_permit* p : {&f.in_a, &f.in_b, &next_a, &next_b}) p->release();
    }
    BOOST_TEST(f.granted == f.started);
    BOOST_TEST(f.a.in_use() + f.b.in_use() == 0u);
  });
}

BOOST_AUTO_TEST_CASE(a_loss_is_told_although_memory_was_short) {
  at_each_allocation([](long first, long n) {
    fixture f;
    f.acquire(f.a, 2, f.in_a);
    f.pass(3ms);
    BOOST_TEST(f.in_a.valid());
    int lost = 0;
    f.a.async_wait_lost([&](error_code ec) { lost += ec == errc::lease_lost; });
    f.engine->set_fault(fault::request_lost);
    {
      const memory_is_short failing(first, n);
      f.pass(1000ms);
    }
    shared_permit next;
    f.acquire(f.a, 1, next);
    f.pass(20ms);
    BOOST_TEST(lost == 1);
    BOOST_TEST(!f.in_a.valid());
    f.engine->set_fault(fault::none);
    f.pass(300ms);
    BOOST_TEST(!f.in_a.valid());
    f.in_a.release();
    f.pass(20ms);
    BOOST_TEST(next.valid());
  });
}

// The step that notices the loss also sends a request, for which there may be no memory.
BOOST_AUTO_TEST_CASE(a_loss_that_is_noticed_late_is_told_although_memory_was_short) {
  at_each_allocation([](long first, long n) {
    fixture f;
    f.acquire(f.a, 2, f.in_a);
    f.pass(3ms);
    int lost = 0;
    f.a.async_wait_lost([&](error_code ec) { lost += ec == errc::lease_lost; });
    f.engine->set_fault(fault::request_lost);
    f.clock.jump(700ms);
    {
      const memory_is_short failing(first, n);
      f.pass(5ms);
    }
    shared_permit next;
    f.acquire(f.a, 1, next);
    f.pass(20ms);
    BOOST_TEST(lost == 1);
    BOOST_TEST(!f.in_a.valid());
  });
}
