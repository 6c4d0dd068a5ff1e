// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A shared semaphore: its lease is lost, the server fails, and the end comes in every order.

#define BOOST_TEST_MODULE shared_lease
#include "shared_fixture.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

using namespace test;

namespace {

// With the timers of the context.
struct real_time_fixture {
  // Until the permit has come back.
  void use() {
    bool used = false;
    semaphore->async_acquire_permit([&](error_code, shared_permit) { used = true; });
    while (!used) io.run_one();
    io.restart();
  }

  asio::io_context io;
  turnstile::memory_server server;
  std::optional<memory_engine> engine{std::in_place, io, server};
  std::optional<shared_semaphore> semaphore{std::in_place, io, *engine,
                                            turnstile::shared_options{.name = "name", .limit = 1}};
};

template <typename T>
struct failing_allocator {
  using value_type = T;

  explicit failing_allocator(bool f) : fails(f) {}
  template <typename U>
  failing_allocator(const failing_allocator<U>& other) : fails(other.fails) {}

  T* allocate(std::size_t n) {
    if (fails) throw std::bad_alloc();
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
  template <typename U>
  bool operator==(const failing_allocator<U>&) const {
    return true;
  }

  bool fails;
};

// What a program with a client of its own writes.
class forwarding_engine final : public turnstile::shared_engine {
 public:
  explicit forwarding_engine(shared_engine& e) : engine_(e) {}
  ~forwarding_engine() override { cut(); }

  void async_sync(request r, reply_handler h) override {
    last = r;
    if (replies_nonsense) h = [h](const reply&) { h({"", {1, 2}}); };
    engine_.async_sync(std::move(r), std::move(h));
  }
  void listen(std::string channel, message_handler h) override {
    channels.insert(channel);
    handler = h;
    engine_.listen(std::move(channel), std::move(h));
  }
  void ignore(const std::string& channel) override {
    channels.erase(channel);
    engine_.ignore(channel);
  }
  std::string last_error() const override { return engine_.last_error(); }

  request last;
  std::set<std::string> channels;
  message_handler handler;  // of the last one
  bool replies_nonsense = false;

 private:
  shared_engine& engine_;
};

}  // namespace

// ---- The lease is lost ----------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(loss, shared_fixture)

BOOST_AUTO_TEST_CASE(after_the_deadline_nothing_is_granted_and_acquires_wait) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  a.async_wait_lost((*this)("lost"));
  BOOST_TEST(settle() == "a");
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(9900ms) == "");
  BOOST_TEST(a.lease() == lease_state::unreachable);
  BOOST_TEST(held.at("a").valid());
  BOOST_TEST(run(200ms) == "lost!lost");
  BOOST_TEST(a.lease() == lease_state::lost);
  BOOST_TEST(a.valid_for().count() == 0);
  BOOST_TEST(!held.at("a").valid());
  BOOST_TEST(!a.try_acquire());
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(30s) == "");
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "b");
  BOOST_TEST(held.at("b").valid());
  BOOST_TEST(!held.at("a").valid());
  BOOST_TEST(a.in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(a_permit_is_of_the_lease_under_which_it_was_granted) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "a");
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "");
  BOOST_TEST(a.lease() == lease_state::lost);
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "");
  held.at("a").release();
  BOOST_TEST(settle() == "b");
  BOOST_TEST(held.at("b").valid());
}

BOOST_AUTO_TEST_CASE(a_loss_is_told_once_to_each_that_waits_for_it) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  a.async_wait_lost((*this)("x"));
  a.async_wait_lost((*this)("y"));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "x!lost y!lost");
  a.async_wait_lost((*this)("z"));
  BOOST_TEST(run(20s) == "");
}

BOOST_AUTO_TEST_CASE(a_loss_ends_no_other_event) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  engine->set_fault(fault::request_lost);
  a.async_set_limit(2, (*this)("set"));
  a.async_leave((*this)("left"));
  BOOST_TEST(run(11s) == "");
  BOOST_TEST(!held.at("a").valid());
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "set");
  held.clear();
  BOOST_TEST(run(1s) == "left");
}

