// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The URL of a Redis server, without I/O.

#define BOOST_TEST_MODULE redis_url

#include <turnstile/redis_engine.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

namespace {

using turnstile::detail::parse_redis_url;
using turnstile::detail::redis_address;

std::string problem(const std::string& url) {
  try {
    parse_redis_url(url);
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return {};
}

// The problem is this one, and the text says what is expected.
void refuse(const std::string& url, const std::string& expected) {
  const std::string text = problem(url);
  BOOST_TEST_CONTEXT(url << ": " << text) {
    BOOST_TEST(text.find("redis_options::url: " + expected) == 0U);
    BOOST_TEST(text.find("expected redis://[user[:password]@]host[:port][/database]") != text.npos);
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(host_alone_has_the_default_port_and_database_0) {
  const redis_address a = parse_redis_url("redis://redis.example.com");
  BOOST_TEST(a.host == "redis.example.com");
  BOOST_TEST(a.port == 6379);
  BOOST_TEST(a.database == 0);
  BOOST_TEST(!a.has_login);
  BOOST_TEST(!a.tls);
  BOOST_TEST(a.path.empty());
  BOOST_TEST(parse_redis_url("redis://h/").database == 0);
}

BOOST_AUTO_TEST_CASE(all_parts_of_a_url_are_read) {
  const redis_address a = parse_redis_url("redis://user:secret@host:7000/12");
  BOOST_TEST(a.host == "host");
  BOOST_TEST(a.port == 7000);
  BOOST_TEST(a.database == 12);
  BOOST_TEST(a.has_login);
  BOOST_TEST(a.user == "user");
  BOOST_TEST(a.password == "secret");
}

BOOST_AUTO_TEST_CASE(password_without_user_is_read) {
  const redis_address a = parse_redis_url("redis://:secret@host");
  BOOST_TEST(a.has_login);
  BOOST_TEST(a.user == "");
  BOOST_TEST(a.password == "secret");
}

BOOST_AUTO_TEST_CASE(user_without_password_is_read) {
  const redis_address a = parse_redis_url("redis://user@host");
  BOOST_TEST(a.has_login);
  BOOST_TEST(a.user == "user");
  BOOST_TEST(a.password == "");
}

BOOST_AUTO_TEST_CASE(percent_signs_are_decoded) {
  const redis_address a = parse_redis_url("redis://us%3Aer:p%40ss%2fw%25rd@host");
  BOOST_TEST(a.user == "us:er");
  BOOST_TEST(a.password == "p@ss/w%rd");
  BOOST_TEST(parse_redis_url("unix:///with%20blank").path == "/with blank");
}

BOOST_AUTO_TEST_CASE(password_may_have_an_at_sign_and_colons) {
  BOOST_TEST(parse_redis_url("redis://u:a@b:c@host").password == "a@b:c");
}

BOOST_AUTO_TEST_CASE(address_of_ipv6_is_in_brackets) {
  const redis_address a = parse_redis_url("redis://[::1]:7000/1");
  BOOST_TEST(a.host == "::1");
  BOOST_TEST(a.port == 7000);
  BOOST_TEST(a.database == 1);
  BOOST_TEST(parse_redis_url("redis://[fe80::1]").host == "fe80::1");
}

BOOST_AUTO_TEST_CASE(unix_socket_has_a_path_and_a_database) {
  const redis_address a = parse_redis_url("unix:///run/redis.sock?db=3");
  BOOST_TEST(a.path == "/run/redis.sock");
  BOOST_TEST(a.database == 3);
  const redis_address b = parse_redis_url("unix://user:secret@/run/redis.sock");
  BOOST_TEST(b.path == "/run/redis.sock");
  BOOST_TEST(b.user == "user");
  BOOST_TEST(b.password == "secret");
}

BOOST_AUTO_TEST_CASE(malformed_urls_are_refused) {
  refuse("", "there is no ://");
  refuse("localhost:6379", "there is no ://");
  refuse("http://host", "it begins with something else than redis, rediss or unix");
  refuse("REDIS://host", "it begins with something else than redis, rediss or unix");
  refuse("redis://", "there is no host");
  refuse("redis:///1", "there is no host");
  refuse("redis://:6379", "there is no host");
  refuse("redis://@host", "there is no user and no password before the @");
  refuse("redis://:@host", "there is no user and no password before the @");
  refuse("redis://ho st", "the host has a blank or a control character");
  refuse("redis://ho\nst", "the host has a blank or a control character");
  refuse("redis://ho\x7fst", "the host has a blank or a control character");
  refuse("redis://u:%00@host", "the password has a zero byte");
  refuse("redis://u:%4@host", "a % in the password is not followed by two hexadecimal digits");
  refuse("redis://u:%@host", "a % in the password is not followed by two hexadecimal digits");
  for (const char* escape : {"%zz", "%!4", "%=4", "%4g"})
    refuse(std::string("redis://u:") + escape + "@host",
           "a % in the password is not followed by two hexadecimal digits");
  refuse("redis://[::1", "a ] is missing after the host");
  refuse("redis://[::1]x", "there is something else than a port after the host");
  refuse("redis://host:", "the port is not a number from 1 to 65535");
  refuse("redis://host:0", "the port is not a number from 1 to 65535");
  refuse("redis://host:65536", "the port is not a number from 1 to 65535");
  refuse("redis://host:-1", "the port is not a number from 1 to 65535");
  refuse("redis://host:+1", "the port is not a number from 1 to 65535");
  refuse("redis://host:6379x", "the port is not a number from 1 to 65535");
  refuse("redis://::1", "an address of IPv6 has to be in brackets");
  refuse("redis://h:1:2", "an address of IPv6 has to be in brackets");
  refuse("redis://host/x", "the database is not a number from 0 to 999999999");
  refuse("redis://host/1/2", "the database is not a number from 0 to 999999999");
  refuse("redis://host/-1", "the database is not a number from 0 to 999999999");
  refuse("redis://host/1?a=b", "the database is not a number from 0 to 999999999");
  refuse("redis://host?db=1", "there is a ?");
  refuse("redis://host?", "there is a ?");
  refuse("redis://host/1#x", "there is a #");
  refuse("unix://", "there is no path");
  refuse("unix:///", "there is no path");
  refuse("unix://host/path", "there is something before the path");
  refuse("unix:///path?db=", "the database is not a number from 0 to 999999999");
  refuse("unix:///path?x=1", "there is something else than db= after the ?");
  refuse("unix:///" + std::string(200, 'x'), "the path is longer than that of a socket can be");
}

BOOST_AUTO_TEST_CASE(error_does_not_show_the_password) {
  BOOST_TEST(problem("redis://user:secret@host:x").find("secret") == std::string::npos);
  BOOST_TEST(problem("redis://user:secret%@host").find("secret") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(tls_is_taken_or_refused_with_what_it_needs) {
  const std::string text = problem("rediss://host");
  if (text.empty())
    BOOST_TEST(parse_redis_url("rediss://host").tls);
  else
    BOOST_TEST(text.find("hiredis 1.0 or newer with hiredis_ssl") != text.npos);
}

BOOST_AUTO_TEST_CASE(engine_refuses_a_malformed_url_and_a_time_out_out_of_range) {
  using namespace std::chrono_literals;
  boost::asio::io_context io;
  BOOST_CHECK_THROW(turnstile::redis_engine(io, {.url = "redis://"}), std::invalid_argument);
  for (const auto t : {-1ms, 0ms, 600'001ms})
    BOOST_CHECK_THROW(
        turnstile::redis_engine(io, {.url = "redis://127.0.0.1", .connect_timeout = t}),
        std::invalid_argument);
  BOOST_TEST(io.poll() == 0U);
}
