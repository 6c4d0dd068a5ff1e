// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Contexts, semaphores, waits and permits end in any order, and nothing leaks or is used afterwards.

#define BOOST_TEST_MODULE lifetime

#include "recorder.hpp"
#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using test::recorder;
using turnstile::error_code;
using turnstile::permit;
using io_executor = asio::io_context::executor_type;
using io_strand = asio::strand<io_executor>;
using semaphore = turnstile::basic_semaphore<io_executor>;
using bounded_semaphore = turnstile::basic_bounded_semaphore<io_executor>;

BOOST_AUTO_TEST_SUITE(orders)

// All orders of destroying the context, the semaphore and a permit; with a handler that has been
// granted, two that wait, one of them bound to a slot, and a permit in a handler.
template <typename MakeExecutor>
void destroy_in_all_orders(MakeExecutor make_executor) {
  using executor = decltype(make_executor(std::declval<asio::io_context&>()));
  std::array order{0, 1, 2};
  do {
    recorder t;
    asio::cancellation_signal signal;
    std::optional<asio::io_context> context(std::in_place);
    std::optional<turnstile::basic_semaphore<executor>> sem(std::in_place, make_executor(*context),
                                                            3);
    permit held = sem->try_acquire_permit();
    sem->async_acquire([h = t("a"), p = sem->try_acquire_permit()](error_code) {});
    sem->async_acquire(asio::bind_cancellation_slot(signal.slot(), t("a")));
    sem->async_acquire_permit(t("a"));
    BOOST_TEST(t.alive() == 3);
    for (int which : order) {
      if (which == 0) context.reset();
      if (which == 1) sem.reset();
      if (which == 2) held = permit();
      if (which != 0 && sem) {
        BOOST_TEST(sem->available() <= 3u);
        BOOST_TEST(!sem->is_closed());
      }
    }
    signal.emit(asio::cancellation_type::terminal);
    BOOST_TEST(t.read() == "");
    BOOST_TEST(t.alive() == 0);
  } while (std::next_permutation(order.begin(), order.end()));
}

BOOST_AUTO_TEST_CASE(any_order_of_destruction_on_the_executor_of_a_context) {
  destroy_in_all_orders([](asio::io_context& c) { return c.get_executor(); });
}

BOOST_AUTO_TEST_CASE(any_order_of_destruction_on_a_polymorphic_executor) {
  destroy_in_all_orders(
      [](asio::io_context& c) { return asio::any_io_executor(c.get_executor()); });
}

BOOST_AUTO_TEST_CASE(any_order_of_destruction_on_a_strand) {
  destroy_in_all_orders([](asio::io_context& c) { return asio::make_strand(c); });
}

BOOST_AUTO_TEST_CASE(any_order_of_destruction_on_a_polymorphic_strand) {
  destroy_in_all_orders(
      [](asio::io_context& c) { return asio::any_io_executor(asio::make_strand(c)); });
}

#if !defined(BOOST_ASIO_HAS_IOCP)  // there, the context's destructor waits until there is no work
BOOST_AUTO_TEST_CASE(any_order_of_destruction_on_an_executor_that_counts_as_work) {
  destroy_in_all_orders([](asio::io_context& c) {
    return asio::require(c.get_executor(), asio::execution::outstanding_work.tracked);
  });
}
#endif

