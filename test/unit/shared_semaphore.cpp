// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A shared semaphore over an engine in memory and a clock that the test moves. How members and server divide a limit is
// tested by test/fleet; here are the rules of acquires, and what becomes of them when leases are lost.

#define BOOST_TEST_MODULE shared_semaphore
#include "shared_fixture.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using namespace test;

namespace {

// Calls a function before it allocates, once.
template <typename T>
struct calling_allocator {
  using value_type = T;

  explicit calling_allocator(std::function<void()>& f) : call(&f) {}
  template <typename U>
  calling_allocator(const calling_allocator<U>& other) : call(other.call) {}

  T* allocate(std::size_t n) {
    if (const auto f = std::exchange(*call, nullptr)) f();
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
  template <typename U>
  bool operator==(const calling_allocator<U>& other) const {
    return call == other.call;
  }

  std::function<void()>* call;
};

}  // namespace

// ---- Acquiring ----------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(acquiring, shared_fixture)

BOOST_AUTO_TEST_CASE(an_acquire_before_the_first_answer_waits_for_it) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(a.waiting() == 1u);
  BOOST_TEST(a.lease() == lease_state::joining);
  BOOST_TEST(settle() == "a");
  BOOST_TEST(a.in_use() == 1u);
  BOOST_TEST(a.limit() == 2u);
  BOOST_TEST(a.share() >= 1u);
  BOOST_TEST(a.lease() == lease_state::valid);
  BOOST_TEST(a.valid_for().count() == 10'000'000);
}

BOOST_AUTO_TEST_CASE(an_acquire_within_the_share_makes_no_request) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  held.at("a").release();
  const auto before = engine->requests();
  BOOST_TEST(bool(a.try_acquire_permit()));
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(poll() == "b");
  BOOST_TEST(engine->requests() == before);
}

BOOST_AUTO_TEST_CASE(two_semaphores_of_one_name_use_no_more_than_the_limit) {
  auto& a = make({.limit = 3});
  auto& b = make({.limit = 3});
  for (const char* name : {"a1", "a2", "a3"}) a.async_acquire_permit((*this)(name));
  BOOST_TEST(settle() == "a1 a2 a3");
  b.async_acquire_permit((*this)("b1"));
  BOOST_TEST(settle() == "");
  held.at("a2").release();
  BOOST_TEST(settle() == "b1");
  BOOST_TEST(a.in_use() + b.in_use() == 3u);
}

BOOST_AUTO_TEST_CASE(names_are_apart) {
  auto& a = make({.name = "one", .limit = 1});
  auto& b = make({.name = "two", .limit = 1});
  a.async_acquire_permit((*this)("a"));
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "a b");
}

BOOST_AUTO_TEST_CASE(each_engine_of_a_server_hears_its_messages) {
  auto& a = make({.limit = 1});
  memory_engine other(io, server);
  {
    memory_engine gone(io, server);
  }
  shared_semaphore b(io, other, {.name = "name", .limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  held.clear();
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(11ms) == "b");  // after a slice, a is asked for what is idle, and gives it back
}

BOOST_AUTO_TEST_CASE(a_request_for_many_collects_them_from_another_process) {
  auto& a = make({.limit = 4});
  auto& b = make({.limit = 4});
  for (const char* name : {"a1", "a2", "a3", "a4"}) a.async_acquire_permit((*this)(name));
  BOOST_TEST(settle() == "a1 a2 a3 a4");
  b.async_acquire_permit(3, (*this)("b"));
  BOOST_TEST(run(1s) == "");
  for (const char* name : {"a1", "a2", "a3"}) {
    held.at(name).release();
    a.async_acquire_permit((*this)("again"));  // which must not get them
  }
  BOOST_TEST(run(1s) == "b");
}

BOOST_AUTO_TEST_CASE(idle_permits_of_another_process_are_had_without_a_wait) {
  auto& a = make({.limit = 4});
  auto& b = make({.limit = 4});
  for (const char* name : {"a1", "a2"}) a.async_acquire_permit((*this)(name));
  for (const char* name : {"b1", "b2"}) b.async_acquire_permit((*this)(name));
  BOOST_TEST(settle() == "a1 b1 a2 b2");
  held.erase("a1");
  held.erase("a2");
  BOOST_TEST(a.share() == 2u);
  for (const char* name : {"b3", "b4"}) b.async_acquire_permit((*this)(name));
  BOOST_TEST(settle() == "b3 b4");  // the clock stands still
  // At rest again, none of them says anything.
  const auto before = engine->requests();
  held.erase("b4");
  b.async_acquire_permit((*this)("b4"));
  BOOST_TEST(settle() == "b4");
  BOOST_TEST(engine->requests() == before);
}

BOOST_AUTO_TEST_CASE(try_acquire_makes_no_request) {
  auto& a = make({.limit = 1});
  BOOST_TEST(!a.try_acquire());
  BOOST_TEST(!a.try_acquire_permit());
  BOOST_TEST(settle() == "");
  BOOST_TEST(engine->requests() == 0u);
}

BOOST_AUTO_TEST_CASE(zero_permits_are_granted_without_a_lease_unless_it_is_closed) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit(0, (*this)("a"));
  BOOST_TEST(poll() == "a");
  BOOST_TEST(a.try_acquire(0));
  BOOST_TEST(engine->requests() == 0u);
  a.close();
  BOOST_TEST(!a.try_acquire(0));
}

