// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A shared semaphore with what takes other semaphores: async_with_permit, timed acquires, measured(), tokens.

#define BOOST_TEST_MODULE shared_operations
#include "context_executor.hpp"
#include "shared_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/test/unit_test.hpp>

#include <functional>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <utility>

using namespace test;

static_assert(turnstile::acquirable<shared_semaphore>);

namespace {

// An executor that calls a function first, once, which may throw.
struct calling : context_executor<calling> {
  template <typename F>
  void execute(F&& f) const {
    if (const auto call = std::exchange(*first, nullptr)) call();
    context->get_executor().execute(std::forward<F>(f));
  }
  std::function<void()>* first;
};

struct fixture : shared_fixture {
  // An operation that ends when it is cancelled, or when the test says so.
  auto operation() { return timer.async_wait(asio::deferred); }
  // One that writes that it starts.
  auto noted_operation() {
    return [this](auto token) {
      write("started");
      return timer.async_wait(std::move(token));
    };
  }
  void end_operation() { timer.expires_after(-1s); }

  // A permit is granted, and the deadline passes before its completion and any timer run.
  std::string start_late(turnstile::shared_options o) {
    auto& a = make(std::move(o));
    a.async_acquire_permit((*this)("a"));
    settle();
    held.clear();  // its share is 1
    turnstile::async_with_permit(a, noted_operation(), (*this)("done"));
    clock.jump(10s);
    engine->set_fault(fault::request_lost);
    read();
    return run(1s);
  }

  // `call` comes while `x` is delivered and `y` has been granted, too.
  std::string call_beside_a_grant(std::function<void()> call) {
    auto& a = make({.limit = 2});
    for (const char* name : {"a", "b"}) a.async_acquire_permit((*this)(name));
    settle();
    shared_permit all = std::move(held.at("a"));
    all.merge(std::move(held.at("b")));
    a.async_acquire_permit(asio::bind_executor(calling{{&io}, &call}, (*this)("x")));
    a.async_acquire_permit((*this)("y"));
    settle();
    read();
    all.release();
    BOOST_TEST(!call);
    return poll();
  }
  // The next lease of the semaphore begins while `x` is delivered and `y` has been granted, and another one has got the share.
  std::string lose_beside_a_grant(turnstile::shared_options o) {
    auto& a = make(std::move(o));
    a.async_acquire(2, (*this)("all"));
    settle();
    auto& other = semaphores.emplace_back(io, others_engine,
                                          turnstile::shared_options{.name = "name", .limit = 2});
    std::function<void()> first = [&] {
      BOOST_TEST(a.in_use() == 2u);  // `x` and `y`
      other.async_acquire_permit(2, (*this)("other"));
      engine->set_fault(fault::request_lost);
      engine->drop_messages(true);
      BOOST_TEST(run(20s) == "other");
      engine->set_fault(fault::none);
      engine->drop_messages(false);
      BOOST_TEST(run(1s) == "");
      BOOST_TEST(a.lease() == lease_state::valid);
    };
    a.async_acquire_permit(asio::bind_executor(calling{{&io}, &first}, (*this)("x")));
    a.async_acquire_permit((*this)("y"));
    settle();
    read();
    a.release(2);
    BOOST_TEST(!first);
    return settle();
  }
  // After it, the grant of `y` does not stand.
  void pass_deadline() {
    clock.jump(10s);
    engine->set_fault(fault::request_lost);
  }

  memory_engine others_engine{io, server};
  asio::steady_timer timer{io, 1h};
  std::function<void()> ends;
};

}  // namespace

// ---- async_with_permit --------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(with_permit, fixture)

BOOST_AUTO_TEST_CASE(a_lost_lease_cancels_the_operation_and_is_its_error) {
  auto& a = make({.limit = 2});
  turnstile::async_with_permit(a, 2, operation(), (*this)("done"));
  BOOST_TEST(settle() == "");
  BOOST_TEST(a.in_use() == 2u);
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(9900ms) == "");
  BOOST_TEST(run(200ms) == "done!lost");
  BOOST_TEST(a.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(a_lost_lease_is_also_the_error_of_an_operation_that_passes_it_by_reference) {
  auto& a = make({.limit = 1});
  const auto by_reference = [this](auto token) {
    return asio::async_initiate<decltype(token), void(const error_code&)>(
        [this](auto completion) { timer.async_wait(std::move(completion)); }, token);
  };
  turnstile::async_with_permit(a, by_reference, (*this)("done"));
  BOOST_TEST(settle() == "");
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "done!lost");
}