BOOST_AUTO_TEST_CASE(an_outage_that_is_shorter_than_the_lease_is_not_noticed) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  a.async_wait_lost((*this)("lost"));
  run(3100ms);  // renewed
  engine->set_fault(fault::request_lost);
  run(6s);
  engine->set_fault(fault::none);
  BOOST_TEST(run(20s) == "");
  BOOST_TEST(held.at("a").valid());
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_grants_nothing_past_its_deadline) {
  auto& a = make({.limit = 2});
  for (const char* name : {"a", "b"}) a.async_acquire_permit((*this)(name));
  settle();
  held.at("b").release();  // its share is 2
  clock.jump(10s);         // no timer has run
  BOOST_TEST(a.lease() == lease_state::lost);
  BOOST_TEST(!a.try_acquire());
  BOOST_TEST(a.lease() == lease_state::lost);
}

BOOST_AUTO_TEST_CASE(a_process_that_was_stopped_grants_nothing_to_its_queue) {
  auto& a = make({.limit = 1});
  auto& b = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit((*this)("next"));
  BOOST_TEST(settle() == "a");
  clock.jump(10s);
  engine->set_fault(fault::request_lost);
  held.at("a").release();
  BOOST_TEST(poll() == "");
  BOOST_TEST(a.waiting() == 1u);
  BOOST_TEST(a.in_use() == 0u);
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "next");
  BOOST_TEST(held.at("next").valid());
  BOOST_TEST(b.in_use() == 0u);
}

BOOST_AUTO_TEST_CASE(an_acquire_that_meets_the_deadline_waits_in_its_turn) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit(2, (*this)("a"));
  settle();
  held.clear();  // its share is 2
  clock.jump(10s);
  engine->set_fault(fault::request_lost);
  a.async_acquire_permit((*this)("b"));
  a.async_acquire_permit((*this)("c"));
  BOOST_TEST(poll() == "");
  BOOST_TEST(a.waiting() == 2u);
  BOOST_TEST(a.in_use() == 0u);
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "b c");
}

BOOST_AUTO_TEST_CASE(without_the_check_a_stopped_process_grants_until_its_timer_runs) {
  auto& a = make({.limit = 2, .check_every_grant = false});
  a.async_acquire_permit((*this)("a"));
  settle();
  run(2s);  // the share is 2 by now, or is not: ask for both
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b");
  held.at("b").release();
  clock.jump(10s);
  BOOST_TEST(a.try_acquire());
  a.release();
  engine->set_fault(fault::request_lost);
  clock.advance(0us);
  BOOST_TEST(!a.try_acquire());
}

BOOST_AUTO_TEST_CASE(with_keep_grants_go_on_and_are_not_valid) {
  auto& a = make({.limit = 2, .when_unreachable = unreachable::keep});
  a.async_acquire_permit(2, (*this)("a"));
  settle();
  a.async_wait_lost((*this)("lost"));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(11s) == "lost!lost");
  held.at("a").release();
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(10ms) == "b");
  BOOST_TEST(!held.at("b").valid());
}

BOOST_AUTO_TEST_CASE(with_keep_what_is_granted_without_a_lease_is_not_valid_under_the_next_one) {
  auto& a = make({.limit = 1, .when_unreachable = unreachable::keep});
  memory_engine others_engine(io, server);
  shared_semaphore other(io, others_engine, {.name = "name", .limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  engine->set_fault(fault::request_lost);
  engine->drop_messages(true);
  other.async_acquire_permit((*this)("other"));
  BOOST_TEST(run(11s) == "");
  held.at("a").release();
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(10s) == "b other");
  held.at("b").release();
  asio::io_context own;
  a.async_acquire_permit(asio::bind_executor(own.get_executor(), (*this)("c")));
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "");
  BOOST_TEST(a.lease() == lease_state::valid);
  own.poll();
  BOOST_TEST(read() == "c");
  BOOST_TEST(held.at("other").valid());
  BOOST_TEST(!held.at("c").valid());
  BOOST_TEST(held.at("c").token() < held.at("other").token());
}

BOOST_AUTO_TEST_CASE(
    a_semaphore_that_loses_its_lease_while_it_leaves_has_left_when_its_permits_are_back) {
  auto& a = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  settle();
  engine->set_fault(fault::request_lost);
  a.async_leave((*this)("left"));
  BOOST_TEST(run(11s) == "");
  BOOST_TEST(a.lease() == lease_state::lost);
  held.clear();
  BOOST_TEST(settle() == "left");
  BOOST_TEST(a.lease() == lease_state::left);
}

