// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Connections that one side has ended and the other one has not.

#include "limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <atomic>
#include <string>

namespace {

// Answers the first byte with "bye" and closes.
asio::awaitable<void> answer_once(tcp::socket& socket) {
  char byte;
  co_await asio::async_read(socket, asio::buffer(&byte, 1), asio::use_awaitable);
  co_await asio::async_write(socket, asio::buffer("bye", 3), asio::use_awaitable);
}

// Reads to the end and never answers. Ends when the other side resets the connection.
asio::awaitable<void> never_answer(tcp::socket& socket) {
  std::string all;
  co_await asio::async_read(socket, asio::dynamic_buffer(all), asio::as_tuple(asio::use_awaitable));
  co_await socket.async_wait(tcp::socket::wait_error, asio::use_awaitable);
}

}  // namespace

// A client with a pool of connections does not notice that the upstream has closed one.
BOOST_AUTO_TEST_CASE(frees_the_permit_of_a_client_that_stays_after_the_upstream_has_closed) {
  upstream u{answer_once};
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h"}};
  client stays{l.port()};
  stays.send("1");
  BOOST_TEST(stays.receive(4) == "bye");
  const auto start = steady_clock::now();
  client next{l.port()};
  next.send("2");
  BOOST_TEST(next.receive(4) == "bye");
  BOOST_TEST((steady_clock::now() - start < 30s));  // about 2 s
  next.close();
  BOOST_TEST(contains(l.stop(), "half closed 1, "));
}

BOOST_AUTO_TEST_CASE(half_close_timeout_cuts_a_client_whose_answer_does_not_come) {
  upstream u{never_answer};
  limiter l{u.address(), {"--half-close-timeout", "300ms"}};
  client c{l.port()};
  c.send("all");
  c.half_close();
  BOOST_TEST(c.end() == asio::error::connection_reset);  // not taken for the end of the answer
  BOOST_TEST(contains(l.stop(), "half closed 1, "));
}

BOOST_AUTO_TEST_CASE(half_close_timeout_spares_a_connection_on_which_bytes_move) {
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    asio::steady_timer timer{socket.get_executor()};
    for (int i = 0; i < 20; ++i) {
      timer.expires_after(100ms);
      co_await timer.async_wait(asio::use_awaitable);
      co_await asio::async_write(socket, asio::buffer("x", 1), asio::use_awaitable);
    }
  }};
  limiter l{u.address(), {"--half-close-timeout", "1500ms"}};
  client c{l.port()};
  c.half_close();
  BOOST_TEST(c.receive_all() == std::string(20, 'x'));
  BOOST_TEST(contains(l.stop(), "half closed 0, "));
}

// The kernel delivers the rest of the answer after the limiter has closed the connection.
BOOST_AUTO_TEST_CASE(half_close_timeout_does_not_truncate_what_the_upstream_has_sent) {
  constexpr std::size_t size = 1 << 20;
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    const std::string much(size, 'x');
    co_await asio::async_write(socket, asio::buffer(much), asio::use_awaitable);
  }};
  limiter l{u.address(), {"--half-close-timeout", "200ms", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client slow{port};
  BOOST_TEST(
      comes_true([&] { return metric(admin, port, "cut_total", ",reason=\"half_closed\"") == 1; }));
  BOOST_TEST(slow.receive_all().size() == size);
}

BOOST_AUTO_TEST_CASE(half_close_timeout_of_zero_is_off) {
  upstream u{answer_once};
  limiter l{u.address(), {"--half-close-timeout", "0s", "--drain-timeout", "3s"}};
  client c{l.port()};
  c.send("1");
  BOOST_TEST(c.receive(4) == "bye");
  BOOST_TEST(contains(l.stop(), "half closed 0, failed 0, cut 1;"));
}

// The limiter sees both ends at the same time, the reset first.
BOOST_AUTO_TEST_CASE(client_reset_frees_the_permit_at_once_if_the_upstream_has_closed) {
  std::atomic<int> accepted{0};
  std::atomic<bool> may_close{false}, closed{false};
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    if (accepted++ != 0) co_return co_await answer_once(socket);
    char request[4];
    co_await asio::async_read(socket, asio::buffer(request), asio::use_awaitable);
    asio::steady_timer timer{socket.get_executor()};
    while (!may_close) {
      timer.expires_after(5ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
    socket.close();
    closed = true;
  }};
  limiter l{u.address(),
            {"--limit", "1", "--queue-timeout", "1h", "--threads", "1", "--admin", "127.0.0.1:0"}};
  client first{l.port()};
  first.send("half");
  BOOST_TEST(comes_true(
      [&] { return metric(l.admin_port(), l.port(), "bytes_total", ",direction=\"up\"") == 4; }));
  client next{l.port()};
  next.send("2");
  BOOST_TEST(
      comes_true([&] { return metric(l.admin_port(), l.port(), "queued_connections") == 1; }));
  l.pause();
  first.reset();
  may_close = true;
  BOOST_TEST(comes_true([&] { return closed.load(); }));
  const auto start = steady_clock::now();
  l.signal(SIGCONT);
  BOOST_TEST(next.receive(4) == "bye");
  const auto took = steady_clock::now() - start;
  BOOST_TEST_MESSAGE("took " << took / 1ms << " ms");
  BOOST_TEST((took < 1900ms));  // a few milliseconds; 2 s with the timeout
}