BOOST_AUTO_TEST_CASE(a_lost_lease_cancels_all_operations) {
  auto& a = make({.limit = 2});
  asio::steady_timer other(io, 1h);
  turnstile::async_with_permit(a, operation(), (*this)("done"));
  turnstile::async_with_permit(a, other.async_wait(asio::deferred), (*this)("done"));
  settle();
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "done!lost done!lost");
}

BOOST_AUTO_TEST_CASE(an_operation_that_ends_leaves_the_others_watched) {
  auto& a = make({.limit = 2});
  asio::steady_timer other(io);
  other.expires_after(-1s);
  turnstile::async_with_permit(a, other.async_wait(asio::deferred), (*this)("first"));
  turnstile::async_with_permit(a, operation(), (*this)("second"));
  BOOST_TEST(settle() == "first");
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "second!lost");
}

BOOST_AUTO_TEST_CASE(an_operation_does_not_start_under_a_lease_that_was_lost) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  turnstile::async_with_permit(a, operation(), (*this)("done"));
  held.clear();  // its completion is posted
  engine->set_fault(fault::request_lost);
  clock.advance(11s);
  BOOST_TEST(poll() == "done!lost");
}

BOOST_AUTO_TEST_CASE(an_operation_does_not_start_after_the_deadline) {
  BOOST_TEST(start_late({.limit = 1}) == "done!lost");
}

BOOST_AUTO_TEST_CASE(without_the_check_an_operation_starts_until_the_timer_runs) {
  BOOST_TEST(start_late({.limit = 1, .check_every_grant = false}) == "started done!lost");
}

BOOST_AUTO_TEST_CASE(with_keep_an_operation_starts_after_the_deadline) {
  BOOST_TEST(start_late({.limit = 1, .when_unreachable = unreachable::keep}) ==
             "started done!lost");
}

BOOST_AUTO_TEST_CASE(an_operation_starts_while_a_part_of_the_share_is_recalled) {
  auto& a = make({.limit = 2});
  auto& b = make({.limit = 2});
  a.async_acquire((*this)("a"));
  BOOST_TEST(settle() == "a");
  asio::io_context own;
  turnstile::async_with_permit(a, noted_operation(),
                               asio::bind_executor(own.get_executor(), (*this)("done")));
  b.async_acquire((*this)("b"));
  BOOST_TEST(run(100ms) == "");
  BOOST_TEST(a.in_use() == 2u);
  own.poll();
  BOOST_TEST(read() == "started");
  a.release();
  BOOST_TEST(run(100ms) == "b");
  timer.cancel();
  poll();
  own.restart();
  own.poll();
  BOOST_TEST(read() == "done!aborted");
}

BOOST_AUTO_TEST_CASE(with_keep_an_operation_starts_without_a_lease) {
  auto& a = make({.limit = 1, .when_unreachable = unreachable::keep});
  a.async_acquire_permit((*this)("a"));
  settle();
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "");
  held.clear();
  turnstile::async_with_permit(a, operation(), (*this)("done"));
  BOOST_TEST(run(100ms) == "");
  end_operation();
  BOOST_TEST(run(100ms) == "done!aborted");
}

BOOST_AUTO_TEST_CASE(with_keep_an_operation_starts_although_the_next_lease_has_begun) {
  auto& a = make({.limit = 1, .when_unreachable = unreachable::keep});
  a.async_acquire_permit((*this)("a"));
  settle();
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "");
  held.clear();
  asio::io_context own;
  turnstile::async_with_permit(a, noted_operation(),
                               asio::bind_executor(own.get_executor(), (*this)("done")));
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "");
  BOOST_TEST(a.lease() == lease_state::valid);
  own.poll();
  BOOST_TEST(read() == "started");
  timer.cancel();
  poll();
  own.restart();
  own.poll();
  BOOST_TEST(read() == "done!aborted");
}

