// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// First come, first served; from hand to hand; and never inside the call.

#define BOOST_TEST_MODULE queue
#include "journal.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>

using namespace test;

BOOST_FIXTURE_TEST_SUITE(order, journal)

BOOST_AUTO_TEST_CASE(fifo_by_initiation_order) {
  semaphore sem(io, 0);
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    if (i % 2)
      sem.async_acquire((*this)(name));
    else
      sem.async_acquire_permit((*this)(name));
    expected += (i ? " " : "") + name;
  }
  BOOST_TEST(sem.waiting() == 100u);
  sem.release();
  sem.release(98);
  sem.release();
  BOOST_TEST(poll() == expected);
}

BOOST_AUTO_TEST_CASE(fifo_if_waits_and_releases_alternate) {
  semaphore sem(io, 1);
  sem.async_acquire((*this)("a"));
  sem.async_acquire((*this)("b"));
  sem.async_acquire((*this)("c"));
  sem.release();
  sem.async_acquire((*this)("d"));
  sem.release();
  sem.release();
  sem.release();
  sem.async_acquire((*this)("e"));
  BOOST_TEST(poll() == "a b c d e");
}

BOOST_AUTO_TEST_CASE(fifo_includes_acquires_of_handlers) {
  semaphore sem(io, 0);
  sem.async_acquire([&](error_code) {
    write("a");
    sem.async_acquire((*this)("c"));
    sem.release();
  });
  sem.async_acquire((*this)("b"));
  sem.release();
  BOOST_TEST(poll() == "a b");
  sem.release();
  BOOST_TEST(poll() == "c");
}

BOOST_AUTO_TEST_CASE(one_release_serves_as_many_as_it_suffices_for) {
  semaphore sem(io, 0);
  for (auto name : {"a", "b", "c", "d"}) sem.async_acquire((*this)(name));
  sem.release(3);
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "a b c");
  sem.release(3);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(poll() == "d");
}

