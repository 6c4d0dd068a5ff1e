// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The program example/connection_limiter, from outside: it runs between real clients and an
// upstream in this process. Where it is, the argument after "--" says, or the variable LIMITER.

#define BOOST_TEST_MODULE limiter

#include "peers.hpp"
#include "program.hpp"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <cstdlib>
#include <list>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using words = std::vector<std::string>;

std::string path() {
  const auto& suite = boost::unit_test::framework::master_test_suite();
  if (suite.argc > 1) return suite.argv[1];
  if (const char* const path = std::getenv("LIMITER")) return path;
  throw std::runtime_error("no program: give its path after --, or in LIMITER");
}

// A limiter on a port of its own. With one thread, it does one thing after the other, in the order
// in which its clients have connected.
struct limiter : program {
  limiter(const std::string& upstream, words more, rlim_t descriptors = 0)
      : program(path(), arguments(upstream, std::move(more)), descriptors) {}

  static words arguments(const std::string& upstream, words more) {
    more.insert(more.end(), {"--listen", "127.0.0.1:0", "--upstream", upstream});
    return more;
  }

  // Ends it as an operator would; its totals.
  std::string stop(int number = SIGTERM) {
    signal(number);
    BOOST_TEST(exit_status() == 0);
    return last_line();
  }
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; at += part.size()) ++n;
  return n;
}

// A new client is served, sooner or later.
bool serves_again(std::uint16_t port) {
  for (const auto start = steady_clock::now(); steady_clock::now() - start < patience;) {
    client c{port};
    if (c.echoes("again")) return true;
  }
  return false;
}

// Whether the part is in the text; both are shown where it is not.
boost::test_tools::assertion_result contains(const std::string& text, const std::string& part) {
  boost::test_tools::assertion_result result{text.find(part) != text.npos};
  result.message() << '\'' << part << "' is not in '" << text << '\'';
  return result;
}

}  // namespace

// ---- The limit ----------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(never_more_than_the_limit, boost::unit_test::data::make({"queue", "backlog"}),
                     mode) {
  upstream u;
  limiter l{u.address(), {"--limit", "3", "--overflow", mode, "--queue-timeout", "1h"}};
  const std::uint16_t port = l.port();
  std::list<client> first;
  for (int i = 0; i < 3; ++i) BOOST_TEST(first.emplace_back(port).echoes("a"));
  BOOST_TEST(u.most() == 3);
  std::atomic<int> served{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 40; ++i)
    threads.emplace_back([&, i] {
      client c{port};
      served += c.echoes("hello");
      if (i % 4 == 0) return c.reset();  // some are rude
      if (i % 4 == 1) return c.close();
      c.half_close();
      c.end();
    });
  first.clear();
  threads.clear();
  BOOST_TEST(served == 40);
  BOOST_TEST(contains(l.stop(), "accepted 43, served 43, refused 0 "));
  BOOST_TEST(u.most() == 3);
}

BOOST_AUTO_TEST_CASE(queue_first_come_first_served) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--threads", "1", "--queue-timeout", "1h"}};
  client a{l.port()};
  BOOST_TEST(a.echoes("a"));
  std::list<client> queue;
  for (int i = 0; i < 5; ++i) queue.emplace_back(l.port());
  a.close();
  // Each is served while those behind it are still there and want to be.
  for (; !queue.empty(); queue.pop_front()) BOOST_TEST(queue.front().echoes("mine"));
  BOOST_TEST(contains(l.stop(), "accepted 6, served 6, refused 0 "));
  BOOST_TEST(u.most() == 1);
}

