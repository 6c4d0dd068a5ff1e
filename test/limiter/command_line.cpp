// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The command line.

#include "limiter.hpp"

#include <turnstile/detail/config.hpp>

#include <boost/test/data/test_case.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace {

const std::string connection_limiter_version = std::to_string(TURNSTILE_VERSION_MAJOR) + '.' +
                                               std::to_string(TURNSTILE_VERSION_MINOR) + '.' +
                                               std::to_string(TURNSTILE_VERSION_PATCH);

struct mistake {
  words arguments;
  std::string complaint;

  friend std::ostream& operator<<(std::ostream& s, const mistake& m) {
    for (const std::string& word : m.arguments) s << word << ' ';
    return s;
  }
};

const std::vector<mistake> mistakes{
    {{}, "--upstream is missing; expected an address"},
    {{"--upstream", "here"},
     "invalid --upstream 'here'; expected an address or host name and a port"},
    {{"--upstream", "here:99999"}, "invalid --upstream 'here:99999'; expected"},
    {{"--upstream", ":5432"}, "invalid --upstream ':5432'; expected"},
    {{"--upstream", "here:0"}, "invalid --upstream 'here:0'; expected"},
    {{"--upstream", "::1:5432"}, "invalid --upstream '::1:5432'; expected"},
    {{"--upstream", "unix:here"}, "invalid --upstream 'unix:here'; expected an address"},
    {{"--upstream", "unix:/" + std::string(200, 'x')}, "invalid --upstream 'unix:/xxx"},
    {{"--upstream", "a:1", "--listen", "unix:/a", "--socket-mode", "0888"},
     "invalid --socket-mode '0888'; expected an octal number"},
    {{"--upstream", "a:1", "--socket-mode", "0660"}, "--socket-mode needs --listen unix:PATH"},
    {{"--upstream", "a:1", "--admin", "unix:/a"}, "invalid --admin 'unix:/a'; expected an address"},
    {{"--upstream", "a:1", "--listen", "6000"}, "invalid --listen '6000'; expected"},
    {{"--upstream", "a:1", "--limit-min", "2"},
     "--limit-min needs --limit auto or --limit-dry-run"},
    {{"--upstream", "a:1", "--limit-max", "2"},
     "--limit-max needs --limit auto or --limit-dry-run"},
    {{"--upstream", "a:1", "--limit", "auto", "--limit-min", "0"},
     "invalid --limit-min '0'; expected a number from 1 to"},
    {{"--upstream", "a:1", "--limit", "auto", "--limit-min", "3", "--limit-max", "2"},
     "--limit-min is greater than --limit-max"},
    {{"--upstream", "a:1", "--limit", "auto", "--limit-dry-run", "on"},
     "--limit-dry-run on needs a number as --limit"},
    {{"--upstream", "a:1", "--limit-dry-run", "yes"},
     "invalid --limit-dry-run 'yes'; expected on or off"},
    {{"--upstream", "a:1", "--limit", "-1"},
     "invalid --limit '-1'; expected auto, or a number from 0 to"},
    {{"--upstream", "a:1", "--limit", "5\n6"}, "invalid --limit '5\\x0a6'; expected"},
    {{"--upstream", "a\nb:1"}, "invalid --upstream 'a\\x0ab:1'; expected"},
    {{"--upstream", "*:1"}, "invalid --upstream '*:1'; expected"},
    {{"--upstream", "a:1", "--admin", "127.0.0.1:0", "--admin-public", "a\nb"},
     "invalid --admin-public 'a\\x0ab'; expected"},
    {{"--upstream", "a:1", "--overflow", "reject", "--max-queue", "1"},
     "--max-queue needs --overflow queue"},
    {{"--upstream", "a:1", "--overflow", "backlog", "--queue-timeout", "1s"},
     "--queue-timeout needs --overflow queue"},
    {{"--upstream", "a:1", "--overflow", "reject", "--abandon", "on"},
     "--abandon needs --overflow queue"},
    {{"--upstream", "a:1", "--overflow", "reject", "--per-client", "1", "--per-client-queue", "1"},
     "--per-client-queue needs --overflow queue"},
    {{"--upstream", "a:1", "--max-queue", "1", "--listen", "127.0.0.1:0", "--overflow", "reject"},
     "--max-queue needs --overflow queue"},
    {{"--upstream", "a:1", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--overflow",
      "reject", "--max-queue", "1"},
     "--max-queue needs --overflow queue"},
    {{"--upstream", "a:1", "--access-log", "yes"},
     "invalid --access-log 'yes'; expected on or off"},
    {{"--upstream", "a:1", "--log-format", "xml"},
     "invalid --log-format 'xml'; expected plain or json"},
    {{"--upstream", "a:1", "--resolve-every", "100ms"},
     "invalid --resolve-every '100ms'; expected a duration in whole seconds"},
    {{"--upstream", "a:1", "--keepalive", "10h"},
     "invalid --keepalive '10h'; expected a duration in whole seconds"},
    {{"--upstream", "a:1", "--drain-delay", "x"}, "invalid --drain-delay 'x'; expected a duration"},
    {{"--upstream", "a:1", "--half-close-timeout", "x"},
     "invalid --half-close-timeout 'x'; expected a duration"},
    {{"--upstream", "a:1", "--limit", "20x"},
     "invalid --limit '20x'; expected auto, or a number from 0 to"},
    {{"--upstream", "a:1", "--limit"},
     "--limit has no value; expected auto, or a number from 0 to"},
    {{"--upstream", "a:1", "--limit="},
     "--limit has no value; expected auto, or a number from 0 to"},
    {{"--upstream", "a:1", "--limit", "99999999999999999999999"},
     "invalid --limit '99999999999999999999999'; expected"},
    {{"--upstream", "a:1", "--limit", "1", "--limit", "2"}, "--limit"},
    {{"--upstream", "a:1", "--max-queue", "many"},
     "invalid --max-queue 'many'; expected a number from 0"},
    {{"--upstream", "a:1", "--queue-timeout", "5"},
     "invalid --queue-timeout '5'; expected a duration such as"},
    {{"--upstream", "a:1", "--queue-timeout", "5 s"},
     "invalid --queue-timeout '5 s'; expected a duration"},
    {{"--upstream", "a:1", "--drain-timeout", "soon"},
     "invalid --drain-timeout 'soon'; expected a duration"},
    {{"--upstream", "a:1", "--drain-timeout", "99999999999999999999h"},
     "invalid --drain-timeout '99999999999999999999h'; expected"},
    {{"--upstream", "a:1", "--connect-timeout", "ms"},
     "invalid --connect-timeout 'ms'; expected a duration"},
    {{"--upstream", "a:1", "--abandon", "maybe"}, "invalid --abandon 'maybe'; expected on or off"},
    {{"--upstream", "a:1", "--idle-timeout", "never"},
     "invalid --idle-timeout 'never'; expected a duration"},
    {{"--upstream", "a:1", "--session-timeout"},
     "--session-timeout has no value; expected a duration"},
    {{"--upstream", "a:1", "--overflow", "drop"},
     "invalid --overflow 'drop'; expected queue, backlog or reject"},
    {{"--upstream", "a:1", "--per-client", "0"},
     "invalid --per-client '0'; expected a number from 1 to"},
    {{"--upstream", "a:1", "--per-client"},
     "--per-client has no value; expected a number from 1 to"},
    {{"--upstream", "a:1", "--per-client", "1", "--per-client-queue", "x"},
     "invalid --per-client-queue 'x'; expected a number from 0 to"},
    {{"--upstream", "a:1", "--per-client-queue", "1"}, "--per-client-queue needs --per-client"},
    {{"--upstream", "a:1", "--admin", "9100"}, "invalid --admin '9100'; expected an address"},
    {{"--upstream", "a:1", "--admin-public", "here"}, "--admin-public needs --admin"},
    {{"--upstream", "a:1", "--admin", "127.0.0.1:0", "--admin-public", "http://here"},
     "invalid --admin-public 'http://here'; expected a host name"},
    {{"--listen", "127.0.0.1:0", "--upstream", "a:1", "--listen", "127.0.0.1:0"},
     "--upstream is missing"},
    {{"--upstream", "a:1", "--share-limit", "x", "--overflow", "backlog"},
     "--share-limit needs --overflow queue or reject"},
    {{"--upstream", "a:1", "--share-limit", "x", "--limit", "auto"},
     "--share-limit needs a number as --limit"},
    {{"--upstream", "a:1", "--share-limit", "x", "--listen", "127.0.0.1:0", "--listen",
      "127.0.0.1:0", "--limit", "3"},
     "--limit differs between listeners of --share-limit x"},
    {{"--upstream", "a:1", "--shared", "redis://a"}, "--name is missing; expected a name of 1 to"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a b"},
     "invalid --name 'a b'; expected a name of 1 to 128 letters, digits, and _ . : / -"},
    {{"--upstream", "a:1", "--shared", "@/does/not/exist", "--name", "a"},
     "invalid --shared '@/does/not/exist'; expected a URL such as redis://redis.example:6379, or @ "
     "and"},
    {{"--upstream", "a:1", "--shared", "@/dev/null", "--name", "a"},
     "invalid --shared '@/dev/null'"},
    {{"--upstream", "a:1", "--name", "a"}, "--name needs --shared"},
    {{"--upstream", "a:1", "--lease", "5s"}, "--lease needs --shared"},
    {{"--upstream", "a:1", "--lost-lease", "cut"}, "--lost-lease needs --shared"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--lease", "500ms"},
     "invalid --lease '500ms'; expected a duration from 1s to 10m"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--lost-lease", "go"},
     "invalid --lost-lease 'go'; expected keep or cut"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--overflow", "backlog"},
     "--shared needs --overflow queue"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--limit", "auto"},
     "--shared needs a number as --limit"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--limit", "0"},
     "--shared needs a --limit of at least 1"},
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--max-queue", "0"},
     "--shared needs a --max-queue of at least 1"},
    {{"--upstream", "a:1", "--share-limit", "x", "--shared", "redis://a", "--name", "a", "--listen",
      "127.0.0.1:0", "--listen", "127.0.0.1:0", "--name", "b"},
     "--shared differs between listeners of --share-limit x"},
    {{"--demo", "--shared", "redis://a"}, "--demo cannot be combined with --shared"},