BOOST_AUTO_TEST_CASE(a_thread_pool_is_destroyed_before_its_semaphore) {
  recorder t;
  std::optional<asio::thread_pool> pool(std::in_place, 1);
  turnstile::basic_semaphore<asio::thread_pool::executor_type> sem(pool->get_executor(), 1);
  permit held = sem.try_acquire_permit();
  sem.async_acquire(t("a"));
  pool->stop();
  pool.reset();
  BOOST_TEST(t.alive() == 0);
  held.release();
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(every_member_works_without_a_context) {
  std::optional<asio::io_context> context(std::in_place);
  bounded_semaphore sem(*context, 0, 2);
  recorder t;
  sem.async_acquire(t("a"));
  context.reset();
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(t.alive() == 0);
  sem.release();
  BOOST_TEST(sem.try_acquire());
  sem.set_limit(5);
  BOOST_TEST(sem.available() == 3u);
  sem.try_acquire_permit(3).forget();
  sem.cancel();
  sem.close();
  BOOST_TEST(sem.in_use() == 5u);
  bounded_semaphore other(std::move(sem));
  BOOST_TEST(other.in_use() == 5u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(contexts)

BOOST_AUTO_TEST_CASE(a_context_is_destroyed_with_a_thousand_waiters) {
  for (bool semaphore_first : {false, true}) {
    recorder t;
    std::optional<asio::io_context> context(std::in_place);
    std::optional<turnstile::semaphore> sem(std::in_place, *context, 0);
    for (int i = 0; i != 500; ++i) {
      sem->async_acquire(t("a"));
      sem->async_acquire_permit(asio::bind_executor(asio::make_strand(*context), t("a")));
    }
    sem->release(10);
    if (semaphore_first) sem.reset();
    context.reset();
    BOOST_TEST(t.read() == "");
    BOOST_TEST(t.alive() == 0);
    if (sem) BOOST_TEST(sem->available() == 10u);
  }
}

// A handler that calls everything when it is destroyed uncalled.
struct calls_everything {
  bounded_semaphore* sem;
  int* destroyed;
  int generation = 0;

  calls_everything(bounded_semaphore& s, int& d, int g) : sem(&s), destroyed(&d), generation(g) {}
  calls_everything(calls_everything&& other) noexcept
      : sem(std::exchange(other.sem, nullptr)),
        destroyed(other.destroyed),
        generation(other.generation) {}
  void operator()(error_code) { sem = nullptr; }
  void operator()(error_code, const permit&) { sem = nullptr; }
  ~calls_everything() {
    if (!sem) return;
    ++*destroyed;
    sem->release();
    const permit p = sem->try_acquire_permit();
    if (generation < 2) {
      sem->async_acquire(100, calls_everything(*sem, *destroyed, generation + 1));
      sem->async_acquire_permit(calls_everything(*sem, *destroyed, generation + 1));
    }
    sem->set_limit(sem->limit());
    (void)(sem->available() + sem->waiting() + sem->in_use() + sem->locked());
    if (generation == 1) sem->cancel();
    bounded_semaphore temporary(std::move(*sem));
    *sem = std::move(temporary);
  }
};

BOOST_AUTO_TEST_CASE(destructors_of_handlers_may_call_every_member) {
  const test::watchdog guard;
  std::optional<asio::io_context> context(std::in_place);
  bounded_semaphore sem(*context, 0, 1000);
  int destroyed = 0;
  for (int i = 0; i != 10; ++i) sem.async_acquire(calls_everything(sem, destroyed, 0));
  sem.release();  // one is granted
  context.reset();
  BOOST_TEST(destroyed == 10 * (1 + 2 + 4));
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == sem.limit() - sem.in_use());
}

BOOST_AUTO_TEST_CASE(destructors_of_handlers_may_close_and_destroy) {
  std::optional<asio::io_context> context(std::in_place);
  auto sem = std::make_shared<semaphore>(*context, 0);
  auto other = std::make_shared<semaphore>(*context, 0);
  recorder t;
  struct last_act {
    std::shared_ptr<semaphore> closes, destroys;
    ~last_act() {
      if (closes) closes->close();
    }
    last_act(std::shared_ptr<semaphore> c, std::shared_ptr<semaphore> d)
        : closes(std::move(c)), destroys(std::move(d)) {}
    last_act(last_act&&) = default;
    void operator()(error_code) {}
  };
  sem->async_acquire(last_act(sem, other));
  other->async_acquire(last_act(other, sem));
  sem->async_acquire(t("a"));
  other->async_acquire(t("a"));
  sem.reset();
  other.reset();
  context.reset();
  BOOST_TEST(t.alive() == 0);
}

// Also those that are destroyed with the context's own queue, after the waiters.
BOOST_AUTO_TEST_CASE(destructors_of_handlers_may_make_semaphores) {
  auto owner = std::make_unique<asio::io_context>();
  asio::io_context& context = *owner;
  recorder t;
  semaphore first(context, 0);
  std::optional<semaphore> made, moved;
  asio::post(context, [&, last = std::shared_ptr<void>(nullptr, [&](void*) {
                            made.emplace(context, 0);
                            made->async_acquire(t("a"));
                            moved.emplace(std::move(first));
                            moved->async_acquire(t("a"));
                          })] {});
  owner.reset();
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(t.read() == "");
  BOOST_TEST(made->waiting() == 0u);
  made.reset();
}

BOOST_AUTO_TEST_CASE(handlers_may_own_the_semaphore_and_permits_of_it) {
  recorder t;
  for (std::size_t grants : {0u, 1u, 3u}) {
    asio::io_context context;
    auto sem = std::make_shared<semaphore>(context, 3);
    auto held = std::make_shared<permit>(sem->try_acquire_permit(2));
    auto owner = [&] {
      return [sem, held, p = sem->try_acquire_permit(), h = t("a")](error_code, const auto&...) {};
    };
    sem->async_acquire(2, owner());
    sem->async_acquire_permit(owner());
    sem->async_acquire(owner());
    sem->release(grants);
  }
  BOOST_TEST(t.alive() == 0);
}

// The context of the handler, which has been granted its permits, is destroyed; that of the semaphore
// is not.
BOOST_AUTO_TEST_CASE(permits_of_handlers_that_are_destroyed_go_to_the_next) {
  asio::io_context context;
  std::optional<asio::io_context> other(std::in_place);
  semaphore sem(context, 1);
  recorder t, last;
  sem.async_acquire(asio::bind_executor(*other, t("a")));         // at once
  sem.async_acquire(2, asio::bind_executor(*other, t("a")));      // later
  sem.async_acquire_permit(asio::bind_executor(*other, t("a")));  // as a permit
  sem.release(3);
  BOOST_TEST(sem.available() == 0u);
  sem.async_acquire(4, last("last"));
  other.reset();
  BOOST_TEST(sem.waiting() == 0u);
  context.restart();
  context.poll();
  BOOST_TEST(last.read() == "last");
  BOOST_TEST(t.read() == "");
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(sem.available() == 0u);
}

// Rule 6: by a caller's fault, there is no room for all of them.
BOOST_AUTO_TEST_CASE(permits_of_handlers_that_are_destroyed_stay_at_the_limit) {
  asio::io_context context;
  std::optional<asio::io_context> other(std::in_place);
  bounded_semaphore sem(context, 4);
  recorder t;
  sem.async_acquire(2, asio::bind_executor(*other, t("a")));  // at once
  BOOST_TEST(sem.try_acquire(2));
  sem.async_acquire_permit(2, asio::bind_executor(*other, t("a")));  // later
  sem.release(2);
  sem.release(3);
  BOOST_TEST(sem.in_use() == 1u);
  other.reset();
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(t.read() == "");
  BOOST_TEST(sem.available() == 4u);
}

// A function, or a handler, whose destructor gives back two permits.
struct releases {
  semaphore* sem;
  explicit releases(semaphore& s) : sem(&s) {}
  releases(releases&& s) noexcept : sem(std::exchange(s.sem, nullptr)) {}
  ~releases() {
    if (sem) sem->release(2);
  }
  void operator()(auto&&...) {}
};

BOOST_AUTO_TEST_CASE(permits_of_handlers_destroyed_with_a_shut_down_strand_come_back) {
  asio::io_context context;
  std::optional<asio::io_context> other(std::in_place);
  semaphore sem(context, 0);
  recorder t;
  {
    const auto strand = asio::make_strand(*other);
    sem.async_acquire(asio::bind_executor(strand, t("a")));
    sem.async_acquire_permit(asio::bind_executor(strand, t("a")));
  }
  // Destroyed before the strands are shut down: what is granted then is posted to one, and destroyed
  // with it.
  semaphore on_other(*other, 0);
  on_other.async_acquire(releases(sem));
  other.reset();
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(t.read() == "");
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(a_strand_that_was_shut_down_before_takes_nothing_away) {
  std::optional<asio::io_context> context(std::in_place);
  recorder t;
  semaphore sem(*context,
                0);  // abandoned before the strands are shut down, whichever was made first
  std::optional<io_strand> strand(std::in_place, context->get_executor());
  sem.async_acquire(asio::bind_executor(*strand, t("a")));
  sem.async_acquire(t("a"));
  asio::post(*strand, releases(sem));  // destroyed as the strands are shut down
  strand.reset();
  context.reset();
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(sem.available() == 2u);
}

// What a strand that was shut down is given, it destroys inside execute().
BOOST_AUTO_TEST_CASE(a_shut_down_strand_of_another_context_gives_back_at_once) {
  asio::io_context context;
  std::optional<asio::io_context> other(std::in_place);
  semaphore sem(context, 0);
  recorder t;
  std::optional<io_strand> strand(std::in_place, other->get_executor());
  sem.async_acquire(asio::bind_executor(*strand, t("a")));
  sem.async_acquire_permit(asio::bind_executor(*strand, t("a")));
  bool released = false;
  asio::post(*strand, [&, owner = std::shared_ptr<void>(nullptr, [&](void*) {
                            sem.release(2);
                            released = true;
                          })] {});
  strand.reset();
  other.reset();
  BOOST_TEST(released);
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(t.read() == "");
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == 2u);
}

// Services are destroyed the newest first: that of strands would be, and the strand left behind, had
// the semaphores' not seen to it that it is the older one.
BOOST_AUTO_TEST_CASE(a_strand_that_was_made_after_a_semaphore_is_dropped_in_time) {
  std::optional<asio::io_context> context(std::in_place);
  const semaphore first(*context);
  const turnstile::basic_semaphore<io_strand> sem(asio::make_strand(context->get_executor()));
  context.reset();
  BOOST_TEST(first.available() == 1u);
  BOOST_TEST(sem.available() == 1u);
}

asio::awaitable<void> hold(turnstile::semaphore& sem, recorder& t) {
  const auto alive = t("a");
  const permit p = co_await sem.async_acquire_permit(asio::use_awaitable);
  co_await sem.async_acquire(1000, asio::use_awaitable);
}

BOOST_AUTO_TEST_CASE(permits_in_frames_of_coroutines_outlive_the_semaphore) {
  recorder t;
  asio::io_context context;
  turnstile::semaphore sem(context, 2);  // gone before the frames are
  for (int i = 0; i != 5; ++i) asio::co_spawn(context, hold(sem, t), asio::detached);
  context.poll();
  BOOST_TEST(t.alive() == 5);
  BOOST_TEST(sem.waiting() == 5u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(semaphores)

BOOST_AUTO_TEST_CASE(the_destructor_aborts_all_waiters) {
  asio::io_context context;
  recorder r;
  asio::cancellation_signal signal;
  {
    semaphore sem(context, 1);
    sem.async_acquire(2, asio::bind_cancellation_slot(signal.slot(), r("first")));
    sem.async_acquire(r("second"));
  }
  signal.emit(asio::cancellation_type::terminal);  // late
  BOOST_TEST(context.run() == 2u);
  BOOST_TEST(r.read() == "first!aborted second!aborted");
  signal.emit(asio::cancellation_type::terminal);
}

BOOST_AUTO_TEST_CASE(grants_and_permits_outlive_the_semaphore) {
  asio::io_context context;
  recorder r;
  std::optional<semaphore> sem(std::in_place, context, 1);
  permit held = sem->try_acquire_permit();
  sem->async_acquire(r("granted"));
  sem->async_acquire_permit(r("later"));
  sem->release(2);
  sem.reset();
  context.run();
  BOOST_TEST(r.read() == "granted later");
  permit& later = r.held["later"];
  BOOST_TEST(later.count() == 1u);
  later.merge(std::move(held));
  BOOST_TEST(later.split(1).count() == 1u);
  later.release();
}

BOOST_AUTO_TEST_CASE(the_last_grant_outlives_the_semaphore) {
  asio::io_context context;
  recorder r;
  std::optional<semaphore> sem(std::in_place, context, 0);
  sem->async_acquire_permit(r("last"));
  sem->release();
  sem.reset();
  context.run();
  BOOST_TEST(r.read() == "last");
  BOOST_TEST(r.held["last"].count() == 1u);
  r.held["last"].release();
}

BOOST_AUTO_TEST_CASE(a_handler_may_destroy_the_semaphore) {
  asio::io_context context;
  auto sem = std::make_unique<semaphore>(context, 1);
  recorder r;
  sem->async_acquire([&](error_code) { sem.reset(); });
  sem->async_acquire(r("second"));
  context.run();
  BOOST_TEST(r.read() == "second!aborted");
}

// Throws where it is told to.
struct refusing {
  asio::io_context* context;
  bool* refuse;

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *context; }
  static constexpr auto query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  template <typename Function>
  void execute(Function&& f) const {
    if (*refuse) throw std::bad_alloc();
    context->get_executor().execute(std::forward<Function>(f));
  }
  bool operator==(const refusing&) const noexcept = default;
};

// Acquires a permit where it is destroyed uncalled.
struct acquires {
  using executor_type = refusing;
  semaphore* sem;
  permit* held;
  refusing ex;

  acquires(semaphore& s, permit& p, const refusing& e) : sem(&s), held(&p), ex(e) {}
  acquires(acquires&& other) noexcept
      : sem(std::exchange(other.sem, nullptr)), held(other.held), ex(other.ex) {}
  ~acquires() {
    if (sem) *held = sem->try_acquire_permit();
  }
  executor_type get_executor() const noexcept { return ex; }
  void operator()(error_code) { sem = nullptr; }
};

// The executor throws, so that the handler is destroyed uncalled as the semaphore goes.
BOOST_AUTO_TEST_CASE(permits_acquired_by_a_handlers_destructor_outlive_the_semaphore) {
  for (const bool assigned : {false, true}) {
    asio::io_context context;
    bool refuse = false;
    permit held;
    std::optional<semaphore> sem(std::in_place, context, 1);
    sem->async_acquire(2, acquires(*sem, held, {&context, &refuse}));
    refuse = true;
    if (assigned)
      *sem = semaphore(context, 1);
    else
      sem.reset();
    BOOST_TEST(held.count() == 1u);
    held.release();
    if (assigned) BOOST_TEST(sem->available() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(waiters_of_a_destroyed_semaphore_get_no_later_permits) {
  asio::io_context context;
  std::optional<semaphore> sem(std::in_place, context, 1);
  permit held = sem->try_acquire_permit();
  recorder r;
  sem->async_acquire(r("a"));
  sem.reset();
  held.release();
  context.run();
  BOOST_TEST(r.read() == "a!aborted");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(throwing_handlers)

BOOST_AUTO_TEST_CASE(throwing_handlers_leave_nothing_half_done) {
  asio::io_context context;
  semaphore sem(context, 1);
  std::vector<int> order;
  auto thrower = [&](int number) {
    return [&, number](error_code, auto&&...) {
      order.push_back(number);
      throw std::runtime_error("from a handler");
    };
  };
  sem.async_acquire(thrower(1));         // the permit is its, and not given back
  sem.async_acquire_permit(thrower(2));  // given back as it is destroyed
  sem.async_acquire(thrower(3));
  sem.async_acquire(thrower(4));
  sem.release();
  sem.async_acquire(100, thrower(5));
  for (int i = 0; i != 3; ++i) {
    context.restart();
    BOOST_CHECK_THROW(context.run(), std::runtime_error);
  }
  BOOST_TEST(sem.waiting() == 2u);
  sem.cancel();
  for (int i = 0; i != 2; ++i) BOOST_CHECK_THROW(context.run(), std::runtime_error);
  BOOST_TEST(order == (std::vector{1, 2, 3, 4, 5}));
  BOOST_TEST(context.run() == 0u);  // no work is left
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(moves)

static_assert(std::is_nothrow_move_constructible_v<semaphore>);
static_assert(std::is_nothrow_move_assignable_v<semaphore>);
static_assert(std::is_nothrow_move_constructible_v<turnstile::bounded_semaphore>);
static_assert(std::is_nothrow_move_assignable_v<turnstile::bounded_semaphore>);
static_assert(!std::is_copy_constructible_v<semaphore>);
static_assert(std::is_constructible_v<turnstile::semaphore, semaphore&&>);
static_assert(std::is_assignable_v<turnstile::semaphore&, semaphore&&>);
static_assert(!std::is_constructible_v<semaphore, turnstile::semaphore&&>);
static_assert(std::is_constructible_v<turnstile::bounded_semaphore, bounded_semaphore&&>);
static_assert(!std::is_constructible_v<turnstile::semaphore, bounded_semaphore&&>);
static_assert(!std::is_constructible_v<turnstile::bounded_semaphore, semaphore&&>);

// Waits and a permit follow the state to To.
template <typename To, typename From>
void expect_followed(asio::io_context& context, From from) {
  recorder r;
  asio::cancellation_signal signal;
  permit held = from.try_acquire_permit();
  BOOST_REQUIRE(held);
  from.async_acquire(asio::bind_cancellation_slot(signal.slot(), r("by_slot")));
  from.async_acquire(r("by_release"));
  from.async_acquire(r("by_cancel"));
  To to(std::move(from));
  BOOST_TEST(to.waiting() == 3u);
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(to.waiting() == 2u);
  held.release();
  BOOST_TEST(to.waiting() == 1u);
  to.cancel();
  context.restart();
  context.run();
  BOOST_TEST(r.read() == "by_slot!aborted by_release by_cancel!aborted");
  from = From(context, 7);  // can be assigned to
  BOOST_TEST(from.available() == 7u);
}

BOOST_AUTO_TEST_CASE(waits_and_permits_follow_the_state) {
  asio::io_context context;
  expect_followed<semaphore>(context, semaphore(context));
  expect_followed<bounded_semaphore>(context, bounded_semaphore(context));
  expect_followed<turnstile::semaphore>(context, turnstile::semaphore(context));
}

BOOST_AUTO_TEST_CASE(waits_and_permits_follow_the_state_to_another_executor_type) {
  asio::io_context context;
  expect_followed<turnstile::semaphore>(context, semaphore(context));
  expect_followed<turnstile::bounded_semaphore>(context, bounded_semaphore(context));
}

template <typename To, typename From>
void expect_assigned(asio::io_context& context) {
  To target(context, 1);
  From source(context, 2);
  recorder r;
  permit target_permit = target.try_acquire_permit();
  permit source_permit = source.try_acquire_permit(2);
  target.async_acquire(r("target"));
  source.async_acquire(r("source"));
  target = std::move(source);
  context.restart();
  context.poll();
  BOOST_TEST(r.read() == "target!aborted");  // the source still waits
  BOOST_TEST(target.waiting() == 1u);
  target_permit.release();  // without effect
  BOOST_TEST(target.waiting() == 1u);
  source_permit.release();
  context.restart();
  context.poll();
  BOOST_TEST(r.read() == "source");
  BOOST_TEST(target.available() == 1u);
}

BOOST_AUTO_TEST_CASE(a_move_aborts_the_waits_of_its_target) {
  asio::io_context context;
  expect_assigned<semaphore, semaphore>(context);
  expect_assigned<bounded_semaphore, bounded_semaphore>(context);
  expect_assigned<turnstile::semaphore, semaphore>(context);
  expect_assigned<turnstile::bounded_semaphore, bounded_semaphore>(context);
}

BOOST_AUTO_TEST_CASE(a_move_to_itself_changes_nothing) {
  asio::io_context context;
  semaphore sem(context, 3);
  semaphore& same = sem;
  sem = std::move(same);
  BOOST_TEST(sem.available() == 3u);
}

BOOST_AUTO_TEST_CASE(a_semaphore_may_be_moved_between_contexts) {
  std::optional<asio::io_context> first(std::in_place), second(std::in_place);
  semaphore sem(*first, 1);
  semaphore other(*second, 5);
  recorder t;
  sem.async_acquire(2, t("aborted"));
  other.async_acquire(6, t("a"));
  sem = std::move(other);
  BOOST_TEST((sem.get_executor() == second->get_executor()));
  first->run();
  BOOST_TEST(t.read() == "aborted!aborted");
  first.reset();
  BOOST_TEST(sem.waiting() == 1u);
  second.reset();
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(t.alive() == 0);
  BOOST_TEST(sem.available() == 5u);
}

BOOST_AUTO_TEST_CASE(a_moved_from_semaphore_outlives_the_context) {
  std::optional<asio::io_context> context(std::in_place);
  turnstile::semaphore from(asio::any_io_executor(asio::make_strand(*context)), 1);
  std::optional<turnstile::semaphore> to(std::in_place, std::move(from));
  context.reset();
  BOOST_TEST(to->available() == 1u);
  to.reset();
}

// There is no executor left to convert.
BOOST_AUTO_TEST_CASE(a_move_to_another_executor_type_needs_no_context) {
  std::optional<asio::io_context> context(std::in_place);
  semaphore from(*context, 2), other(*context, 3);
  context.reset();
  turnstile::semaphore to(std::move(from));
  BOOST_TEST(to.available() == 2u);
  to = std::move(other);
  BOOST_TEST(to.available() == 3u);
}

BOOST_AUTO_TEST_CASE(a_move_from_a_semaphore_without_a_context_leaves_no_executor) {
  std::optional<asio::io_context> context(std::in_place);
  turnstile::semaphore from(*context, 1);
  asio::io_context other;
  turnstile::semaphore to(asio::any_io_executor(asio::require(
                              other.get_executor(), asio::execution::outstanding_work.tracked)),
                          2);
  other.poll();
  BOOST_TEST(!other.stopped());
  context.reset();
  to = std::move(from);
  BOOST_TEST(to.available() == 1u);
  other.poll();
  BOOST_TEST(other.stopped());  // nothing is left of the executor
}

// An executor that has no value without a context.
class indirect {
 public:
  explicit indirect(asio::io_context& c) noexcept : executor_(c.get_executor()) {}

  template <typename Property>
    requires asio::can_query_v<const asio::io_context::executor_type&, Property>
  decltype(auto) query(const Property& p) const noexcept {
    return asio::query(executor_, p);
  }
  indirect require(asio::execution::blocking_t::never_t) const noexcept {
    return indirect(asio::require(executor_, asio::execution::blocking.never));
  }
  template <typename F>
  void execute(F&& f) const {
    executor_.execute(std::forward<F>(f));
  }
  bool operator==(const indirect&) const noexcept = default;

 private:
  template <typename E>
  explicit indirect(const E& ex) noexcept : executor_(ex) {}

  asio::any_io_executor executor_;
};

BOOST_AUTO_TEST_CASE(an_executor_without_an_empty_value_follows_the_state) {
  std::optional<asio::io_context> context(std::in_place), gone(std::in_place);
  turnstile::basic_semaphore<indirect> from(indirect(*context), 1), to(indirect(*context), 2);
  turnstile::basic_semaphore<indirect> lost(indirect(*gone), 3);
  to = std::move(from);
  BOOST_TEST(to.available() == 1u);
  gone.reset();
  to = std::move(lost);
  BOOST_TEST(to.available() == 3u);
  turnstile::basic_semaphore<indirect> last(std::move(to));
  BOOST_TEST(last.available() == 3u);
  turnstile::semaphore other(std::move(last));
  BOOST_TEST(other.available() == 3u);
}

BOOST_AUTO_TEST_CASE(a_vector_of_semaphores_may_be_erased_from) {
  asio::io_context context;
  std::vector<semaphore> all;
  recorder r;
  for (int i = 0; i != 20; ++i) {
    all.emplace_back(context, 0);  // moves those that wait
    all.back().async_acquire(i < 10 ? r("erased") : r("granted"));
  }
  all.erase(all.begin(), all.begin() + 10);
  for (auto& sem : all) sem.release();
  context.run();
  test::transcript expected;
  for (int i = 0; i != 20; ++i) expected.write(i < 10 ? "erased!aborted" : "granted");
  BOOST_TEST(r.read() == expected.read());
}

BOOST_AUTO_TEST_SUITE_END()