BOOST_AUTO_TEST_CASE(queue_is_full) {
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

BOOST_AUTO_TEST_CASE(queue_time_is_up) {
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

BOOST_AUTO_TEST_CASE(who_hangs_up_leaves_the_queue) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--threads", "1", "--queue-timeout", "1h"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client gone{l.port()}, rude{l.port()}, patient{l.port()};
  gone.send("what it wanted");
  gone.close();
  rude.reset();
  active.close();
  BOOST_TEST(patient.echoes("b"));
  patient.close();
  BOOST_TEST(
      contains(l.stop(), "served 2, refused 0 (full 0, timed out 0, stopping 0), abandoned 2,"));
}

// More of it than is kept, too.
BOOST_DATA_TEST_CASE(what_was_sent_in_the_queue_is_passed_on,
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

BOOST_AUTO_TEST_CASE(who_has_only_said_all_may_stay) {
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

BOOST_AUTO_TEST_CASE(reject_at_once) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--overflow", "reject"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client refused{l.port()};
  BOOST_TEST(refused.end() == asio::error::eof);
  active.close();
  BOOST_TEST(serves_again(l.port()));
  l.stop();
  BOOST_TEST(u.most() == 1);
}

BOOST_AUTO_TEST_CASE(backlog_waits_in_the_kernel) {
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
  BOOST_TEST(u.most() == 1);
}

// ---- The bytes ----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(client_half_closes_first) {
  // Answers only once the request has ended.
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

BOOST_AUTO_TEST_CASE(upstream_half_closes_first) {
  std::string received;
  {
    upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
      co_await asio::async_write(socket, asio::buffer("bye", 3), asio::use_awaitable);
      socket.shutdown(tcp::socket::shutdown_send);
      co_await asio::async_read(socket, asio::dynamic_buffer(received),
                                asio::as_tuple(asio::use_awaitable));
    }};
    limiter l{u.address(), {}};
    client c{l.port()};
    BOOST_TEST(c.receive(100) == "bye");
    c.send("one more thing");
    c.close();
    BOOST_TEST(contains(l.stop(), "served 1,"));
  }
  BOOST_TEST(received == "one more thing");
}

BOOST_AUTO_TEST_CASE(much_both_ways_at_once) {
  upstream u;
  limiter l{u.address(), {}};
  client c{l.port()};
  std::string much(8'000'000, '\0');
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<char>(i * i >> 8);
  BOOST_TEST((c.exchange(much) == much));
  c.close();
  BOOST_TEST(contains(l.stop(), "8000000 bytes up, 8000000 bytes down"));
}

BOOST_AUTO_TEST_CASE(reset_of_the_upstream_is_a_reset) {
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

BOOST_AUTO_TEST_CASE(idle_is_cut_and_its_place_taken) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--idle-timeout", "300ms"}};
  client idle{l.port()};
  BOOST_TEST(idle.echoes("a"));
  client next{l.port()};
  BOOST_TEST(idle.end() == asio::error::connection_reset);
  BOOST_TEST(next.echoes("b"));
  next.close();
  BOOST_TEST(contains(
      l.stop(), "served 1, refused 0 (full 0, timed out 0, stopping 0), abandoned 0, idle 1, "));
  BOOST_TEST(u.most() == 1);
}

BOOST_AUTO_TEST_CASE(too_long_is_cut_but_not_as_idle) {
  upstream u;
  const auto start = steady_clock::now();
  limiter l{u.address(), {"--idle-timeout", "1s", "--session-timeout", "2s"}};
  client busy{l.port()};
  while (busy.echoes("again")) continue;
  BOOST_TEST((steady_clock::now() - start >= 2s));
  BOOST_TEST(contains(l.stop(), "idle 0, too long 1, failed 0, cut 0"));
}

// One that takes nothing holds up what is sent to it: nothing moves.
BOOST_AUTO_TEST_CASE(one_who_does_not_read_is_idle) {
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

BOOST_AUTO_TEST_CASE(upstream_by_name) {
  upstream u;
  limiter l{"localhost:" + std::to_string(u.port()), {}};
  client c{l.port()};
  BOOST_TEST(c.echoes("hello"));
  c.close();
  l.stop();
}

BOOST_AUTO_TEST_CASE(listens_on_ipv6) {
  asio::io_context context;
  error_code ec;
  tcp::acceptor probe{context, tcp::v6()};
  probe.bind({asio::ip::address_v6::loopback(), 0}, ec);
  if (ec) {
    BOOST_TEST_MESSAGE("there is no IPv6 here");
    return;
  }

  upstream u;
  program l{path(), {"--listen", "[::1]:0", "--upstream", u.address()}};
  client c{tcp::endpoint{asio::ip::address_v6::loopback(), l.port()}};
  BOOST_TEST(c.echoes("hello"));
  BOOST_TEST(contains(l.output(), "listening on [::1]:"));
}

// ---- Stopping -----------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(drains, boost::unit_test::data::make({SIGTERM, SIGINT}), number) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--drain-timeout", "1h"}};
  const std::uint16_t port = l.port();
  client active{port};
  BOOST_TEST(active.echoes("a"));
  client queued{port};
  client queued_too{port};
  // The two may be queued by now, or not even accepted: in either case they are let go.
  l.signal(number);
  BOOST_TEST(queued.end().failed());
  BOOST_TEST(queued_too.end().failed());
  BOOST_CHECK_THROW(client{port}, boost::system::system_error);
  BOOST_TEST(active.echoes("still served"));
  active.close();
  BOOST_TEST(l.exit_status() == 0);
  BOOST_TEST(contains(l.last_line(), "totals: "));
  BOOST_TEST(contains(l.last_line(), "served 1,"));
  BOOST_TEST(contains(l.last_line(), "cut 0;"));
}

