// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// An echo server that has at most `limit` connections at once.
//
// The permit is acquired before the connection is accepted: the clients that are too many wait in
// the kernel's backlog, where they cost the server neither a descriptor nor memory. A server that
// has something to say to waiting clients, or wants to refuse them, accepts first and acquires then.
//
//     limit_connections           serves on port 6000, 100 at once
//     limit_connections --demo    serves five clients of its own, two at once

#include <turnstile.hpp>

#include <boost/asio.hpp>

#include <algorithm>
#include <iostream>
#include <string>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using asio::ip::tcp;

// The permit lives as long as the coroutine: however a connection ends, the next may come.
awaitable<void> echo(tcp::socket socket, turnstile::permit) try {
  char data[4096];
  for (;;) {
    const std::size_t n = co_await socket.async_read_some(asio::buffer(data), use_awaitable);
    co_await asio::async_write(socket, asio::buffer(data, n), use_awaitable);
  }
} catch (const boost::system::system_error&) {
  // The client has hung up.
}

awaitable<void> listen(tcp::acceptor& acceptor, std::size_t limit) {
  turnstile::semaphore free_places{acceptor.get_executor(), limit};
  for (;;) {
    turnstile::permit place = co_await free_places.async_acquire_permit(use_awaitable);
    tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
    asio::co_spawn(acceptor.get_executor(), echo(std::move(socket), std::move(place)),
                   asio::detached);
  }
}

// A client of the demo. It counts how many are being served, itself included.
awaitable<void> client(tcp::endpoint server, int& inside, int& most, int& served) {
  tcp::socket socket{co_await asio::this_coro::executor};
  co_await socket.async_connect(server, use_awaitable);
  for (int n = 0; n < 10; ++n) {
    char data[] = "hello";
    co_await asio::async_write(socket, asio::buffer(data), use_awaitable);
    co_await asio::async_read(socket, asio::buffer(data), use_awaitable);
    if (n == 0) most = std::max(most, ++inside);
  }
  --inside;
  ++served;
}

int main(int argc, char* argv[]) {
  const bool demo = argc > 1 && std::string{argv[1]} == "--demo";
  const asio::ip::port_type port = demo ? 0 : 6000;

  asio::io_context context;
  tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), port}};
  asio::co_spawn(context, listen(acceptor, demo ? 2 : 100), [&](const std::exception_ptr& e) {
    if (acceptor.is_open()) std::rethrow_exception(e);
  });

  int inside = 0, most = 0, served = 0, finished = 0;
  const auto count = [&](const std::exception_ptr&) {
    if (++finished == 5) acceptor.close();  // ends listen(), and so run()
  };
  for (int n = 0; demo && n < 5; ++n)
    asio::co_spawn(context, client(acceptor.local_endpoint(), inside, most, served), count);
  context.run();
  std::cout << served << " clients served, at most " << most << " at once" << std::endl;
}
