// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The limit, the queue, and the forwarded bytes.

#define BOOST_TEST_MODULE limiter

#include "limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <atomic>
#include <future>
#include <list>
#include <string>
#include <thread>
#include <vector>

// ---- The limit ----------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(never_forwards_more_than_the_limit,
                     boost::unit_test::data::make({"queue", "backlog"}), mode) {
  upstream u;
  words arguments{"--limit", "3", "--overflow", mode};
  if (mode == std::string{"queue"}) arguments.insert(arguments.end(), {"--queue-timeout", "1h"});
  limiter l{u.address(), arguments};
  const std::uint16_t port = l.port();
  std::list<client> first;
  for (int i = 0; i < 3; ++i) BOOST_TEST(first.emplace_back(port).echoes("a"));
  BOOST_TEST(u.max() == 3);
  std::atomic<int> served{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 40; ++i)
    threads.emplace_back([&, i] {
      client c{port};
      served += c.echoes("hello");
      if (i % 4 == 0) return c.reset();  // some clients reset
      if (i % 4 == 1) return c.close();
      c.half_close();
      c.end();
    });
  first.clear();
  threads.clear();
  BOOST_TEST(served == 40);
  BOOST_TEST(contains(l.stop(), "accepted 43, served 43, refused 0 "));
  BOOST_TEST(u.max() == 3);
}

BOOST_AUTO_TEST_CASE(queue_serves_in_order_of_arrival) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--threads", "1", "--queue-timeout", "1h"}};
  client a{l.port()};
  BOOST_TEST(a.echoes("a"));
  std::list<client> queue;
  for (int i = 0; i < 5; ++i) queue.emplace_back(l.port());
  a.close();
  // Each client is served while the clients behind it still wait.
  for (; !queue.empty(); queue.pop_front()) BOOST_TEST(queue.front().echoes("mine"));
  BOOST_TEST(contains(l.stop(), "accepted 6, served 6, refused 0 "));
  BOOST_TEST(u.max() == 1);
}

BOOST_AUTO_TEST_CASE(refuses_when_the_queue_is_full) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "1", "--threads", "1", "--max-queue", "1", "--queue-timeout", "1h"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client queued{l.port()};
  client refused{l.port()};
  BOOST_TEST(refused.end() == asio::error::eof);
  active.close();
  BOOST_TEST(queued.echoes("b"));
  queued.close();
  BOOST_TEST(contains(l.stop(), "accepted 3, served 2, refused 1 (full 1,"));
}

// While the limiter is stopped, the active connections end at both sides, and only then new clients connect. When it
// continues, it sees all of that at once.
BOOST_AUTO_TEST_CASE(ended_connections_make_room_before_later_ones_are_judged) {
  constexpr int n = 10;
  std::atomic<bool> upstream_ends = false;
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    char byte;
    co_await asio::async_read(socket, asio::buffer(&byte, 1), asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer(&byte, 1), asio::use_awaitable);
    asio::steady_timer timer{socket.get_executor()};
    while (!upstream_ends) {
      timer.expires_after(1ms);
      co_await timer.async_wait(asio::use_awaitable);
    }
  }};
  const std::string size = std::to_string(n);
  limiter l{u.address(),
            {"--limit", size, "--max-queue", size, "--queue-timeout", "1h", "--threads", "1",  //
             "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  const auto connect = [&] {
    std::list<client> clients;
    for (int i = 0; i != n; ++i) clients.emplace_back(port).send("x");
    return clients;
  };
  std::list<client> active = connect();
  for (client& c : active) BOOST_TEST(c.receive(1) == "x");
  std::list<client> queued = connect();
  BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == n; }));
  l.pause();
  active.clear();
  upstream_ends = true;
  BOOST_TEST(comes_true([&] { return u.now() == 0; }));
  std::list<client> later = connect();
  l.signal(SIGCONT);
  for (std::list<client>* clients : {&queued, &later})
    for (client& c : *clients) {
      BOOST_TEST(c.receive(1) == "x");
      c.close();
    }
  BOOST_TEST(contains(l.stop(), "accepted 30, served 30, refused 0 "));
}

BOOST_AUTO_TEST_CASE(refuses_after_the_queue_timeout) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "200ms"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  const auto start = steady_clock::now();
  client queued{l.port()};
  BOOST_TEST(queued.end() == asio::error::eof);
  BOOST_TEST((steady_clock::now() - start >= 200ms));
  BOOST_TEST(active.echoes("still here"));
  active.close();
  BOOST_TEST(serves_again(l.port()));
  BOOST_TEST(contains(l.stop(), "refused 1 (full 0, timed out 1,"));
}