BOOST_AUTO_TEST_CASE(refuses_the_queue_as_it_stops) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "1", "--threads", "1", "--max-queue", "2", "--queue-timeout", "1h"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("a"));
  client queued{l.port()};
  client queued_too{l.port()};
  client refused{l.port()};
  BOOST_TEST(refused.end() == asio::error::eof);  // so the two are in the queue
  l.signal(SIGTERM);
  BOOST_TEST(queued.end() == asio::error::eof);
  BOOST_TEST(queued_too.end() == asio::error::eof);
  active.close();
  BOOST_TEST(l.exit_status() == 0);
  BOOST_TEST(
      contains(l.last_line(), "accepted 4, served 1, refused 3 (full 1, timed out 0, stopping 2)"));
}

BOOST_AUTO_TEST_CASE(cuts_after_the_drain_timeout) {
  upstream u;
  limiter l{u.address(), {"--limit", "5", "--drain-timeout", "100ms"}};
  client first{l.port()};
  client second{l.port()};
  BOOST_TEST(first.echoes("a"));
  BOOST_TEST(second.echoes("b"));
  const std::string totals = l.stop();
  BOOST_TEST(contains(totals, "accepted 2, served 0, refused 0 "));
  BOOST_TEST(contains(totals, "cut 2;"));
  BOOST_TEST(first.end() == asio::error::connection_reset);
  BOOST_TEST(second.end() == asio::error::connection_reset);
}

BOOST_AUTO_TEST_CASE(cuts_at_the_second_signal) {
  upstream u;
  limiter l{u.address(), {"--drain-timeout", "1h"}};
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  l.signal(SIGINT);
  l.wait_for_log("stopping");
  BOOST_TEST(contains(l.stop(SIGINT), "cut 1;"));
  BOOST_TEST(c.end().failed());
}

// With clients in all states: being accepted, queued, connecting and served.
BOOST_AUTO_TEST_CASE(stops_under_load) {
  for (int round = 0; round < 5; ++round) {
    upstream u;
    limiter l{u.address(), {"--limit", "4", "--threads", "3", "--drain-timeout", "0ms"}};
    const std::uint16_t port = l.port();
    std::vector<std::jthread> threads;
    for (int i = 0; i < 16; ++i)
      threads.emplace_back([port](const std::stop_token& stop) {
        while (!stop.stop_requested()) try {
            client c{port};
            c.echoes("hello");
          } catch (const boost::system::system_error&) {
            return;
          }
      });
    u.wait_for_total(100 * round);
    l.stop();
    threads.clear();
    BOOST_TEST(u.most() <= 4);
  }
}

// The drain timeout is over at the very moment at which the last connection ends.
BOOST_AUTO_TEST_CASE(drained_just_in_time) {
  upstream u;
  for (int round = 0; round < 50; ++round) {
    limiter l{u.address(), {"--drain-timeout", "0ms"}};
    client c{l.port()};
    BOOST_TEST(c.echoes("hello"));
    c.close();
    BOOST_TEST(contains(l.stop(), "accepted 1, "));
  }
}

// ---- Faults -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(upstream_is_down) {
  // Bound and not listening: the port is ours, and connections are refused.
  asio::io_context context;
  tcp::acceptor reserved{context, tcp::v4()};
  reserved.set_option(tcp::acceptor::reuse_address{true});
  reserved.bind(any_port);
  const tcp::endpoint where = reserved.local_endpoint();

  limiter l{"127.0.0.1:" + std::to_string(where.port()), {"--limit", "1", "--overflow", "reject"}};
  for (int i = 0; i < 5; ++i) {
    client c{l.port()};
    BOOST_TEST(c.end() == asio::error::eof);
    l.wait_for_log("Connection refused");
  }
  reserved.close();
  upstream u{upstream::echo, where};
  BOOST_TEST(serves_again(l.port()));
  const std::string totals = l.stop();
  const std::size_t failed = count(l.log(), "upstream " + u.address() + ": Connection refused");
  BOOST_TEST(failed >= 1U);
  BOOST_TEST(
      contains(totals, "failed " + std::to_string(failed) + ","));  // a line for each, no more
}

