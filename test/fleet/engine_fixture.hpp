// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_ENGINE_FIXTURE_HPP
#define TURNSTILE_TEST_FLEET_ENGINE_FIXTURE_HPP

#include <turnstile/redis_engine.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <utility>

// A request that joins and wants nothing.
inline turnstile::shared_engine::request make_request(int serial,
                                                      const std::string& name = "test") {
  turnstile::shared_engine::request r{"turnstile:{" + name + "}", {}};
  for (const char* a :
       {"a1", "", "0", "0", "15000000", "10000", "8", "0", "0", "0", "0", "0", "0", "0", "0", "0"})
    r.arguments.emplace_back(a);
  r.arguments[1] = std::to_string(serial);
  return r;
}

// A port that was free a moment ago.
inline std::string free_port() {
  boost::asio::io_context io;
  const boost::asio::ip::tcp::acceptor a(io, {boost::asio::ip::address_v4::loopback(), 0});
  return std::to_string(a.local_endpoint().port());
}

struct engine_fixture {
  // Runs the context until the condition holds. False if it does not for a long time.
  template <typename Condition>
  bool wait(Condition&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  turnstile::shared_engine::reply sync(turnstile::shared_engine& e) {
    std::optional<turnstile::shared_engine::reply> reply;
    e.async_sync(make_request(++serial),
                 [&reply](turnstile::shared_engine::reply r) { reply = std::move(r); });
    BOOST_REQUIRE(wait([&] { return reply.has_value(); }));
    return *reply;
  }

  // Asks until there is a reply without an error.
  void sync_at_last(turnstile::shared_engine& e) {
    turnstile::shared_engine::reply r;
    BOOST_REQUIRE(wait([&] { return (r = sync(e)).error.empty(); }));
    BOOST_TEST(r.numbers.size() == 13U);
    BOOST_TEST(r.numbers.at(0) == serial);
  }

  boost::asio::io_context io;
  int serial = 0;
};

#endif
