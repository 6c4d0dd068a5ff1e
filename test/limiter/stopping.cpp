// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Stopping, and faults: upstreams and clients that fail, and missing descriptors.

#include "limiter.hpp"
#include "proxy/limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// ---- Stopping -----------------------------------------------------------------------------------

BOOST_DATA_TEST_CASE(drains_on_a_signal,
                     boost::unit_test::data::make({SIGTERM, SIGINT, SIGQUIT, SIGHUP}), number) {
  upstream u;
  limiter l{u.address(), {"--limit", "1", "--queue-timeout", "1h", "--drain-timeout", "1h"}};
  const std::uint16_t port = l.port();
  client active{port};
  BOOST_TEST(active.echoes("a"));
  client queued{port};
  client queued_too{port};
  // Each of the two is either queued by now or not yet accepted. Both must be closed.
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

BOOST_DATA_TEST_CASE(ignores_user_signals, boost::unit_test::data::make({SIGUSR1, SIGUSR2}),
                     number) {
  upstream u;
  limiter l{u.address(), {}};
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  l.signal(number);
  BOOST_TEST(c.echoes("still served"));
  BOOST_TEST(serves_again(l.port()));
  c.close();
  BOOST_TEST(contains(l.stop(), "accepted 2, "));
}

BOOST_AUTO_TEST_CASE(stopping_refuses_queued_connections) {
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
      contains(l.last_line(), "accepted 4, served 1, refused 3 (full 1, timed out 0, stopping 2,"));
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

BOOST_AUTO_TEST_CASE(second_signal_cuts_at_once) {
  upstream u;
  limiter l{u.address(), {"--drain-timeout", "1h"}};
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  l.signal(SIGINT);
  l.wait_for_log("stopping");
  BOOST_TEST(contains(l.stop(SIGINT), "cut 1;"));
  BOOST_TEST(c.end().failed());
}

// A client must not take what it received before the cut for the whole. Several rounds, because the
// fault needs a direction that has just copied something.
BOOST_DATA_TEST_CASE(cutting_resets_connections_while_bytes_move,
                     boost::unit_test::data::xrange(2) * boost::unit_test::data::xrange(5),
                     both_ways, round) {
  BOOST_TEST_MESSAGE("round " << round);
  upstream u{[&](tcp::socket& socket) -> asio::awaitable<void> {
    if (both_ways) co_await upstream::echo(socket);
    const std::string much(1 << 16, 'x');
    for (;;) co_await asio::async_write(socket, asio::buffer(much), asio::use_awaitable);
  }};
  limiter l{u.address(), {"--drain-timeout", "100ms", "--threads", "1"}};
  asio::io_context context;
  tcp::socket c{context};
  c.connect({asio::ip::address_v4::loopback(), l.port()});
  const std::string much(1 << 16, 'y');
  std::string sink(1 << 20, '\0');
  error_code end;
  std::function<void()> send = [&] {
    asio::async_write(c, asio::buffer(much), [&](error_code ec, std::size_t) {
      if (!ec) send();
    });
  };
  std::function<void()> receive = [&] {
    c.async_read_some(asio::buffer(sink), [&](error_code ec, std::size_t) {
      if (!ec) return receive();
      end = ec;
      context.stop();
    });
  };
  if (both_ways) send();
  receive();
  std::jthread moves{[&] { context.run_for(test_timeout); }};
  u.wait_for_total(1);
  const std::string totals = l.stop();
  moves.join();
  // If this end was sending, the send may have consumed the reset.
  BOOST_TEST((end == asio::error::connection_reset || (both_ways && end)), end.message());
  BOOST_TEST(contains(totals, "failed 0, cut 1;"));
}

// With clients in all states: being accepted, queued, connecting and forwarded.
BOOST_AUTO_TEST_CASE(returns_all_permits_when_stopped_under_load) {
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
    BOOST_TEST(contains(l.stop(), "4 of 4 permits returned"));
    threads.clear();
    BOOST_TEST(u.max() <= 4);
  }
}

// With four times as many clients as the limit, none of which disconnects.
BOOST_AUTO_TEST_CASE(stops_within_the_drain_timeout_under_load) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "8", "--per-client", "6", "--queue-timeout", "1h",  //
             "--drain-timeout", "300ms", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  std::list<client> clients;
  for (int i = 0; i < 32; ++i) clients.emplace_back(port, i % 2 == 0 ? "127.0.0.1" : "127.0.0.2");
  BOOST_TEST(comes_true([&] {
    return metric(admin, port, "active_connections") == 8 &&
           metric(admin, port, "queued_connections") == 24;
  }));
  const auto start = steady_clock::now();
  const std::string totals = l.stop();
  const auto took = steady_clock::now() - start;
  BOOST_TEST((took >= 300ms));
  BOOST_TEST((took < 5s));  // about 300 ms on an idle machine
  BOOST_TEST(
      contains(totals, "accepted 32, served 0, refused 24 (full 0, timed out 0, stopping 24,"));
  BOOST_TEST(contains(totals, "cut 8; at most 8 at once"));
  BOOST_TEST(contains(totals, "8 of 8 permits returned"));
}

