// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The least that a TCP proxy with Asio and coroutines does: no limit, no queue, no timeouts, no statistics.
// cost.py measures it beside the limiter, to show what of the limiter's cost is Asio's.
//
//   bare_proxy <port> <port of the upstream>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::awaitable;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t min_buffer = 4096, max_buffer = 65536;

awaitable<void> copy(tcp::socket& from, tcp::socket& to) {
  std::vector<char> data(min_buffer);
  for (;;) {
    const auto [ec, n] = co_await from.async_read_some(asio::buffer(data), as_result);
    if (ec) break;
    const auto [write_error, written] =
        co_await asio::async_write(to, asio::buffer(data, n), as_result);
    if (write_error) break;
    if (n == data.size() && n < max_buffer) data.resize(2 * n);
  }
  error_code ignored;
  to.shutdown(tcp::socket::shutdown_send, ignored);
}

awaitable<void> serve(tcp::socket client, tcp::endpoint server) {
  tcp::socket upstream{client.get_executor()};
  const auto [ec] = co_await upstream.async_connect(server, as_result);
  if (ec) co_return;
  for (tcp::socket* s : {&client, &upstream}) s->set_option(tcp::no_delay{true});
  co_await (copy(client, upstream) && copy(upstream, client));
}

awaitable<void> accept(tcp::acceptor& acceptor, tcp::endpoint server) {
  for (;;) {
    auto [ec, client] = co_await acceptor.async_accept(as_result);
    if (!ec)
      asio::co_spawn(acceptor.get_executor(), serve(std::move(client), server), asio::detached);
  }
}

int main(int argc, char* argv[]) {
  if (argc != 3) {
    std::cerr << "usage: bare_proxy <port> <port of the upstream>\n";
    return 2;
  }
  const auto loopback = [&](int i) {
    return tcp::endpoint{asio::ip::address_v4::loopback(),
                         static_cast<std::uint16_t>(std::atoi(argv[i]))};
  };
  asio::io_context context{1};
  tcp::acceptor acceptor{context, loopback(1)};
  asio::co_spawn(context, accept(acceptor, loopback(2)), asio::detached);
  context.run();
}
