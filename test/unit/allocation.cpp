// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What is allocated, when it is free again, and that nothing is lost where there is no memory.

#define BOOST_TEST_MODULE allocation

#include "context_executor.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/test/unit_test.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace asio = boost::asio;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;
using io_executor = asio::io_context::executor_type;
using semaphore = turnstile::basic_semaphore<io_executor>;

namespace {

// What this thread has allocated since counting began, and which of it is to fail.
thread_local std::size_t allocations = 0;
thread_local std::size_t fails = SIZE_MAX;

bool fail_this_one() noexcept { return allocations++ == fails; }

template <typename F>
std::size_t count_allocations(F f) {
  allocations = 0;
  f();
  return allocations;
}

}  // namespace

// Asio allocates with std::aligned_alloc, if there is one; all others allocate with operator new.
#if !defined(_WIN32)
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  void* p = nullptr;
  return !fail_this_one() && posix_memalign(&p, alignment, size) == 0 ? p : nullptr;
}
#endif

void* operator new(std::size_t size) {
  void* const p = fail_this_one() ? nullptr : std::malloc(size);
  if (!p) throw std::bad_alloc();
  return p;
}
// Not inline: g++ would warn of a free() of what was allocated with new.
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace {

struct allocator_state {
  int live = 0;
  int total = 0;
  std::function<void()> on_allocate = [] {};
  std::function<void()> on_deallocate = [] {};
};

template <typename T>
struct counting_allocator {
  using value_type = T;
  allocator_state* state;

  explicit counting_allocator(allocator_state& s) noexcept : state(&s) {}
  template <typename U>
  counting_allocator(const counting_allocator<U>& other) noexcept : state(other.state) {}
  T* allocate(std::size_t n) {
    state->on_allocate();
    T* const p = std::allocator<T>().allocate(n);
    ++state->live;
    ++state->total;
    return p;
  }
  void deallocate(T* p, std::size_t n) noexcept {
    --state->live;
    std::allocator<T>().deallocate(p, n);
    state->on_deallocate();
  }
  bool operator==(const counting_allocator&) const = default;
};

template <typename Handler>
auto counted(allocator_state& s, Handler handler) {
  return asio::bind_allocator(counting_allocator<void>(s), std::move(handler));
}

// Memory that belongs to a handler, and is gone with it.
struct arena {
  alignas(std::max_align_t) std::array<unsigned char, 2048> bytes;
  std::size_t used = 0;
  int live = 0;
};

template <typename T>
struct arena_allocator {
  using value_type = T;
  arena* memory;

  explicit arena_allocator(arena& m) noexcept : memory(&m) {}
  template <typename U>
  arena_allocator(const arena_allocator<U>& other) noexcept : memory(other.memory) {}
  T* allocate(std::size_t n) {
    memory->used = (memory->used + alignof(T) - 1) / alignof(T) * alignof(T);
    T* const p = reinterpret_cast<T*>(memory->bytes.data() + memory->used);
    memory->used += n * sizeof(T);
    if (memory->used > memory->bytes.size()) throw std::bad_alloc();
    ++memory->live;
    return p;
  }
  void deallocate(T*, std::size_t) noexcept { --memory->live; }
  bool operator==(const arena_allocator&) const = default;
};

struct owning_handler {
  std::unique_ptr<arena> memory = std::make_unique<arena>();
  int* live_when_called;

  using allocator_type = arena_allocator<void>;
  allocator_type get_allocator() const noexcept { return allocator_type(*memory); }
  void operator()(error_code, permit = {}) { *live_when_called = memory->live; }
};

}  // namespace

// First in this file: what is initialised on first use must not need memory on a noexcept path.
BOOST_AUTO_TEST_CASE(the_first_error_code_needs_no_memory) {
  asio::io_context context;
  turnstile::bounded_semaphore sem(context, 1);
  error_code ec;
  allocations = 0, fails = 0;
  sem.release(1, ec);
  fails = SIZE_MAX;
  BOOST_TEST(allocations == 0u);
  BOOST_TEST((ec == turnstile::errc::over_release));
}

