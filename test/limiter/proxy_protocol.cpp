// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The PROXY protocol.

#include "limiter.hpp"
#include "proxy/proxy_header.hpp"

#include <boost/test/data/test_case.hpp>

#include <string>
#include <string_view>
#include <vector>

using connection_limiter::make_proxy_header;
using connection_limiter::parse_proxy_header;
using connection_limiter::parsed_header;
using connection_limiter::proxied_connection;
using namespace std::string_view_literals;

namespace {

tcp::endpoint endpoint(const char* address, std::uint16_t port) {
  return {asio::ip::make_address(address), port};
}

const proxied_connection v4{endpoint("192.0.2.1", 49152), endpoint("198.51.100.1", 443)};
const proxied_connection v6{endpoint("2001:db8::1", 49152), endpoint("2001:db8::2", 443)};

constexpr std::string_view signature = "\r\n\r\n\0\r\nQUIT\n"sv;
const std::string v2_of_v4 =
    std::string{signature} +
    std::string{"\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\xc0\0\x01\xbb"sv};

std::string v2_of_unix(char protocol = '\x31') {
  return std::string{signature} + '\x21' + protocol + std::string{"\0\xd8"sv} +
         std::string(108, '\0') + "/run/socket" + std::string(108 - 11, '\0');
}

std::string v1_of(const std::string& client) {
  return "PROXY TCP4 " + client + " 198.51.100.1 49152 443\r\n";
}

words accepting(words more) {
  more.insert(more.end(), {"--accept-proxy", "192.0.2.0/24,127.0.0.1"});
  return more;
}

}  // namespace

BOOST_AUTO_TEST_CASE(proxy_headers_are_as_specified) {
  BOOST_TEST(make_proxy_header(1, v4) == "PROXY TCP4 192.0.2.1 198.51.100.1 49152 443\r\n");
  BOOST_TEST(make_proxy_header(1, v6) == "PROXY TCP6 2001:db8::1 2001:db8::2 49152 443\r\n");
  BOOST_TEST(make_proxy_header(1, {}) == "PROXY UNKNOWN\r\n");
  BOOST_TEST((make_proxy_header(2, v4) == v2_of_v4));
  BOOST_TEST((make_proxy_header(2, {}) == std::string{signature} + std::string{"\x20\0\0\0"sv}));
  // An IPv4 client of an IPv6 listener.
  const proxied_connection mapped{endpoint("::ffff:192.0.2.1", 49152), v4.server};
  BOOST_TEST(make_proxy_header(1, mapped) == make_proxy_header(1, v4));
}

BOOST_DATA_TEST_CASE(proxy_header_is_parsed_when_it_is_complete,
                     boost::unit_test::data::xrange(1, 3), version) {
  for (const proxied_connection& ends : {v4, v6}) {
    const std::string header = make_proxy_header(version, ends);
    for (std::size_t n = 0; n != header.size(); ++n)
      BOOST_TEST((parse_proxy_header(header.substr(0, n)).state == parsed_header::incomplete), n);
    const parsed_header p = parse_proxy_header(header + "GET /");
    BOOST_TEST_REQUIRE((p.state == parsed_header::valid));
    BOOST_TEST(p.size == header.size());
    BOOST_TEST_REQUIRE(p.ends.has_value());
    BOOST_TEST(p.ends->client == ends.client);
    BOOST_TEST(p.ends->server == ends.server);
  }
  const parsed_header local = parse_proxy_header(make_proxy_header(version, {}));
  BOOST_TEST((local.state == parsed_header::valid));
  BOOST_TEST(!local.ends);
}

BOOST_AUTO_TEST_CASE(more_fields_of_a_version_2_header_are_skipped) {
  std::string header = v2_of_v4 + "\x04\0\x02xx";
  header[15] = 12 + 5;
  const std::string text = header.substr(0, 28) + std::string{"\x04\0\x02xx"sv} + "rest";
  const parsed_header p = parse_proxy_header(text);
  BOOST_TEST_REQUIRE((p.state == parsed_header::valid));
  BOOST_TEST(text.substr(p.size) == "rest");
}

