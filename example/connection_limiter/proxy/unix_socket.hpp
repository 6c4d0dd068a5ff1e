// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_UNIX_SOCKET_HPP
#define CONNECTION_LIMITER_PROXY_UNIX_SOCKET_HPP

// What is special about Unix-domain sockets: their files and their peers.

#include "proxy/net.hpp"

#include <sys/types.h>

#include <optional>
#include <string>

namespace connection_limiter {

// The process at the other end when it connected.
struct peer_process {
  uid_t user;
  pid_t process;
};

// Nothing if the socket is not a Unix-domain socket.
std::optional<peer_process> peer_of(stream_socket& socket);

// The file of a listening socket, which the destructor removes, unless another file has taken its place.
class socket_file {
 public:
  socket_file() = default;

  // Binds the acceptor, which creates the file, with these permissions or those that the process
  // gives to new files. Replaces the file of a socket on which nothing listens. Throws system_error.
  socket_file(stream_acceptor& acceptor, const endpoint& where, std::optional<mode_t> permissions);

  socket_file(socket_file&& other) noexcept;
  socket_file& operator=(socket_file&& other) noexcept;
  ~socket_file() { remove(); }

  void remove() noexcept;

 private:
  std::string path_;
  dev_t device_{};
  ino_t number_{};
};

}  // namespace connection_limiter

#endif