// What a completion allocates: with TURNSTILE_NO_ASIO_INTERNALS it is posted as on any other executor.
#if defined(TURNSTILE_NO_ASIO_INTERNALS)
constexpr std::size_t posting = 1;
#else
constexpr std::size_t posting = 0;
#endif

BOOST_AUTO_TEST_SUITE(amounts)

BOOST_AUTO_TEST_CASE(a_wait_is_one_allocation_and_a_release_none) {
  asio::io_context context;
  semaphore sem(context, 0);
  int called = 0;
  auto handler = [&](error_code) { ++called; };
  BOOST_TEST(count_allocations([&] { sem.async_acquire(handler); }) == 1u);
  BOOST_TEST(count_allocations([&] { sem.release(); }) == posting);
  BOOST_TEST(count_allocations([&] { context.run(); }) == 0u);
  for (int i = 0; i != 3; ++i) sem.async_acquire(handler);
  permit p;
  BOOST_TEST(count_allocations([&] { sem.cancel(); }) == 3 * posting);
  sem.async_acquire(handler);
  BOOST_TEST(count_allocations([&] { sem.close(); }) == posting);
  context.restart();
  context.run();
  BOOST_TEST(called == 5);
}

BOOST_AUTO_TEST_CASE(a_release_to_a_thread_pool_allocates_nothing) {
  asio::thread_pool pool(1);
  turnstile::basic_semaphore<asio::thread_pool::executor_type> sem(pool, 0);
  std::promise<void> called;
  BOOST_TEST(
      count_allocations([&] { sem.async_acquire([&](error_code) { called.set_value(); }); }) == 1u);
  BOOST_TEST(count_allocations([&] { sem.release(); }) == posting);
  called.get_future().wait();
}

// With a slot, two more: what the slot and the wait share, and what the slot holds. Asio recycles both.
BOOST_AUTO_TEST_CASE(a_wait_that_can_be_cancelled_takes_recycled_memory) {
  asio::io_context context;
  semaphore sem(context, 0);
  asio::cancellation_signal signal;
  std::size_t most = 0;
  std::function<void(int)> wait = [&](int left) {
    const std::size_t n = count_allocations([&] {
      sem.async_acquire(asio::bind_cancellation_slot(
          signal.slot(), [&, left](error_code) { left == 0 ? void() : wait(left - 1); }));
    });
    if (left < 7) most = std::max(most, n);  // those before have filled the cache
    BOOST_TEST(count_allocations([&] { sem.release(); }) <= posting);
  };
  asio::post(context, [&] { wait(10); });
  context.run();
  BOOST_TEST(most == 0u);
}

BOOST_AUTO_TEST_CASE(a_wait_is_allocated_with_the_handlers_allocator) {
  asio::io_context context;
  semaphore sem(context, 0);
  allocator_state s;
  int live = -1;
  auto handler = counted(s, [&](error_code, auto&&...) { live = s.live; });
  auto expect_one = [&](auto complete) {
    s.total = 0;
    sem.async_acquire_permit(handler);
    BOOST_TEST(s.live == 1);
    complete();
    BOOST_TEST(s.total == static_cast<int>(1 + posting));
    context.restart();
    context.run();
    BOOST_TEST(live == 0);  // free before the handler was called
    BOOST_TEST(s.live == 0);
  };
  expect_one([&] { sem.release(); });
  sem.shrink(1);
  expect_one([&] { sem.cancel(); });
  expect_one([&] { sem.close(); });
}

