// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_CLIENT_LIMITS_HPP
#define CONNECTION_LIMITER_PROXY_CLIENT_LIMITS_HPP

#include "proxy/net.hpp"

#include <turnstile.hpp>

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <utility>

namespace connection_limiter {

// A limit for each client address. The semaphores of an address exist only while it has
// connections, so there are never more entries than connections.
//
// All members are safe to call on any thread. The mutex is held only to look at the map, never
// while a connection waits. No handler runs under the mutex, because a semaphore posts its
// completions.
class client_limits {
 public:
  // The semaphores of one client address. A forwarded connection holds one of `permits`, and a
  // connection that waits for one of them holds one of `queue_slots`.
  struct client_semaphores {
    client_semaphores(const asio::any_io_executor& executor, std::size_t limit, std::size_t slots)
        : permits(executor, limit), queue_slots(executor, slots) {}

    turnstile::bounded_semaphore permits;
    turnstile::bounded_semaphore queue_slots;
  };

 private:
  struct entry : client_semaphores {
    using client_semaphores::client_semaphores;
    std::size_t handles = 0;  // guarded by the mutex
  };
  // Whether the address is IPv6, and the IPv4 address or the first half of the IPv6 address: a
  // single host often has a whole /64.
  using key = std::pair<bool, std::array<unsigned char, 8>>;
  // Not a hash table, so that a client with many addresses cannot choose ones that collide.
  using entries = std::map<key, entry>;

 public:
  // Keeps the entry of one client address alive. The last handle of an address erases its entry.
  class handle {
   public:
    handle() = default;
    handle(handle&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)), entry_(other.entry_) {}
    handle& operator=(handle&& other) noexcept {
      std::swap(limits_, other.limits_);
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~handle() {
      if (limits_) limits_->drop(entry_);
    }

    client_semaphores* operator->() const noexcept { return &entry_->second; }

   private:
    friend client_limits;
    handle(client_limits& l, entries::iterator e) : limits_(&l), entry_(e) {}

    client_limits* limits_ = nullptr;
    entries::iterator entry_;
  };

  client_limits(asio::any_io_executor executor, std::size_t limit, std::size_t slots)
      : executor_(std::move(executor)), limit_(limit), slots_(slots) {}

  // Creates the entry of that address if it does not exist.
  handle get(const asio::ip::address& client);

  // Completes with errc::closed all acquires that wait for a permit of their client, and all later
  // ones.
  void close();

  // The number of client addresses that have an entry.
  std::size_t size() const;

 private:
  static key key_of(const asio::ip::address& client);
  void drop(entries::iterator e) noexcept;

  const asio::any_io_executor executor_;
  const std::size_t limit_;
  const std::size_t slots_;
  mutable std::mutex mutex_;
  entries entries_;
  bool closed_ = false;
};

}  // namespace connection_limiter

#endif