BOOST_AUTO_TEST_CASE(acquired_permits_are_given_back_by_release) {
  auto& a = make({.limit = 2});
  a.async_acquire(2, (*this)("a"));
  BOOST_TEST(settle() == "a");
  BOOST_TEST(a.in_use() == 2u);
  a.release();
  BOOST_TEST(a.in_use() == 1u);
  error_code ec = errc::closed;
  a.release(2, ec);
  BOOST_TEST(ec == errc::over_release);
  BOOST_TEST(a.in_use() == 1u);
  a.release(shared_semaphore::max() + 1, ec);
  BOOST_TEST(ec == errc::over_release);
  a.release(1, ec);
  BOOST_TEST(!ec);
  BOOST_CHECK_THROW(a.release(), boost::system::system_error);
  BOOST_TEST(a.in_use() == 0u);
  BOOST_TEST(a.try_acquire(2));
}

BOOST_AUTO_TEST_CASE(a_permit_that_was_released_before_leaves_the_ballast_alone) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  a.release();  // which the permit does, too
  held.at("a").release();
  BOOST_TEST(a.in_use() == 0u);
  BOOST_TEST(a.try_acquire());
  BOOST_TEST(!a.try_acquire());
}

BOOST_AUTO_TEST_CASE(acquires_of_one_process_are_served_in_their_order) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit(2, (*this)("b"));
  a.async_acquire_permit((*this)("c"));
  BOOST_TEST(settle() == "a");
  held.at("a").release();
  BOOST_TEST(settle() == "b");
  held.at("b").release();
  BOOST_TEST(settle() == "c");
}

BOOST_AUTO_TEST_CASE(a_cancelled_acquire_has_taken_nothing_and_the_next_one_is_served) {
  auto& a = make({.limit = 2});
  asio::cancellation_signal signal;
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit(2, asio::bind_cancellation_slot(signal.slot(), (*this)("b")));
  a.async_acquire_permit((*this)("c"));
  BOOST_TEST(settle() == "a");
  signal.emit(asio::cancellation_type::terminal);
  BOOST_TEST(settle() == "b!aborted c");
  BOOST_TEST(a.in_use() == 2u);
  BOOST_TEST(a.waiting() == 0u);
}

BOOST_AUTO_TEST_CASE(a_cancelled_acquire_is_not_wanted_any_more_though_its_handler_has_not_run) {
  asio::io_context other;
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  a.async_acquire_permit(asio::bind_executor(other.get_executor(), (*this)("b")));
  settle();
  a.cancel();
  held.clear();
  BOOST_TEST(run(30s) == "");
  BOOST_TEST(a.lease() == lease_state::joining);
  other.poll();
  BOOST_TEST(read() == "b!aborted");
}

BOOST_AUTO_TEST_CASE(a_new_head_waits_for_a_slice_before_it_asks) {
  auto& a = make({.limit = 1});
  auto& b = make({.limit = 1});
  asio::cancellation_signal signal;
  a.async_acquire_permit((*this)("a"));
  settle();
  b.async_acquire_permit(asio::bind_cancellation_slot(signal.slot(), (*this)("head")));
  b.async_acquire_permit((*this)("next"));
  run(25ms);
  for (const auto n = engine->requests(); engine->requests() == n;) run(1ms);
  run(5ms);
  signal.emit(asio::cancellation_type::terminal);
  const auto before = engine->requests();
  BOOST_TEST(run(9ms) == "head!aborted");
  BOOST_TEST(engine->requests() == before);
  run(2ms);
  BOOST_TEST(engine->requests() == before + 1);
}

