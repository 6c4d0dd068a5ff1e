// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_LIMITER_HPP
#define CONNECTION_LIMITER_PROXY_LIMITER_HPP

#include "log/failure_log.hpp"
#include "log/log.hpp"
#include "options.hpp"
#include "proxy/admission.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/limit_finder.hpp"
#include "proxy/listening.hpp"
#include "proxy/net.hpp"
#include "proxy/origin.hpp"
#include "proxy/relay.hpp"
#include "proxy/statistics.hpp"
#include "proxy/upstream_server.hpp"

#include <turnstile.hpp>

#include <atomic>
#include <chrono>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace connection_limiter {

// Listens on one address and forwards a limited number of connections to one upstream. Its
// admission decides which.
//
// Each connection holds a permit of `open_connections_` from its acceptance to its end. To wait
// until all connections have ended, drain() acquires all of these permits.
//
// Accepting, stopping and draining run on the first thread. Connections are assigned to all threads
// in turn, and a connection stays on its thread.
class limiter {
 public:
  // Looks up the upstream and starts to listen. Throws std::runtime_error if it cannot listen. The
  // admission is its own, or one that it shares with other listeners.
  limiter(io_threads& threads, const settings& s, const logger& l, passed_sockets& passed,
          std::shared_ptr<admission> a);

  // Accepts connections until stop() is called, then drains. Completes when no connection is left.
  awaitable<void> run();

  // Stops accepting, refuses queued connections, and lets forwarded connections continue until the
  // drain timeout. A second call cuts them at once. Safe to call on any thread.
  void stop();

  // Changes what differs, and logs it. No connection is cut. Connections that are forwarded or queued
  // already keep their timeouts, except those for draining. Does not change a limit that is found
  // automatically, or that of --shared. Safe to call on any thread, as is current().
  void adjust(const adjustable& next);
  adjustable current() const;

  // The settings with which it was started.
  const settings& initial() const noexcept { return settings_; }
  // The limit that auto has found; zero if it does not look for one.
  std::size_t found_limit() const noexcept { return finder_ ? finder_->limit() : 0; }

  // The addresses on which it listens, or has listened. This function and the following ones are safe
  // to call on any thread.
  const std::vector<endpoint>& addresses() const noexcept { return listening_.addresses(); }

  // Names the listener: the host as the user wrote it, and the port, or "unix:/path".
  const std::string& name() const noexcept { return listening_.name(); }
  std::string upstream() const { return to_string(settings_.upstream); }

  // From the call of stop() on.
  bool draining() const noexcept { return stopping_; }

  // Whether the last attempt to connect to the upstream succeeded, or there was none.
  bool upstream_is_up() const noexcept { return upstream_.is_up(); }

  // Completes without an error if the upstream accepts connections. Connects to it, unless a
  // connection has just succeeded or all permits are in use. Runs on the caller's executor.
  awaitable<error_code> check_upstream();

  // The limit of --shared, or nullptr.
  fleet_limit* fleet() const noexcept { return admission_->fleet(); }

  std::size_t limit() const noexcept { return admission_->limit(); }
  std::size_t available() const noexcept { return admission_->available(); }
  std::size_t queued() const noexcept { return admission_->queued(); }
  std::size_t clients() const { return admission_->clients(); }
  const statistics& stats() const noexcept { return stats_; }

 private:
  // One connection, from its acceptance to its end.
  struct connection {
    asio::cancellation_signal cancellation;
    std::chrono::steady_clock::time_point accepted = std::chrono::steady_clock::now();
    turnstile::shared_permit shared = {};  // with --shared
    bool is_cut_for_lease = false;
    access_record record = {};
    transferred bytes = {};

    ending reason_of_cut() const { return is_cut_for_lease ? ending::lease_lost : ending::drain; }
  };

  // One thread and its connections. Only that thread uses the list.
  struct worker {
    asio::io_context& context;
    std::list<connection> connections;
  };

  awaitable<void> accept_connections();
  awaitable<void> until_stopped();
  awaitable<void> pass_started();
  awaitable<void> report_failures();
  awaitable<error_code> accept_one(worker& w);
  void start(worker& w, stream_socket client, turnstile::permit reserved);
  void count_ending(connection& c, const std::exception_ptr& e, ending how);
  awaitable<void> drain();
  void cut();

  // Cuts connections whenever the lease of --shared is lost, until watching_ is cancelled.
  awaitable<void> watch_lease();
  bool cuts_for_lease() const noexcept { return settings_.shared && settings_.shared->cuts; }

  // Handles one connection from its acceptance to its end. On every path, destructors return what
  // the connection holds.
  awaitable<ending> serve(connection& c, stream_socket client, turnstile::permit reserved);
  void adopt_found_limit();

  timeouts now() const;

  const settings settings_;
  mutable std::mutex mutex_;  // guards the timeouts
  timeouts timeouts_;
  const logger& log_;
  listening_sockets listening_;
  upstream_server upstream_;
  std::list<worker> workers_;
  asio::cancellation_signal reporting_, watching_;
  failure_log accept_failures_;
  failure_log other_failures_;  // of connections, for example because there is no memory

  std::atomic<bool> stopping_{false};

  statistics stats_;
  const std::shared_ptr<admission> admission_;
  std::optional<limit_finder> finder_;
  std::mutex setting_limit_;  // so that the semaphore ends up with the latest limit
  turnstile::semaphore open_connections_;
  turnstile::semaphore stop_requests_;  // stop() releases one permit
};

}  // namespace connection_limiter

#endif
