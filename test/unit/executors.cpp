// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Where handlers run: always posted, to the handler's executor, in the order of the grants, whatever
// the executors do; and both executors have work while an acquire waits.

#define BOOST_TEST_MODULE executors

#include "context_executor.hpp"
#include "recorder.hpp"
#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/any_completion_executor.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

namespace asio = boost::asio;
using turnstile::error_code;
using turnstile::permit;
using io_executor = asio::io_context::executor_type;
using semaphore = turnstile::basic_semaphore<io_executor>;
using bounded_semaphore = turnstile::basic_bounded_semaphore<io_executor>;

namespace {

// An executor of our own, statically blocking.never, as far as it is obedient: what becomes of a
// function is up to `script`, by default kept.
class custom_executor {
 public:
  using function = std::function<void()>;

  struct state {
    asio::io_context context;  // a semaphore's executor must name one
    std::deque<function> kept;
    std::function<void(function)> script;
    std::shared_ptr<int> work = std::make_shared<int>();
    std::function<void()> before_tracking = [] {};

    long outstanding_work() const { return work.use_count() - 1; }

    void run_one() {
      const function f = std::move(kept.front());
      kept.pop_front();
      f();
    }
    void run() {
      while (!kept.empty()) run_one();
    }
  };

  explicit custom_executor(state& s) noexcept : state_(&s) {}

  template <typename F>
  void execute(F f) const {
    function copyable = [shared = std::make_shared<F>(std::move(f))] { (*shared)(); };
    if (state_->script)
      state_->script(std::move(copyable));
    else
      state_->kept.push_back(std::move(copyable));
  }

  asio::execution_context& query(asio::execution::context_t) const noexcept {
    return state_->context;
  }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  custom_executor require(asio::execution::outstanding_work_t::tracked_t) const {
    state_->before_tracking();
    custom_executor tracked = *this;
    tracked.work_ = state_->work;
    return tracked;
  }
  custom_executor require(asio::execution::outstanding_work_t::untracked_t) const {
    return custom_executor(*state_);
  }
  bool operator==(const custom_executor& other) const noexcept { return state_ == other.state_; }

