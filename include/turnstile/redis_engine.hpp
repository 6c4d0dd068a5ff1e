// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_REDIS_ENGINE_HPP
#define TURNSTILE_REDIS_ENGINE_HPP

#include <turnstile/detail/redis_client.hpp>
#include <turnstile/detail/redis_driver.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/shared_engine.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

/// Which server a Redis engine uses, and how.
struct redis_options {
  /// The server, the login and the database, as `redis://[user[:password]@]host[:port][/database]`. With
  /// `rediss://` the connections use TLS. A Unix domain socket is `unix://[user[:password]@]/path[?db=database]`.
  /// Characters that have a meaning in a URL are written as `%` and two hexadecimal digits. Without a port, it is 6379.
  std::string url = "redis://127.0.0.1:6379";

  /// How long the engine waits for a connection to be accepted, and for each answer. Then it closes the connection and connects
  /// again. Choose less than a third of the lease, so that one connection that dies silently does not cost the lease. From 1 ms
  /// to 10 min.
  std::chrono::milliseconds connect_timeout{2000};
};

/// The connection of shared semaphores to a server of Redis or Valkey.
///
/// Needs Redis 6.0 or newer, or Valkey. Link with the target `turnstile::redis`, which needs hiredis.
///
/// @par Connections
/// The engine begins to connect when it is constructed. It has one connection for requests. A second one receives messages, and
/// is made when a semaphore first wants some. If connecting fails or a connection breaks, the engine connects again after 10 ms,
/// then after twice as long each time, up to 250 ms. Host names are resolved each time, without blocking a thread. If the server
/// does not answer for `connect_timeout`, the engine connects again. After five times `connect_timeout` without traffic, the
/// engine sends a `PING`.
///
/// @par Errors
/// A request that has no reply when the connection breaks gets an error, and so does a request while there is no
/// connection. The engine does not repeat a request that the server may have executed. After `NOSCRIPT`, which says
/// that nothing was executed, it sends the request again with the script's text. On an error
/// `READONLY`, `LOADING`, `MASTERDOWN`, `CLUSTERDOWN` or `MOVED`, the engine connects again, since the server's name may lead to another
/// server by then. On all other errors it keeps the connection. If the server refuses the login or the database, the engine
/// tries again every 250 ms. If the server is older than Redis 6.0, each request gets an error that begins with
/// `TURNSTILE` and names the version.
///
/// @par TLS
/// The server's certificate has to be for the host in the URL, and signed by an authority that OpenSSL trusts. The
/// environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` name other authorities.
///
/// @par Permissions
/// With access control lists, the user needs the commands of the script, `EVAL`, `EVALSHA`, `PING`, `SUBSCRIBE` and
/// `UNSUBSCRIBE`; if the URL has a database, `SELECT`; and the keys and channels `turnstile:*`. `example/fleet/README.md` has
/// them as one line. Without `CLIENT SETNAME`, connections have no name.
///
/// @par Completion
/// Handlers are posted to a strand of the engine's executor, and called one at a time. If there is no memory to begin the
/// work of the strand, it runs nothing any more (seen with Boost 1.81). Then semaphores get no more replies, and lose their
/// leases: make the engine and its semaphores anew.
///
/// @par Work
/// The connections are outstanding work: while an engine exists, `io_context::run()` does not return. After the
/// engine was destroyed, the rest of its work ends soon.
///
/// @par Thread safety
/// Distinct objects: safe. Shared objects: safe, except for constructing and destroying.
///
/// @par Lifetime
/// The engine, its execution context and the semaphores may be destroyed in any order. If the engine is destroyed first,
/// requests without a reply get an error. If the context is destroyed first, their handlers are destroyed uncalled.
///
/// @tparam Executor the type of the engine's executor. It has to be convertible to `any_io_executor`.
///
/// @par Example
/// @code
/// boost::asio::io_context io;
/// turnstile::redis_engine engine(io, {.url = "redis://user:secret@redis.example.com/2"});
/// turnstile::shared_semaphore connections(io, engine, {.name = "db", .limit = 100});
/// @endcode
template <typename Executor = boost::asio::any_io_executor>
class basic_redis_engine final : public shared_engine {
  static_assert(std::is_convertible_v<Executor, boost::asio::any_io_executor>,
                "turnstile: the Executor of a Redis engine does not convert to any_io_executor");

 public:
  /// The type of the engine's executor.
  using executor_type = Executor;

  /// Constructs an engine, which begins to connect.
  /// @throws std::invalid_argument if the URL is malformed or needs TLS that this build does not have, or if the
  /// time-out is out of range.
  explicit basic_redis_engine(const executor_type& ex, redis_options options = {})
      : driver_(make_driver(ex, options)) {}

  /// Constructs an engine that uses the executor of an execution context.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  /// @throws std::invalid_argument as above.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  explicit basic_redis_engine(ExecutionContext& context, redis_options options = {})
      : basic_redis_engine(executor_type(context.get_executor()), std::move(options)) {}

  /// Closes the connections. Requests without a reply get an error, by a handler that is posted.
  ~basic_redis_engine() override {
    cut();
    driver_->stop();
  }

  /// Returns whether the server has accepted the connection for requests, and the login.
  bool connected() const noexcept { return driver_->is_connected(); }

  /// Returns what the last problem was: an error of the server or of the network, or a limit in the options of a semaphore
  /// that is not the server's. Empty if there was none. A problem
  /// that is over is still returned: `connected()` says whether there is a connection now.
  std::string last_error() const override { return driver_->last_error(); }

  /// Replaces what `last_error()` returns. For shared semaphores.
  void note(const std::string& problem) override { driver_->note(problem); }

  /// Executes the script. For shared semaphores.
  void async_sync(request r, reply_handler handler) override {
    driver_->sync(std::move(r), std::move(handler));
  }

  /// Subscribes to a channel. For shared semaphores.
  void listen(std::string channel, message_handler handler) override {
    driver_->listen(std::move(channel), std::move(handler));
  }

  /// Ends a subscription. Messages that were received before may still be handed over. For shared semaphores.
  void ignore(const std::string& channel) override { driver_->ignore(channel); }

 private:
  static std::shared_ptr<detail::redis_driver> make_driver(const executor_type& ex,
                                                           const redis_options& options) {
    if (options.connect_timeout < std::chrono::milliseconds(1) ||
        options.connect_timeout > std::chrono::minutes(10))
      throw std::invalid_argument("redis_options::connect_timeout: expected 1 ms to 10 min");
    return detail::redis_driver::make(ex, detail::parse_redis_url(options.url),
                                      options.connect_timeout);
  }

  const std::shared_ptr<detail::redis_driver> driver_;
};

/// A Redis engine that uses any executor.
using redis_engine = basic_redis_engine<>;

}  // namespace turnstile::inline v1

#endif