#ifdef WITHOUT_REDIS
    {{"--upstream", "a:1", "--shared", "redis://a", "--name", "a", "--listen", "127.0.0.1:0"},
     "--shared needs hiredis, which this connection_limiter was built without; install it"},
#endif
    {{"--upstream", "a:1", "--limits-file", "/nowhere"},
     "--limits-file /nowhere: cannot be read: No such file or directory"},
    {{"--upstream", "a:1", "--listen", "127.0.0.1:0", "--limit", "1", "--limit", "2"}, "--limit"},
    {{"--upstream", "a:1", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--limit", "x"},
     "invalid --limit 'x'; expected auto, or a number from 0 to"},
    {{"--demo", "--admin", "127.0.0.1:0"}, "--demo cannot be combined with --admin"},
    {{"--demo", "--listen", "127.0.0.1:0"}, "--demo cannot be combined with --listen"},
    {{"--demo", "--upstream", "a:1"}, "--demo cannot be combined with --upstream"},
    {{"--demo", "--drain-timeout", "1s"}, "--demo cannot be combined with --drain-timeout"},
    {{"--upstream", "a:1", "--threads", "0"}, "invalid --threads '0'; expected a number from 1"},
    {{"--upstream", "a:1", "--frobnicate"}, "--frobnicate"},
    {{"--upstream", "a:1", "stray"}, "unexpected argument 'stray'"},
    {{"--demo", "--limit", "0"}, "invalid --limit '0'; expected a number from 1 to 200"},
    {{"--demo", "--limit", "201"}, "invalid --limit '201'; expected a number from 1 to 200"},
};

}  // namespace