// The drain timeout expires at the same time as the last connection ends.
BOOST_AUTO_TEST_CASE(ends_when_draining_and_its_timeout_coincide) {
  upstream u;
  for (int round = 0; round < 50; ++round) {
    limiter l{u.address(), {"--drain-timeout", "0ms"}};
    client c{l.port()};
    BOOST_TEST(c.echoes("hello"));
    c.close();
    BOOST_TEST(contains(l.stop(), "accepted 1, "));
  }
}

// A signal may arrive just when the last listener has ended, or later.
BOOST_AUTO_TEST_CASE(ends_while_signals_arrive) {
  for (int i = 0; i != 20; ++i) {
    limiter l{i % 2 == 0 ? "127.0.0.1:1" : "localhost:1", {}};  // a name has a thread of its own
    l.port();                                                   // it has started
    for (const auto start = steady_clock::now(); steady_clock::now() - start < 20ms;)
      l.signal(SIGTERM);
    BOOST_TEST(l.exit_status() == 0);
    BOOST_TEST(contains(l.last_line(), "totals: accepted 0, "));
  }
}

// Runs the limiter's own code. While it drains, every second turn of the context takes so long that a report
// of failures is due in the next one, for one of the two values also in the turn in which the limiter ends.
BOOST_DATA_TEST_CASE(ends_although_a_report_is_due, boost::unit_test::data::xrange(2), first) {
  namespace own = connection_limiter;
  own::io_threads threads{1};
  asio::io_context& context = threads.contexts().front();
  own::settings s;
  s.listen = {"127.0.0.1"};
  s.upstream = {"127.0.0.1", 1};
  bool draining = false, ended = false;
  int turn = first;
  const own::logger log{[&](const std::string&) { draining = true; }};
  own::passed_sockets none{std::vector<int>{}};
  own::limiter l{threads, s, log, none,
                 std::make_shared<own::admission>(context.get_executor(), s)};
  asio::co_spawn(context, l.run(), [&](const std::exception_ptr&) {
    ended = true;
    threads.finish();
  });
  const std::function<void()> take_time = [&] {
    if (draining && turn++ % 2 == 0) std::this_thread::sleep_for(1001ms);
    if (!ended) asio::post(context, take_time);
  };
  take_time();
  l.stop();
  context.run_for(test_timeout);
  BOOST_TEST(ended);
  BOOST_TEST(context.stopped());
}

// ---- Faults -------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(closes_clients_while_the_upstream_is_down) {
  // Bound but not listening: reserves the port and refuses connections.
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
  BOOST_TEST(!contains(l.stop(), "failed 0,"));
}

BOOST_AUTO_TEST_CASE(serves_again_after_the_upstream_restarts) {
  std::optional<upstream> u{std::in_place};
  const tcp::endpoint where{asio::ip::address_v4::loopback(), u->port()};
  limiter l{u->address(), {"--limit", "2", "--threads", "1", "--queue-timeout", "1h"}};
  client first{l.port()}, second{l.port()}, queued{l.port()};
  BOOST_TEST(first.echoes("a"));
  BOOST_TEST(second.echoes("b"));
  u.reset();
  for (client* c : {&first, &second}) {
    c->end();
    c->close();
  }
  BOOST_TEST(queued.end() == asio::error::eof);  // it got its permit while the upstream was down
  u.emplace(upstream::echo, where);
  BOOST_TEST(serves_again(l.port()));
  BOOST_TEST(contains(l.stop(), "2 of 2 permits returned"));
  BOOST_TEST(u->max() <= 2);
}

// While they are accepted, queued, connecting to the upstream, forwarding bytes, and half-closed.
BOOST_AUTO_TEST_CASE(clients_that_disconnect_at_any_stage_leave_nothing_behind) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "3", "--per-client", "2", "--queue-timeout", "1h",  //
             "--max-queue", "1000", "--admin", "127.0.0.1:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  BOOST_TEST(serves_again(port));
  BOOST_TEST(comes_true([&] { return metric(admin, port, "active_connections") == 0; }));
  BOOST_TEST(metric(admin, port, "active_connections") == 0);
  BOOST_TEST(comes_true([&] { return l.sockets() == 2; }));  // the listening sockets
  const std::size_t before = l.descriptors();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 6; ++t)
    threads.emplace_back([port, t] {
      const std::string much(100'000, 'x');
      for (int i = 0; i < 30; ++i) {
        client c{port, ("127.0.0." + std::to_string(1 + t % 3)).c_str()};
        const int stage = i % 5;
        if (stage == 1) c.send("x");
        if (stage == 2) c.send(much);
        if (stage == 3) c.half_close();
        if (stage == 4) c.echoes("x");
        if (i % 2 == 0) c.reset();
      }
    });
  threads.clear();
  for (const char* name : {"active_connections", "queued_connections", "clients"})
    BOOST_TEST(comes_true([&] { return metric(admin, port, name) == 0; }), name);
  BOOST_TEST(comes_true([&] { return l.descriptors() == before; }));
  BOOST_TEST(serves_again(port));
  BOOST_TEST(contains(l.stop(), "3 of 3 permits returned"));
  BOOST_TEST(u.max() <= 3);
}

