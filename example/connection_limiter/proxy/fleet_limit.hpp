// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_PROXY_FLEET_LIMIT_HPP
#define CONNECTION_LIMITER_PROXY_FLEET_LIMIT_HPP

#include "options.hpp"
#include "proxy/net.hpp"

#include <turnstile/shared_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

namespace connection_limiter {

// The limit of --shared, which limiters on several machines have in common: a shared semaphore and its
// connection to Redis.
//
// Both run on a thread of their own. So a Redis that does not answer delays neither the connections nor
// the end of the program.
class fleet_limit {
 public:
  // Starts to connect. Throws usage_error if the URL is malformed, or if this build has no hiredis.
  // `first_limit` is the limit if the name has none yet.
  fleet_limit(const shared_limit& s, std::size_t first_limit);
  ~fleet_limit();
  fleet_limit(const fleet_limit&) = delete;
  fleet_limit& operator=(const fleet_limit&) = delete;

  // This function and the following ones are safe to call on any thread.
  turnstile::shared_semaphore& permits() noexcept { return *permits_; }
  const std::string& name() const noexcept { return name_; }

  // The limit of all limiters; `first_limit` until it is known.
  std::size_t limit() const noexcept;
  std::size_t share() const noexcept { return permits_->share(); }
  std::string lease() const;
  std::chrono::microseconds valid_for() const noexcept { return permits_->valid_for(); }
  bool is_connected() const { return engine_.is_connected(); }
  std::string last_error() const { return engine_.link->last_error(); }

  // Why no connection can be forwarded: there is no lease, and Redis cannot be reached. Empty otherwise.
  std::string problem() const;

  // Sets the limit of all limiters. Completes with errc::unreachable if Redis has not answered within two
  // seconds. Then it gets the limit when it does.
  awaitable<error_code> set_limit(std::size_t limit);

  // Gives the share back, for which it waits two seconds at most. Nothing is granted any more.
  awaitable<void> leave();

  // Logs a new problem, the end of one, and a new limit. Call it again and again, on one thread.
  void report(const logger& l);

 private:
  struct engine {
    std::unique_ptr<turnstile::shared_engine> link;
    std::function<bool()> is_connected;
  };
  static engine connect(asio::io_context& context, const std::string& url);

  const std::string name_;
  const std::size_t first_limit_;
  std::string reported_problem_;
  std::size_t reported_limit_;
  asio::io_context context_{1};
  engine engine_;
  std::optional<turnstile::shared_semaphore> permits_;
  std::jthread thread_;  // the last member, because it uses the others
};

}  // namespace connection_limiter

#endif
