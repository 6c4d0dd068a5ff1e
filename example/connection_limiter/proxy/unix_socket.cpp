// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace connection_limiter {

namespace {

// True if there is a socket and nothing listens on it, as after a crash of its process.
bool is_stale(const std::string& path, const endpoint& where) {
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool refused = ::connect(probe, where.data(), static_cast<socklen_t>(where.size())) != 0 &&
                       errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

}  // namespace

std::optional<peer_process> peer_of(stream_socket& socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
      peer.pid == 0)
    return {};
  return peer_process{peer.uid, peer.pid};
}

socket_file::socket_file(stream_acceptor& acceptor, const endpoint& where,
                         std::optional<mode_t> permissions) {
  const std::string path = path_of(where);
  if (is_stale(path, where)) ::unlink(path.c_str());
  // The file never has other permissions than these. No other thread creates files now.
  const mode_t before = permissions ? ::umask(0777 & ~*permissions) : mode_t{};
  error_code ec;
  acceptor.bind(where, ec);
  if (permissions) ::umask(before);
  if (ec) throw boost::system::system_error(ec);
  struct stat file{};
  if (::lstat(path.c_str(), &file) != 0) return;
  path_ = path;
  device_ = file.st_dev;
  number_ = file.st_ino;
}

socket_file::socket_file(socket_file&& other) noexcept { *this = std::move(other); }

socket_file& socket_file::operator=(socket_file&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(device_, other.device_);
  std::swap(number_, other.number_);
  return *this;
}

void socket_file::remove() noexcept {
  struct stat file{};
  if (!path_.empty() && ::lstat(path_.c_str(), &file) == 0 && file.st_dev == device_ &&
      file.st_ino == number_)
    ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace connection_limiter