BOOST_AUTO_TEST_CASE(drops_queued_clients_that_disconnect) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--threads", "1", "--queue-timeout", "1h"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client closed{l.port()}, reset{l.port()}, queued{l.port()};
  closed.send("its request");
  closed.close();
  reset.reset();
  active.close();
  BOOST_TEST(queued.echoes("b"));
  queued.close();
  BOOST_TEST(contains(
      l.stop(),
      "served 2, refused 0 (full 0, timed out 0, stopping 0, client full 0), abandoned 2,"));
}

// Also if it is more than the limiter reads from a queued client.
BOOST_DATA_TEST_CASE(forwards_what_a_queued_client_has_sent,
                     boost::unit_test::data::make({5, 16384, 1 << 20}), size) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  std::string text(static_cast<std::size_t>(size), 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  client queued{l.port()};
  std::string answer;
  std::jthread exchange{[&] { answer = queued.exchange(text); }};
  active.close();
  exchange.join();
  BOOST_TEST((answer == text));
  queued.close();
  BOOST_TEST(contains(l.stop(), "served 2, refused 0 "));
}

BOOST_AUTO_TEST_CASE(abandon_off_keeps_queued_clients_that_half_close) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--abandon", "off"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client queued{l.port()};
  queued.send("all");
  queued.half_close();
  active.close();
  BOOST_TEST(queued.receive(3) == "all");
  BOOST_TEST(queued.end() == asio::error::eof);
  BOOST_TEST(contains(l.stop(), "served 2, refused 0 "));
}

BOOST_AUTO_TEST_CASE(reject_mode_refuses_at_once) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--overflow", "reject"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client refused{l.port()};
  BOOST_TEST(refused.end() == asio::error::eof);
  active.close();
  BOOST_TEST(serves_again(l.port()));
  l.stop();
  BOOST_TEST(u.max() == 1);
}

BOOST_AUTO_TEST_CASE(backlog_mode_leaves_clients_in_the_kernel) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--overflow", "backlog"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client first{l.port()};
  client second{l.port()};
  first.send("b");
  active.close();
  BOOST_TEST(first.receive(1) == "b");

  l.signal(SIGTERM);
  BOOST_TEST(second.end().failed());  // was never accepted
  first.close();
  BOOST_TEST(l.exit_status() == 0);
  BOOST_TEST(contains(l.last_line(), "accepted 2, served 2, refused 0 "));
  BOOST_TEST(u.max() == 1);
}

// ---- The bytes ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(forwards_a_half_close_of_the_client) {
  // Answers only when the request has ended.
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    std::string request;
    co_await asio::async_read(socket, asio::dynamic_buffer(request),
                              asio::as_tuple(asio::use_awaitable));
    co_await asio::async_write(socket, asio::buffer("got " + request), asio::use_awaitable);
  }};
  limiter l{u.address(), {}};
  client c{l.port()};
  c.send("hello");
  c.half_close();
  BOOST_TEST(c.receive(100) == "got hello");
  l.stop();
}

BOOST_AUTO_TEST_CASE(forwards_a_half_close_of_the_upstream) {
  std::string received;
  std::atomic<bool> received_all{false};
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    co_await asio::async_write(socket, asio::buffer("bye", 3), asio::use_awaitable);
    socket.shutdown(tcp::socket::shutdown_send);
    co_await asio::async_read(socket, asio::dynamic_buffer(received),
                              asio::as_tuple(asio::use_awaitable));
    received_all = true;
  }};
  limiter l{u.address(), {}};
  client c{l.port()};
  BOOST_TEST(c.receive(100) == "bye");
  c.send("one more thing");
  c.close();
  BOOST_TEST(contains(l.stop(), "served 1,"));
  BOOST_TEST(comes_true([&] { return received_all.load(); }));
  BOOST_TEST(received == "one more thing");
}

BOOST_AUTO_TEST_CASE(forwards_much_data_in_both_directions_at_once) {
  upstream u;
  limiter l{u.address(), {}};
  client c{l.port()};
  std::string much(8'000'000, '\0');
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<char>(i * i >> 8);
  BOOST_TEST((c.exchange(much) == much));
  c.close();
  BOOST_TEST(contains(l.stop(), "8000000 bytes up, 8000000 bytes down"));
}

BOOST_AUTO_TEST_CASE(forwards_a_reset_of_the_upstream) {
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    char byte;
    co_await asio::async_read(socket, asio::buffer(&byte, 1), asio::use_awaitable);
    reset(socket);
  }};
  limiter l{u.address(), {}};
  client c{l.port()};
  c.send("x");
  BOOST_TEST(c.end() == asio::error::connection_reset);
  l.stop();
}

// Fills the buffers between the client and an upstream that reads nothing.
void fill(tcp::socket& socket, steady_clock::duration time) {
  const std::string much(1 << 16, 'x');
  const auto start = steady_clock::now();
  socket.non_blocking(true);
  for (error_code ec; steady_clock::now() - start < time;)
    socket.write_some(asio::buffer(much), ec);
}

