// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_LIMITER_HPP
#define CONNECTION_LIMITER_PROXY_LIMITER_HPP

#include "log/failure_log.hpp"
#include "log/log.hpp"
#include "options.hpp"
#include "proxy/admission.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/listening.hpp"
#include "proxy/net.hpp"
#include "proxy/proxy_header.hpp"
#include "proxy/relay.hpp"
#include "proxy/statistics.hpp"
#include "proxy/upstream_addresses.hpp"

#include <turnstile.hpp>

#include <atomic>
#include <chrono>
#include <list>
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
  // Looks up the upstream and starts to listen. Throws std::runtime_error if it cannot listen.
  limiter(io_threads& threads, const settings& s, const logger& l, passed_sockets& passed);

  // Accepts connections until stop() is called, then drains. Completes when no connection is left.
  awaitable<void> run();

  // Stops accepting, refuses queued connections, and lets forwarded connections continue until the
  // drain timeout. A second call cuts them at once. Safe to call on any thread.
  void stop();

  // Changes the limit. No connection is cut. Safe to call on any thread. Not if finds_limit().
  void set_limit(std::size_t limit);

  // Whether --limit is auto.
  bool finds_limit() const noexcept {
    return settings_.find_limit && !settings_.find_limit->dry_run;
  }
  // The limit that auto has found; zero if it does not look for one.
  std::size_t found_limit() const noexcept { return adaptive_ ? adaptive_->limit() : 0; }

  // The addresses on which it listens, or has listened. This function and the following ones are safe
  // to call on any thread.
  const std::vector<tcp::endpoint>& addresses() const noexcept { return listening_.addresses(); }

  // Names the listener: the host as the user wrote it, and the port.
  const std::string& name() const noexcept { return listening_.name(); }
  std::string upstream() const { return to_string(settings_.upstream); }

  // From the call of stop() on.
  bool draining() const noexcept { return stopping_; }

  // Whether the last attempt to connect to the upstream succeeded, or there was none.
  bool upstream_is_up() const noexcept { return upstream_is_up_; }

  // Completes without an error if the upstream accepts connections. Connects to it, unless a
  // connection has just succeeded or all permits are in use. Runs on the caller's executor.
  awaitable<error_code> check_upstream();

  std::size_t limit() const noexcept { return admission_.limit(); }
  std::size_t available() const noexcept { return admission_.available(); }
  std::size_t queued() const noexcept { return admission_.queued(); }
  std::size_t clients() const { return admission_.clients(); }
  const statistics& stats() const noexcept { return stats_; }

 private:
  // One connection, from its acceptance to its end.
  struct connection {
    asio::cancellation_signal cancellation;
    std::chrono::steady_clock::time_point accepted = std::chrono::steady_clock::now();
    access_record record = {};
    transferred bytes = {};
  };

  // One thread and its connections. Only that thread uses the list.
  struct worker {
    asio::io_context& context;
    std::list<connection> connections;
  };

  awaitable<void> accept_connections();
  awaitable<void> until_stopped();
  awaitable<void> pass_started();
  void note_upstream(const error_code& ec);
  awaitable<void> report_failures();
  awaitable<error_code> accept_one(worker& w);
  void start(worker& w, tcp::socket client, turnstile::permit reserved);
  void count_ending(connection& c, const std::exception_ptr& e, ending how);
  awaitable<void> drain();
  void cut();

  // Handles one connection from its acceptance to its end. On every path, destructors return what
  // the connection holds.
  awaitable<ending> serve(connection& c, tcp::socket client, turnstile::permit reserved);
  awaitable<std::optional<proxied_connection>> ends_of(tcp::socket& client, std::string& early);
  awaitable<error_code> connect(tcp::socket& upstream);
  void learn(std::chrono::steady_clock::time_point start, std::size_t active, const error_code& ec);

  const settings settings_;
  const logger& log_;
  listening_sockets listening_;
  upstream_addresses upstream_;
  std::list<worker> workers_;
  asio::steady_timer report_timer_;
  failure_log accept_failures_;
  failure_log upstream_failures_;
  failure_log other_failures_;  // of connections, for example because there is no memory

  std::atomic<bool> stopping_{false};
  std::atomic<bool> upstream_is_up_{true};
  std::atomic<std::chrono::steady_clock::rep> last_connect_{0};  // when one succeeded

  statistics stats_;
  gauge waiting_for_descriptor_;  // connections with a permit, but no descriptor for the upstream
  admission admission_;
  std::optional<turnstile::adaptive_limit> adaptive_;
  std::mutex setting_limit_;  // so that the semaphore ends up with the latest limit
  turnstile::semaphore open_connections_;
  turnstile::semaphore stop_requests_;  // stop() releases one permit
};

}  // namespace connection_limiter

#endif