BOOST_AUTO_TEST_CASE(a_lost_lease_cancels_the_operation_of_a_measured_semaphore) {
  auto& a = make({.limit = 1});
  turnstile::wait_statistics stats;
  turnstile::async_with_permit(turnstile::measured(a, stats), operation(), (*this)("done"));
  BOOST_TEST(settle() == "");
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "done!lost");
  BOOST_TEST(stats.read().granted == 1u);
}

BOOST_AUTO_TEST_CASE(an_operation_without_permits_has_no_lease_to_lose) {
  auto& a = make({.limit = 1});
  turnstile::async_with_permit(a, 0, operation(), (*this)("done"));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "");
  timer.expires_after(-1s);
  BOOST_TEST(run(1s) == "done!aborted");
}

BOOST_AUTO_TEST_CASE(an_acquire_that_fails_starts_no_operation) {
  auto& a = make({.limit = 1});
  turnstile::async_with_permit(a, 2, operation(), (*this)("two"));
  BOOST_TEST(settle() == "two!exceeds");
  a.close();
  turnstile::async_with_permit(a, operation(), (*this)("late"));
  BOOST_TEST(settle() == "late!closed");
  BOOST_TEST(timer.cancel() == 0u);
}

BOOST_AUTO_TEST_CASE(an_acquire_that_waits_is_not_cancelled_by_a_loss) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  timer.expires_after(-1s);
  turnstile::async_with_permit(a, operation(), (*this)("done"));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "");
  held.clear();
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "done");
}

BOOST_AUTO_TEST_CASE(the_error_of_an_operation_whose_lease_is_valid_stays) {
  auto& a = make({.limit = 1});
  turnstile::async_with_permit(a, operation(), (*this)("done"));
  settle();
  timer.cancel();
  BOOST_TEST(poll() == "done!aborted");
  BOOST_TEST(a.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(an_operation_that_succeeds_although_the_lease_was_lost_has_succeeded) {
  auto& a = make({.limit = 1});
  const auto deaf = [this](auto token) {  // does not listen to cancellations
    return asio::async_initiate<decltype(token), void(error_code)>(
        [this](auto completion) {
          ends = [h = std::make_shared<decltype(completion)>(std::move(completion))] {
            (*h)(error_code());
          };
        },
        token);
  };
  turnstile::async_with_permit(a, deaf, (*this)("deaf"));
  settle();
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "");
  std::exchange(ends, nullptr)();
  BOOST_TEST(poll() == "deaf");
}

BOOST_AUTO_TEST_CASE(the_handlers_slot_still_cancels_the_operation) {
  auto& a = make({.limit = 1});
  asio::cancellation_signal signal;
  turnstile::async_with_permit(a, operation(),
                               asio::bind_cancellation_slot(signal.slot(), (*this)("done")));
  settle();
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(poll() == "done!aborted");
}

BOOST_AUTO_TEST_CASE(a_loss_after_the_end_of_the_operation_does_nothing) {
  auto& a = make({.limit = 1});
  end_operation();
  turnstile::async_with_permit(a, operation(), (*this)("done"));
  BOOST_TEST(run(100ms) == "done");
  a.async_acquire_permit((*this)("a"));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(20s) == "a");
}

BOOST_AUTO_TEST_CASE(the_operation_may_outlive_the_semaphore_and_is_cancelled_by_a_loss) {
  make({.limit = 1});
  turnstile::async_with_permit(semaphores.back(), operation(), (*this)("done"));
  settle();
  semaphores.clear();
  BOOST_TEST(run(30s) == "");
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "done!lost");
}