 private:
  state* state_;
  std::shared_ptr<int> work_;
};

static_assert(asio::execution::is_executor<custom_executor>::value);
static_assert(asio::can_require_v<custom_executor, asio::execution::blocking_t::never_t>);

// A context that is not one of Asio's.
struct plain_context : asio::execution_context {
  ~plain_context() {
    shutdown();
    destroy();
  }
};
struct plain_executor : test::context_executor<plain_executor, plain_context> {
  template <typename F>
  void execute(F f) const {
    f();
  }
};

// Releases when it is asked for memory, as another thread may while a wait is being prepared.
template <typename T>
struct releasing_allocator {
  using value_type = T;
  explicit releasing_allocator(std::function<void()> f) : release(std::move(f)) {}
  template <typename U>
  releasing_allocator(const releasing_allocator<U>& other) : release(other.release) {}
  T* allocate(std::size_t n) {
    release();
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
  template <typename U>
  bool operator==(const releasing_allocator<U>&) const {
    return true;
  }
  std::function<void()> release;
};

// Completes acquires in every way there is, on the executor itself, where a dispatch would be inline.
template <typename Executor, typename Run>
void expect_posted(const Executor& ex, Run run) {
  bool inside = false;
  int called = 0;
  auto handler = [&](error_code, auto&&...) {
    BOOST_TEST(!inside);
    ++called;
  };
  using semaphore_type = turnstile::basic_bounded_semaphore<Executor>;
  std::optional<semaphore_type> sem(std::in_place, ex, 1);
  permit held;
  asio::cancellation_signal signal;
  asio::post(ex, [&] {
    inside = true;
    sem->async_acquire(handler);     // granted at once
    sem->async_acquire(2, handler);  // refused at once
    sem->async_acquire(handler);
    sem->release();
    sem->async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
    signal.emit(asio::cancellation_type::terminal);
    sem->async_acquire(handler);
    sem->cancel();
    sem->async_acquire(handler);
    sem->set_limit(0);
    sem->set_limit(1);
    sem->async_acquire(handler);
    sem->set_limit(2);
    sem->release();
    held = sem->try_acquire_permit();
    sem->async_acquire(handler);
    held.release();
    held = permit();
    sem->async_acquire_permit(handler);
    sem->close();
    sem->async_acquire_permit(handler);  // refused at once
    sem.emplace(ex, 0, 1);
    sem->async_acquire(handler);
    sem.reset();
    inside = false;
  });
  run();
  BOOST_TEST(called == 11);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(posting)

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_an_io_context) {
  asio::io_context context;
  expect_posted(context.get_executor(), [&] { context.run(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_a_polymorphic_executor) {
  asio::io_context context;
  expect_posted(asio::any_io_executor(context.get_executor()), [&] { context.run(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_a_strand) {
  asio::io_context context;
  expect_posted(asio::make_strand(context), [&] { context.run(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_a_polymorphic_strand) {
  asio::io_context context;
  expect_posted(asio::any_io_executor(asio::make_strand(context)), [&] { context.run(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_a_thread_pool) {
  asio::thread_pool pool(1);
  expect_posted(pool.get_executor(), [&] { pool.join(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_an_executor_that_prefers_to_block) {
  asio::io_context context;
  expect_posted(asio::require(context.get_executor(), asio::execution::blocking.possibly),
                [&] { context.run(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_an_executor_that_is_never_blocking) {
  asio::io_context context;
  expect_posted(asio::require(context.get_executor(), asio::execution::blocking.never),
                [&] { context.run(); });
}

BOOST_AUTO_TEST_CASE(handlers_never_run_inside_a_call_on_the_system_executor) {
  turnstile::basic_semaphore<asio::system_executor> sem{asio::system_executor(), 1};
  const std::thread::id here = std::this_thread::get_id();
  std::atomic<int> called = 0, inside = 0;
  auto handler = [&](error_code) {
    if (std::this_thread::get_id() == here) ++inside;
    ++called;
  };
  sem.async_acquire(handler);
  sem.async_acquire(handler);
  sem.release();
  sem.async_acquire(handler);
  sem.close();
  sem.async_acquire(handler);
  BOOST_TEST(test::eventually([&] { return called == 4; }));
  BOOST_TEST(inside == 0);
}

// Each handler releases and acquires again: were any of it inline, the stack would not last.
BOOST_AUTO_TEST_CASE(a_long_chain_needs_no_stack) {
  auto chain = [](void*) -> void* {
    asio::io_context context(1);
    semaphore sem(context, 0);
    struct link {
      semaphore* sem;
      int left;
      void operator()(error_code) {
        if (--left == 0) return;
        semaphore& s = *sem;
        s.async_acquire(std::move(*this));  // waits
        s.release();                        // and is served
      }
    };
    sem.async_acquire(link{&sem, 100'000});
    sem.release();
    context.run();
    return reinterpret_cast<void*>(sem.available() + sem.waiting());
  };
#if defined(_WIN32)
  void* rest = nullptr;
  std::thread([&] { rest = chain(nullptr); }).join();  // the stack is of 1 or 2 MiB
#else
  pthread_attr_t attributes;
  BOOST_REQUIRE(pthread_attr_init(&attributes) == 0);
  BOOST_REQUIRE(pthread_attr_setstacksize(&attributes, 256 * 1024) == 0);
  pthread_t thread;
  BOOST_REQUIRE(pthread_create(&thread, &attributes, chain, nullptr) == 0);
  void* rest = nullptr;
  BOOST_TEST(pthread_join(thread, &rest) == 0);
  pthread_attr_destroy(&attributes);
#endif
  BOOST_TEST(rest == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(association)

BOOST_AUTO_TEST_CASE(the_semaphores_executor_is_the_default) {
  asio::io_context context;
  semaphore sem(context, 1);
  BOOST_TEST((sem.get_executor() == context.get_executor()));
  int called = 0;
  sem.async_acquire([&](error_code) { ++called; });
  sem.async_acquire([&](error_code) { ++called; });
  sem.release();
  BOOST_TEST(context.run() == 2u);
  BOOST_TEST(called == 2);
}

BOOST_AUTO_TEST_CASE(a_handlers_executor_comes_first) {
  asio::io_context context, other;
  semaphore sem(context, 1);
  int called = 0;
  auto handler = asio::bind_executor(other, [&](error_code) { ++called; });
  sem.async_acquire(handler);        // granted at once
  sem.async_acquire(handler);        // granted later
  sem.async_acquire(5000, handler);  // aborted
  sem.release();
  sem.cancel();
  sem.close();
  sem.async_acquire(handler);  // refused at once
  BOOST_TEST(context.poll() == 0u);
  BOOST_TEST(called == 0);
  BOOST_TEST(other.poll() == 4u);
  BOOST_TEST(called == 4);
}

// A pool of threads that is neither the semaphore's nor known to it.
BOOST_AUTO_TEST_CASE(a_handlers_executor_may_be_of_another_thread_pool) {
  asio::io_context context;
  plain_context plain;
  asio::thread_pool own(1), other(1);
  semaphore of_context(context, 0);
  turnstile::basic_semaphore<plain_executor> of_plain(plain_executor{{&plain}}, 0);
  turnstile::basic_semaphore<asio::thread_pool::executor_type> of_pool(own.get_executor(), 0);
  int there = 0;
  auto handler = asio::bind_executor(other.get_executor(), [&](error_code ec) {
    there += !ec && other.get_executor().running_in_this_thread();
  });
  of_context.async_acquire(handler);
  of_plain.async_acquire(handler);
  of_pool.async_acquire(handler);
  of_context.release();
  of_plain.release();
  of_pool.release();
  other.join();
  BOOST_TEST(there == 3);
}

BOOST_AUTO_TEST_CASE(a_strand_keeps_its_handlers_apart) {
  asio::thread_pool pool(4);
  turnstile::basic_semaphore<asio::thread_pool::executor_type> sem(pool.get_executor(), 0);
  const auto strand = asio::make_strand(pool);
  int called = 0;  // not atomic
  for (int i = 0; i != 1000; ++i)
    sem.async_acquire(asio::bind_executor(strand, [&](error_code) {
      BOOST_TEST(strand.running_in_this_thread());
      ++called;
    }));
  for (int i = 0; i != 4; ++i) asio::post(pool, [&] { sem.release(250); });
  pool.join();
  BOOST_TEST(called == 1000);
}

BOOST_AUTO_TEST_CASE(handlers_are_posted_in_the_order_of_the_grants) {
  custom_executor::state state;
  const custom_executor ex(state);
  turnstile::basic_semaphore<custom_executor> sem(ex, 2);
  test::recorder record;
  sem.async_acquire(record("1"));
  sem.async_acquire(2, record("2"));
  sem.async_acquire(0, record("3"));  // does not wait
  sem.async_acquire(record("4"));
  sem.async_acquire(record("5"));
  sem.async_acquire(9, record("6"));
  sem.release(3);
  sem.cancel();
  state.run();
  BOOST_TEST(record.read() == "1 3 2 4 5 6!aborted");
}

BOOST_AUTO_TEST_CASE(completions_are_posted_in_order_across_executors) {
  custom_executor::state state, other;
  std::vector<int> order;
  int number = 0;
  state.script = [&](auto) { order.push_back(++number); };
  other.script = [&](auto) { order.push_back(-++number); };
  turnstile::basic_semaphore<custom_executor> sem(custom_executor(state), 0);
  for (int i = 0; i != 3; ++i) {
    sem.async_acquire([](error_code) {});
    sem.async_acquire(asio::bind_executor(custom_executor(other), [](error_code) {}));
  }
  sem.release(6);
  BOOST_TEST(order == (std::vector{1, -2, 3, -4, 5, -6}));
  BOOST_TEST(sem.available() == 6u);  // dropped by the executors: given back
}

BOOST_AUTO_TEST_CASE(a_handler_may_have_an_any_completion_executor) {
  asio::io_context context, other;
  semaphore sem(context, 1);
  int called = 0;
  bool inside = false;
  auto handler =
      asio::bind_executor(asio::any_completion_executor(other.get_executor()), [&](error_code) {
        BOOST_TEST(!inside);
        BOOST_TEST(other.get_executor().running_in_this_thread());
        ++called;
      });
  asio::post(other, [&] {
    inside = true;
    sem.async_acquire(handler);  // granted at once
    sem.async_acquire(handler);
    sem.release();
    sem.async_acquire(handler);
    sem.close();
    sem.async_acquire(handler);  // refused at once
    inside = false;
  });
  // By way of the semaphore's executor, for only that can post.
  for (int i = 0; i != 3; ++i) {
    other.restart();
    other.poll();
    context.restart();
    context.poll();
  }
  BOOST_TEST(called == 4);
  BOOST_TEST(other.stopped());
  BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_CASE(a_handler_may_have_an_executor_that_never_blocks) {
  asio::io_context context, other;
  semaphore sem(context, 1);
  const auto never = asio::require(other.get_executor(), asio::execution::blocking.never);
  int called = 0;
  sem.async_acquire(asio::bind_executor(never, [&](error_code) { ++called; }));
  sem.async_acquire(asio::bind_executor(never, [&](error_code) { ++called; }));
  sem.release();
  BOOST_TEST(called == 0);
  other.run();
  BOOST_TEST(called == 2);
}

#if !defined(BOOST_ASIO_NO_TS_EXECUTORS)
BOOST_AUTO_TEST_CASE(a_handler_may_have_an_executor_of_the_networking_proposal) {
  asio::io_context context, other;
  semaphore sem(context, 1);
  int called = 0;
  auto handler =
      asio::bind_executor(asio::executor(other.get_executor()), [&](error_code) { ++called; });
  asio::post(other, [&] {
    sem.async_acquire(handler);
    sem.async_acquire(handler);
    sem.release();
    BOOST_TEST(called == 0);
  });
  other.run();
  BOOST_TEST(called == 2);
}
#endif

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(outstanding_work)

// io_context::poll() stops the context where it has no work.
bool has_work(asio::io_context& context) {
  context.restart();
  context.poll();
  return !context.stopped();
}

BOOST_AUTO_TEST_CASE(both_executors_have_work_while_a_waiter_waits) {
  asio::io_context context, other;
  semaphore sem(context, 0);
  bool called = false;
  BOOST_TEST(!has_work(context));
  sem.async_acquire(asio::bind_executor(other, [&](error_code) { called = true; }));
  BOOST_TEST(has_work(context));
  BOOST_TEST(has_work(other));
  sem.release();
  BOOST_TEST(!has_work(other));
  BOOST_TEST(!has_work(context));
  BOOST_TEST(called);
}

// As with Asio's own operations: run() of the one returns before run() of the other is called.
BOOST_AUTO_TEST_CASE(the_semaphores_executor_has_none_when_the_wait_is_over) {
  asio::io_context context, other;
  semaphore sem(context, 0);
  int called = 0;
  auto handler = asio::bind_executor(other, [&](error_code) { ++called; });
  sem.async_acquire(handler);
  sem.async_acquire(handler);
  sem.release();
  BOOST_TEST(has_work(context));  // the second still waits
  sem.cancel();
  BOOST_TEST(!has_work(context));
  BOOST_TEST(called == 0);
  BOOST_TEST(!has_work(other));
  BOOST_TEST(called == 2);
}

BOOST_AUTO_TEST_CASE(both_polymorphic_executors_have_work_while_a_waiter_waits) {
  asio::io_context context, other;
  turnstile::semaphore sem(context, 0);
  sem.async_acquire(
      asio::bind_executor(asio::any_io_executor(other.get_executor()), [](error_code) {}));
  sem.async_acquire(
      asio::bind_executor(asio::any_completion_executor(other.get_executor()), [](error_code) {}));
  BOOST_TEST(has_work(context));
  BOOST_TEST(has_work(other));
  sem.release();
  BOOST_TEST(has_work(other));  // the second still waits
  BOOST_TEST(has_work(context));
  sem.cancel();
  context.poll();  // any_completion_executor cannot post, the semaphore's executor can
  BOOST_TEST(!has_work(other));
  BOOST_TEST(!has_work(context));
}

// One that is of the semaphore's context, or of another, where neither says so by its type.
BOOST_AUTO_TEST_CASE(a_polymorphic_executor_is_what_it_stands_for) {
  auto expect = [](auto make_semaphore_executor, auto make_handler_executor) {
    asio::io_context context, other;
    asio::thread_pool pool(1);
    for (asio::io_context* its : {&context, &other}) {
      const auto ex = make_semaphore_executor(context, pool);
      turnstile::basic_semaphore<std::decay_t<decltype(ex)>> sem(ex, 1);
      const asio::any_io_executor handler_ex = make_handler_executor(*its);
      bool called = false;
      auto handler = asio::bind_executor(
          handler_ex, [&](error_code) { called = its->get_executor().running_in_this_thread(); });
      sem.async_acquire(handler);  // at once
      BOOST_TEST(!has_work(*its));
      BOOST_TEST(std::exchange(called, false));
      sem.async_acquire(handler);
      BOOST_TEST(has_work(*its));
      const bool of_the_pool = ex == asio::any_io_executor(pool.get_executor());
      BOOST_TEST(has_work(context) == (its == &context || !of_the_pool));
      BOOST_TEST(has_work(other) == (its == &other));
      sem.release();
      BOOST_TEST(!has_work(*its));
      BOOST_TEST(called);
      BOOST_TEST(!has_work(context));
    }
  };
  auto its_own = [](asio::io_context& c, auto&) { return c.get_executor(); };
  auto any = [](asio::io_context& c, auto&) { return asio::any_io_executor(c.get_executor()); };
  auto of_pool = [](auto&, asio::thread_pool& p) { return p.get_executor(); };
  auto any_of_pool = [](auto&, asio::thread_pool& p) {
    return asio::any_io_executor(p.get_executor());
  };
  auto strand = [](asio::io_context& c) { return asio::make_strand(c); };
  auto context = [](asio::io_context& c) { return c.get_executor(); };
  auto never = [](asio::io_context& c) {
    return asio::require(c.get_executor(), asio::execution::blocking.never);
  };
  auto all = [&](auto semaphore_executor) {
    expect(semaphore_executor, context);
    expect(semaphore_executor, never);
    expect(semaphore_executor, strand);
  };
  all(its_own);
  all(any);
  all(of_pool);
  all(any_of_pool);
}

BOOST_AUTO_TEST_CASE(run_does_not_return_while_a_waiter_waits) {
  asio::io_context context, other;
  semaphore sem(context, 0);
  bool called = false;
  sem.async_acquire(asio::bind_executor(other, [&](error_code) { called = true; }));
  std::atomic<bool> running = false;
  std::thread thread([&] {
    running = true;
    other.run();
  });
  BOOST_TEST(test::eventually([&] { return running.load(); }));
  sem.release();
  thread.join();
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(the_same_executor_is_not_counted_twice) {
  custom_executor::state state, other;
  turnstile::basic_semaphore<custom_executor> sem(custom_executor(state), 0);
  auto handler = [](error_code) {};
  sem.async_acquire(handler);
  BOOST_TEST(state.outstanding_work() == 1);
  sem.async_acquire(asio::bind_executor(custom_executor(state), handler));
  BOOST_TEST(state.outstanding_work() == 2);
  sem.async_acquire(asio::bind_executor(custom_executor(other), handler));
  BOOST_TEST(state.outstanding_work() == 3);
  BOOST_TEST(other.outstanding_work() == 1);
  sem.async_acquire(asio::bind_executor(asio::any_io_executor(custom_executor(state)), handler));
  BOOST_TEST(state.outstanding_work() == 4);
  sem.async_acquire(asio::bind_executor(asio::any_io_executor(custom_executor(other)), handler));
  BOOST_TEST(state.outstanding_work() == 5);
  BOOST_TEST(other.outstanding_work() == 2);
  sem.cancel();
  state.run();
  other.run();
  BOOST_TEST(state.outstanding_work() == 0);
  BOOST_TEST(other.outstanding_work() == 0);
}

// Its operation is given up, and must not have been the last work before the handler is posted.
template <typename MakeExecutor>
void decide_while_it_prepares_to_wait(MakeExecutor make_handler_executor) {
  asio::io_context context, other;
  semaphore sem(context, 0);
  for (asio::io_context* its : {&context, &other}) {
    const auto handler_ex = make_handler_executor(*its);
    bool released = false;
    const releasing_allocator<void> allocator([&] {
      if (!std::exchange(released, true)) sem.release();
    });
    int called = 0;
    sem.async_acquire(asio::bind_executor(
        handler_ex, asio::bind_allocator(allocator, [&](error_code ec) { called += !ec; })));
    context.poll();
    other.poll();
    BOOST_TEST(called == 1);
    context.restart();
    other.restart();
  }
}

BOOST_AUTO_TEST_CASE(an_acquire_that_is_decided_while_it_prepares_to_wait_is_not_lost) {
  using asio::any_completion_executor, asio::any_io_executor, asio::io_context, asio::make_strand;
  decide_while_it_prepares_to_wait([](io_context& c) { return c.get_executor(); });
  decide_while_it_prepares_to_wait([](io_context& c) { return make_strand(c); });
  decide_while_it_prepares_to_wait([](io_context& c) { return any_io_executor(make_strand(c)); });
  decide_while_it_prepares_to_wait(
      [](io_context& c) { return any_completion_executor(c.get_executor()); });
}

BOOST_AUTO_TEST_CASE(no_work_is_left_in_the_handler) {
  custom_executor::state state;
  turnstile::basic_semaphore<custom_executor> sem(custom_executor(state), 0);
  long left = -1;
  sem.async_acquire([&](error_code) { left = state.outstanding_work(); });
  sem.release();
  state.run();
  BOOST_TEST(left == 0);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(custom)

using custom_semaphore = turnstile::basic_semaphore<custom_executor>;

BOOST_AUTO_TEST_CASE(an_executor_may_call_every_member) {
  const test::watchdog guard;
  custom_executor::state state;
  turnstile::basic_bounded_semaphore<custom_executor> sem(custom_executor(state), 0, 10);
  int depth = 0, deepest = 0, waiters = 3;
  state.script = [&](custom_executor::function f) {
    deepest = std::max(deepest, ++depth);
    state.kept.push_back(std::move(f));
    if (waiters-- > 0) sem.async_acquire(100, [](error_code) {});
    if (waiters-- > 0) sem.async_acquire_permit([](error_code, permit) {});
    error_code ec;
    sem.release(ec);
    const permit p = sem.try_acquire_permit();
    sem.set_limit(10);
    (void)(sem.available() + sem.waiting() + sem.in_use() + sem.limit());
    (void)(sem.locked() || sem.is_closed());
    if (waiters < 0) sem.cancel();
    if (waiters < -2) sem.close();
    --depth;
  };
  int called = 0;
  for (int i = 0; i != 10; ++i) sem.async_acquire([&](error_code) { ++called; });
  sem.release();
  state.run();
  BOOST_TEST(called == 10);
  BOOST_TEST(sem.waiting() == 0u);
  // Acquires that are decided at once post from inside; nothing else does.
  BOOST_TEST(deepest <= 4);
}

// No other acquire waits, and permits are free. That the strand is busy is no reason to time out.
BOOST_AUTO_TEST_CASE(a_timed_acquire_without_time_is_granted_beside_a_busy_strand) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  test::recorder record, refused;
  bool done = false;
  state.script = [&](custom_executor::function f) {
    state.kept.push_back(std::move(f));
    if (std::exchange(done, true)) return;
    BOOST_TEST(sem.available() == 1u);
    sem.async_acquire_for(std::chrono::seconds(0), record("2"));
    sem.async_acquire_for(std::chrono::seconds(0), refused("3"));
  };
  sem.async_acquire(record("1"));
  sem.release(2);
  state.run();
  BOOST_TEST(record.read() == "1 2");
  BOOST_TEST(refused.read() == "3!timed out");  // posted at once
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_CASE(an_executor_that_releases_serves_the_next_without_recursion) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  int depth = 0, deepest = 0;
  std::size_t released = 1;
  state.script = [&](custom_executor::function f) {  // a completion, or a resumption
    deepest = std::max(deepest, ++depth);
    state.kept.push_back(std::move(f));
    sem.release();
    ++released;
    --depth;
  };
  test::recorder record;
  test::transcript expected;
  for (int i = 1; i != 10'000; ++i) {
    sem.async_acquire(record(std::to_string(i)));
    expected.write(std::to_string(i));
  }
  sem.release();
  BOOST_TEST(deepest == 1);
  state.run();
  BOOST_TEST((record.read() == expected.read()));
  BOOST_TEST(sem.available() == released - 9'999);
}

BOOST_AUTO_TEST_CASE(an_executor_that_runs_inline_neither_deadlocks_nor_recurses) {
  const test::watchdog guard;
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  state.script = [](const custom_executor::function& f) { f(); };
  int depth = 0, deepest = 0;
  test::recorder record;
  test::transcript expected;
  for (int i = 1; i != 10'000; ++i) {
    sem.async_acquire([&, i](error_code) {
      deepest = std::max(deepest, ++depth);
      record.write(std::to_string(i));
      sem.release();
      --depth;
    });
    expected.write(std::to_string(i));
  }
  sem.release();
  BOOST_TEST(deepest == 1);
  BOOST_TEST((record.read() == expected.read()));
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(an_inline_handler_may_destroy_the_semaphore) {
  custom_executor::state state;
  state.script = [](const custom_executor::function& f) { f(); };
  std::optional<custom_semaphore> sem(std::in_place, custom_executor(state), 0);
  test::recorder record;
  sem->async_acquire([&](error_code ec) {
    record("1")(ec);
    sem.reset();
  });
  sem->async_acquire(record("2"));
  sem->release();
  BOOST_TEST(record.read() == "1 2!aborted");
}

// Hands out one block, for whatever one needs at a time.
template <typename T>
struct one_block_allocator {
  using value_type = T;
  unsigned char* block;

  explicit one_block_allocator(unsigned char* b) noexcept : block(b) {}
  template <typename U>
  one_block_allocator(const one_block_allocator<U>& other) noexcept : block(other.block) {}
  T* allocate(std::size_t) { return reinterpret_cast<T*>(block); }
  void deallocate(T*, std::size_t) noexcept {}
  bool operator==(const one_block_allocator&) const = default;
};

// An operation is known by its address while it is handed over; here another one, of another type,
// takes its place meanwhile, and is destroyed by its executor.
BOOST_AUTO_TEST_CASE(an_inline_handler_may_give_its_memory_to_another_wait) {
  custom_executor::state inline_state, keeping;
  inline_state.script = [](const custom_executor::function& f) { f(); };
  custom_semaphore sem(custom_executor(inline_state), 0);
  custom_semaphore second(custom_executor(keeping), 0);
  alignas(std::max_align_t) unsigned char block[1024];
  const one_block_allocator<void> allocator{block};
  auto alive = std::make_shared<int>();
  long after = 0;
  sem.async_acquire(asio::bind_allocator(allocator, [&](error_code) {
    second.async_acquire(
        asio::bind_allocator(allocator, [alive](error_code) { BOOST_ERROR("called"); }));
    second.release();
    keeping.kept.clear();  // instead of calling it
    after = alive.use_count();
  }));
  sem.release();
  BOOST_TEST(after == 1);
  BOOST_TEST(alive.use_count() == 1);
  BOOST_TEST(second.available() == 1u);
}

struct refused {};

BOOST_AUTO_TEST_CASE(a_waiter_that_is_refused_is_the_head_again) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  test::recorder record;
  for (int i = 1; i != 5; ++i) sem.async_acquire(record(std::to_string(i)));
  int n = 0;
  state.script = [&](custom_executor::function f) {
    if (++n == 2) throw refused();
    state.kept.push_back(std::move(f));
  };
  BOOST_CHECK_NO_THROW(sem.release(3));
  BOOST_TEST(state.kept.size() == 1u);
  BOOST_TEST(sem.waiting() == 3u);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(!sem.try_acquire());  // they are the queue's
  BOOST_CHECK_NO_THROW(sem.release());
  BOOST_TEST(sem.waiting() == 0u);
  state.run();
  BOOST_TEST(record.read() == "1 2 3 4");
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_CASE(a_completion_kept_before_the_executor_threw_is_run_by_it) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  test::recorder record;
  for (int i = 1; i != 4; ++i) sem.async_acquire(record(std::to_string(i)));
  state.script = [&](custom_executor::function f) {
    state.kept.push_back(std::move(f));
    throw refused();
  };
  BOOST_CHECK_NO_THROW(sem.release(2));
  BOOST_TEST(state.kept.size() == 2u);
  BOOST_TEST(sem.waiting() == 1u);
  state.run();
  BOOST_TEST(record.read() == "1 2");
  BOOST_TEST(sem.available() == 0u);
  sem.cancel();
  state.run();
  BOOST_TEST(record.read() == "3!aborted");
}

// Both are handed over from the same place on the stack.
BOOST_AUTO_TEST_CASE(a_kept_completion_may_be_destroyed_while_another_is_handed_over) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  test::recorder record;
  for (int i = 1; i != 3; ++i) sem.async_acquire(record(std::to_string(i)));
  state.script = [&](custom_executor::function f) {
    state.kept.clear();
    state.kept.push_back(std::move(f));
  };
  for (int i = 0; i != 2; ++i) sem.release();
  BOOST_TEST(sem.available() == 1u);
  state.run();
  BOOST_TEST(record.read() == "2");
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_completion_run_before_the_executor_threw_has_been_run) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  state.script = [](const custom_executor::function& f) {
    f();
    throw refused();
  };
  test::recorder record;
  sem.async_acquire(record("1"));
  sem.async_acquire(record("2"));
  BOOST_CHECK_NO_THROW(sem.release());
  BOOST_CHECK_NO_THROW(sem.close());
  BOOST_TEST(record.read() == "1 2!closed");
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(no_exception_of_an_executor_leaves_what_completes) {
  custom_executor::state state;
  std::optional<custom_semaphore> sem(std::in_place, custom_executor(state), 2);
  permit held = sem->try_acquire_permit(2);
  auto alive = std::make_shared<int>();
  int called = 0;
  auto handler = [alive, &called](error_code) { ++called; };
  asio::cancellation_signal signal;
  sem->async_acquire(asio::bind_cancellation_slot(signal.slot(), handler));
  sem->async_acquire(handler);
  sem->async_acquire(handler);
  int refusals = 0;
  state.script = [&](auto) {
    ++refusals;
    throw refused();
  };
  BOOST_CHECK_NO_THROW(held.release());
  BOOST_TEST(sem->waiting() == 3u);
  BOOST_TEST(sem->available() == 2u);
  BOOST_CHECK_NO_THROW(signal.emit(asio::cancellation_type::all));
  BOOST_CHECK_NO_THROW(sem->cancel());
  BOOST_CHECK_NO_THROW(sem->close());
  BOOST_TEST(sem->waiting() == 3u);
  BOOST_TEST(refusals == 4);
  BOOST_CHECK_NO_THROW(sem.reset());
  BOOST_TEST(called == 0);
  BOOST_TEST(alive.use_count() == 2);  // `handler` itself: the others were destroyed uncalled
}

BOOST_AUTO_TEST_CASE(no_exception_of_an_executor_leaves_set_limit) {
  custom_executor::state state;
  turnstile::basic_bounded_semaphore<custom_executor> sem(custom_executor(state), 0, 1);
  test::recorder record;
  sem.async_acquire(record("1"));
  state.script = [](auto) { throw refused(); };
  BOOST_CHECK_NO_THROW(sem.set_limit(2));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(sem.available() == 1u);
  state.script = {};
  sem.set_limit(2);  // looks at the queue
  state.run();
  BOOST_TEST(record.read() == "1");
  BOOST_TEST(sem.in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(a_refused_waiter_can_be_cancelled) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  test::recorder record;
  asio::cancellation_signal signal;
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), record("1")));
  sem.async_acquire(record("2"));
  state.script = [](auto) { throw refused(); };
  sem.release();
  state.script = {};
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(sem.waiting() == 0u);  // and the permit went to the other
  state.run();
  BOOST_TEST(record.read() == "1!aborted 2");
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_CASE(a_later_acquire_retries_refused_waiters) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 0);
  test::recorder record;
  sem.async_acquire(record("1"));
  state.script = [](auto) { throw refused(); };
  sem.release(2);
  state.script = {};
  sem.async_acquire(record("2"));
  state.run();
  BOOST_TEST(record.read() == "1 2");
}

BOOST_AUTO_TEST_CASE(an_acquire_granted_at_once_and_refused_takes_nothing) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 2);
  state.script = [](auto) { throw refused(); };
  BOOST_CHECK_THROW(sem.async_acquire([](error_code) {}), refused);
  BOOST_CHECK_THROW(sem.async_acquire_permit(2, [](error_code, permit) {}), refused);
  BOOST_TEST(sem.available() == 2u);
  state.script = [&](custom_executor::function f) {
    state.kept.push_back(std::move(f));
    throw refused();
  };
  BOOST_CHECK_THROW(sem.async_acquire([](error_code) {}), refused);
  BOOST_TEST(sem.available() == 1u);  // the executor's to run
  state.kept.clear();
  BOOST_TEST(sem.available() == 2u);
}

// Decided while it prepares to wait, and then its executor fails to keep its context at work.
BOOST_AUTO_TEST_CASE(a_wait_that_an_exception_ends_leaves_the_slot_harmless) {
  custom_executor::state state;
  turnstile::basic_semaphore<custom_executor> sem(custom_executor(state), 0);
  bool released = false, called = false;
  const releasing_allocator<void> allocator([&] {
    if (!std::exchange(released, true)) sem.release();
  });
  int tracked = 0;
  state.before_tracking = [&] {
    if (++tracked == 2) throw std::runtime_error("no more work");
  };
  asio::cancellation_signal signal;
  auto handler = asio::bind_cancellation_slot(
      signal.slot(), asio::bind_allocator(allocator, [&](error_code) { called = true; }));
  BOOST_CHECK_THROW(sem.async_acquire(handler), std::runtime_error);
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(sem.waiting() == 0u);
  state.run();
  BOOST_TEST(!called);
  BOOST_TEST(state.outstanding_work() == 0);
}

BOOST_AUTO_TEST_CASE(an_executor_that_drops_a_completion_gives_its_permits_back) {
  custom_executor::state state;
  custom_semaphore sem(custom_executor(state), 1);
  auto alive = std::make_shared<int>();
  state.script = [](auto) {};
  sem.async_acquire([alive](error_code) {});
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(sem.try_acquire());
  sem.async_acquire([alive](error_code) {});
  sem.async_acquire_permit([alive](error_code, permit) {});
  sem.release();
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(alive.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

#if BOOST_VERSION >= 108200

BOOST_AUTO_TEST_SUITE(immediate_executors)

BOOST_AUTO_TEST_CASE(an_immediate_executor_runs_what_is_decided_at_once) {
  asio::io_context context, other;
  semaphore sem(context, 1);
  int called = 0;
  auto handler = asio::bind_immediate_executor(other.get_executor(), [&](error_code) { ++called; });
  sem.async_acquire(handler);  // granted
  sem.close();
  sem.async_acquire(handler);  // refused
  BOOST_TEST(called == 0);
  context.run();
  BOOST_TEST(called == 0);
  other.run();
  BOOST_TEST(called == 2);
}

BOOST_AUTO_TEST_CASE(an_immediate_executor_does_not_run_what_has_waited) {
  asio::io_context context;
  semaphore sem(context, 0);
  int called = 0;
  auto handler =
      asio::bind_immediate_executor(asio::system_executor(), [&](error_code) { ++called; });
  sem.async_acquire(handler);
  sem.async_acquire(handler);
  sem.release();
  sem.cancel();
  BOOST_TEST(called == 0);
  context.run();
  BOOST_TEST(called == 2);
}

BOOST_AUTO_TEST_CASE(an_inline_immediate_executor_may_call_every_member) {
  const test::watchdog guard;
  asio::io_context context;
  bounded_semaphore sem(context, 2);
  int called = 0;
  auto immediately = [](auto handler) {
    return asio::bind_immediate_executor(asio::system_executor(), std::move(handler));
  };
  auto count = [&](error_code, auto&&...) { ++called; };
  sem.async_acquire(immediately([&](error_code) {
    ++called;
    sem.async_acquire(immediately(count));
    sem.async_acquire(count);  // waits
    sem.async_acquire_permit(immediately(count));
    BOOST_TEST(called == 2);
    error_code ec;
    sem.release();
    sem.release(1, ec);
    BOOST_TEST(sem.waiting() == 0u);
    BOOST_TEST(!sem.try_acquire_permit());
    sem.async_acquire(count);
    sem.set_limit(3);
    sem.async_acquire(count);
    sem.cancel();
    BOOST_TEST((sem.available() + sem.waiting()) == 0u);
    sem.async_acquire(count);
    sem.close();
    BOOST_TEST((sem.locked() && sem.is_closed()));
    sem.async_acquire(immediately(count));
    BOOST_TEST(called == 3);
  }));
  BOOST_TEST(called == 3);
  context.run();
  BOOST_TEST(called == 8);
}

// Inside a handler that another semaphore's grant runs, on one thread: no lock is held.
BOOST_AUTO_TEST_CASE(an_inline_immediate_executor_may_be_used_inside_an_executor) {
  const test::watchdog guard;
  custom_executor::state state;
  turnstile::basic_semaphore<custom_executor> sem(custom_executor(state), 0);
  state.script = [](const custom_executor::function& f) { f(); };
  test::recorder record;
  auto immediately = [](auto handler) {
    return asio::bind_immediate_executor(asio::system_executor(), std::move(handler));
  };
  sem.async_acquire([&](error_code) {
    sem.release(2);
    sem.async_acquire(immediately([&](error_code ec) {
      record("1")(ec);
      sem.release();
    }));
  });
  sem.release();
  BOOST_TEST(record.read() == "1");
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

#endif