// Also while the limiter waits to write data that the upstream does not read.
BOOST_AUTO_TEST_CASE(forwards_a_reset_of_an_upstream_that_does_not_read) {
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    co_await asio::async_write(socket, asio::buffer("half", 4), asio::use_awaitable);
    asio::steady_timer until_all_is_full{socket.get_executor(), 500ms};
    co_await until_all_is_full.async_wait(asio::use_awaitable);
    reset(socket);
  }};
  limiter l{u.address(), {}};
  asio::io_context context;
  tcp::socket c{context};
  c.connect({asio::ip::address_v4::loopback(), l.port()});
  fill(c, 300ms);  // stops before the reset: a later write would consume the error, not the read
  std::string answer;
  error_code end;
  asio::async_read(c, asio::dynamic_buffer(answer), [&](error_code ec, std::size_t) { end = ec; });
  context.run_for(test_timeout);
  BOOST_TEST(answer == "half");
  BOOST_TEST(end == asio::error::connection_reset);
  l.stop();
}

// Reads a connection to its end in the upstream, and returns its error code to the test.
class end_of_request {
 public:
  asio::awaitable<void> read(tcp::socket& socket) {
    std::string all;
    const auto [ec, n] = co_await asio::async_read(socket, asio::dynamic_buffer(all),
                                                   asio::as_tuple(asio::use_awaitable));
    promise_.set_value(ec);
  }

  error_code get() {
    auto future = promise_.get_future();
    BOOST_TEST_REQUIRE((future.wait_for(test_timeout) == std::future_status::ready));
    return future.get();
  }

 private:
  std::promise<error_code> promise_;
};

// Otherwise the upstream would take half a request for the whole.
BOOST_DATA_TEST_CASE(forwards_a_reset_of_the_client, boost::unit_test::data::make({false, true}),
                     upstream_has_ended) {
  end_of_request end;
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    co_await asio::async_write(socket, asio::buffer("go", 2), asio::use_awaitable);
    error_code already_reset;
    if (upstream_has_ended) socket.shutdown(tcp::socket::shutdown_send, already_reset);
    co_await end.read(socket);
  }};
  limiter l{u.address(), {"--admin", "127.0.0.1:0"}};
  client c{l.port()};
  BOOST_TEST(c.receive(2) == "go");
  c.send("half a req");
  BOOST_TEST(comes_true(
      [&] { return metric(l.admin_port(), l.port(), "bytes_total", ",direction=\"up\"") == 10; }));
  c.reset();
  BOOST_TEST(end.get() == asio::error::connection_reset);
  l.stop();
}

// Also if the client had sent everything in the queue.
BOOST_AUTO_TEST_CASE(forwards_a_reset_of_a_client_that_was_queued) {
  end_of_request end;
  std::atomic<int> accepted{0};
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    if (accepted++ == 0) co_return co_await upstream::echo(socket);
    co_await end.read(socket);
  }};
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--admin", "127.0.0.1:0"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client queued{l.port()};
  queued.send("half a req");
  BOOST_TEST(
      comes_true([&] { return metric(l.admin_port(), l.port(), "queued_connections") == 1; }));
  active.close();
  BOOST_TEST(comes_true(
      [&] { return metric(l.admin_port(), l.port(), "bytes_total", ",direction=\"up\"") == 11; }));
  queued.reset();
  BOOST_TEST(end.get() == asio::error::connection_reset);
  l.stop();
}

// No request is incomplete then, and after an orderly end the limiter can see when the upstream has
// closed.
BOOST_AUTO_TEST_CASE(forwards_a_reset_after_the_answer_as_an_orderly_end) {
  end_of_request end;
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    char byte;
    co_await asio::async_read(socket, asio::buffer(&byte, 1), asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer("done", 4), asio::use_awaitable);
    co_await end.read(socket);
  }};
  limiter l{u.address(), {}};
  client c{l.port()};
  c.send("x");
  BOOST_TEST(c.receive(4) == "done");
  c.reset();
  BOOST_TEST(end.get() == asio::error::eof);
  l.stop();
}

BOOST_DATA_TEST_CASE(time_limits_reset_the_upstream_too,
                     boost::unit_test::data::make({"--idle-timeout", "--session-timeout"}),
                     timeout) {
  end_of_request end;
  upstream u{[&](tcp::socket& socket) { return end.read(socket); }};
  limiter l{u.address(), {timeout, "300ms"}};
  client c{l.port()};
  c.send("half a req");
  BOOST_TEST(c.end() == asio::error::connection_reset);
  BOOST_TEST(end.get() == asio::error::connection_reset);
  l.stop();
}