// A post to what make_executor() makes; where that is polymorphic, it is looked through.
template <typename MakeExecutor, typename MakePostExecutor>
void expect_what_a_post_allocates(MakeExecutor make_executor, MakePostExecutor make_post_executor) {
  auto measure = [&](auto start) {
    asio::io_context context;
    const auto ex = make_executor(context);
    turnstile::basic_semaphore<std::decay_t<decltype(ex)>> sem(ex, 1);
    allocator_state s;
    const std::size_t all = count_allocations([&] { start(ex, sem, s); });
    const int total = s.total;
    context.run();
    BOOST_TEST(s.live == 0);
    return std::pair(all, total);
  };
  const auto post = measure(
      [&](auto& ex, auto&, auto& s) { asio::post(make_post_executor(ex), counted(s, [] {})); });
  const auto acquire =
      measure([](auto&, auto& sem, auto& s) { sem.async_acquire(counted(s, [](error_code) {})); });
  const auto acquire_permit = measure([](auto&, auto& sem, auto& s) {
    sem.async_acquire_permit(counted(s, [](error_code, permit) {}));
  });
  BOOST_TEST(post.first != 0u);
  BOOST_TEST((acquire == post));
  BOOST_TEST((acquire_permit == post));
}

BOOST_AUTO_TEST_CASE(an_acquire_granted_at_once_allocates_what_a_post_does) {
  const auto the_same = [](auto& ex) { return ex; };
  expect_what_a_post_allocates([](auto& context) { return context.get_executor(); }, the_same);
  expect_what_a_post_allocates(
      [](auto& context) { return asio::any_io_executor(context.get_executor()); },
      [](auto& any) { return *any.template target<asio::io_context::executor_type>(); });
  expect_what_a_post_allocates(
      [](auto& context) { return asio::any_io_executor(asio::make_strand(context)); }, the_same);
  expect_what_a_post_allocates([](auto& context) { return asio::make_strand(context); }, the_same);
}

BOOST_AUTO_TEST_CASE(waits_on_any_executor_are_one_allocation_of_the_allocator) {
  asio::io_context context, other;
  turnstile::semaphore any(context, 0);
  turnstile::basic_semaphore<asio::strand<io_executor>> strand(asio::make_strand(context), 0);
  semaphore sem(context, 0);
  allocator_state s;
  int live = 0, called = 0;
  auto handler = counted(s, [&](error_code, auto&&...) {
    live += s.live;
    ++called;
  });
  auto wait = [&](auto& semaphore, auto h) {
    s.total = 0;
    semaphore.async_acquire(h);
    BOOST_TEST(s.total == 1);
    semaphore.cancel();
    for (asio::io_context* c : {&context, &other}) {
      c->restart();
      c->poll();
    }
  };
  wait(any, handler);
  wait(strand, handler);
  wait(sem, asio::bind_executor(asio::any_io_executor(other.get_executor()), handler));
  BOOST_TEST(called == 3);
  BOOST_TEST(live == 0);
  BOOST_TEST(s.live == 0);
}

BOOST_AUTO_TEST_CASE(cancelled_waits_leave_no_memory) {
  asio::io_context context;
  semaphore sem(context, 0);
  allocator_state s;
  asio::cancellation_signal signals[100];
  for (auto& signal : signals)
    sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), counted(s, [](error_code) {})));
  BOOST_TEST(s.live == 100);
  for (auto& signal : signals) signal.emit(asio::cancellation_type::terminal);
  context.run();
  BOOST_TEST(s.live == 0);
}

#if BOOST_VERSION >= 108200

BOOST_AUTO_TEST_CASE(an_inline_immediate_executor_allocates_nothing) {
  asio::io_context context;
  semaphore sem(context, 2);
  int called = 0;
  auto handler = asio::bind_immediate_executor(asio::system_executor(),
                                               [&](error_code, auto&&...) { ++called; });
  BOOST_TEST(count_allocations([&] {
               sem.async_acquire(handler);
               sem.async_acquire_permit(handler);
             }) == 0u);
  sem.close();
  BOOST_TEST(count_allocations([&] { sem.async_acquire(handler); }) == 0u);
  BOOST_TEST(called == 3);
}

#endif

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(user_code)

