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

// A limit for each client address: semaphores that exist while somebody needs them. Each address
// has its own pair from its first connection on until its last has ended, and then it is forgotten;
// so there are never more of them than connections.
//
// Any thread may call. The lock is held for a look at the map, never while anybody waits, and no
// code of others runs under it: a semaphore posts what it completes.
class client_limits {
 public:
  // As for all clients together: a connection that is let through holds one of `permits`, and one
  // that waits for that holds one of `places` meanwhile.
  struct allowance {
    allowance(const asio::any_io_executor& executor, std::size_t n, std::size_t waiting)
        : permits(executor, n), places(executor, waiting) {}

    turnstile::bounded_semaphore permits;
    turnstile::bounded_semaphore places;
  };

 private:
  struct entry : allowance {
    using allowance::allowance;
    std::size_t visits = 0;  // under the lock
  };
  // An IPv4 address, or the first half of an IPv6 address: a host has all of a /64 to itself.
  using key = std::pair<bool, std::array<unsigned char, 8>>;
  // Not a hash table: whoever has many addresses cannot choose them so that they collide.
  using entries = std::map<key, entry>;

 public:
  // Keeps the allowance of one address, which goes with the last visit.
  class visit {
   public:
    visit() = default;
    visit(visit&& other) noexcept
        : limits_(std::exchange(other.limits_, nullptr)), entry_(other.entry_) {}
    visit& operator=(visit&& other) noexcept {
      std::swap(limits_, other.limits_);
      std::swap(entry_, other.entry_);
      return *this;
    }
    ~visit() {
      if (limits_) limits_->leave(entry_);
    }

    allowance* operator->() const noexcept { return &entry_->second; }

   private:
    friend client_limits;
    visit(client_limits& l, entries::iterator e) : limits_(&l), entry_(e) {}

    client_limits* limits_ = nullptr;
    entries::iterator entry_;
  };

  client_limits(asio::any_io_executor executor, std::size_t permits, std::size_t places)
      : executor_(std::move(executor)), permits_(permits), places_(places) {}

  visit enter(const asio::ip::address& client);

  // Whoever waits for a permit of its address, or comes to, gets errc::closed.
  void close();

  // How many addresses there are now.
  std::size_t size() const;

 private:
  static key key_of(const asio::ip::address& client);
  void leave(entries::iterator e) noexcept;

  const asio::any_io_executor executor_;
  const std::size_t permits_;
  const std::size_t places_;
  mutable std::mutex mutex_;
  entries entries_;
  bool closed_ = false;
};

}  // namespace connection_limiter

#endif