// The limiter does not read from the client while it waits to write to the upstream.
BOOST_AUTO_TEST_CASE(notices_a_client_reset_while_the_upstream_does_not_read) {
  std::atomic<int> accepted{0};
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    if (accepted++ != 0) co_return co_await upstream::echo(socket);
    co_await asio::steady_timer{socket.get_executor(), std::chrono::hours{1}}.async_wait(
        asio::use_awaitable);
  }};
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h"}};
  asio::io_context context;
  tcp::socket c{context};
  c.connect({asio::ip::address_v4::loopback(), l.port()});
  fill(c, 1s);
  reset(c);
  client next{l.port()};
  BOOST_TEST(next.echoes("next"));
  next.close();
  BOOST_TEST(contains(l.stop(), "1 of 1 permits returned"));
}

BOOST_AUTO_TEST_CASE(idle_timeout_frees_the_permit) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--idle-timeout", "300ms"}};
  client idle{l.port()};
  BOOST_TEST(idle.echoes("a"));
  client next{l.port()};
  BOOST_TEST(idle.end() == asio::error::connection_reset);
  BOOST_TEST(next.echoes("b"));
  next.close();
  BOOST_TEST(contains(l.stop(),
                      "served 1, refused 0 (full 0, timed out 0, stopping 0, client full 0), "
                      "abandoned 0, idle 1, "));
  BOOST_TEST(u.max() == 1);
}

BOOST_DATA_TEST_CASE(a_time_limit_of_zero_is_off,
                     boost::unit_test::data::make({"--idle-timeout", "--session-timeout",
                                                   "--connect-timeout", "--queue-timeout"}),
                     option) {
  upstream u;
  limiter l{u.address(), {option, "0s", "--limit", "1"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client queued{l.port()};
  BOOST_TEST(active.echoes("still served"));
  active.close();
  BOOST_TEST(queued.echoes("b"));
  queued.close();
  BOOST_TEST(contains(l.stop(), "served 2, refused 0 "));
}

BOOST_AUTO_TEST_CASE(session_timeout_cuts_a_busy_connection) {
  upstream u;
  const auto start = steady_clock::now();
  limiter l{u.address(), {"--idle-timeout", "1s", "--session-timeout", "2s"}};
  client busy{l.port()};
  while (busy.echoes("again")) continue;
  BOOST_TEST((steady_clock::now() - start >= 2s));
  BOOST_TEST(contains(l.stop(), "idle 0, too long 1, half closed 0, failed 0, cut 0"));
}

// No byte moves when the client does not read what the upstream sends.
BOOST_AUTO_TEST_CASE(idle_timeout_cuts_a_client_that_does_not_read) {
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    const std::string much(1 << 20, 'x');
    for (;;) co_await asio::async_write(socket, asio::buffer(much), asio::use_awaitable);
  }};
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--idle-timeout", "300ms"}};
  client slow{l.port()};
  u.wait_for_total(1);
  client next{l.port()};
  BOOST_TEST(next.receive(1) == "x");
  next.reset();
  BOOST_TEST(contains(l.stop(), "idle 1, "));
}

// The buffers stay full for so long that no write completes within the idle timeout.
BOOST_AUTO_TEST_CASE(idle_timeout_spares_a_client_that_reads_slowly) {
  upstream u{[](tcp::socket& socket) -> asio::awaitable<void> {
    const std::string much(1 << 20, 'x');
    for (;;) co_await asio::async_write(socket, asio::buffer(much), asio::use_awaitable);
  }};
  limiter l{u.address(), {"--idle-timeout", "2s"}};
  client slow{l.port()};
  const auto start = steady_clock::now();
  while (steady_clock::now() - start < 8s) {
    if (slow.receive(1 << 15).size() != 1 << 15) break;
    std::this_thread::sleep_for(100ms);
  }
  BOOST_TEST((steady_clock::now() - start >= 8s));
  slow.reset();
  BOOST_TEST(contains(l.stop(), "idle 0, "));
}

BOOST_AUTO_TEST_CASE(connects_to_an_upstream_by_name) {
  upstream u;
  limiter l{"localhost:" + std::to_string(u.port()), {}};
  client c{l.port()};
  BOOST_TEST(c.echoes("hello"));
  c.close();
  l.stop();
}

BOOST_AUTO_TEST_CASE(listens_on_ipv6) {
  if (!has_ipv6()) return;
  upstream u;
  program l{path(), {"--listen", "[::1]:0", "--upstream", u.address()}};
  client c{tcp::endpoint{asio::ip::address_v6::loopback(), l.port()}};
  BOOST_TEST(c.echoes("hello"));
  BOOST_TEST(contains(l.output(), "listening on [::1]:"));
}