BOOST_AUTO_TEST_CASE(with_fail_acquires_fail_until_the_server_answers) {
  auto& a = make({.limit = 1, .when_unreachable = unreachable::fail});
  a.async_acquire_permit((*this)("a"));
  settle();
  a.async_acquire_permit((*this)("b"));
  engine->set_fault(fault::request_lost);
  BOOST_TEST(run(9900ms) == "");
  BOOST_TEST(run(200ms) == "b!unreachable");
  a.async_acquire_permit((*this)("c"));
  BOOST_TEST(poll() == "c!unreachable");
  held.clear();
  a.async_acquire_permit((*this)("d"));
  BOOST_TEST(poll() == "d!unreachable");
  engine->set_fault(fault::none);
  run(1s);
  a.async_acquire_permit((*this)("e"));
  a.async_acquire_permit((*this)("f"));
  BOOST_TEST(settle() == "e");
  held.clear();
  BOOST_TEST(settle() == "f");
}

BOOST_AUTO_TEST_CASE(permits_in_use_are_counted_when_a_member_comes_back) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit(2, (*this)("a"));
  settle();
  auto other = std::make_unique<memory_engine>(io, server);
  shared_semaphore b(io, *other, {.name = "name", .limit = 2});
  b.async_acquire_permit((*this)("b"));
  run(100ms);
  engine->set_fault(fault::request_lost);  // a is cut off
  BOOST_TEST(run(16s) == "b");             // when its lease has ended
  engine->set_fault(fault::none);
  run(1s);
  // Three are in use, of two. So a is granted nothing before two have come back, and b goes on with its share.
  a.async_acquire_permit((*this)("a2"));
  held.at("a").release(1);
  BOOST_TEST(run(100ms) == "");
  held.at("a").release(1);
  BOOST_TEST(run(100ms) == "a2");
  BOOST_TEST(a.in_use() + b.in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(a_late_answer_is_an_answer_if_its_lease_is_valid) {
  auto& a = make({.limit = 1});
  engine->set_fault(fault::reply_late);
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(run(100ms) == "");
  engine->set_fault(fault::none);
  BOOST_TEST(settle() == "a");
  BOOST_TEST(a.valid_for().count() == 9'900'000);
}

// A process that was stopped may read the answer to a renewal before any timer runs.
BOOST_AUTO_TEST_CASE(an_answer_that_is_read_after_the_deadline_does_not_hide_the_loss) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  a.async_wait_lost((*this)("lost"));
  engine->set_fault(fault::reply_late);
  BOOST_TEST(run(3100ms) == "");  // it has been renewed
  clock.jump(10s);
  engine->set_fault(fault::none);
  BOOST_TEST(poll() == "lost!lost");
  run(1s);
  BOOST_TEST(a.lease() == lease_state::valid);
  BOOST_TEST(!held.at("a").valid());
}

// One answer ends a lease and begins the next one, with a larger share.
BOOST_AUTO_TEST_CASE(a_loss_comes_before_what_is_granted_under_the_next_lease) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  a.async_wait_lost((*this)("lost"));
  engine->set_fault(fault::request_lost);
  a.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(9s) == "");
  engine->set_fault(fault::reply_late);
  BOOST_TEST(run(500ms) == "");  // the server has one more request, shortly before the deadline
  clock.jump(1s);
  engine->set_fault(fault::none);
  BOOST_TEST(poll() == "lost!lost b");
  BOOST_TEST(!held.at("a").valid());
  BOOST_TEST(held.at("b").valid());
}

BOOST_AUTO_TEST_CASE(without_messages_it_asks_every_slice) {
  auto& a = make({.limit = 1});
  auto& b = make({.limit = 1});
  engine->drop_messages(true);
  a.async_acquire_permit((*this)("a"));
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(1s) == "a");
  held.at("a").release();
  BOOST_TEST(run(900ms) == "");
  BOOST_TEST(run(2300ms) == "b");  // a hears of the recall when it renews its lease
}

BOOST_AUTO_TEST_CASE(a_server_that_has_restarted_grants_nothing_new_for_a_while) {
  auto& a = make({.limit = 2});
  auto& b = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  server.restart(false);
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(1s) == "");
  BOOST_TEST(b.lease() == lease_state::learning);
  BOOST_TEST(run(15s) == "b");
  BOOST_TEST(held.at("a").valid());
}