BOOST_AUTO_TEST_CASE(more_than_the_limit_is_refused_at_once_if_it_is_known_and_later_if_not) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit(3, (*this)("early"));
  BOOST_TEST(poll() == "early!exceeds");
  a.async_acquire_permit(3, (*this)("late"));
  a.async_acquire_permit(shared_semaphore::max() + 1, (*this)("never"));
  BOOST_TEST(poll() == "late!exceeds never!exceeds");
  a.close();
  a.async_acquire_permit(3, (*this)("closed"));
  BOOST_TEST(poll() == "closed!closed");
}

BOOST_AUTO_TEST_CASE(the_first_process_sets_the_limit) {
  auto& a = make({.limit = 2});
  auto& b = make({.limit = 5});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b");
  BOOST_TEST(b.limit() == 2u);
}

BOOST_AUTO_TEST_CASE(a_limit_in_the_options_that_differs_is_said_once_and_is_no_error) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  BOOST_TEST(engine->last_error() == "");
  memory_engine other(io, server);
  shared_semaphore b(io, other, {.name = "name", .limit = 5});
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b");
  BOOST_TEST(other.last_error() ==
             "the limit of name is 2, not 5 as in the options of this process");
  BOOST_TEST(engine->last_error() == "");
  other.set_fault(fault::none);  // forgets it
  a.async_set_limit(3, (*this)("set"));
  BOOST_TEST(run(1s) == "set");
  BOOST_TEST(other.last_error() == "");
  shared_semaphore c(io, other, {.name = "name"}), d(io, other, {.name = "name", .limit = 7});
  c.async_acquire_permit((*this)("c"));
  d.async_set_limit(4, (*this)("d"));
  BOOST_TEST(run(1s) == "c d");
  BOOST_TEST(other.last_error() == "");
}

BOOST_AUTO_TEST_CASE(a_bound_of_the_queue_refuses_what_would_wait) {
  auto& a = make({.limit = 1});
  a.set_max_waiting(1);
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b!full a");
}

BOOST_AUTO_TEST_CASE(an_idle_semaphore_leaves_after_a_lease_and_makes_no_requests) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  held.at("a").release();
  run(30s);
  BOOST_TEST(a.lease() == lease_state::joining);
  BOOST_TEST(a.share() == 0u);
  const auto before = engine->requests();
  run(60s);
  BOOST_TEST(engine->requests() == before);
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b");
}