BOOST_AUTO_TEST_CASE(proxy_header_of_a_unix_socket_has_no_ends) {
  for (const char protocol : {'\x31', '\x32'}) {
    const std::string header = v2_of_unix(protocol);
    for (std::size_t n = 0; n != header.size(); ++n)
      BOOST_TEST((parse_proxy_header(header.substr(0, n)).state == parsed_header::incomplete), n);
    const parsed_header p = parse_proxy_header(header + "GET /");
    BOOST_TEST_REQUIRE((p.state == parsed_header::valid));
    BOOST_TEST(p.size == 16U + 216U);
    BOOST_TEST(!p.ends);
    BOOST_TEST(p.is_unix);
  }
}

BOOST_AUTO_TEST_CASE(proxy_header_without_a_known_client_is_valid) {
  for (const auto start : {"\x20\x41"sv, "\x20\x31"sv, "\x21\0"sv, "\x21\x12"sv, "\x21\x22"sv}) {
    const parsed_header p = parse_proxy_header(std::string{signature} + std::string{start} +
                                               std::string{"\0\x0c"sv} + std::string(12, 'x'));
    BOOST_TEST_REQUIRE((p.state == parsed_header::valid));
    BOOST_TEST(p.size == 28U);
    BOOST_TEST(!p.ends);
    BOOST_TEST(!p.is_unix);
  }
}

BOOST_AUTO_TEST_CASE(bad_proxy_headers_are_invalid) {
  const std::vector<std::string> bad{
      "GET / HTTP/1.1\r\n",
      "PROXY\r\n",
      "PROXY TCP4\r\n",
      "PROXY TCP5 192.0.2.1 198.51.100.1 49152 443\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 49152\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 49152 443 1\r\n",
      "PROXY TCP4 192.0.2.1 198.51.100.1 49152 65536\r\n",
      "PROXY TCP4 192.0.2.1 2001:db8::2 49152 443\r\n",
      "PROXY TCP6 192.0.2.1 198.51.100.1 49152 443\r\n",
      "PROXY TCP4 192.0.2.x 198.51.100.1 49152 443\r\n",
      "PROXY TCP4 " + std::string(200, '1'),
      std::string{signature} + std::string{"\x31\x11\0\x0c"sv} + std::string(12, 'x'),
      std::string{signature} + std::string{"\x22\x11\0\x0c"sv} + std::string(12, 'x'),
      std::string{signature} + std::string{"\x21\x11\0\x0b"sv} + std::string(12, 'x'),
      std::string{signature} + std::string{"\x21\x21\0\x0c"sv} + std::string(12, 'x'),
      std::string{signature} + std::string{"\x21\x31\0\xd7"sv} + std::string(215, 'x'),
      std::string{signature} + std::string{"\x21\x41\0\x0c"sv} + std::string(12, 'x'),
      std::string{signature} + std::string{"\x21\x13\0\x0c"sv} + std::string(12, 'x'),
      std::string{signature} + std::string{"\x21\x11\xff\xff"sv}};
  for (const std::string& header : bad)
    BOOST_TEST((parse_proxy_header(header).state == parsed_header::invalid), header);
}

BOOST_AUTO_TEST_CASE(networks_contain_their_addresses) {
  const auto contains_address = [](const char* network, const char* address) {
    return connection_limiter::to_network(network).value().contains(
        asio::ip::make_address(address));
  };
  BOOST_TEST(contains_address("10.0.0.0/8", "10.1.2.3"));
  BOOST_TEST(contains_address("10.0.0.0/8", "::ffff:10.1.2.3"));
  BOOST_TEST(!contains_address("10.0.0.0/8", "11.0.0.1"));
  BOOST_TEST(!contains_address("10.0.0.0/8", "a00::1"));
  BOOST_TEST(contains_address("0.0.0.0/0", "203.0.113.9"));
  BOOST_TEST(contains_address("192.0.2.7", "192.0.2.7"));
  BOOST_TEST(!contains_address("192.0.2.7", "192.0.2.8"));
  BOOST_TEST(contains_address("fd00::/8", "fd12::1"));
  BOOST_TEST(!contains_address("fd00::/8", "fe80::1"));
  for (const char* bad : {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "host/8"})
    BOOST_TEST(!connection_limiter::to_network(bad), bad);
}

