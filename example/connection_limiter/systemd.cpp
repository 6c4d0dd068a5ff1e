// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "systemd.hpp"

#include "values.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <limits>

namespace connection_limiter {

namespace {

constexpr int first_passed = 3;
constexpr std::size_t max_passed = 1000;

}  // namespace

void notify_service_manager(const std::string& state) noexcept {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address{};
  const std::size_t size = path ? std::string_view{path}.size() : 0;
  if (size < 2 || size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) return;
  address.sun_family = AF_UNIX;
  std::copy_n(path, size, address.sun_path);
  if (path[0] == '@') address.sun_path[0] = '\0';  // a name in the abstract namespace
  const int s = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (s < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  // The manager may not read: do not wait for it.
  ::sendto(s, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
           reinterpret_cast<const sockaddr*>(&address), length);
  ::close(s);
}

std::vector<int> take_passed_sockets() {
  const char* const pid = std::getenv("LISTEN_PID");
  const char* const number = std::getenv("LISTEN_FDS");
  std::vector<int> sockets;
  if (pid && number &&
      to_number(pid, std::numeric_limits<int>::max()) == static_cast<std::size_t>(::getpid()))
    for (std::size_t i = 0, n = to_number(number, max_passed).value_or(0); i != n; ++i) {
      sockets.push_back(first_passed + static_cast<int>(i));
      ::fcntl(sockets.back(), F_SETFD, FD_CLOEXEC);
    }
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  return sockets;
}

}  // namespace connection_limiter
