// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_FAKE_REDIS_HPP
#define TURNSTILE_TEST_FLEET_FAKE_REDIS_HPP

#include "engine_fixture.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// A server that answers as it is told, on a port of its own.
class fake_redis {
 public:
  using command = std::vector<std::string>;
  // The bytes to send. `cut` at the end closes the connection then.
  using behaviour = std::function<std::string(const command&)>;

  static constexpr char cut = '\0';
  static inline const std::string numbers =
      "*13\r\n:1\r\n:0\r\n:0\r\n:1\r\n:1\r\n:0\r\n:0\r\n:0\r\n:0\r\n:1\r\n:8\r\n:15000000\r\n:"
      "10000\r\n";

  static std::string bulk(const std::string& s) {
    return "$" + std::to_string(s.size()) + "\r\n" + s + "\r\n";
  }

  // As a server does it that has nothing to say but numbers.
  static std::string usual(const command& c) {
    if (c[0] == "INFO") return bulk("redis_version:7.0.15\r\n");
    if (c[0] == "EVALSHA" || c[0] == "EVAL") return numbers;
    if (c[0] == "SUBSCRIBE" || c[0] == "UNSUBSCRIBE")
      return "*3\r\n" + bulk(c[0] == "SUBSCRIBE" ? "subscribe" : "unsubscribe") + bulk(c[1]) +
             ":1\r\n";
    return c[0] == "PING" ? "+PONG\r\n" : "+OK\r\n";
  }

  explicit fake_redis(boost::asio::io_context& io, behaviour b = usual)
      : answer(std::move(b)), acceptor_(io, {boost::asio::ip::address_v4::loopback(), 0}) {
    accept();
  }

  std::string url() const {
    return "redis://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  void stop_accepting() { acceptor_.close(); }
  // To all connections.
  void send(const std::string& bytes) {
    for (const auto& c : connections_) write(*c, bytes);
  }
  int count(const std::string& name) const {
    int n = 0;
    for (const command& c : commands) n += c[0] == name;
    return n;
  }

  behaviour answer;
  bool is_bytewise = false;  // each byte is a packet
  int accepted = 0;
  std::vector<command> commands;

 private:
  struct connection {
    explicit connection(boost::asio::ip::tcp::socket s) : socket(std::move(s)) {}
    boost::asio::ip::tcp::socket socket;
    char buffer[4096];
    std::string received;
  };

  void accept() {
    acceptor_.async_accept(
        [this](const boost::system::error_code& ec, boost::asio::ip::tcp::socket s) {
          if (ec) return;
          ++accepted;
          connections_.push_back(std::make_shared<connection>(std::move(s)));
          connections_.back()->socket.set_option(boost::asio::ip::tcp::no_delay(true));
          read(connections_.back());
          accept();
        });
  }

  void read(const std::shared_ptr<connection>& c) {
    c->socket.async_read_some(boost::asio::buffer(c->buffer),
                              [this, c](const boost::system::error_code& ec, std::size_t n) {
                                if (ec) {
                                  connections_.remove(c);
                                  return;
                                }
                                c->received.append(c->buffer, n);
                                while (const auto words = take(c->received)) {
                                  commands.push_back(*words);
                                  write(*c, answer(*words));
                                }
                                if (c->socket.is_open()) read(c);
                              });
  }

  void write(connection& c, std::string bytes) {
    const bool is_cut = !bytes.empty() && bytes.back() == cut;
    if (is_cut) bytes.pop_back();
    boost::system::error_code ignored;
    if (is_bytewise)
      for (const char& b : bytes) boost::asio::write(c.socket, boost::asio::buffer(&b, 1), ignored);
    else
      boost::asio::write(c.socket, boost::asio::buffer(bytes), ignored);
    if (is_cut) c.socket.close(ignored);
  }

  // Takes a whole command off the text.
  static std::optional<command> take(std::string& text) {
    std::size_t at = 0;
    const auto number = [&]() -> std::optional<std::size_t> {
      const auto end = text.find("\r\n", at);
      if (end == text.npos) return std::nullopt;
      const auto n = std::strtoul(text.c_str() + at + 1, nullptr, 10);
      at = end + 2;
      return n;
    };
    command words;
    const auto count = number();
    if (!count) return std::nullopt;
    while (words.size() < *count) {
      const auto size = number();
      if (!size || text.size() < at + *size + 2) return std::nullopt;
      words.push_back(text.substr(at, *size));
      at += *size + 2;
    }
    text.erase(0, at);
    return words;
  }

  boost::asio::ip::tcp::acceptor acceptor_;
  std::list<std::shared_ptr<connection>> connections_;
};

struct fake_redis_fixture : engine_fixture {
  // Answers this to the requests.
  void answer_requests(const std::string& bytes) {
    server.answer = [bytes](const fake_redis::command& c) {
      return c[0] == "EVALSHA" || c[0] == "EVAL" ? bytes : fake_redis::usual(c);
    };
  }
  turnstile::redis_engine make_engine(
      std::chrono::milliseconds timeout = std::chrono::seconds(10)) {
    return turnstile::redis_engine(io, {server.url(), timeout});
  }

  fake_redis server{io};
};

#endif
