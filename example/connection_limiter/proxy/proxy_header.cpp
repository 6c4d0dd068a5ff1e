// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using namespace std::string_view_literals;

// Version 1: "PROXY TCP4 192.0.2.1 198.51.100.1 49152 443\r\n"
constexpr std::string_view start_v1 = "PROXY ";
constexpr std::size_t max_size_v1 = 107;

// Version 2: the signature, version and command, family and protocol, and the size of what follows:
// the addresses, the ports, and more that the limiter does not need.
constexpr std::string_view signature_v2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t fixed_size_v2 = 16;
constexpr std::size_t max_size_v2 = 4096;
constexpr unsigned char local_v2 = 0x20, proxy_v2 = 0x21, tcp4_v2 = 0x11, tcp6_v2 = 0x21;
constexpr unsigned char last_family_v2 = 3, last_protocol_v2 = 2;  // Unix, and datagrams
constexpr std::size_t unix_addresses_size_v2 = 2 * 108;

bool may_start_with(std::string_view data, std::string_view start) {
  return data.substr(0, start.size()) == start.substr(0, data.size());
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t space; (space = text.find(' ')) != text.npos; text.remove_prefix(space + 1))
    words.push_back(text.substr(0, space));
  words.push_back(text);
  return words;
}

std::optional<tcp::endpoint> to_endpoint(std::string_view address, std::string_view port, bool v4) {
  error_code ec;
  const auto a = asio::ip::make_address(std::string{address}, ec);
  const auto p = to_number(port, std::numeric_limits<std::uint16_t>::max());
  if (ec || !p || a.is_v4() != v4) return {};
  return tcp::endpoint{a, static_cast<std::uint16_t>(*p)};
}

parsed_header parse_v1(std::string_view data) {
  const std::size_t end = data.substr(0, max_size_v1).find("\r\n");
  if (end == data.npos)
    return {data.size() < max_size_v1 ? parsed_header::incomplete : parsed_header::invalid};
  const auto words = split(data.substr(0, end));
  if (words[1] == "UNKNOWN") return {parsed_header::valid, end + 2};
  if (words.size() != 6 || (words[1] != "TCP4" && words[1] != "TCP6")) return {};
  const auto client = to_endpoint(words[2], words[4], words[1] == "TCP4");
  const auto server = to_endpoint(words[3], words[5], words[1] == "TCP4");
  if (!client || !server) return {};
  return {parsed_header::valid, end + 2, proxied_connection{*client, *server}};
}

unsigned char byte_at(std::string_view data, std::size_t i) {
  return static_cast<unsigned char>(data[i]);
}

std::uint16_t number_at(std::string_view data, std::size_t i) {
  return static_cast<std::uint16_t>(byte_at(data, i) << 8 | byte_at(data, i + 1));
}

// Both addresses, then both ports.
template <typename Address>
parsed_header parse_addresses_v2(std::string_view data, std::size_t size) {
  typename Address::bytes_type client, server;
  const std::size_t ports = fixed_size_v2 + client.size() + server.size();
  if (size < ports + 4) return {};
  for (std::size_t i = 0; i != client.size(); ++i) {
    client[i] = byte_at(data, fixed_size_v2 + i);
    server[i] = byte_at(data, fixed_size_v2 + client.size() + i);
  }
  return {parsed_header::valid, size,
          proxied_connection{{Address{client}, number_at(data, ports)},
                             {Address{server}, number_at(data, ports + 2)}}};
}

parsed_header parse_v2(std::string_view data) {
  if (data.size() < fixed_size_v2) return {parsed_header::incomplete};
  const unsigned char command = byte_at(data, 12);
  const std::size_t size = fixed_size_v2 + number_at(data, 14);
  if ((command != local_v2 && command != proxy_v2) || size > max_size_v2) return {};
  if (data.size() < size) return {parsed_header::incomplete};
  if (command == local_v2) return {parsed_header::valid, size};
  const unsigned char kind = byte_at(data, 13), family = kind >> 4, protocol = kind & 0xf;
  if (family > last_family_v2 || protocol > last_protocol_v2) return {};
  if (kind == tcp4_v2) return parse_addresses_v2<asio::ip::address_v4>(data, size);
  if (kind == tcp6_v2) return parse_addresses_v2<asio::ip::address_v6>(data, size);
  if (family != last_family_v2) return {parsed_header::valid, size};
  if (size < fixed_size_v2 + unix_addresses_size_v2) return {};
  return {parsed_header::valid, size, {}, true};
}

