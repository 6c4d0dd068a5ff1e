// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Under systemd: readiness, and listening sockets that are passed to the program.

#include "limiter.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <string>

namespace {

// Receives what the program tells its service manager.
class service_manager {
 public:
  service_manager() {
    socket_.open();
    // The kernel chooses a name in the abstract namespace.
    socket_.bind(asio::local::datagram_protocol::endpoint{""});
    std::string name = socket_.local_endpoint().path();
    if (!name.empty()) name[0] = '@';
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~service_manager() { unsetenv("NOTIFY_SOCKET"); }

  std::string next() {
    std::array<char, 100> data{};
    std::string message = "none";
    socket_.async_receive(asio::buffer(data), [&](error_code ec, std::size_t n) {
      if (!ec) message.assign(data.data(), n);
    });
    context_.restart();
    context_.run_for(test_timeout);
    return message;
  }

 private:
  asio::io_context context_;
  asio::local::datagram_protocol::socket socket_{context_};
};

// A listening socket, and programs that get it as systemd would pass it.
class passing_manager {
 public:
  explicit passing_manager(const tcp::endpoint& where = any_port) : acceptor_(context_, where) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  // Starts the program with that socket as descriptor 3.
  void start(std::optional<program>& p, const std::string& listen, const std::string& upstream) {
    const int input = dup(STDIN_FILENO);
    dup2(acceptor_.native_handle(), STDIN_FILENO);
    p.emplace("/bin/sh", words{"-c", R"(LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 </dev/null)",
                               path(), "--listen", listen, "--upstream", upstream});
    dup2(input, STDIN_FILENO);
    close(input);
  }

 private:
  asio::io_context context_;
  tcp::acceptor acceptor_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(tells_the_service_manager_that_it_is_ready_and_that_it_stops) {
  upstream u;
  service_manager manager;
  limiter l{u.address(), {}};
  BOOST_TEST(manager.next() == "READY=1");
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  l.signal(SIGTERM);
  BOOST_TEST(manager.next() == "STOPPING=1");
  BOOST_TEST(c.echoes("still served"));
  c.close();
  BOOST_TEST(l.exit_status() == 0);
}

BOOST_AUTO_TEST_CASE(listens_on_a_passed_socket) {
  upstream u;
  passing_manager manager;
  std::optional<program> l;
  manager.start(l, "127.0.0.1:" + std::to_string(manager.port()), u.address());
  BOOST_TEST(l->port() == manager.port());  // otherwise the address would be in use
  BOOST_TEST(client{manager.port()}.echoes("hello"));
  l->signal(SIGTERM);
  BOOST_TEST(l->exit_status() == 0);
  BOOST_TEST(!contains(l->log(), "not used"));
}

BOOST_AUTO_TEST_CASE(a_passed_socket_that_no_listener_uses_is_logged) {
  upstream u;
  passing_manager manager;
  std::optional<program> l;
  manager.start(l, "127.0.0.1:0", u.address());
  BOOST_TEST(l->port() != manager.port());
  l->wait_for_log("1 sockets of the service manager are not used");
}

// The next process takes the socket over while clients connect.
BOOST_AUTO_TEST_CASE(a_restart_with_a_passed_socket_refuses_no_client) {
  upstream u;
  passing_manager manager;
  const std::string listen = "127.0.0.1:" + std::to_string(manager.port());
  std::array<std::optional<program>, 2> programs;
  manager.start(programs[0], listen, u.address());
  programs[0]->port();
  int served = 0;
  const auto serve = [&] {
    for (int i = 0; i < 20; ++i) served += client{manager.port()}.echoes("hello");
  };
  for (std::size_t round = 0; round < 4; ++round) {
    std::optional<program>& old = programs[round % 2];
    std::optional<program>& next = programs[(round + 1) % 2];
    serve();
    manager.start(next, listen, u.address());
    next->port();
    serve();
    old->signal(SIGTERM);
    serve();
    BOOST_TEST(old->exit_status() == 0);
    serve();
  }
  BOOST_TEST(served == 320);
}
