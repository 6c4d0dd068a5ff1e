// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// An upstream with several addresses. Runs the limiter's own code.

#include "proxy/net.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <exception>
#include <list>
#include <vector>

using namespace connection_limiter;
using std::chrono::steady_clock;

namespace {

// An address that neither accepts nor refuses connections, because its backlog is full.
struct unresponsive {
  explicit unresponsive(asio::io_context& io) : acceptor(io, tcp::v4()) {
    acceptor.bind({asio::ip::address_v4::loopback(), 0});
    acceptor.listen(0);
    for (int i = 0; i != 4; ++i)
      waiting.emplace_back(io).async_connect(acceptor.local_endpoint(), asio::detached);
    io.poll();
  }

  tcp::acceptor acceptor;
  std::list<tcp::socket> waiting;
};

// The address that was connected to, or the error.
struct result {
  error_code ec = asio::error::would_block;
  tcp::endpoint address;
};

result connect(asio::io_context& io, const std::vector<tcp::endpoint>& all,
               std::chrono::milliseconds timeout) {
  const std::vector<endpoint> addresses(all.begin(), all.end());
  stream_socket socket{io};
  result r;
  bool done = false;
  asio::co_spawn(io, connect_to_one_of(addresses, socket, {}, steady_clock::now() + timeout),
                 [&](const std::exception_ptr& e, error_code ec) {
                   BOOST_TEST(!e);
                   r.ec = ec;
                   done = true;
                 });
  while (!done) io.run_one();
  if (!r.ec) {
    BOOST_TEST(socket.non_blocking());
    r.address = to_tcp(socket.remote_endpoint()).value();
  }
  return r;
}

}  // namespace

BOOST_AUTO_TEST_CASE(an_unresponsive_address_leaves_time_for_the_next) {
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  const unresponsive first{io};
  const tcp::acceptor second{io, {asio::ip::address_v4::loopback(), 0}};
  const result r = connect(io, {first.acceptor.local_endpoint(), second.local_endpoint()},
                           std::chrono::seconds{2});
  BOOST_TEST(!r.ec);
  BOOST_TEST(r.address == second.local_endpoint());
}

BOOST_AUTO_TEST_CASE(tries_the_next_address_at_once_after_a_refusal) {
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  tcp::acceptor closed{io, {asio::ip::address_v4::loopback(), 0}};
  const tcp::endpoint refuses = closed.local_endpoint();
  closed.close();
  const tcp::acceptor second{io, {asio::ip::address_v4::loopback(), 0}};
  BOOST_TEST(connect(io, {refuses, second.local_endpoint()}, std::chrono::hours{1}).address ==
             second.local_endpoint());
  BOOST_TEST(connect(io, {refuses}, std::chrono::hours{1}).ec == asio::error::connection_refused);
}

BOOST_AUTO_TEST_CASE(times_out_if_all_addresses_are_unresponsive) {
  asio::io_context io;
  const auto work = asio::make_work_guard(io);
  const unresponsive first{io};
  const auto start = steady_clock::now();
  const tcp::endpoint address = first.acceptor.local_endpoint();
  const result r = connect(io, {address, address}, std::chrono::milliseconds{200});
  BOOST_TEST(r.ec == asio::error::timed_out);
  BOOST_TEST((steady_clock::now() - start >= std::chrono::milliseconds{200}));
}