BOOST_AUTO_TEST_CASE(a_handler_may_own_its_memory) {
  asio::io_context context;
  turnstile::basic_semaphore<asio::strand<io_executor>> strand(asio::make_strand(context), 1);
  turnstile::semaphore any(context, 1);
  semaphore sem(context, 1);
  auto check = [&](auto& semaphore) {
    for (int i = 0; i != 3; ++i) {  // granted at once, granted, aborted
      int live = -1;
      semaphore.async_acquire(owning_handler{.live_when_called = &live});
      if (i == 1) semaphore.release();
      if (i == 2) semaphore.cancel();
      context.restart();
      context.poll();
      BOOST_TEST(live == 0);
    }
  };
  check(sem);
  check(any);
  check(strand);
}

BOOST_AUTO_TEST_CASE(a_handler_that_owns_its_memory_may_be_destroyed) {
  int live = -1;
  {
    std::optional<asio::io_context> context(std::in_place);
    turnstile::semaphore any(*context, 2);
    semaphore sem(*context, 2);
    auto start = [&](auto& semaphore) {
      semaphore.async_acquire(owning_handler{.live_when_called = &live});
      semaphore.async_acquire(2, owning_handler{.live_when_called = &live});
      semaphore.release();
      semaphore.async_acquire_permit(owning_handler{.live_when_called = &live});
    };
    start(sem);
    start(any);
    context.reset();
    BOOST_TEST(sem.available() == 3u);
    BOOST_TEST(any.available() == 3u);
  }
  BOOST_TEST(live == -1);
}

BOOST_AUTO_TEST_CASE(an_allocator_that_throws_leaves_nothing_behind) {
  asio::io_context context;
  semaphore sem(context, 0);
  allocator_state s;
  s.on_allocate = [] { throw std::bad_alloc(); };
  asio::cancellation_signal signal;
  auto handler = asio::bind_cancellation_slot(
      signal.slot(), counted(s, [](error_code, auto&&...) { BOOST_ERROR("called"); }));
  BOOST_CHECK_THROW(sem.async_acquire(handler), std::bad_alloc);
  BOOST_CHECK_THROW(sem.async_acquire_permit(2, handler), std::bad_alloc);
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(!signal.slot().has_handler());
  sem.release();
  BOOST_TEST(sem.available() == 1u);
  BOOST_CHECK_THROW(sem.async_acquire(handler), std::bad_alloc);
  BOOST_TEST(sem.available() == 1u);
  context.run();
}

BOOST_AUTO_TEST_CASE(an_allocator_may_decide_the_acquire_that_it_allocates_for) {
  asio::io_context context;
  semaphore sem(context, 0);
  allocator_state s;
  asio::cancellation_signal signal;
  error_code seen = errc::over_release;
  bool inside = false;
  auto start = [&] {
    inside = true;
    sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), counted(s, [&](error_code ec) {
                                                     BOOST_TEST(!inside);
                                                     seen = ec;
                                                   })));
    inside = false;
    context.restart();
    context.run();
    BOOST_TEST(s.live == 0);
    signal.emit(asio::cancellation_type::terminal);  // does nothing
  };
  bool first = true;
  s.on_allocate = [&] {
    if (std::exchange(first, false)) sem.release();
  };
  start();
  BOOST_TEST(!seen);
  BOOST_TEST(sem.available() == 0u);
  s.on_allocate = [&] { sem.close(); };
  start();
  BOOST_TEST((seen == errc::closed));
}