// Both ends as IPv4, or if that is not possible, both as IPv6.
proxied_connection of_one_family(proxied_connection ends) {
  const auto is_v4 = [](const asio::ip::address& a) {
    return a.is_v4() || a.to_v6().is_v4_mapped();
  };
  const bool v4 = is_v4(ends.client.address()) && is_v4(ends.server.address());
  for (tcp::endpoint* end : {&ends.client, &ends.server}) {
    const asio::ip::address a = end->address();
    if (v4 && a.is_v6())
      end->address(asio::ip::make_address_v4(asio::ip::v4_mapped, a.to_v6()));
    else if (!v4 && a.is_v4())
      end->address(asio::ip::make_address_v6(asio::ip::v4_mapped, a.to_v4()));
  }
  return ends;
}

void append_number(std::string& out, std::size_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

void append_address(std::string& out, const asio::ip::address& a) {
  const auto append = [&](const auto& bytes) {
    for (const unsigned char byte : bytes) out += static_cast<char>(byte);
  };
  if (a.is_v4())
    append(a.to_v4().to_bytes());
  else
    append(a.to_v6().to_bytes());
}

std::string make_v2(unsigned char command, unsigned char family, std::size_t length) {
  std::string header{signature_v2};
  header += static_cast<char>(command);
  header += static_cast<char>(family);
  append_number(header, length);
  return header;
}

std::string make_v2(const proxied_connection& ends) {
  const bool v4 = ends.client.address().is_v4();
  std::string header = make_v2(proxy_v2, v4 ? tcp4_v2 : tcp6_v2, v4 ? 12 : 36);
  append_address(header, ends.client.address());
  append_address(header, ends.server.address());
  append_number(header, ends.client.port());
  append_number(header, ends.server.port());
  return header;
}

std::string make_v1(const proxied_connection& ends) {
  return text("PROXY ", ends.client.address().is_v4() ? "TCP4 " : "TCP6 ", ends.client.address(),
              ' ', ends.server.address(), ' ', ends.client.port(), ' ', ends.server.port(), "\r\n");
}

awaitable<parsed_header> read_header(stream_socket& client, std::string& data) {
  std::array<char, 4096> piece;
  for (;;) {
    const parsed_header header = parse_proxy_header(data);
    if (header.state != parsed_header::incomplete) co_return header;
    const auto [ec, n] = co_await client.async_read_some(asio::buffer(piece), as_result);
    data.append(piece.data(), n);
    if (ec) co_return parsed_header{};
  }
}

}  // namespace

parsed_header parse_proxy_header(std::string_view data) {
  if (may_start_with(data, start_v1))
    return data.size() < start_v1.size() ? parsed_header{parsed_header::incomplete}
                                         : parse_v1(data);
  if (may_start_with(data, signature_v2)) return parse_v2(data);
  return {};
}

std::string make_proxy_header(int version, const std::optional<proxied_connection>& ends) {
  if (!ends) return version == 2 ? make_v2(local_v2, 0, 0) : "PROXY UNKNOWN\r\n";
  const proxied_connection same = of_one_family(*ends);
  return version == 2 ? make_v2(same) : make_v1(same);
}

awaitable<parsed_header> read_proxy_header(stream_socket& client, std::string& rest,
                                           std::chrono::milliseconds timeout) {
  asio::steady_timer timer{client.get_executor(), timeout};
  const auto first = co_await (read_header(client, rest) || timer.async_wait(as_result));
  if (first.index() == 1) co_return parsed_header{};
  const parsed_header header = std::get<0>(first);
  if (header.state == parsed_header::valid) rest.erase(0, header.size);
  co_return header;
}

}  // namespace connection_limiter