BOOST_AUTO_TEST_CASE(a_server_that_has_restarted_with_its_state_grants_nothing_new_either) {
  auto& a = make({.limit = 2});
  auto& b = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  server.restart(true);
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(1s) == "");
  BOOST_TEST(b.lease() == lease_state::learning);
  BOOST_TEST(run(15s) == "b");
  BOOST_TEST(held.at("a").valid());
}

BOOST_AUTO_TEST_CASE(learning_ends_with_its_time_though_no_timer_has_run) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  server.restart(false);
  run(14s);
  BOOST_TEST(a.lease() == lease_state::learning);
  clock.jump(4s);
  BOOST_TEST(a.lease() == lease_state::valid);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- The server fails -------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(errors, shared_fixture)

BOOST_AUTO_TEST_CASE(without_a_limit_acquires_fail) {
  auto& a = make({});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a!no limit");
  auto& b = make({.limit = 1});
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b");
  held.clear();
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(run(1s) == "a");
}

BOOST_AUTO_TEST_CASE(what_the_server_does_not_take_for_a_semaphore_fails_acquires) {
  auto& a = make({.limit = 1});
  engine->set_fault(fault::request_lost, "TURNSTILE not a semaphore");
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit((*this)("b"));
  a.async_set_limit(3, (*this)("limit"));
  BOOST_TEST(run(1s) == "a!not a semaphore b!not a semaphore limit!not a semaphore");
  engine->set_fault(fault::none);
  a.async_acquire_permit((*this)("c"));
  BOOST_TEST(run(1s) == "c");
  BOOST_TEST(a.limit() == 1u);
}

BOOST_AUTO_TEST_CASE(a_reply_that_is_none_fails_acquires) {
  forwarding_engine own(*engine);
  shared_semaphore a(io, own, {.name = "name", .limit = 1});
  own.replies_nonsense = true;
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a!not a semaphore");
}

BOOST_AUTO_TEST_CASE(a_message_that_is_none_is_ignored) {
  forwarding_engine own(*engine);
  shared_semaphore a(io, own, {.name = "name", .limit = 1});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  own.handler("nonsense");
  BOOST_TEST(settle() == "");
  BOOST_TEST(a.share() == 1u);
  BOOST_TEST(held.at("a").valid());
}

BOOST_AUTO_TEST_CASE(an_engine_of_ones_own_need_not_take_notes) {
  forwarding_engine own(*engine);
  shared_semaphore a(io, own, {.name = "name", .limit = 2});
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(settle() == "a");
  shared_semaphore b(io, own, {.name = "name", .limit = 3});
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "b");
  BOOST_TEST(own.last_error() == "");
}

BOOST_AUTO_TEST_CASE(wrong_arguments_are_an_error_of_the_server_in_memory) {
  std::string error;
  engine->async_sync({"turnstile:{name}", {"1"}},
                     [&](const turnstile::shared_engine::reply& r) { error = r.error; });
  poll();
  BOOST_TEST(error == "TURNSTILE wrong arguments");
}

BOOST_AUTO_TEST_CASE(other_errors_are_tried_again) {
  auto& a = make({.limit = 1});
  for (const char* text : {"NOAUTH Authentication required.", "LOADING", "BUSY", "MISCONF"}) {
    engine->set_fault(fault::request_lost, text);
    a.async_acquire_permit((*this)("a"));
    BOOST_TEST(run(1s) == "");
    BOOST_TEST(engine->last_error() == text);
    engine->set_fault(fault::none);
    BOOST_TEST(run(1s) == "a");
    held.clear();
    run(40s);
  }
}

BOOST_AUTO_TEST_CASE(a_reply_that_is_lost_takes_no_permit) {
  auto& a = make({.limit = 2});
  auto& b = make({.limit = 2});
  engine->set_fault(fault::reply_lost);
  a.async_acquire_permit((*this)("a"));
  BOOST_TEST(run(50ms) == "");
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "a");
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(1s) == "b");
}

BOOST_AUTO_TEST_CASE(a_request_whose_reply_is_lost_was_executed) {
  auto& a = make({.limit = 2});
  a.async_acquire_permit((*this)("a"));
  settle();
  engine->set_fault(fault::reply_lost);
  engine->drop_messages(true);
  a.async_acquire_permit((*this)("a2"));
  poll();
  memory_engine other(io, server);
  shared_semaphore b(io, other, {.name = "name", .limit = 2});
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(settle() == "");
}

BOOST_AUTO_TEST_SUITE_END()

// ---- The limit --------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(the_limit, shared_fixture)

