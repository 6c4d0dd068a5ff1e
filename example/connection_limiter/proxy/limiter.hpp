// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_LIMITER_HPP
#define CONNECTION_LIMITER_PROXY_LIMITER_HPP

#include "options.hpp"
#include "proxy/admission.hpp"
#include "proxy/figures.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/net.hpp"
#include "text.hpp"

#include <turnstile.hpp>

#include <list>
#include <string>
#include <vector>

namespace connection_limiter {

// Listens on one address and lets at most so many connections through to one upstream at once: whom,
// its admission says. All connections, in whatever state, hold one of `presences_`, so that whoever
// acquires all of those knows that none is left.
//
// Accepting, stopping and draining run on the first thread; the connections are dealt out among all
// threads, and each stays on its own for life.
class limiter {
 public:
  // Looks up the upstream and starts to listen. Throws std::runtime_error where that fails.
  limiter(io_threads& threads, const settings& s, log_function log);

  // Accepts connections until stop(), then drains. Ends when no connection is left.
  awaitable<void> run();

  // Stops accepting, refuses those who wait and lets the others finish until the drain timeout;
  // called a second time, cuts them at once. For any thread.
  void stop();

  // Changes the limit; nobody is cut. For any thread.
  void set_limit(std::size_t limit);

  // The address listened on, also after that has ended. This and all that follows: for any thread.
  const tcp::endpoint& listening_on() const noexcept { return listening_on_; }
  bool draining() const noexcept { return admission_.is_closed(); }
  std::size_t limit() const noexcept { return admission_.limit(); }
  std::size_t available() const noexcept { return admission_.available(); }
  std::size_t queued() const noexcept { return admission_.queued(); }
  std::size_t clients() const { return admission_.clients(); }
  const figures& seen() const noexcept { return figures_; }

 private:
  // The connections on one thread, and how to cancel them; touched on that thread only.
  struct lane {
    asio::io_context& context;
    std::list<asio::cancellation_signal> connections;
  };

  awaitable<void> accept_connections();
  awaitable<error_code> accept_one(lane& l);
  void start(lane& l, tcp::socket client, turnstile::permit in_advance);
  void ended(const std::exception_ptr& e, ending how);
  awaitable<void> drain();
  void cut();

  // One connection, from its acceptance to its end. What it holds comes back on every way out.
  awaitable<ending> serve(tcp::socket client, turnstile::permit in_advance);
  awaitable<error_code> connect(tcp::socket& upstream);

  const settings settings_;
  const log_function log_;
  tcp::acceptor acceptor_;
  const tcp::endpoint listening_on_;
  const std::vector<tcp::endpoint> upstream_;
  std::list<lane> lanes_;

  figures figures_;
  gauge lacking_a_descriptor_;  // let through, and none left for the upstream: waits for one
  admission admission_;
  turnstile::semaphore presences_;
  turnstile::semaphore stop_requests_;  // a permit for each call of stop()
};

}  // namespace connection_limiter

#endif
