// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_UPSTREAM_ADDRESSES_HPP
#define CONNECTION_LIMITER_PROXY_UPSTREAM_ADDRESSES_HPP

#include "proxy/net.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace connection_limiter {

// The addresses of the upstream. A name is looked up again from time to time, and after a failure,
// on a thread of its own, because a name server that does not answer blocks it for many seconds.
//
// All members are safe to call on any thread.
class upstream_addresses {
 public:
  struct found {
    std::vector<endpoint> addresses;  // none if the name was never found
    error_code ec;                    // of the last look-up
  };

  // Looks the name up for the first time, and waits for the result. `every` is how often to look it
  // up again; zero is never.
  upstream_addresses(const host_port& upstream, std::chrono::milliseconds every);

  // Does not wait for a look-up that is in progress.
  ~upstream_addresses();
  upstream_addresses(const upstream_addresses&) = delete;
  upstream_addresses& operator=(const upstream_addresses&) = delete;

  // What the last successful look-up has found.
  found current() const;

  // Looks the name up again soon, at most once a second. Does nothing for an address or a path.
  void look_up_again();

 private:
  struct state;

  // Shared with the thread, which the destructor leaves behind.
  const std::shared_ptr<state> state_;
};

}  // namespace connection_limiter

#endif
