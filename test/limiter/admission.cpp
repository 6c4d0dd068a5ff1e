// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Queued clients around the moment at which they get their permit. Runs the limiter's own code, one
// handler at a time.

#include "proxy/admission.hpp"

#include <boost/asio.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <utility>

using namespace connection_limiter;

namespace {

// Both ends of a connection, and the decision on it.
struct connection {
  explicit connection(asio::io_context& io) : client(io), accepted(io) {
    tcp::acceptor acceptor{io, {asio::ip::address_v4::loopback(), 0}};
    client.connect(acceptor.local_endpoint());
    acceptor.accept(accepted);
  }

  void ask(admission& a, statistics& f) {
    asio::co_spawn(accepted.get_executor(), a.decide(accepted, {}, early, f),
                   [this](const std::exception_ptr& e, admission::decision d) {
                     BOOST_TEST(!e);
                     decision = std::move(d);
                   });
  }

  tcp::socket client;
  stream_socket accepted;
  std::string early;
  std::optional<admission::decision> decision;
};

template <typename Condition>
bool comes_true(asio::io_context& io, Condition condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (!condition() && std::chrono::steady_clock::now() < end)
    io.run_one_for(std::chrono::milliseconds(10));
  return condition();
}

// The client disconnects `handlers` handlers after the permit became free. Either the decision is
// `abandoned`, or a later read sees the end of the stream.
void disconnect_after(int handlers, bool sends_data, bool reset) {
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  settings s;
  s.limit = 1;
  s.max_queue = 1;
  s.queue_timeout = std::chrono::hours(1);
  statistics f;
  admission a{io.get_executor(), s};

  connection holder{io}, waiting{io};
  holder.ask(a, f);
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return holder.decision.has_value(); }));
  waiting.ask(a, f);
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return a.queued() == 1; }));
  io.poll();

  holder.decision.reset();
  for (int i = 0; i != handlers; ++i) io.poll_one();
  if (sends_data) waiting.client.send(asio::buffer("x", 1));
  if (reset) waiting.client.set_option(asio::socket_base::linger{true, 0});
  waiting.client.close();
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return waiting.decision.has_value(); }));

  if (waiting.decision->granted) {
    std::string rest;
    std::optional<error_code> result;
    asio::async_read(waiting.accepted, asio::dynamic_buffer(rest),
                     [&](error_code ec, std::size_t) { result = ec; });
    BOOST_TEST(comes_true(io, [&] { return result.has_value(); }));
    waiting.accepted.close();
    io.poll();
  } else {
    BOOST_TEST((waiting.decision->refusal == ending::abandoned));
  }
  waiting.decision.reset();
  BOOST_TEST(a.available() == 1U);
}

// The limiter's permit passes to a queued client. A client that comes before that one's coroutine has gone on
// finds its place in the queue.
void come_after_the_grant(bool per_client) {
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  settings s;
  s.limit = 1;
  s.max_queue = 1;
  s.queue_timeout = std::chrono::hours(1);
  if (per_client) s.per_client = s.per_client_queue = 1;
  statistics f;
  admission a{io.get_executor(), s};
  connection holder{io}, waiting{io}, next{io};
  holder.ask(a, f);
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return holder.decision.has_value(); }));
  waiting.ask(a, f);
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return a.queued() == 1; }));
  holder.decision.reset();
  BOOST_TEST(a.queued() == 0U);
  BOOST_TEST(a.in_use() == 1U);
  BOOST_TEST(a.available() == 0U);
  next.ask(a, f);
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return waiting.decision.has_value(); }));
  BOOST_TEST(waiting.decision->granted.has_value());
  BOOST_TEST(!next.decision.has_value());  // not refused
  BOOST_TEST(a.queued() == 1U);
  waiting.decision.reset();
  BOOST_TEST_REQUIRE(comes_true(io, [&] { return next.decision.has_value(); }));
  BOOST_TEST(next.decision->granted.has_value());
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_place_in_the_queue_is_free_as_soon_as_a_permit_is_granted) {
  come_after_the_grant(false);
  come_after_the_grant(true);
}

BOOST_AUTO_TEST_CASE(notices_a_disconnect_during_the_grant) {
  for (int handlers = 0; handlers != 30; ++handlers)
    for (const bool sends_data : {false, true})
      for (const bool reset : {false, true}) {
        BOOST_TEST_INFO_SCOPE(handlers << " handlers" << (sends_data ? ", with data" : "")
                                       << (reset ? ", reset" : ""));
        disconnect_after(handlers, sends_data, reset);
      }
}