BOOST_AUTO_TEST_CASE(a_new_limit_holds_for_all) {
  auto& a = make({.limit = 1});
  auto& b = make({.limit = 1});
  a.async_acquire_permit((*this)("a"));
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(1s) == "a");
  a.async_set_limit(2, (*this)("set"));
  BOOST_TEST(run(100ms) == "b set");
  BOOST_TEST(b.limit() == 2u);
}

BOOST_AUTO_TEST_CASE(a_lower_limit_takes_nothing_and_grants_nothing_until_it_is_kept) {
  auto& a = make({.limit = 2});
  for (const char* name : {"a", "b"}) a.async_acquire_permit((*this)(name));
  settle();
  a.async_set_limit(1, (*this)("set"));
  BOOST_TEST(settle() == "set");
  BOOST_TEST(a.in_use() == 2u);
  a.async_acquire_permit((*this)("c"));
  a.release(0);
  held.at("a").release();
  BOOST_TEST(run(1s) == "");
  held.at("b").release();
  BOOST_TEST(run(1s) == "c");
}

BOOST_AUTO_TEST_CASE(a_lower_limit_ends_the_waits_for_more) {
  auto& a = make({.limit = 3});
  a.async_acquire_permit((*this)("a"));
  a.async_acquire_permit(3, (*this)("b"));
  a.async_acquire_permit(2, (*this)("c"));
  settle();
  a.async_set_limit(2, (*this)("set"));
  BOOST_TEST(run(100ms) == "b!exceeds set");
  held.clear();
  BOOST_TEST(run(100ms) == "c");
}

BOOST_AUTO_TEST_CASE(a_limit_is_set_although_the_first_try_fails) {
  auto& a = make({.limit = 3});
  engine->set_fault(fault::request_lost);
  a.async_set_limit(5, (*this)("set"));
  BOOST_TEST(run(1s) == "");
  engine->set_fault(fault::none);
  BOOST_TEST(run(1s) == "set");
  BOOST_TEST(a.limit() == 5u);
}

BOOST_AUTO_TEST_CASE(a_limit_for_which_there_was_no_memory_leaves_the_next_one_alone) {
  auto& a = make({.limit = 3});
  const auto set = [&](std::size_t n, const char* name, bool fails) {
    a.async_set_limit(n, asio::bind_allocator(failing_allocator<int>(fails), (*this)(name)));
  };
  BOOST_CHECK_THROW(set(4, "fails", true), std::bad_alloc);
  BOOST_CHECK_THROW(
      a.async_wait_lost(asio::bind_allocator(failing_allocator<int>(true), (*this)("lost"))),
      std::bad_alloc);
  set(5, "set", false);
  BOOST_TEST(run(1s) == "set");
  BOOST_TEST(a.limit() == 5u);
}

BOOST_AUTO_TEST_CASE(setting_the_limit_can_be_cancelled_and_refuses_what_is_out_of_range) {
  auto& a = make({.limit = 3});
  engine->set_fault(fault::request_lost);
  asio::cancellation_signal signal;
  a.async_set_limit(5, asio::bind_cancellation_slot(signal.slot(), (*this)("set")));
  poll();
  signal.emit(asio::cancellation_type::total);
  BOOST_TEST(poll() == "set!aborted");
  BOOST_CHECK_THROW(a.async_set_limit(0, (*this)("zero")), std::invalid_argument);
  BOOST_CHECK_THROW(a.async_set_limit(shared_semaphore::max() + 1, (*this)("large")),
                    std::invalid_argument);
}

BOOST_AUTO_TEST_SUITE_END()

// ---- The end ----------------------------------------------------------------------------------------

BOOST_FIXTURE_TEST_SUITE(the_end, shared_fixture)

BOOST_AUTO_TEST_CASE(cancel_ends_all_waits) {
  auto& a = make({.limit = 1});
  for (const char* name : {"a", "b"}) a.async_acquire_permit((*this)(name));
  settle();
  a.async_wait_lost((*this)("lost"));
  a.cancel();
  BOOST_TEST(poll() == "b!aborted lost!aborted");
}

BOOST_AUTO_TEST_CASE(close_ends_acquires_and_permits_still_count) {
  auto& a = make({.limit = 2});
  for (const char* name : {"a", "b", "c"}) a.async_acquire_permit((*this)(name));
  settle();
  a.close();
  a.async_acquire_permit((*this)("d"));
  BOOST_TEST(poll() == "c!closed d!closed");
  BOOST_TEST(a.is_closed());
  BOOST_TEST(!a.try_acquire());
  run(30s);
  BOOST_TEST(held.at("a").valid());
  BOOST_TEST(a.in_use() == 2u);
}

