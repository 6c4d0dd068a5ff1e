// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_ADMISSION_HPP
#define CONNECTION_LIMITER_PROXY_ADMISSION_HPP

#include "options.hpp"
#include "proxy/client_limits.hpp"
#include "proxy/figures.hpp"
#include "proxy/net.hpp"

#include <turnstile.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace connection_limiter {

// Who is let through, who waits, and who is refused.
//
// A connection that is let through holds one of the permits, and, where each client has a limit, one
// of its client's, taken before: so that who has too many already does not stand in the others' way.
// One that waits for either holds one of the places in the queue meanwhile.
//
// Connections of all threads come here; the semaphores are what they share.
class admission {
 public:
  // What a connection that was let through holds. All of it comes back with this, in the reverse
  // order.
  struct pass {
    client_limits::visit visit;
    turnstile::permit of_client;
    turnstile::permit of_all;
  };

  // Either a pass, or the reason why there is none.
  struct decision {
    std::optional<pass> let_through;
    ending otherwise = ending::stopping;
  };

  admission(const asio::any_io_executor& executor, const settings& s, figures& f);

  // For --overflow backlog: one of the permits, before there is anybody to hold it.
  awaitable<turnstile::permit> before_accepting();

  // Whether more are held than the limit allows, since it was lowered.
  bool is_over_limit() const noexcept { return permits_.in_use() > permits_.limit(); }

  // Decides on one client, which may hold such a permit; waits in the queue where that is the way.
  // What the client sends meanwhile is added to `early`.
  awaitable<decision> decide(tcp::socket& client, turnstile::permit in_advance, std::string& early);

  // Refuses whoever waits, and whoever comes.
  void close();
  bool is_closed() const noexcept { return permits_.is_closed(); }

  // Takes effect at once; nobody who was let through is cut.
  void set_limit(std::size_t limit) { permits_.set_limit(limit); }

  std::size_t limit() const noexcept { return permits_.limit(); }
  std::size_t available() const noexcept { return permits_.available(); }
  std::size_t queued() const noexcept { return places_.in_use(); }
  std::size_t clients() const { return clients_ ? clients_->size() : 0; }

 private:
  awaitable<ending> wait(pass& p, tcp::socket& client, std::string& early);
  awaitable<error_code> acquire(pass& p, turnstile::permit place_of_client);

  const settings& settings_;
  figures& figures_;
  turnstile::bounded_semaphore permits_;
  turnstile::bounded_semaphore places_;
  std::optional<client_limits> clients_;
};

}  // namespace connection_limiter

#endif
