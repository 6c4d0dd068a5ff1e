// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Listeners with several addresses.

#include "limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <set>
#include <string>

namespace {

bool connects(const char* address, std::uint16_t port) try {
  client c{tcp::endpoint{asio::ip::make_address(address), port}};
  return c.echoes("hello");
} catch (const boost::system::system_error&) {
  return false;
}

std::set<std::string> addresses_of(const char* name) {
  asio::io_context context;
  std::set<std::string> result;
  for (const auto& entry : tcp::resolver{context}.resolve(name, "0"))
    result.insert(entry.endpoint().address().to_string());
  return result;
}

}  // namespace

BOOST_DATA_TEST_CASE(a_star_is_all_addresses_of_the_machine,
                     boost::unit_test::data::make({"queue", "backlog"}), mode) {
  upstream u;
  program l{path(), {"--listen", "*:0", "--upstream", u.address(), "--overflow", mode}};
  BOOST_TEST(connects("127.0.0.1", l.port()));
  BOOST_TEST(connects("127.0.0.2", l.port()));
  if (has_ipv6()) BOOST_TEST(connects("::1", l.port()));
}

// In backlog mode with one permit, too: the permit must not wait for one of the addresses only.
BOOST_DATA_TEST_CASE(listens_on_all_addresses_of_a_name,
                     boost::unit_test::data::make({"queue", "backlog"}), mode) {
  upstream u;
  program l{path(),
            {"--listen", "localhost:0", "--upstream", u.address(),  //
             "--overflow", mode, "--limit", "1", "--admin", "localhost:0"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  for (int round = 0; round < 3; ++round)
    for (const std::string& address : addresses_of("localhost")) {
      if (address == "::1" && !has_ipv6()) continue;
      BOOST_TEST(connects(address.c_str(), port), address);
    }
  // The name is the label of the metrics.
  BOOST_TEST(contains(get(admin, "/metrics"),
                      "accepted_total{listener=\"localhost:" + std::to_string(port) + "\"} "));
}

BOOST_AUTO_TEST_CASE(a_star_is_no_loopback_address) {
  program p{path(), {"--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:1", "--admin", "*:0"}};
  BOOST_TEST(p.exit_status() == 2);
  BOOST_TEST(contains(p.log(), "invalid --admin '*:0'; expected a loopback address"));
}
