// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_ADMISSION_HPP
#define CONNECTION_LIMITER_PROXY_ADMISSION_HPP

#include "options.hpp"
#include "proxy/client_limits.hpp"
#include "proxy/net.hpp"
#include "proxy/statistics.hpp"

#include <turnstile.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace connection_limiter {

// Decides whether a connection is forwarded, queued or refused.
//
// A forwarded connection holds one of the listener's permits. With --per-client it also holds one
// permit of its client, which it acquires first: a connection above its client's limit thus never
// delays connections of other clients. A queued connection holds one of the queue's slots while it
// waits for either permit.
//
// Connections on all threads use one admission. Its semaphores are the only state they share.
class admission {
 public:
  // What a forwarded connection holds. The destructor returns all of it, in reverse order.
  struct grant {
    client_limits::handle client;
    turnstile::permit client_permit;
    turnstile::permit permit;
  };

  // Either a grant or the reason for the refusal.
  struct decision {
    std::optional<grant> granted;
    ending refusal = ending::stopping;
  };

  admission(const asio::any_io_executor& executor, const settings& s, statistics& f);

  // For --overflow backlog: acquires a permit before there is a connection to hold it.
  awaitable<turnstile::permit> reserve();

  // True if more permits are held than the limit allows, because the limit was lowered.
  bool is_over_limit() const noexcept { return permits_.in_use() > permits_.limit(); }

  // Decides on one connection, which may come with a reserved permit. Waits in the queue if
  // necessary, and appends to `early` what the client sends meanwhile.
  awaitable<decision> decide(tcp::socket& client, turnstile::permit reserved, std::string& early);

  // Refuses all queued connections and all that come later.
  void close();
  bool is_closed() const noexcept { return permits_.is_closed(); }

  // Takes effect immediately. Forwarded connections are not cut.
  void set_limit(std::size_t limit) { permits_.set_limit(limit); }

  std::size_t limit() const noexcept { return permits_.limit(); }
  std::size_t available() const noexcept { return permits_.available(); }
  std::size_t queued() const noexcept { return queue_slots_.in_use(); }
  std::size_t clients() const { return clients_ ? clients_->size() : 0; }

 private:
  awaitable<ending> wait(grant& g, tcp::socket& client, std::string& early);
  awaitable<error_code> acquire(grant& g, turnstile::permit client_slot);

  const settings& settings_;
  statistics& stats_;
  turnstile::bounded_semaphore permits_;
  turnstile::bounded_semaphore queue_slots_;
  std::optional<client_limits> clients_;
};

}  // namespace connection_limiter

#endif