BOOST_DATA_TEST_CASE(names_the_wrong_option_in_one_line, boost::unit_test::data::make(mistakes),
                     m) {
  program p{path(), m.arguments};
  BOOST_TEST(p.exit_status() == 2);
  BOOST_TEST(p.output() == "");
  BOOST_TEST(contains(p.log(), m.complaint));
  BOOST_TEST(count(p.log(), "\n") == 1U, "more than one line: " << p.log());
}

BOOST_AUTO_TEST_CASE(names_a_listen_address_that_is_in_use) {
  upstream u;
  program p{path(), {"--listen", u.address(), "--upstream", "127.0.0.1:1"}};
  BOOST_TEST(p.exit_status() == 1);
  BOOST_TEST(contains(p.log(), "--listen " + u.address() + ": Address already in use"));
}

BOOST_AUTO_TEST_CASE(prints_its_version) {
  program p{path(), {"--version"}};
  BOOST_TEST(p.exit_status() == 0);
  BOOST_TEST(p.output() == "connection_limiter " + connection_limiter_version + '\n');
}

// A default may be of use to some listeners only.
BOOST_AUTO_TEST_CASE(accepts_a_default_that_one_of_the_listeners_uses) {
  program p{path(),
            {"--upstream", "127.0.0.1:1", "--queue-timeout", "1s",  //
             "--listen", "127.0.0.1:0", "--overflow", "reject", "--listen", "127.0.0.1:0"}};
  p.port(1);
  p.signal(SIGTERM);
  BOOST_TEST(p.exit_status() == 0);
}

BOOST_AUTO_TEST_CASE(names_an_unknown_host_in_one_line) {
  program p{path(), {"--listen", "no-such-host.invalid:0", "--upstream", "127.0.0.1:1"}};
  BOOST_TEST(p.exit_status() == 1);
  BOOST_TEST(contains(p.log(), "--listen no-such-host.invalid:0: "));
  BOOST_TEST(count(p.log(), "\n") == 1U);
}

BOOST_AUTO_TEST_CASE(help_lists_every_option_once) {
  program p{path(), {"--help"}};
  BOOST_TEST(p.exit_status() == 0);
  for (const char* option : {"--listen",
                             "--upstream",
                             "--limit",
                             "--overflow",
                             "--max-queue",
                             "--queue-timeout",
                             "--per-client",
                             "--per-client-queue",
                             "--abandon",
                             "--connect-timeout",
                             "--idle-timeout",
                             "--half-close-timeout",
                             "--session-timeout",
                             "--drain-timeout",
                             "--admin",
                             "--admin-public",
                             "--threads",
                             "--demo",
                             "--drain-delay",
                             "--access-log",
                             "--log-format",
                             "--version",
                             "--resolve-every",
                             "--keepalive",
                             "--accept-proxy",
                             "--send-proxy",
                             "--socket-mode",
                             "--share-limit",
                             "--limits-file",
                             "--shared",
                             "--name",
                             "--lease",
                             "--lost-lease"})
    BOOST_TEST(count(p.output(), "\n  " + std::string{option} + ' ') == 1U, option);
}
