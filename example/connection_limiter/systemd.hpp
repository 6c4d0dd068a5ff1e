// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_SYSTEMD_HPP
#define CONNECTION_LIMITER_SYSTEMD_HPP

// The protocols of systemd, without its library: sd_notify(3) and sd_listen_fds(3).

#include <string>
#include <vector>

namespace connection_limiter {

// Tells the service manager the state, for example "READY=1". Does nothing if the program was not
// started by a manager that asks for it.
void notify_service_manager(const std::string& state) noexcept;

// The listening sockets that the service manager has passed to this process. They are closed on
// exec(). Removes the environment variables, so that the second call returns nothing.
std::vector<int> take_passed_sockets();

}  // namespace connection_limiter

#endif
