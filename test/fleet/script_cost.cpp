// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "scripted.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <vector>

using namespace turnstile::detail::fleet;

// Not a test, and runs only by --run_test=cost: the time that Redis needs for a call, by its own count.
BOOST_FIXTURE_TEST_CASE(cost, scripted_fixture, *boost::unit_test::disabled()) {
  redis_connection& redis = script.redis();
  const auto microseconds_a_call = [&](const std::string& command, const auto& calls) {
    redis({"CONFIG", "RESETSTAT"});
    calls();
    const std::string info = redis({"INFO", "commandstats"}).text();
    const auto line = info.find("cmdstat_" + command + ":");
    return std::stod(
        info.substr(info.find("usec_per_call=", line) + std::string{"usec_per_call="}.size()));
  };
  const double ping = microseconds_a_call("ping", [&] {
    for (int i = 0; i < 10'000; ++i) redis({"PING"});
  });
  const std::string empty = redis({"SCRIPT", "LOAD", "return 1"}).text();
  const double nothing = microseconds_a_call("evalsha", [&] {
    for (int i = 0; i < 10'000; ++i) redis({"EVALSHA", empty, "0"});
  });
  std::cout << "PING " << ping << " us, a script that does nothing " << nothing << " us\n";
  for (const int members : {1, 16, 100}) {
    redis({"FLUSHALL"});
    std::vector<request> requests;
    const auto call_all = [&](int rounds, number more) {
      for (int i = 0; i < rounds; ++i)
        for (request& r : requests) {
          ++r.serial;
          r.want = r.in_use + (r.serial % 2) * more;
          r.need = more > 0 && r.want > r.held ? r.want : 0;
          const reply x = script.with_real_facts(r).reply;
          r.epoch = x.news.epoch;
          r.version = x.news.version;
          r.held = r.keep = x.news.share;
          r.keep -= std::min(x.news.recall, r.held - r.in_use);
        }
    };
    for (int i = 0; i < members; ++i) {
      request r = first_request(std::to_string(i) + "0123456789abcdef0123456789abcdef");
      r.lease = 1'000'000;
      r.limit = number{2} * members;
      r.in_use = r.held = r.keep = 1;
      requests.push_back(r);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{1200};
    while (std::chrono::steady_clock::now() < deadline) call_all(1, 0);
    const int rounds = 20'000 / members;
    const double beat = microseconds_a_call("evalsha", [&] { call_all(rounds, 0); });
    const double ask = microseconds_a_call("evalsha", [&] { call_all(rounds / 4, 2); });
    std::cout << members << " members: " << beat << " us a heartbeat, " << ask
              << " us for asking and giving back\n";
  }
}
