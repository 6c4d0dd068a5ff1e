// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_LISTENING_HPP
#define CONNECTION_LIMITER_PROXY_LISTENING_HPP

#include "proxy/net.hpp"
#include "proxy/unix_socket.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace connection_limiter {

// The addresses of a host name on which to listen, without duplicates. The host `*` is all addresses
// of the machine. Or the address of a Unix-domain socket. Throws a std::runtime_error that names the
// option.
std::vector<endpoint> listening_addresses(asio::io_context& context, const host_port& address,
                                          const char* option);

// The sockets that the service manager has passed to this process, for the listeners that listen on
// their addresses.
class passed_sockets {
 public:
  explicit passed_sockets(std::vector<int> descriptors);
  ~passed_sockets();
  passed_sockets(const passed_sockets&) = delete;
  passed_sockets& operator=(const passed_sockets&) = delete;

  // Takes the socket that listens on that address, or returns -1.
  int take(const endpoint& address);

  // The number of sockets that were not taken.
  std::size_t left() const noexcept { return sockets_.size(); }

 private:
  std::vector<std::pair<std::string, int>> sockets_;  // with their addresses
};

struct listening_options {
  std::optional<std::chrono::milliseconds> keepalive = {};  // of accepted TCP connections
  std::optional<mode_t> permissions = {};                   // of the file of a Unix-domain socket
};

// Listening sockets on one or more addresses, used as if they were one. Not thread-safe.
class listening_sockets {
 public:
  // Listens on each of the addresses. If the port is 0, the system chooses one for all of them.
  // Uses a passed socket instead of a new one if there is one for the address.
  // Leaves out IPv6 addresses if the machine has no IPv6, unless there is no other address. Throws
  // a std::runtime_error that names the option.
  listening_sockets(asio::io_context& context, const host_port& where,
                    const std::vector<endpoint>& addresses, const char* option,
                    passed_sockets& passed, const listening_options& o = {});

  // The host as the user wrote it, and the port: "localhost:6000". Or "unix:/path".
  const std::string& name() const noexcept { return name_; }

  // The addresses on which it listens, or has listened.
  const std::vector<endpoint>& addresses() const noexcept { return addresses_; }

  // Zero for a Unix-domain socket.
  std::uint16_t port() const noexcept;

  asio::any_io_executor get_executor() { return acceptors_.front().get_executor(); }

  struct accepted {
    error_code ec;
    stream_socket socket;  // uses the given executor
  };
  awaitable<accepted> accept(asio::any_io_executor executor);

  void close();

 private:
  awaitable<error_code> until_one_is_ready();

  socket_file file_;  // created with the acceptors
  std::vector<stream_acceptor> acceptors_;
  std::vector<endpoint> addresses_;
  std::string name_;
  std::size_t next_ = 0;  // the acceptor to look at first, in turn, so that none is starved
};

}  // namespace connection_limiter

#endif