BOOST_AUTO_TEST_CASE(several_releases_in_one_turn_serve_as_many) {
  semaphore sem(io, 0);
  for (auto name : {"a", "b", "c", "d"}) sem.async_acquire((*this)(name));
  for (int i = 0; i < 3; ++i) sem.release();
  BOOST_TEST(poll() == "a b c");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(from_hand_to_hand, journal)

BOOST_AUTO_TEST_CASE(no_acquire_gets_between_the_release_and_the_handler) {
  semaphore sem(io, 0);
  sem.async_acquire((*this)("a"));
  sem.release();
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(sem.locked());
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(!sem.try_acquire_permit());
  BOOST_TEST(sem.shrink(1) == 0u);
  sem.async_acquire((*this)("b"));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(poll() == "a");
  sem.release();
  BOOST_TEST(poll() == "b");
}

BOOST_AUTO_TEST_CASE(try_acquire_does_not_overtake) {
  semaphore sem(io, 2);
  sem.async_acquire(3, (*this)("a"));
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(sem.locked());
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(!sem.try_acquire_permit(2));
  sem.async_acquire((*this)("b"));
  BOOST_TEST(sem.waiting() == 2u);
  sem.release(2);
  BOOST_TEST(poll() == "a b");
  sem.release();
  BOOST_TEST(sem.try_acquire());  // the queue is empty again
}

BOOST_AUTO_TEST_CASE(a_released_permit_goes_to_the_next_waiter) {
  semaphore sem(io, 1);
  sem.async_acquire_permit((*this)("a"));
  sem.async_acquire_permit((*this)("b"));
  BOOST_TEST(poll() == "a");
  held.erase("a");
  BOOST_TEST(!sem.try_acquire());
  BOOST_TEST(poll() == "b");
  held.clear();
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(completions, journal)

BOOST_AUTO_TEST_CASE(completions_are_never_inline) {
  auto sem = std::make_unique<bounded_semaphore>(io, 1);
  auto wait = [&](auto name) { sem->async_acquire((*this)(name)); };
  auto check = [&](std::string expected) {
    BOOST_TEST(read() == "", "inline: " << expected);
    BOOST_TEST(poll() == expected);
  };
  wait("granted at once");
  check("granted at once");
  sem->async_acquire(2, (*this)("a"));
  check("a!exceeds");
  wait("released");
  sem->release();
  check("released");
  wait("a");
  sem->cancel();
  check("a!aborted");
  wait("raised");
  sem->set_limit(2);
  check("raised");
  wait("a");
  sem->set_limit(0);
  check("a!exceeds");
  sem->set_limit(2);
  wait("a");
  sem->close();
  check("a!closed");
  wait("a");
  check("a!closed");

  sem = std::make_unique<bounded_semaphore>(io, 0, 1);
  wait("a");
  *sem = bounded_semaphore(io, 1, 2);
  check("a!aborted");
  sem->async_acquire_permit((*this)("p"));
  check("p");
  wait("a permit");
  held.clear();
  check("a permit");
  wait("a");
  sem.reset();
  check("a!aborted");
}

BOOST_AUTO_TEST_CASE(completions_are_never_inline_on_the_context_either) {
  semaphore sem(io, 1);
  asio::post(io, [&] {
    sem.async_acquire((*this)("a"));
    sem.async_acquire((*this)("b"));
    sem.release();
    sem.async_acquire((*this)("c"));
    sem.cancel();
    write("posted");
  });
  BOOST_TEST(poll() == "posted a b c!aborted");
}

BOOST_AUTO_TEST_CASE(completions_come_once) {
  semaphore sem(io, 0);
  sem.async_acquire((*this)("a"));
  sem.async_acquire((*this)("b"));
  sem.release();
  sem.cancel();
  sem.close();
  BOOST_TEST(poll() == "a b!aborted");
  sem.close();
  sem.cancel();
  sem.release(5);
  BOOST_TEST(poll() == "");
}

BOOST_AUTO_TEST_CASE(completions_run_on_the_handlers_executor) {
  asio::io_context other;
  semaphore sem(io, 1);
  for (auto name : {"at once", "queued"})
    sem.async_acquire(asio::bind_executor(other.get_executor(), (*this)(name)));
  sem.release();
  BOOST_TEST(poll() == "");
  other.poll();
  BOOST_TEST(read() == "at once queued");
}

// Each handler takes the next step: were a step made inside the one before, the stack would grow.
BOOST_AUTO_TEST_CASE(completions_do_not_nest_in_a_long_chain) {
  constexpr int steps = 200'000;
  semaphore sem(io, 0);
  int n = 0;
  bool inside = false;
  std::function<void(error_code)> step = [&](error_code failed) {
    BOOST_TEST_REQUIRE(!failed);
    BOOST_TEST_REQUIRE(!inside);
    inside = true;
    if (++n < steps) {
      sem.async_acquire([&](error_code ec) { step(ec); });
      sem.release();
    }
    inside = false;
  };
  sem.async_acquire([&](error_code ec) { step(ec); });
  sem.release();
  poll();
  BOOST_TEST(n == steps);
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

// Posts to an io_context, and calls back before it does.
struct calling_back {
  asio::io_context* io;
  std::function<void()>* before;

  template <typename Function>
  void execute(Function f) const {
    if (*before) std::exchange(*before, nullptr)();
    asio::post(*io, std::move(f));
  }
  asio::execution_context& query(asio::execution::context_t) const noexcept { return *io; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  bool operator==(const calling_back&) const = default;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(an_executor_that_calls_back, journal)

BOOST_AUTO_TEST_CASE(an_executor_that_calls_back_finds_the_grants_decided) {
  std::function<void()> before;
  turnstile::basic_semaphore<calling_back> sem({&io, &before}, 0);
  for (auto name : {"a", "b", "c"}) sem.async_acquire((*this)(name));
  before = [&] {
    BOOST_TEST(sem.waiting() == 1u);
    BOOST_TEST(sem.available() == 0u);
    BOOST_TEST(!sem.try_acquire());
    sem.async_acquire((*this)("d"));
    BOOST_TEST(sem.waiting() == 2u);
    sem.release();
  };
  sem.release(2);
  BOOST_TEST(poll() == "a b c");
  BOOST_TEST(sem.waiting() == 1u);
  before = [&] {
    sem.async_acquire((*this)("f"));
    sem.cancel();
    sem.async_acquire((*this)("g"));
    sem.release();
  };
  sem.async_acquire((*this)("e"));
  sem.release();
  BOOST_TEST(poll() == "d e!aborted f!aborted g");
}

// Cancellations and close() take effect before the permits that came back meanwhile are granted: none that was
// released after a cancellation goes to the waiter that was cancelled.
BOOST_AUTO_TEST_CASE(an_executor_that_calls_back_cancels_between_two_releases) {
  using semaphore_type = turnstile::basic_semaphore<calling_back>;
  asio::cancellation_signal signal;
  auto check = [&](auto end, const char* expected, std::size_t left) {
    std::function<void()> before;
    semaphore_type sem({&io, &before}, 0);
    sem.async_acquire((*this)("a"));
    sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), (*this)("b")));
    before = [&] {
      sem.release();
      end(sem);
      sem.release();
    };
    sem.release();
    BOOST_TEST(poll() == expected);
    BOOST_TEST(sem.available() == left);
  };
  check([](semaphore_type& sem) { sem.cancel(); }, "a b!aborted", 2u);
  check([&](semaphore_type&) { signal.emit(asio::cancellation_type::all); }, "a b!aborted", 2u);
  check([](semaphore_type& sem) { sem.close(); }, "a b!closed", 2u);
}

BOOST_AUTO_TEST_CASE(an_executor_that_calls_back_keeps_the_order_of_the_grants) {
  std::function<void()> before;
  turnstile::basic_semaphore<calling_back> sem({&io, &before}, 0);
  sem.async_acquire((*this)("a"));
  sem.async_acquire((*this)("b"));
  // Both have their permits, and one is left.
  before = [&] { sem.async_acquire((*this)("c")); };
  sem.release(3);
  BOOST_TEST(poll() == "a b c");
}

BOOST_AUTO_TEST_SUITE_END()