// Behind a load balancer, all connections come from one address.
BOOST_DATA_TEST_CASE(per_client_counts_the_clients_of_a_proxy,
                     boost::unit_test::data::make({false, true}), in_pieces) {
  upstream u;
  limiter l{u.address(), accepting({"--limit", "10", "--per-client", "1", "--overflow", "reject"})};
  const auto send = [&](client& c, const std::string& text) {
    const std::size_t middle = in_pieces ? text.size() / 2 : 0;
    if (in_pieces) {
      c.send(text.substr(0, middle));
      std::this_thread::sleep_for(20ms);
    }
    c.send(text.substr(middle));
  };
  client a1{l.port()}, b1{l.port()}, a2{l.port()};
  send(a1, v1_of("203.0.113.1") + "a1");
  BOOST_TEST(a1.receive(2) == "a1");  // without the header
  send(b1, v2_of_v4 + "b1");
  BOOST_TEST(b1.receive(2) == "b1");
  send(a2, v1_of("203.0.113.1"));
  BOOST_TEST(a2.end() == asio::error::eof);
  a1.close();
  b1.close();
  BOOST_TEST(contains(l.stop(), "client full 1"));
}

BOOST_AUTO_TEST_CASE(bad_proxy_headers_are_refused_and_counted) {
  upstream u;
  limiter l{u.address(), accepting({"--admin", "127.0.0.1:0", "--access-log", "on"})};
  client c{l.port()};
  c.send("GET / HTTP/1.1\r\n\r\n");
  BOOST_TEST(c.end().failed());
  BOOST_TEST(comes_true([&] {
    return metric(l.admin_port(), l.port(), "refused_total", ",reason=\"bad_header\"") == 1;
  }));
  BOOST_TEST(contains(l.stop(), "refused 1 "));
  BOOST_TEST(contains(l.log(), ": refused (bad_header), "));
  BOOST_TEST(u.max() == 0);
}

BOOST_AUTO_TEST_CASE(proxy_header_from_another_network_is_data) {
  upstream u;
  limiter l{u.address(), accepting({})};
  client c{l.port(), "127.0.0.2"};
  BOOST_TEST(c.echoes(v1_of("203.0.113.1")));
}

BOOST_AUTO_TEST_CASE(sends_the_upstream_the_address_of_the_client) {
  upstream u;
  limiter l{u.address(), {"--send-proxy", "v1"}};
  client c{l.port(), "127.0.0.2"};
  c.send("data");
  const std::string start = "PROXY TCP4 127.0.0.2 127.0.0.1 ";
  BOOST_TEST(c.receive(start.size()) == start);
  // The rest of the header: the ports.
  std::string rest;
  while (rest.find("data") == rest.npos) rest += c.receive(1);
  BOOST_TEST(rest.ends_with(' ' + std::to_string(l.port()) + "\r\ndata"));
}

BOOST_AUTO_TEST_CASE(passes_a_received_proxy_header_on) {
  upstream u;
  limiter l{u.address(), accepting({"--send-proxy", "v2"})};
  client c{l.port()};
  const std::string header = make_proxy_header(1, v4);
  c.send(header + "data");
  BOOST_TEST((c.receive(v2_of_v4.size() + 4) == v2_of_v4 + "data"));
}

// Their sockets have no names, so the proxy is all that is known of them.
BOOST_AUTO_TEST_CASE(clients_on_a_unix_socket_of_a_proxy_count_as_one) {
  upstream u;
  limiter l{u.address(), accepting({"--per-client", "1", "--overflow", "reject", "--access-log",
                                    "on", "--send-proxy", "v2"})};
  const std::string unknown = make_proxy_header(2, {});
  client a{l.port()}, b{l.port()}, other{l.port()};
  a.send(v2_of_unix() + "a");
  BOOST_TEST((a.receive(unknown.size() + 1) == unknown + "a"));
  b.send(v2_of_unix());
  BOOST_TEST(b.end() == asio::error::eof);
  other.send(v2_of_v4 + "c");
  BOOST_TEST((other.receive(v2_of_v4.size() + 1) == v2_of_v4 + "c"));
  a.close();
  other.close();
  BOOST_TEST(contains(l.stop(), "client full 1"));
  BOOST_TEST(contains(l.log(), "client unix@127.0.0.1:"));
}