BOOST_AUTO_TEST_CASE(leaving_waits_for_the_permits) {
  auto& a = make({.limit = 2});
  auto& b = make({.limit = 2});
  for (const char* name : {"a1", "a2", "a3"}) a.async_acquire_permit((*this)(name));
  settle();
  a.async_leave((*this)("left"));
  BOOST_TEST(run(30s) == "a3!closed");
  BOOST_TEST(held.at("a1").valid());
  held.at("a1").release();
  b.async_acquire_permit(2, (*this)("b"));
  BOOST_TEST(run(1s) == "");
  held.at("a2").release();
  BOOST_TEST(run(1s) == "b left");
  BOOST_TEST(a.lease() == lease_state::left);
  a.async_leave((*this)("again"));
  BOOST_TEST(poll() == "again");
}

BOOST_AUTO_TEST_CASE(a_semaphore_that_was_never_used_leaves_at_once) {
  auto& a = make({.limit = 2});
  a.async_leave((*this)("left"));
  BOOST_TEST(poll() == "left");
  BOOST_TEST(engine->requests() == 0u);
}

BOOST_AUTO_TEST_CASE(the_destructor_gives_the_share_back_at_once) {
  auto& b = make({.limit = 2});
  {
    shared_semaphore a(io, *engine, {.name = "name", .limit = 2});
    a.async_acquire_permit(2, (*this)("a"));
    settle();
    held.clear();
    a.async_acquire_permit(2, (*this)("a"));
    settle();
    held.clear();
    a.async_wait_lost((*this)("lost"));
  }
  BOOST_TEST(settle() == "lost!aborted");
  const auto before = engine->requests();
  b.async_acquire_permit(2, (*this)("b"));
  BOOST_TEST(settle() == "b");
  BOOST_TEST(engine->requests() == before + 1);  // nothing had to be asked back
}

BOOST_AUTO_TEST_CASE(the_lease_is_renewed_for_permits_that_outlive_the_semaphore) {
  auto& b = make({.limit = 1});
  {
    shared_semaphore a(io, *engine, {.name = "name", .limit = 1});
    a.async_acquire_permit((*this)("a"));
    a.async_acquire_permit((*this)("waits"));
    settle();
  }
  b.async_acquire_permit((*this)("b"));
  BOOST_TEST(run(60s) == "waits!aborted");
  BOOST_TEST(held.at("a").valid());
  held.erase("a");
  BOOST_TEST(run(100ms) == "b");
}

BOOST_FIXTURE_TEST_CASE(when_all_has_ended_no_work_is_left, real_time_fixture) {
  use();
  semaphore.reset();
  io.poll();
  BOOST_TEST(io.stopped());
}

BOOST_FIXTURE_TEST_CASE(after_leaving_no_work_is_left, real_time_fixture) {
  use();
  bool left = false;
  semaphore->async_leave([&](error_code) { left = true; });
  io.poll();
  BOOST_TEST(left);
  BOOST_TEST(io.stopped());
}

BOOST_FIXTURE_TEST_CASE(after_all_acquires_were_cancelled_the_next_one_is_served,
                        real_time_fixture) {
  engine->set_fault(memory_engine::fault::request_lost);
  semaphore->async_acquire_permit([](error_code, shared_permit) {});
  io.poll();
  semaphore->cancel();
  io.poll();
  BOOST_TEST(io.stopped());  // without a timer
  io.restart();
  engine->set_fault(memory_engine::fault::none);
  use();
}

BOOST_FIXTURE_TEST_CASE(without_an_engine_the_destructor_leaves_no_work, real_time_fixture) {
  use();
  engine.reset();
  semaphore.reset();
  io.poll();
  BOOST_TEST(io.stopped());
}

