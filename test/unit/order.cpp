// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Calls of one thread take effect in their order: always if no other thread is working on the queue,
// and a cancellation before a later release even then.

#define BOOST_TEST_MODULE order

#include "fake_waiter.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <utility>

namespace {

using test::fake;

// Both permits are held. One waiter needs one of them, the next one needs both.
struct fixture : test::fixture {
  fixture() : first((make(0, 2), queued("first"))), second(queued("second", 2)) {}

  // Calls f while the thread that delivers to the first waiter has the strand.
  void beside_a_busy_strand(std::function<void()> f) {
    first.then(std::move(f));
    c->release(1);
  }

  fake& first;
  fake& second;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(with_the_strand_free)

BOOST_FIXTURE_TEST_CASE(a_release_before_a_cancellation_grants, fixture) {
  first.cancel();
  BOOST_TEST(read() == "first!aborted");
  c->release(2);
  c->cancel();
  second.cancel();
  c->close();
  c->set_limit(1);
  BOOST_TEST(read() == "second");
}

BOOST_FIXTURE_TEST_CASE(a_cancellation_before_a_release_aborts, fixture) {
  c->cancel();
  c->release(2);
  BOOST_TEST(read() == "first!aborted second!aborted");
  BOOST_TEST(c->available() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(beside_a_busy_strand)

BOOST_FIXTURE_TEST_CASE(cancel_before_a_release_aborts, fixture) {
  beside_a_busy_strand([this] {
    c->cancel();
    c->release(2);
  });
  BOOST_TEST(read() == "first second!aborted");
}

BOOST_FIXTURE_TEST_CASE(the_cancellation_of_one_before_a_release_aborts_it, fixture) {
  beside_a_busy_strand([this] {
    second.cancel();
    c->release(2);
  });
  BOOST_TEST(read() == "first second!aborted");
}

BOOST_FIXTURE_TEST_CASE(close_before_a_release_closes, fixture) {
  beside_a_busy_strand([this] {
    c->close();
    c->release(2);
  });
  BOOST_TEST(read() == "first second!closed");
}

BOOST_FIXTURE_TEST_CASE(a_lowered_limit_before_a_release_excludes, fixture) {
  beside_a_busy_strand([this] {
    c->set_limit(1);
    c->release(2);
  });
  BOOST_TEST(read() == "first second!exceeds");
}

BOOST_AUTO_TEST_SUITE_END()