BOOST_AUTO_TEST_CASE(out_of_descriptors) {
  upstream u;
  const auto start = steady_clock::now();
  limiter l{u.address(),
            {"--limit", "2", "--threads", "1", "--max-queue", "1000", "--queue-timeout", "1h"},
            24};
  client first{l.port()};
  client second{l.port()};
  BOOST_TEST(first.echoes("a"));
  BOOST_TEST(second.echoes("b"));
  std::list<client> queue;
  for (int i = 0; i < 30; ++i) queue.emplace_back(l.port());
  l.wait_for_log("accept: Too many open files");
  BOOST_TEST(first.echoes("still served"));
  queue.clear();
  first.close();
  second.close();
  l.wait_for_log("accept: works again");
  BOOST_TEST(serves_again(l.port()));

  const std::string totals = l.stop();
  const auto tenths = (steady_clock::now() - start) / 100ms;
  const std::size_t at = totals.find("bytes down; ") + 12;
  BOOST_TEST(std::stol(totals.substr(at)) <= tenths + 1, "it spins: " << totals);
  BOOST_TEST(u.most() <= 2);
}

// ---- The command line ---------------------------------------------------------------------------

struct mistake {
  words arguments;
  std::string complaint;

  friend std::ostream& operator<<(std::ostream& s, const mistake& m) {
    for (const std::string& word : m.arguments) s << word << ' ';
    return s;
  }
};

const std::vector<mistake> mistakes{
    {{}, "--upstream is missing; it takes an address"},
    {{"--upstream", "here"}, "--upstream takes an address or a name and a port"},
    {{"--upstream", "here:99999"}, "--upstream takes"},
    {{"--upstream", ":5432"}, "--upstream takes"},
    {{"--upstream", "::1:5432"}, "--upstream takes"},
    {{"--upstream", "a:1", "--listen", "6000"}, "--listen takes"},
    {{"--upstream", "a:1", "--limit", "0"}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit", "-1"}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit", "20x"}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit"}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit="}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit", "99999999999999999999999"}, "--limit takes"},
    {{"--upstream", "a:1", "--limit", "1", "--limit", "2"}, "--limit"},
    {{"--upstream", "a:1", "--max-queue", "many"}, "--max-queue takes a number from 0"},
    {{"--upstream", "a:1", "--queue-timeout", "5"}, "--queue-timeout takes a duration such as"},
    {{"--upstream", "a:1", "--queue-timeout", "5 s"}, "--queue-timeout takes a duration"},
    {{"--upstream", "a:1", "--drain-timeout", "soon"}, "--drain-timeout takes a duration"},
    {{"--upstream", "a:1", "--drain-timeout", "99999999999999999999h"}, "--drain-timeout takes"},
    {{"--upstream", "a:1", "--connect-timeout", "ms"}, "--connect-timeout takes a duration"},
    {{"--upstream", "a:1", "--abandon", "maybe"}, "--abandon takes on or off"},
    {{"--upstream", "a:1", "--idle-timeout", "never"}, "--idle-timeout takes a duration"},
    {{"--upstream", "a:1", "--session-timeout"}, "--session-timeout takes a duration"},
    {{"--upstream", "a:1", "--overflow", "drop"}, "--overflow takes queue, backlog or reject"},
    {{"--upstream", "a:1", "--threads", "0"}, "--threads takes a number from 1"},
    {{"--upstream", "a:1", "--frobnicate"}, "--frobnicate"},
    {{"--upstream", "a:1", "stray"}, "unexpected argument 'stray'"},
    {{"--demo", "--limit", "201"}, "--limit takes a number from 1 to 200"},
};

BOOST_DATA_TEST_CASE(mistakes_are_named, boost::unit_test::data::make(mistakes), m) {
  program p{path(), m.arguments};
  BOOST_TEST(p.exit_status() == 2);
  BOOST_TEST(p.output() == "");
  BOOST_TEST(contains(p.log(), m.complaint));
  BOOST_TEST(count(p.log(), "\n") == 1U, "more than one line: " << p.log());
}

BOOST_AUTO_TEST_CASE(address_is_taken) {
  upstream u;
  program p{path(), {"--listen", u.address(), "--upstream", "127.0.0.1:1"}};
  BOOST_TEST(p.exit_status() == 1);
  BOOST_TEST(contains(p.log(), "--listen " + u.address() + ": Address already in use"));
}

BOOST_AUTO_TEST_CASE(help) {
  program p{path(), {"--help"}};
  BOOST_TEST(p.exit_status() == 0);
  for (const char* option : {"--listen", "--upstream", "--limit", "--overflow", "--max-queue",
                             "--queue-timeout", "--abandon", "--idle-timeout", "--session-timeout",
                             "--drain-timeout", "--threads", "--demo"})
    BOOST_TEST(contains(p.output(), option));
}