BOOST_AUTO_TEST_CASE(recovers_when_out_of_descriptors) {
  upstream u;
  const auto start = steady_clock::now();
  limiter l{u.address(),
            {"--limit", "2", "--threads", "1", "--max-queue", "1000", "--queue-timeout", "1h",
             "--admin", "127.0.0.1:0"},
            32};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client first{port};
  client second{port};
  BOOST_TEST(first.echoes("a"));
  BOOST_TEST(second.echoes("b"));
  std::list<client> queue;
  for (int i = 0; i < 40; ++i) queue.emplace_back(port);
  const std::string where = "127.0.0.1:" + std::to_string(port);
  l.wait_for_log(where + ": accept: Too many open files");
  client asks{admin};
  l.wait_for_log("admin endpoint: accept: Too many open files");

  const auto cpu_before = l.cpu_time();
  std::this_thread::sleep_for(2s);
  const auto cpu = l.cpu_time() - cpu_before;
  BOOST_TEST_MESSAGE("used " << cpu.count() << " ms of 2000 ms without descriptors");
  BOOST_TEST((cpu < 40ms), "the limiter spins");
  BOOST_TEST(first.echoes("still served"));

  queue.clear();
  first.close();
  second.close();
  l.wait_for_log(where + ": accept: works again");
  l.wait_for_log("admin endpoint: accept: works again");
  BOOST_TEST(serves_again(port));
  BOOST_TEST(metric(admin, port, "queued_connections") == 0);

  const std::string totals = l.stop();
  const auto tenths = (steady_clock::now() - start) / 100ms;
  const std::size_t at = totals.find("bytes down; ") + 12;
  BOOST_TEST(std::stol(totals.substr(at)) <= tenths + 1, "the limiter spins: " << totals);
  BOOST_TEST(contains(totals, "2 of 2 permits returned"));
  BOOST_TEST(u.max() <= 2);
}

// Also before each thread has had a connection.
BOOST_AUTO_TEST_CASE(recovers_when_out_of_descriptors_with_many_threads) {
  upstream u;
  limiter l{u.address(),
            {"--limit", "2", "--threads", "8", "--max-queue", "1000", "--queue-timeout", "1h"},
            38};
  std::list<client> first;
  for (int i = 0; i < 2; ++i) BOOST_TEST(first.emplace_back(l.port()).echoes("first"));
  std::atomic<int> served{0};
  std::vector<std::jthread> others;
  for (int i = 0; i < 18; ++i)
    others.emplace_back([&] { served += client{l.port()}.echoes("mine"); });
  l.wait_for_log("accept: Too many open files");
  first.clear();
  others.clear();
  BOOST_TEST(served == 18);
  BOOST_TEST(contains(l.stop(), "accepted 20, served 20, refused 0 "));
}

BOOST_AUTO_TEST_CASE(raises_its_soft_limit_of_descriptors) {
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  if (before.rlim_max < 1000) {
    BOOST_TEST_MESSAGE("the hard limit is too low for this test");
    return;
  }
  upstream u;
  const rlimit low{200, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &low);
  limiter l{u.address(), {"--limit", "100", "--threads", "1"}};
  setrlimit(RLIMIT_NOFILE, &before);
  l.port();
  l.stop();
  BOOST_TEST(!contains(l.log(), "file descriptors"));
}

BOOST_AUTO_TEST_CASE(fails_to_start_with_too_few_descriptors_for_its_threads) {
  upstream u;
  limiter l{u.address(), {"--threads", "16", "--limit", "1", "--max-queue", "0"}, 32};
  BOOST_TEST(l.exit_status() == 1);
  // 48 of them are for the threads.
  BOOST_TEST(contains(l.log(), "may need 114 file descriptors, but the limit is 32"));
  BOOST_TEST(contains(l.log(), "Too many open files"));
}

BOOST_AUTO_TEST_CASE(each_thread_opens_its_three_descriptors_at_the_start) {
  upstream u;
  limiter one{u.address(), {"--threads", "1"}};
  limiter nine{u.address(), {"--threads", "9"}};
  one.port();  // waits until the program listens: the descriptors are open by then
  nine.port();
  BOOST_TEST(nine.descriptors() - one.descriptors() == 24u);
}