BOOST_AUTO_TEST_CASE(an_allocator_may_call_every_member) {
  asio::io_context context;
  turnstile::basic_bounded_semaphore<io_executor> sem(context, 0, 2);
  allocator_state s;
  int called = 0, depth = 0, deepest = 0;
  auto call = [&] {
    deepest = std::max(deepest, ++depth);
    if (depth == 1) sem.async_acquire_permit([](error_code, permit) {});
    error_code ec;
    sem.release(ec);
    (void)sem.try_acquire();
    sem.set_limit(2);
    (void)(sem.available() + sem.waiting() + sem.in_use());
    sem.cancel();
    --depth;
  };
  s.on_allocate = s.on_deallocate = call;
  for (int i = 0; i != 10; ++i)
    sem.async_acquire(counted(s, [&](error_code ec) {
      ++called;
      if (!ec) sem.release(ec);
    }));
  sem.cancel();
  context.run();
  s.on_allocate = s.on_deallocate = [&] { sem.close(); };
  sem.async_acquire(counted(s, [&](error_code) { ++called; }));
  context.restart();
  context.run();
  BOOST_TEST(called == 11);
  BOOST_TEST(s.live == 0);
  BOOST_TEST(deepest <= 2);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(without_memory)

// What the handlers run on.
struct on_io_context {
  asio::io_context context;
  auto executor() { return context.get_executor(); }
  void drive() {
    context.restart();
    context.poll();
  }
  static constexpr bool allocates = posting != 0;  // to post a completion
  static constexpr bool keeps = false;             // a function that it could not schedule
};
struct on_any : on_io_context {
  asio::any_io_executor executor() { return context.get_executor(); }
};
struct on_strand : on_io_context {
  asio::strand<io_executor> strand = asio::make_strand(context);
  auto executor() { return strand; }
  static constexpr bool allocates = true;
  static constexpr bool keeps = true;
};
struct on_any_strand : on_strand {
  asio::any_io_executor executor() { return strand; }
};
struct on_pool {
  asio::thread_pool pool{1};
  auto executor() { return pool.get_executor(); }
  void drive() {
    std::promise<void> reached;
    asio::post(pool, [&] { reached.set_value(); });
    reached.get_future().get();
  }
  static constexpr bool allocates = posting != 0;
  static constexpr bool keeps = false;
};

struct on_any_pool : on_pool {
  asio::any_io_executor executor() { return pool.get_executor(); }
  static constexpr bool allocates = true;
};

// A semaphore with a limit of 4, of which 3 are held, and two waiters that want 2 each.
template <typename Rig>
struct world {
  using executor_type = decltype(std::declval<Rig&>().executor());
  using semaphore_type = turnstile::basic_bounded_semaphore<executor_type>;

  std::optional<Rig> rig{std::in_place};
  asio::cancellation_signal signal;
  std::optional<semaphore_type> sem{std::in_place, rig->executor(), 4};
  permit held = sem->try_acquire_permit(3);
  std::shared_ptr<int> alive = std::make_shared<int>();
  std::size_t taken = 0;  // by handlers, and not given back
  int called = 0;

  world() {
    sem->async_acquire(2, asio::bind_cancellation_slot(signal.slot(), handler(2)));
    sem->async_acquire_permit(2, handler(0));
  }

  auto handler(std::size_t n) {
    return [this, n, a = alive](error_code ec, auto&&...) {
      ++called;
      if (!ec) taken += n;
    };
  }

  std::size_t handlers() const { return static_cast<std::size_t>(alive.use_count() - 1); }

  void expect_nothing_lost(bool threw) {
    const bool has_slot = signal.slot().has_handler();
    rig->drive();
    if (sem) {
      BOOST_TEST(handlers() >= sem->waiting());
      BOOST_TEST(sem->in_use() >= held.count() + taken);
      if (!Rig::keeps) {
        BOOST_TEST(handlers() == sem->waiting());
        BOOST_TEST(sem->in_use() == held.count() + taken);
        sem->set_limit(sem->limit());  // looks at the queue once more
        rig->drive();
        BOOST_TEST(handlers() == sem->waiting());
        BOOST_TEST((sem->waiting() == 0 || sem->available() < 2));
      }
    } else if (!Rig::keeps) {
      BOOST_TEST(handlers() == 0u);
    }
    if (threw && !Rig::keeps) BOOST_TEST(static_cast<std::size_t>(called) + handlers() == 2u);
    rig.reset();
    BOOST_TEST(handlers() == 0u);  // called or destroyed
    if (sem) BOOST_TEST(sem->in_use() == held.count() + taken);
    if (has_slot) signal.emit(asio::cancellation_type::terminal);  // does nothing
  }
};

std::size_t operations, failures;  // of all tests of this suite

// Fails the first allocation, then the second, and so on. Returns how many there were.
template <typename Rig, typename Operation>
std::size_t fail_each(bool may_throw, Operation operation) {
  for (std::size_t k = 0;; ++k) {
    world<Rig> w;
    bool threw = false;
    allocations = 0;
    fails = k;
    try {
      operation(w);
    } catch (const std::bad_alloc&) {
      threw = true;
    }
    fails = SIZE_MAX;
    const std::size_t needed = allocations;
    BOOST_TEST_CONTEXT("allocation " << k << " of " << needed) {
      BOOST_TEST((may_throw || !threw));
      w.expect_nothing_lost(threw);
    }
    if (needed <= k) {
      ++operations;
      failures += needed;
      return needed;
    }
  }
}

template <typename Rig>
void fail_every_operation() {
  // These have to throw, or to succeed.
  auto initiate = [](auto operation) { BOOST_TEST(fail_each<Rig>(true, operation) != 0u); };
  BOOST_TEST_CONTEXT("acquire, granted at once")
  initiate([](auto& w) {
    w.sem->cancel();
    w.sem->async_acquire(w.handler(1));
  });
  BOOST_TEST_CONTEXT("acquire_permit, granted at once")
  initiate([](auto& w) { w.sem->async_acquire_permit(0, w.handler(0)); });
  BOOST_TEST_CONTEXT("acquire, refused at once")
  initiate([](auto& w) { w.sem->async_acquire(5, w.handler(5)); });
  BOOST_TEST_CONTEXT("acquire") initiate([](auto& w) { w.sem->async_acquire(w.handler(1)); });
  BOOST_TEST_CONTEXT("acquire_permit")
  initiate([](auto& w) { w.sem->async_acquire_permit(3, w.handler(0)); });
  BOOST_TEST_CONTEXT("acquire with a slot") {
    asio::cancellation_signal signal;
    initiate([&](auto& w) {
      w.sem->async_acquire(asio::bind_cancellation_slot(signal.slot(), w.handler(1)));
    });
  }
  BOOST_TEST_CONTEXT("timed acquire")
  initiate([](auto& w) { w.sem->async_acquire_for(std::chrono::hours(1), w.handler(1)); });
  BOOST_TEST_CONTEXT("timed acquire with a slot") {
    asio::cancellation_signal signal;
    initiate([&](auto& w) {
      w.sem->async_acquire_permit_for(std::chrono::hours(1),
                                      asio::bind_cancellation_slot(signal.slot(), w.handler(0)));
    });
  }
  BOOST_TEST_CONTEXT("acquire, for another executor") {
    asio::io_context other;
    initiate([&](auto& w) {
      w.sem->cancel();
      w.sem->async_acquire(
          2, asio::bind_executor(asio::any_completion_executor(w.rig->executor()), w.handler(2)));
      w.held.release();
    });
  }
  BOOST_TEST_CONTEXT("async_with_permit")
  initiate([](auto& w) {
    turnstile::async_with_permit(
        *w.sem, 2, asio::post(w.rig->executor(), asio::append(asio::deferred, error_code())),
        w.handler(0));
  });
  BOOST_TEST_CONTEXT("constructors") {
    initiate([](auto& w) { typename world<Rig>::semaphore_type sem(w.rig->executor(), 1); });
  }

  BOOST_TEST_CONTEXT("what completes no acquire, and allocates nothing")
  BOOST_TEST(fail_each<Rig>(false, [](auto& w) {
               permit none = w.sem->try_acquire_permit();  // they are the queue's
               w.held.merge(w.held.split(2));
               w.held.merge(std::move(none));
               w.taken += w.held.split(1).forget();
               w.taken += w.sem->try_acquire() + w.sem->locked() - 1u;
               error_code ec;
               w.sem->release(100, ec);
               auto moved = std::move(*w.sem);
               *w.sem = std::move(moved);
             }) == 0u);

  // These never throw.
  auto complete = [](auto operation) {
    const std::size_t n = fail_each<Rig>(false, operation);
    BOOST_TEST((Rig::allocates ? n != 0 : n == 0));
  };
  BOOST_TEST_CONTEXT("release")
  complete([](auto& w) {
    w.held.forget();
    w.taken = 2;
    w.sem->release();
  });
  BOOST_TEST_CONTEXT("release of all")
  complete([](auto& w) {
    w.taken = w.held.forget() - 3;
    w.sem->release(3);
  });
  BOOST_TEST_CONTEXT("permit") complete([](auto& w) { w.held.release(); });
  BOOST_TEST_CONTEXT("permit, one by one")
  complete([](auto& w) {
    while (w.held) w.held.split(1).release();
  });
  BOOST_TEST_CONTEXT("cancel") complete([](auto& w) { w.sem->cancel(); });
  BOOST_TEST_CONTEXT("close") complete([](auto& w) { w.sem->close(); });
  BOOST_TEST_CONTEXT("emit")
  complete([](auto& w) { w.signal.emit(asio::cancellation_type::terminal); });
  BOOST_TEST_CONTEXT("raised limit") complete([](auto& w) { w.sem->set_limit(7); });
  BOOST_TEST_CONTEXT("lowered limit") complete([](auto& w) { w.sem->set_limit(1); });
  BOOST_TEST_CONTEXT("destructor") complete([](auto& w) { w.sem.reset(); });
  BOOST_TEST_CONTEXT("move assignment") {
    complete([](auto& w) {
      fails += 1000, allocations += 1000;  // not while it is prepared
      const std::size_t k = std::exchange(fails, SIZE_MAX);
      typename world<Rig>::semaphore_type other(w.rig->executor(), 0, 4);
      allocations = 1000;
      fails = k;
      *w.sem = std::move(other);
      allocations -= 1000;
      w.held.release();
      w.taken += 4;  // of the new one, already held
    });
  }
}

#if !defined(TURNSTILE_NO_ASIO_INTERNALS)  // else each completion needs memory, too

// Posts to an io_context, then calls a function.
struct interrupting : test::context_executor<interrupting> {
  const std::function<void()>* interrupt;

  template <typename F>
  void execute(F f) const {
    context->get_executor().execute(std::move(f));
    (*interrupt)();
  }
};

// A call that would leave the rest to a resumption hands all over itself.
BOOST_AUTO_TEST_CASE(a_release_without_memory_for_a_resumption_stays) {
  asio::io_context context;
  semaphore sem(context, 0);
  int completed = 0;
  const std::function<void()> interrupt = [&] {
    sem.release(199);
    allocations = 0;
    fails = 0;
  };
  sem.async_acquire(
      asio::bind_executor(interrupting{{&context}, &interrupt}, [&](error_code) { ++completed; }));
  for (int i = 1; i != 200; ++i) sem.async_acquire([&](error_code) { ++completed; });
  sem.release();
  BOOST_TEST(allocations > 0u);  // one failed
  fails = SIZE_MAX;
  context.run();
  BOOST_TEST(completed == 200);
}

#endif

BOOST_AUTO_TEST_CASE(operations_without_memory_on_an_io_context) {
  fail_every_operation<on_io_context>();
}
BOOST_AUTO_TEST_CASE(operations_without_memory_on_a_polymorphic_executor) {
  fail_every_operation<on_any>();
}
BOOST_AUTO_TEST_CASE(operations_without_memory_on_a_strand) { fail_every_operation<on_strand>(); }
BOOST_AUTO_TEST_CASE(operations_without_memory_on_a_polymorphic_strand) {
  fail_every_operation<on_any_strand>();
}
BOOST_AUTO_TEST_CASE(operations_without_memory_on_a_thread_pool) {
  fail_every_operation<on_pool>();
}
BOOST_AUTO_TEST_CASE(operations_without_memory_on_a_polymorphic_thread_pool) {
  fail_every_operation<on_any_pool>();
}
BOOST_AUTO_TEST_CASE(allocations_without_memory_were_tried) {
  BOOST_TEST_MESSAGE(operations << " operations, " << failures << " allocations failed");
  BOOST_TEST(failures > operations);
}

BOOST_AUTO_TEST_SUITE_END()
