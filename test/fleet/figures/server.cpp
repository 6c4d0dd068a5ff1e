// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <stdexcept>

namespace figures {

namespace {

unsigned short free_port() {
  const int s = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  const auto address = reinterpret_cast<sockaddr*>(&a);
  const bool has_port = bind(s, address, size) == 0 && getsockname(s, address, &size) == 0;
  close(s);
  if (!has_port) throw std::runtime_error{"no free port"};
  return ntohs(a.sin_port);
}

// What stands behind a name.
std::string after(const std::string& info, const std::string& name) {
  const auto at = info.find(name);
  if (at == std::string::npos) throw std::runtime_error{"INFO of redis-server lacks " + name};
  return info.substr(at + name.size());
}

}  // namespace

server::server()
    : port_{free_port()},
      process_{{"--bind", "127.0.0.1", "--port", std::to_string(port_)}},
      connection_{process_.socket()},
      id_{std::stoi(after(connection_({"INFO", "server"}).text(), "process_id:"))} {}

// The same as /proc/<id>/stat has, but not rounded to hundredths of a second.
double server::processor_time() const {
  clockid_t clock{};
  timespec t{};
  if (clock_getcpuclockid(id_, &clock) != 0 || clock_gettime(clock, &t) != 0)
    throw std::runtime_error{"no processor time of redis-server"};
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

double server::time_of(const std::string& command) {
  const std::string info = connection_({"INFO", "commandstats"}).text();
  return std::stod(after(after(info, "cmdstat_" + command + ":"), "usec_per_call="));
}

}  // namespace figures