BOOST_FIXTURE_TEST_CASE(an_engine_of_ones_own_is_told_when_a_channel_is_not_needed_any_more,
                        shared_fixture) {
  forwarding_engine own(*engine);
  {
    shared_semaphore a(io, own, {.name = "name", .limit = 1});
    BOOST_TEST(own.channels.empty());
    a.async_acquire_permit((*this)("a"));
    BOOST_TEST(settle() == "a");
    BOOST_REQUIRE(own.channels.size() == 1u);
    BOOST_TEST(own.channels.begin()->starts_with("turnstile:{name}:news:"));
    BOOST_TEST(own.last.key == "turnstile:{name}");
    BOOST_TEST(own.last.arguments.size() == 16u);
    BOOST_TEST(own.last.arguments.at(0).size() == 32u);
    held.clear();
  }
  settle();
  BOOST_TEST(own.channels.empty());
}

BOOST_AUTO_TEST_CASE(the_engine_may_go_first) {
  auto& a = make({.limit = 1});
  for (const char* name : {"a", "b"}) a.async_acquire_permit((*this)(name));
  settle();
  engine.reset();
  BOOST_TEST(run(11s) == "");
  BOOST_TEST(a.lease() == lease_state::lost);
  held.clear();
  BOOST_TEST(run(100ms) == "");
  semaphores.clear();
  BOOST_TEST(poll() == "b!aborted");
  io.restart();
  BOOST_TEST(io.run() == 0u);
}

// Each order of destroying context, engine, semaphore and permits, while acquires and events are waited for.
BOOST_AUTO_TEST_CASE(all_orders_of_destruction_are_safe) {
  for (const bool manual : {true, false}) {
    std::string order = "cesp";  // sorted
    do {
      turnstile::manual_clock c;
      turnstile::memory_server s =
          manual ? turnstile::memory_server(c) : turnstile::memory_server();
      auto context = std::make_unique<asio::io_context>();
      auto e = std::make_unique<memory_engine>(*context, s);
      auto a = std::make_unique<shared_semaphore>(
          *context, *e, turnstile::shared_options{.name = "name", .limit = 1});
      shared_permit p;
      int called = 0;
      const auto alive = std::make_shared<int>();
      a->async_acquire_permit([&](error_code, shared_permit granted) { p = std::move(granted); });
      while (!p) context->run_one();
      a->async_acquire_permit([&, alive](error_code, shared_permit) { ++called; });
      a->async_wait_lost([&, alive](error_code) { ++called; });
      a->async_set_limit(1, [&, alive](error_code) { ++called; });
      for (const char what : order) {
        if (what == 'c') context.reset();
        if (what == 'e') e.reset();
        if (what == 's') a.reset();
        if (what == 'p') p.release();
        if (context) context->poll();
      }
      BOOST_TEST(alive.use_count() == 1);  // all are called, or destroyed
      BOOST_TEST(called <= 3);
    } while (std::next_permutation(order.begin(), order.end()));
  }
}

BOOST_AUTO_TEST_CASE(a_moved_semaphore_keeps_its_waits_and_its_lease) {
  auto& a = make({.limit = 1});
  for (const char* name : {"a", "b"}) a.async_acquire_permit((*this)(name));
  settle();
  shared_semaphore moved = std::move(a);
  semaphores.clear();
  held.clear();
  BOOST_TEST(settle() == "b");
  BOOST_TEST(moved.in_use() == 1u);
  shared_semaphore other(io, *engine, {.name = "other", .limit = 1});
  other.async_acquire_permit(1, (*this)("c"));
  other = std::move(moved);
  BOOST_TEST(settle() == "c!aborted");
  BOOST_TEST(other.in_use() == 1u);
  auto& same = other;
  other = std::move(same);
  BOOST_TEST(other.in_use() == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_made_while_the_context_is_destroyed_does_nothing) {
  struct maker {
    maker(asio::io_context& c, turnstile::memory_server& s, bool& m)
        : context(c), server(s), is_made(m) {}
    maker(const maker&) = delete;
    ~maker() {
      memory_engine e(context, server);
      e.listen("channel", [](std::string_view) {});
      e.ignore("channel");
      shared_semaphore a(context, e, {.name = "name", .limit = 1});
      a.async_acquire_permit([](error_code, shared_permit) {});
      is_made = true;
    }
    asio::io_context& context;
    turnstile::memory_server& server;
    bool& is_made;
  };
  turnstile::memory_server s;
  auto context = std::make_unique<asio::io_context>();
  const memory_engine before(*context, s);
  bool is_made = false;
  asio::post(*context, [m = std::make_shared<maker>(*context, s, is_made)] {});
  context.reset();
  BOOST_TEST(is_made);
}

BOOST_AUTO_TEST_SUITE_END()
