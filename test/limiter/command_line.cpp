// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The command line.

#include "limiter.hpp"

#include <boost/test/data/test_case.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace {

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
    {{"--upstream", "here:0"}, "--upstream takes"},
    {{"--upstream", "::1:5432"}, "--upstream takes"},
    {{"--upstream", "a:1", "--listen", "6000"}, "--listen takes"},
    {{"--upstream", "a:1", "--limit", "0"}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit", "-1"}, "--limit takes a number from 1 to"},
    {{"--upstream", "a:1", "--limit", "5\n6"}, "not '5 6'"},
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
    {{"--upstream", "a:1", "--per-client", "0"}, "--per-client takes a number from 1 to"},
    {{"--upstream", "a:1", "--per-client"}, "--per-client takes a number from 1 to"},
    {{"--upstream", "a:1", "--per-client", "1", "--per-client-queue", "x"},
     "--per-client-queue takes a number from 0 to"},
    {{"--upstream", "a:1", "--per-client-queue", "1"}, "--per-client-queue is of no use without"},
    {{"--upstream", "a:1", "--admin", "9100"}, "--admin takes an address"},
    {{"--upstream", "a:1", "--admin-public", "here"}, "--admin-public is of no use without"},
    {{"--upstream", "a:1", "--admin", "127.0.0.1:0", "--admin-public", "http://here"},
     "--admin-public takes the name"},
    {{"--listen", "127.0.0.1:0", "--upstream", "a:1", "--listen", "127.0.0.1:0"},
     "--upstream is missing"},
    {{"--upstream", "a:1", "--listen", "127.0.0.1:0", "--limit", "1", "--limit", "2"}, "--limit"},
    {{"--upstream", "a:1", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--limit", "0"},
     "--limit takes a number from 1 to"},
    {{"--demo", "--admin", "127.0.0.1:0"}, "--demo is of one listener"},
    {{"--upstream", "a:1", "--threads", "0"}, "--threads takes a number from 1"},
    {{"--upstream", "a:1", "--frobnicate"}, "--frobnicate"},
    {{"--upstream", "a:1", "stray"}, "unexpected argument 'stray'"},
    {{"--demo", "--limit", "201"}, "--limit takes a number from 1 to 200"},
};

}  // namespace

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
  for (const char* option :
       {"--listen", "--upstream", "--limit", "--overflow", "--max-queue", "--queue-timeout",
        "--per-client", "--per-client-queue", "--abandon", "--idle-timeout", "--session-timeout",
        "--drain-timeout", "--admin", "--admin-public", "--threads", "--demo"})
    BOOST_TEST(contains(p.output(), option));
}
