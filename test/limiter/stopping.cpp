// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Stopping, and faults around the program.

#include "limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <list>
#include <string>
#include <thread>
#include <vector>

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
