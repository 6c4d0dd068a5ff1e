// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_LIMITER_PEERS_HPP
#define TURNSTILE_TEST_LIMITER_PEERS_HPP

// The two ends of a proxied connection: an upstream that counts its connections, and a client.

#include "program.hpp"

#include <boost/asio.hpp>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

const tcp::endpoint any_port{asio::ip::address_v4::loopback(), 0};

// Closes a connection with a reset.
inline void reset(tcp::socket& socket) {
  socket.set_option(asio::socket_base::linger{true, 0});
  socket.close();
}

// A server with a thread of its own. It counts a connection from its acceptance until the server
// has closed it.
class upstream {
 public:
  using service = std::function<asio::awaitable<void>(tcp::socket&)>;

  // Sends back what it receives, and closes the connection at the end of the stream.
  static asio::awaitable<void> echo(tcp::socket& socket) {
    char data[65536];
    for (;;) {
      const std::size_t n =
          co_await socket.async_read_some(asio::buffer(data), asio::use_awaitable);
      co_await asio::async_write(socket, asio::buffer(data, n), asio::use_awaitable);
    }
  }

  explicit upstream(service s = echo, tcp::endpoint where = any_port)
      : service_(std::move(s)), acceptor_(context_, where) {
    asio::co_spawn(context_, accept(), asio::detached);
    thread_ = std::jthread{[this] { context_.run(); }};
  }

  ~upstream() { context_.stop(); }

  std::uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // The number of connections, and the highest one so far.
  int now() {
    const std::lock_guard lock{mutex_};
    return now_;
  }
  int max() {
    const std::lock_guard lock{mutex_};
    return max_;
  }

  void wait_for_total(int n) {
    std::unique_lock lock{mutex_};
    if (!changed_.wait_for(lock, test_timeout, [&] { return total_ >= n; }))
      throw std::runtime_error("the upstream got too few connections");
  }

 private:
  asio::awaitable<void> accept() {
    for (;;) {
      tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
      count(1);
      asio::co_spawn(context_, serve(std::move(socket)), asio::detached);
    }
  }

  asio::awaitable<void> serve(tcp::socket socket) {
    try {
      co_await service_(socket);
    } catch (const boost::system::system_error&) {
    }
    error_code ignored;
    socket.close(ignored);
    count(-1);
  }

  void count(int change) {
    const std::lock_guard lock{mutex_};
    now_ += change;
    max_ = std::max(max_, now_);
    total_ += change > 0;
    changed_.notify_all();
  }

  const service service_;
  asio::io_context context_;
  tcp::acceptor acceptor_;
  const std::uint16_t port_ = acceptor_.local_endpoint().port();
  std::mutex mutex_;  // guards the counts
  std::condition_variable changed_;
  int now_ = 0, max_ = 0, total_ = 0;
  std::jthread thread_;
};

// A client that blocks its thread, for at most `test_timeout` in each call.
class client {
 public:
  explicit client(std::uint16_t port)
      : client(tcp::endpoint{asio::ip::address_v4::loopback(), port}) {}

  // Connects from the given address.
  client(std::uint16_t port, const char* from)
      : client(tcp::endpoint{asio::ip::address_v4::loopback(), port},
               {asio::ip::make_address(from), 0}) {}

  explicit client(const tcp::endpoint& server, const tcp::endpoint& from = {}) {
    socket_.open(server.protocol());
    if (from != tcp::endpoint{}) socket_.bind(from);
    const error_code ec =
        finish("connect", [&](auto done) { socket_.async_connect(server, done); }).first;
    if (ec) throw boost::system::system_error(ec);
  }

  void send(const std::string& text) {
    finish("send", [&](auto done) { asio::async_write(socket_, asio::buffer(text), done); });
  }

  // Receives n bytes, or fewer if the connection ends before.
  std::string receive(std::size_t n) {
    std::string text(n, '\0');
    const auto [ec, received] =
        finish("receive", [&](auto done) { asio::async_read(socket_, asio::buffer(text), done); });
    text.resize(received);
    return text;
  }

  // Receives everything until the connection ends.
  std::string receive_all() {
    std::string text;
    finish("receive all",
           [&](auto done) { asio::async_read(socket_, asio::dynamic_buffer(text), done); });
    return text;
  }

  // Sends the text and receives at the same time, until it has received as many bytes as it sends
  // or the connection ends.
  std::string exchange(const std::string& text) {
    asio::async_write(socket_, asio::buffer(text), [](error_code, std::size_t) {});
    return receive(text.size());
  }

  // Sends the text. Returns true if the same text comes back.
  bool echoes(const std::string& text) {
    send(text);
    return receive(text.size()) == text;
  }

  // Waits for the end of the connection and returns its error code. No data may arrive before.
  error_code end() {
    char byte;
    return finish("wait for the end",
                  [&](auto done) { asio::async_read(socket_, asio::buffer(&byte, 1), done); })
        .first;
  }

  void half_close() { socket_.shutdown(tcp::socket::shutdown_send); }
  void close() { socket_.close(); }
  void reset() { ::reset(socket_); }

 private:
  // Runs one operation until it completes.
  template <typename Start>
  std::pair<error_code, std::size_t> finish(const char* what, Start start) {
    std::pair<error_code, std::size_t> result;
    bool done = false;
    start([&](error_code ec, std::size_t n = 0) {
      result = {ec, n};
      done = true;
    });
    context_.restart();
    context_.run_for(test_timeout);
    if (!done) throw std::runtime_error(std::string{"timeout: "} + what);
    return result;
  }

  asio::io_context context_{1};
  tcp::socket socket_{context_};
};

#endif
