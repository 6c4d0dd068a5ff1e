// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_FIGURES_SERVER_HPP
#define TURNSTILE_TEST_FLEET_FIGURES_SERVER_HPP

#include "../redis.hpp"

#include <sys/types.h>

#include <string>

namespace figures {

// A redis-server of its own on a free port of the loopback interface.
class server {
 public:
  server();

  unsigned short port() const { return port_; }
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  redis_connection& redis() { return connection_; }
  double processor_time() const;               // that it has used, in seconds
  double time_of(const std::string& command);  // in microseconds a call, since CONFIG RESETSTAT

 private:
  const unsigned short port_;
  redis_server process_;
  redis_connection connection_;
  const pid_t id_;
};

}  // namespace figures

#endif