BOOST_AUTO_TEST_CASE(options_that_are_out_of_range_are_refused) {
  using std::chrono::milliseconds;
  using turnstile::shared_options;
  const std::string long_name(129, 'a');
  for (const shared_options& o :
       {shared_options{.name = ""}, shared_options{.name = long_name},
        shared_options{.name = "a b"}, shared_options{.name = "a}b"}, shared_options{.name = "\n"},
        shared_options{.name = "a", .limit = shared_semaphore::max() + 1},
        shared_options{.name = "a", .lease = milliseconds(999)},
        shared_options{.name = "a", .lease = milliseconds(600'001)},
        shared_options{.name = "a", .slice = milliseconds(0)},
        shared_options{.name = "a", .slice = milliseconds(1501)},
        shared_options{.name = "a", .linger = milliseconds(-1)},
        shared_options{.name = "a", .linger = milliseconds(15001)}})
    BOOST_CHECK_THROW(shared_semaphore(io, *engine, o), std::invalid_argument);
  shared_semaphore(io, *engine, {.name = std::string(128, 'Z'), .limit = shared_semaphore::max()});
  shared_semaphore(io, *engine, {.name = "a_B9.:/-"});
}

BOOST_AUTO_TEST_SUITE_END()

// ---- Permits ------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(permits, shared_fixture)

BOOST_AUTO_TEST_CASE(a_permit_is_valid_until_the_deadline) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit(2, (*this)("a"));
  BOOST_TEST(settle() == "a");
  auto p = std::move(held.at("a"));
  BOOST_TEST(p.valid());
  BOOST_TEST(p.token() == a.token());
  BOOST_TEST(p.token() > 0u);
  auto q = p.split(1);
  BOOST_TEST(q.valid());
  BOOST_TEST(q.token() == p.token());
  clock.jump(10s);
  BOOST_TEST(!p.valid());
  p.merge(std::move(q));
  BOOST_TEST(p.count() == 2u);
  p.release();
  BOOST_TEST(!p.valid());
}

BOOST_AUTO_TEST_CASE(tokens_grow_with_each_grant_of_a_share) {
  auto& a = make({.limit = 1});
  auto& b = make({.limit = 1});
  std::uint64_t last = 0;
  for (int i = 0; i != 3; ++i) {
    for (auto* s : {&a, &b}) {
      s->async_acquire_permit((*this)("p"));
      BOOST_TEST(run(1s) == "p");
      BOOST_TEST(held.at("p").token() > last);
      last = held.at("p").token();
      held.erase("p");
    }
  }
}

BOOST_AUTO_TEST_CASE(a_permit_of_a_share_that_comes_during_the_call_has_its_token) {
  auto& a = make({.limit = 1});
  asio::cancellation_signal signal;
  a.async_acquire_permit(asio::bind_cancellation_slot(signal.slot(), (*this)("first")));
  signal.emit(asio::cancellation_type::terminal);
  // The share comes before the second acquire is in the queue, and so that is granted at once.
  std::function<void()> during = [&] { BOOST_TEST(poll() == "first!aborted"); };
  a.async_acquire_permit(asio::bind_allocator(calling_allocator<int>(during), (*this)("a")));
  BOOST_TEST(!during);
  BOOST_TEST(a.in_use() == 1u);
  BOOST_TEST(poll() == "a");
  BOOST_TEST(a.token() > 0u);
  BOOST_TEST(held.at("a").token() == a.token());
  BOOST_TEST(held.at("a").valid());
}

BOOST_AUTO_TEST_CASE(an_acquire_whose_share_comes_and_ends_during_the_call_waits) {
  auto& a = make({.limit = 1});
  asio::cancellation_signal signal;
  a.async_acquire_permit(asio::bind_cancellation_slot(signal.slot(), (*this)("first")));
  signal.emit(asio::cancellation_type::terminal);
  std::function<void()> during = [&] {
    BOOST_TEST(poll() == "first!aborted");
    clock.jump(10s);
  };
  a.async_acquire_permit(asio::bind_allocator(calling_allocator<int>(during), (*this)("a")));
  BOOST_TEST(!during);
  BOOST_TEST(a.in_use() == 0u);
  BOOST_TEST(a.waiting() == 1u);
  BOOST_TEST(run(1s) == "a");
  BOOST_TEST(held.at("a").valid());
}

BOOST_AUTO_TEST_CASE(the_clock_of_a_test_moves_only_when_it_is_told) {
  const auto before = clock.now();
  clock.advance(5ms);
  clock.jump(2ms);
  BOOST_TEST((clock.now() == before + 7ms));
}

BOOST_AUTO_TEST_CASE(permits_of_two_leases_are_valid_as_the_older_one) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  clock.advance(11s);
  settle();
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(1s) == "b");
  auto &old = held.at("a"), &young = held.at("b");
  BOOST_TEST(!old.valid());
  BOOST_TEST(young.valid());
  swap(old, young);
  BOOST_TEST(old.valid());
  BOOST_TEST(!young.valid());
  old.merge(std::move(young));
  BOOST_TEST(old.count() == 2u);
  BOOST_TEST(!old.valid());
}

BOOST_AUTO_TEST_CASE(a_permit_takes_over_what_another_one_owns) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit(2, (*this)("a"));
  BOOST_TEST(settle() == "a");
  shared_permit p = std::move(held.at("a")), q;
  const auto token = p.token();
  auto& same = p;
  p.merge(std::move(same));
  p.merge(shared_permit());
  BOOST_TEST(p.count() == 2u);
  q.merge(std::move(p));
  BOOST_TEST(q.count() == 2u);
  BOOST_TEST(q.token() == token);
  BOOST_TEST(q.valid());
}

BOOST_AUTO_TEST_CASE(a_permit_may_be_moved_to_a_plain_one) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  {
    permit p = std::move(held.at("a"));
    BOOST_TEST(p.count() == 1u);
    BOOST_TEST(a.in_use() == 1u);
  }
  BOOST_TEST(a.in_use() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
