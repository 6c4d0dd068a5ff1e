// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LIMITER_HPP
#define CONNECTION_LIMITER_LIMITER_HPP

#include "figures.hpp"
#include "io_threads.hpp"
#include "net.hpp"
#include "options.hpp"
#include "text.hpp"

#include <turnstile.hpp>

#include <list>
#include <string>
#include <vector>

namespace connection_limiter {

// Listens on one address and lets at most so many connections through to one upstream at once.
//
// Three semaphores say it all. A connection that is let through holds one of `permits_`, and one
// that waits for that holds one of `places_` in the queue meanwhile; all of them, in whatever
// state, hold one of `presences_`, so that whoever acquires all of those knows that none is left.
//
// Accepting, stopping and draining run on the first thread; the connections are dealt out among all
// threads, and each stays on its own for life. The semaphores are what they share.
class limiter {
 public:
  // Looks up the upstream and starts to listen. Throws std::runtime_error where that fails.
  limiter(io_threads& threads, const settings& s, log_function log);

  // Accepts connections until stop(), then drains. Ends when no connection is left.
  awaitable<void> run();

  // Stops accepting, refuses those who wait and lets the others finish until the drain timeout;
  // called a second time, cuts them at once. For any thread.
  void stop();

  tcp::endpoint listening_on() const { return acceptor_.local_endpoint(); }
  std::size_t limit() const noexcept { return permits_.limit(); }
  std::size_t queued() const noexcept { return places_.in_use(); }
  const figures& seen() const noexcept { return figures_; }

 private:
  // The connections on one thread, and how to cancel them; touched on that thread only.
  struct lane {
    asio::io_context& context;
    std::list<asio::cancellation_signal> connections;
  };

  awaitable<void> accept_connections();
  awaitable<error_code> accept_one(lane& l);
  void start(lane& l, tcp::socket client, turnstile::permit permit);
  void ended(const std::exception_ptr& e, ending how);
  awaitable<void> drain();
  void cut();

  // One connection, from its acceptance to its end. Its permit comes back on every way out.
  awaitable<ending> serve(tcp::socket client, turnstile::permit permit);
  awaitable<ending> wait_for(turnstile::permit& permit, tcp::socket& client, std::string& early);
  awaitable<error_code> connect(tcp::socket& upstream);

  const settings settings_;
  const log_function log_;
  tcp::acceptor acceptor_;
  const std::vector<tcp::endpoint> upstream_;
  std::list<lane> lanes_;

  turnstile::bounded_semaphore permits_;
  turnstile::bounded_semaphore places_;
  turnstile::semaphore presences_;
  turnstile::semaphore stop_requests_;  // a permit for each call of stop()
  figures figures_;
};

}  // namespace connection_limiter

#endif