BOOST_AUTO_TEST_CASE(the_operation_may_outlive_semaphore_and_engine_and_is_cancelled) {
  make({.limit = 1});
  turnstile::async_with_permit(semaphores.back(), operation(), (*this)("done"));
  settle();
  semaphores.clear();
  engine.reset();
  BOOST_TEST(run(9900ms) == "");
  BOOST_TEST(run(200ms) == "done!lost");
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Timed acquires, measured(), tokens -----------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(others, fixture)

BOOST_AUTO_TEST_CASE(a_timed_acquire_gives_up) {
  auto& a = make({.limit = 1});
  a.async_acquire((*this)("a"));
  settle();
  a.async_acquire_permit_for(1ms, (*this)("b"));
  a.async_acquire_for(0ms, (*this)("c"));
  a.async_acquire_for(1h, (*this)("d"));
  io.restart();
  while (a.waiting() != 1) io.run_one();
  BOOST_TEST(poll() == "c!timed out b!timed out");
  a.release();
  BOOST_TEST(settle() == "d");
  BOOST_TEST(a.in_use() == 1u);
}

BOOST_AUTO_TEST_CASE(it_can_be_measured) {
  auto& a = make({.limit = 1});
  turnstile::wait_statistics stats;
  auto m = turnstile::measured(a, stats);
  m.async_acquire_permit([&](error_code ec, shared_permit p) {
    write("a" + text_of(ec));
    BOOST_TEST(p.valid());
    BOOST_TEST(p.token() == a.token());
  });
  m.async_acquire_permit_for(1h, [&](error_code ec, permit) { write("b" + text_of(ec)); });
  BOOST_TEST(settle() == "a b");
  BOOST_TEST(m.try_acquire_permit().valid());
  BOOST_TEST(stats.read().granted == 3u);
}

// As Asio does.
BOOST_AUTO_TEST_CASE(a_handler_that_is_an_lvalue_is_copied) {
  auto& a = make({.limit = 8});
  turnstile::wait_statistics stats;
  const auto m = turnstile::measured(a, stats);
  std::function<void(error_code)> one = [this](error_code ec) { write("one" + text_of(ec)); };
  std::function<void(error_code, shared_permit)> two = [this](error_code ec, const permit&) {
    write("two" + text_of(ec));
  };
  const auto initiate = [&](const auto&... acquires) {
    (acquires(), ...);
    BOOST_TEST(bool(one));
    BOOST_TEST(bool(two));
  };
  initiate([&] { a.async_acquire(one); }, [&] { a.async_acquire(1, one); },
           [&] { a.async_acquire_for(1h, one); }, [&] { a.async_acquire_for(1h, 1, one); },
           [&] { a.async_acquire_permit(two); }, [&] { a.async_acquire_permit(1, two); },
           [&] { a.async_acquire_permit_for(1h, two); },
           [&] { a.async_acquire_permit_for(1h, 1, two); });
  initiate([&] { m.async_acquire(one); }, [&] { m.async_acquire(1, one); },
           [&] { m.async_acquire_for(1h, one); }, [&] { m.async_acquire_for(1h, 1, one); },
           [&] { m.async_acquire_permit(two); }, [&] { m.async_acquire_permit(1, two); },
           [&] { m.async_acquire_permit_for(1h, two); },
           [&] { m.async_acquire_permit_for(1h, 1, two); });
  initiate([&] { a.async_wait_lost(one); }, [&] { a.async_set_limit(1, one); },
           [&] { a.async_leave(one); });
}

BOOST_AUTO_TEST_CASE(it_can_be_moved_to_another_executor_type) {
  turnstile::basic_shared_semaphore<asio::io_context::executor_type> a(
      io, *engine, {.name = "name", .limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  shared_semaphore b = std::move(a);
  b.async_acquire_permit((*this)("b"));
  held.clear();
  BOOST_TEST(settle() == "b");
}

BOOST_AUTO_TEST_CASE(coroutines_wait_for_it) {
  auto& a = make({.limit = 1});
  for (const char* name : {"a", "b"}) {
    asio::co_spawn(
        io,
        [](shared_fixture& f, shared_semaphore& s, std::string text) -> asio::awaitable<void> {
          shared_permit p = co_await s.async_acquire_permit(asio::use_awaitable);
          co_await s.async_set_limit(1);
          f.write(text);
        }(*this, a, name),
        asio::detached);
  }
  BOOST_TEST(settle() == "a b");
}

BOOST_AUTO_TEST_CASE(futures_and_deferred_operations_wait_for_it) {
  auto& a = make({.limit = 1});
  std::future<shared_permit> f = a.async_acquire_permit(asio::use_future);
  auto later = a.async_acquire(1, asio::deferred);
  settle();
  BOOST_TEST(f.get().valid());
  std::move(later)((*this)("later"));
  BOOST_TEST(settle() == "later");
}

// As a grant that met the deadline while another thread renewed the lease.
BOOST_AUTO_TEST_CASE(a_waiter_that_was_put_back_is_granted_again_without_another_call) {
  auto& a = make({.limit = 1});
  int times = 3;
  a.async_acquire_permit(asio::bind_executor(refusing{{&io}, &times}, (*this)("a")));
  BOOST_TEST(run(100ms) == "a");
  BOOST_TEST(times < 0);
}

// Both calls take back a permit that has been released already, and so must not take one of the ballast.
BOOST_AUTO_TEST_CASE(a_refused_grant_whose_permit_was_released_meanwhile_leaves_the_ballast_alone) {
  auto& a = make({.limit = 1});
  std::function<void()> first = [&] {
    a.release();
    throw std::bad_alloc();
  };
  a.async_acquire_permit(asio::bind_executor(calling{{&io}, &first}, (*this)("a")));
  BOOST_TEST(run(100ms) == "a");
  BOOST_TEST(!first);
  BOOST_TEST(a.in_use() == 1u);
  BOOST_TEST(!a.try_acquire());
}

BOOST_AUTO_TEST_CASE(a_late_grant_whose_permit_was_released_meanwhile_leaves_the_ballast_alone) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  held.clear();
  std::function<void()> first = [&] { a.release(); };
  a.async_wait_lost(asio::bind_executor(calling{{&io}, &first}, (*this)("lost")));
  clock.jump(10s);
  BOOST_TEST(!a.try_acquire());
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(!first);
  BOOST_TEST(run(1s) == "lost!lost b");
  BOOST_TEST(!a.try_acquire());
}

// Another thread may hold the strand for that long.
BOOST_AUTO_TEST_CASE(a_grant_whose_lease_was_lost_before_its_completion_is_not_of_the_next_lease) {
  BOOST_TEST(lose_beside_a_grant({.limit = 2}) == "x");
  BOOST_TEST(!held.at("x").valid());
  BOOST_TEST(held.at("other").valid());
  BOOST_TEST(semaphores.front().waiting() == 1u);
  held.clear();
  BOOST_TEST(run(1s) == "y");
  BOOST_TEST(held.at("y").valid());
}

BOOST_AUTO_TEST_CASE(with_keep_a_grant_stands_and_is_not_of_the_next_lease_either) {
  BOOST_TEST(lose_beside_a_grant({.limit = 2, .when_unreachable = unreachable::keep}) == "x y");
  BOOST_TEST(!held.at("x").valid());
  BOOST_TEST(!held.at("y").valid());
  BOOST_TEST(held.at("other").valid());
}

BOOST_AUTO_TEST_CASE(cancel_ends_a_waiter_whose_grant_does_not_stand) {
  BOOST_TEST(call_beside_a_grant([this] {
               pass_deadline();
               semaphores.back().cancel();
             }) == "x y!aborted");
  BOOST_TEST(semaphores.back().in_use() == 1u);
  BOOST_TEST(semaphores.back().waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(close_ends_a_waiter_whose_grant_does_not_stand) {
  BOOST_TEST(call_beside_a_grant([this] {
               pass_deadline();
               semaphores.back().close();
               semaphores.back().cancel();
             }) == "x y!closed");
}

BOOST_AUTO_TEST_CASE(the_destructor_ends_a_waiter_whose_grant_does_not_stand) {
  BOOST_TEST(call_beside_a_grant([this] {
               pass_deadline();
               semaphores.clear();
             }) == "x y!aborted");
}

BOOST_AUTO_TEST_CASE(a_grant_stands_although_the_semaphore_is_destroyed_then) {
  BOOST_TEST(call_beside_a_grant([this] { semaphores.clear(); }) == "x y");
  BOOST_TEST(held.at("y").valid());
}

BOOST_AUTO_TEST_CASE(a_grant_stands_although_the_semaphore_leaves_then) {
  BOOST_TEST(call_beside_a_grant([this] { semaphores.back().async_leave((*this)("left")); }) ==
             "x y");
  BOOST_TEST(held.at("y").valid());
  held.clear();
  BOOST_TEST(run(1s) == "left");
}

BOOST_AUTO_TEST_CASE(a_grant_stands_although_a_part_of_the_share_is_recalled_then) {
  BOOST_TEST(call_beside_a_grant([this] {
               make({.limit = 2}).async_acquire((*this)("other"));
               run(20ms);
             }) == "x y");
  held.clear();
  BOOST_TEST(run(100ms) == "other");
}

BOOST_AUTO_TEST_CASE(a_lower_limit_ends_the_wait_of_an_acquire_that_is_refused_then) {
  auto& a = make({.limit = 2});
  a.async_acquire(2, (*this)("a"));
  settle();
  std::function<void()> first = [&] {
    a.async_set_limit(1, (*this)("set"));
    run(100ms);
    throw std::bad_alloc();
  };
  a.async_acquire(2, asio::bind_executor(calling{{&io}, &first}, (*this)("two")));
  a.async_acquire((*this)("one"));
  settle();
  read();
  a.release(2);
  BOOST_TEST(!first);
  BOOST_TEST(run(100ms) == "two!exceeds one");
}

// For AddressSanitizer: while a handler is destroyed, the waits are ended.
BOOST_AUTO_TEST_CASE(an_acquire_that_is_destroyed_uncalled_has_left_the_list) {
  struct cancels {
    shared_semaphore* semaphore;
    const bool* now;
    cancels(shared_semaphore& s, const bool& n) : semaphore(&s), now(&n) {}
    cancels(cancels&&) = default;
    ~cancels() {
      if (*now) semaphore->cancel();
    }
    void operator()(error_code) const {}
  };
  bool cancels_now = false;
  auto other = std::make_unique<asio::io_context>();
  shared_semaphore a(*other, *engine, {.name = "name", .limit = 1});
  a.async_acquire(cancels(a, cancels_now));
  BOOST_TEST(a.waiting() == 1u);
  cancels_now = true;
  other.reset();
  BOOST_TEST(a.waiting() == 0u);
}

// For AddressSanitizer: nothing else has a reference then.
BOOST_AUTO_TEST_CASE(an_executor_may_destroy_the_semaphore_that_cancel_is_called_for) {
  auto& a = make({.limit = 1});
  engine.reset();
  std::function<void()> first = [&] { semaphores.clear(); };
  a.async_acquire(asio::bind_executor(calling{{&io}, &first}, (*this)("x")));
  a.cancel();
  BOOST_TEST(!first);
  BOOST_TEST(poll() == "x!aborted");
}

BOOST_AUTO_TEST_CASE(an_executor_may_destroy_the_semaphore_that_an_acquire_is_called_for) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  held.clear();
  std::function<void()> first = [&] { semaphores.clear(); };
  a.async_wait_lost(asio::bind_executor(calling{{&io}, &first}, (*this)("lost")));
  engine.reset();
  clock.jump(10s);
  BOOST_TEST(!a.try_acquire());
  BOOST_TEST(!a.try_acquire_permit());
  a.async_acquire((*this)("b"));
  BOOST_TEST(!first);
  BOOST_TEST(poll() == "lost!lost b!aborted");
}

// It runs handlers in execute(), which it must not.
struct inline_executor : context_executor<inline_executor> {
  template <typename F>
  void execute(F&& f) const {
    std::forward<F>(f)();
  }
};

BOOST_AUTO_TEST_CASE(an_inline_handler_may_destroy_the_semaphore_that_release_is_called_for) {
  auto& a = make({.limit = 1});
  a.async_acquire((*this)("a"));
  BOOST_TEST(settle() == "a");
  bool is_called = false;
  a.async_acquire_permit(
      asio::bind_executor(inline_executor{{&io}}, [&](error_code ec, shared_permit p) {
        BOOST_TEST(!ec);
        p.release();
        semaphores.clear();
        is_called = true;
      }));
  settle();
  engine.reset();
  a.release();
  BOOST_TEST(is_called);
}

// So many waiters that the strand reads of the cancellation before it delivers the last ones.
BOOST_AUTO_TEST_CASE(cancel_ends_a_waiter_whose_grant_turns_out_later_not_to_stand) {
  constexpr int waiters = 40, cancels_at = 1, jumps_at = 36;
  auto& a = make({.limit = waiters + 1});
  a.async_acquire(waiters + 1, (*this)("all"));
  BOOST_TEST(settle() == "all");
  std::function<void()> calls[waiters + 1];
  calls[0] = [&] { a.release(waiters); };
  calls[cancels_at] = [&] { a.cancel(); };
  calls[jumps_at] = [&] { clock.jump(10s); };
  int granted = 0, aborted = 0;
  for (auto& call : calls)
    a.async_acquire(asio::bind_executor(calling{{&io}, &call}, [&](error_code ec) {
      ++(ec == asio::error::operation_aborted ? aborted : granted);
    }));
  settle();
  engine->set_fault(fault::request_lost);
  a.release();
  poll();
  BOOST_TEST(granted == jumps_at + 1);
  BOOST_TEST(aborted == waiters - jumps_at);
}

BOOST_AUTO_TEST_CASE(with_keep_acquires_are_granted_also_while_a_loss_is_told) {
  auto& a = make({.limit = 2, .linger = 15s, .when_unreachable = unreachable::keep});
  a.async_acquire(2, (*this)("a"));
  settle();
  a.release();
  std::function<void()> first = [&] { BOOST_TEST(a.try_acquire()); };
  a.async_wait_lost(asio::bind_executor(calling{{&io}, &first}, (*this)("lost")));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "lost!lost");
  BOOST_TEST(!first);
  BOOST_TEST(a.in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(an_aborted_waiter_that_its_executor_refused_is_told_by_the_next_call) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  int times = 0;
  for (const char* name : {"b", "c", "d"})
    a.async_acquire(asio::bind_executor(refusing{{&io}, &times}, (*this)(name)));
  times = 2;
  for (const char* told : {"", "", "b!aborted c!aborted d!aborted"}) {
    a.cancel();
    BOOST_TEST(settle() == told);
  }
  // It wants no more than what is in use: so it gives that back when it is idle, and leaves.
  held.clear();
  run(40s);
  BOOST_TEST(a.share() == 0u);
  BOOST_TEST((a.lease() == lease_state::joining));
}

BOOST_AUTO_TEST_CASE(an_executor_of_the_engine_may_call_its_semaphores) {
  std::function<void()> first;
  turnstile::basic_memory_engine<calling> own(calling{{&io}, &first}, server);
  shared_semaphore a(io, own, {.name = "name", .limit = 2});
  shared_semaphore b(io, own, {.name = "name", .limit = 2});
  first = [&] {
    a.async_acquire_permit((*this)("a2"));
    b.async_acquire_permit((*this)("b"));
  };
  a.async_acquire_permit((*this)("a1"));
  BOOST_TEST(!first);
  BOOST_TEST(run(100ms) == "b a1");  // its request is posted first
  held.clear();
  BOOST_TEST(run(100ms) == "a2");
}

BOOST_AUTO_TEST_CASE(handlers_run_on_their_executor) {
  asio::io_context other;
  auto& a = make({.limit = 1});
  for (const char* name : {"a", "b"})
    a.async_acquire_permit(asio::bind_executor(other.get_executor(), (*this)(name)));
  BOOST_TEST(settle() == "");
  other.poll();
  BOOST_TEST(read() == "a");
  held.clear();
  BOOST_TEST(settle() == "");
  other.restart();
  other.poll();
  BOOST_TEST(read() == "b");
}

BOOST_AUTO_TEST_SUITE_END()
