// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_ADMISSION_HPP
#define CONNECTION_LIMITER_PROXY_ADMISSION_HPP

#include "options.hpp"
#include "proxy/client_key.hpp"
#include "proxy/fleet_limit.hpp"
#include "proxy/net.hpp"
#include "proxy/statistics.hpp"

#include <turnstile.hpp>
#include <turnstile/shared_permit.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace connection_limiter {

// Decides whether a connection is forwarded, queued or refused.
//
// A forwarded connection holds one of the listener's permits. With --per-client, the permits are those of a keyed
// semaphore: a client holds at most so many, and of several clients that wait, the one that holds fewest
// comes first. In backlog mode, a permit of the listener is acquired before there is a client. Then the
// keyed semaphore only limits each client.
//
// With --shared, the permits are those of the fleet's limit. With --per-client as well, a connection first gets a
// permit of its client, and then one of the fleet: it counts for its client while it waits for the fleet.
//
// A limit of zero pauses: connections wait, and none is forwarded. A semaphore with a limit of zero would end all
// waits instead. So the semaphore has one permit more than the limit, which the admission holds itself.
//
// Connections on all threads use one admission, and so do listeners that share a limit. Its semaphores
// and limits are the only state they share.
class admission {
 public:
  // What a forwarded connection holds.
  struct grant {
    turnstile::permit permit;
    turnstile::permit reserved;       // in backlog mode, with --per-client
    turnstile::shared_permit shared;  // with --shared
  };

  // Either a grant or the reason for the refusal.
  struct decision {
    std::optional<grant> granted;
    ending refusal = ending::stopping;
  };

  admission(const asio::any_io_executor& executor, const settings& s);

  // For --overflow backlog: acquires a permit before there is a connection to hold it.
  awaitable<turnstile::permit> reserve();

  // Acquires a permit that no client holds, if one is free.
  awaitable<turnstile::permit> try_reserve();

  // In backlog mode: true if more permits are held than the limit allows, because the limit was lowered.
  bool is_over_limit() const noexcept { return permits_.in_use() > permits_.limit(); }

  // Decides on one connection, which may come with a reserved permit. Waits in the queue if
  // necessary, and appends to `early` what the client sends meanwhile. `from` is the client's
  // address, if it is not the one of the socket.
  awaitable<decision> decide(stream_socket& client, turnstile::permit reserved, std::string& early,
                             statistics& f, std::optional<asio::ip::address> from = {});

  // Refuses all queued connections and all that come later.
  void close();
  bool is_closed() const noexcept { return permits_.is_closed(); }

  // The limit of --shared, or nullptr.
  fleet_limit* fleet() const noexcept { return fleet_.get(); }

  // Takes effect immediately. No connection is cut or refused that is forwarded or queued already. Does not
  // change the limit of --shared.
  void set_limits(const queue_limits& limits);
  void set_limit(std::size_t limit);
  queue_limits limits() const;

  std::size_t limit() const noexcept { return fleet_ ? fleet_->limit() : permits_.limit() - 1; }
  // The permits that connections hold, or are about to get.
  std::size_t in_use() const noexcept;
  std::size_t available() const noexcept;
  std::size_t queued() const noexcept;
  std::size_t clients() const {
    return clients_ ? clients_->size() - (clients_share() ? 1 : 0) : 0;
  }

 private:
  using deadline = std::chrono::steady_clock::time_point;
  using clients_type = turnstile::keyed_semaphore<client_key>;

  // For permits that no client holds: own_permit_, and those of try_reserve().
  static constexpr unsigned char own = 0, probe = 1;
  turnstile::permit try_acquire(unsigned char key) {
    return clients_share() ? (*clients_)[client_key{key}].try_acquire_permit()
                           : permits_.try_acquire_permit();
  }

  // Whether the keyed semaphore has the listener's permits, or only limits each client.
  bool clients_share() const noexcept { return clients_ && !only_limits_clients(); }
  bool only_limits_clients() const noexcept {
    return fleet_ || overflow_ == overflow_mode::backlog;
  }
  turnstile::keyed_limits client_limits(const queue_limits& l) const;
  void apply();

  // Waits in the queue for a permit. Returns `served` once it is granted, or the reason for the refusal.
  template <turnstile::acquirable Permits, typename Permit>
  awaitable<ending> wait(Permits& permits, Permit& granted, stream_socket& client,
                         std::string& early, deadline until, statistics& f);

  // With --shared and --per-client, there are two queues, and --max-queue is for both together. Of
  // connections that come at the same time, each thread may add one more.
  bool are_queues_full() const;

  // Acquires a permit of the fleet, or waits for it in the queue.
  awaitable<ending> acquire_shared(turnstile::shared_permit& granted, bool has_waited,
                                   stream_socket& client, std::string& early, deadline until,
                                   statistics& f);

  const overflow_mode overflow_;
  const bool abandon_;
  mutable std::mutex
      mutex_;  // guards the limits, so that the semaphores end up with the latest ones
  queue_limits limits_;
  const std::unique_ptr<fleet_limit> fleet_;
  // The listener's permits, unless the clients share them, or --shared has others.
  turnstile::bounded_semaphore permits_;
  std::optional<clients_type> clients_;
  turnstile::permit own_permit_;  // the one beyond the limit
};

}  // namespace connection_limiter

#endif
