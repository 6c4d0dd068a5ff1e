// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SHARED_ENGINE_HPP
#define TURNSTILE_SHARED_ENGINE_HPP

#include <turnstile/detail/config.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace turnstile::inline v1 {

class shared_engine;

namespace detail {

class manual_time;

// The way from shared semaphores to their engine, which may be destroyed before them. The mutex is held while the
// engine starts something, and never while it waits or calls a handler. But the engine's executor runs then, and may call
// a semaphore: so the mutex is recursive.
class engine_link {
 public:
  explicit engine_link(shared_engine& e) noexcept : engine_(&e) {}

  // Calls f with the engine. Returns false if it is gone.
  template <typename F>
  bool with_engine(F&& f) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (!engine_) return false;
    f(*engine_);
    return true;
  }

  void cut() noexcept {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    engine_ = nullptr;
  }

 private:
  std::recursive_mutex mutex_;
  shared_engine* engine_;
};

}  // namespace detail

/// The connection to the server that the processes of a shared semaphore have in common.
///
/// `basic_redis_engine` connects to Redis, and `basic_memory_engine` to a server within the process. To use a client of your own, derive
/// a class: it executes one script with one key and returns the script's reply, an array of integers, and it subscribes to channels.
///
/// Several semaphores may use an engine. They call its functions from any thread, but never two at the same time. If an executor that
/// a function uses calls a semaphore, that may call the engine again before the function returns. The functions must
/// not wait, and must call no handler before they return. Handlers may be called by any thread.
///
/// If the executors of two engines call semaphores of each other, two threads can deadlock: each waits until the other
/// engine's function has returned.
class shared_engine {
 public:
  /// An execution of the script.
  struct request {
    /// `KEYS[1]`.
    std::string key;
    /// `ARGV`.
    std::vector<std::string> arguments;
  };

  /// What came of it.
  struct reply {
    /// Empty, or the server's error reply, or what is the matter with the connection.
    std::string error;
    /// The script's reply, if there is no error.
    std::vector<std::int64_t> numbers;
  };

  /// What a reply is handed to.
  using reply_handler = std::function<void(reply)>;

  /// What each message of a channel is handed to.
  using message_handler = std::function<void(std::string_view)>;

  shared_engine(const shared_engine&) = delete;
  shared_engine& operator=(const shared_engine&) = delete;
  virtual ~shared_engine() = default;

  /// Executes `shared_script()`, and calls the handler once, or destroys it if the execution context ends. If there is no
  /// connection, or it breaks, or the server cannot execute the script now, the reply is an error: the semaphore tries
  /// again. So the engine does not repeat requests, except after `NOSCRIPT`. An error that begins with `TURNSTILE` says that the
  /// server will never execute it: acquires complete with `errc::not_a_semaphore`.
  virtual void async_sync(request r, reply_handler handler) = 0;

  /// Subscribes to a channel, and calls the handler with each message until `ignore()`. Subscribes anew after each
  /// reconnection. Messages may be lost, repeated and reordered.
  virtual void listen(std::string channel, message_handler handler) = 0;

  /// Ends the subscription, and destroys its handler.
  virtual void ignore(const std::string& channel) = 0;

  /// Returns what is the matter with the connection, or was last; empty if nothing was. Also what was given to `note()` last.
  virtual std::string last_error() const = 0;

  /// Remembers for `last_error()` what a semaphore has noticed that is no error of its operations: the limit in its options
  /// is not that of the server. Does nothing unless a derived class overrides it.
  virtual void note(const std::string& problem) { static_cast<void>(problem); }

 protected:
  /// For a derived class.
  shared_engine() : link_(std::make_shared<detail::engine_link>(*this)) {}

  /// A derived class calls this first in its destructor: from then on no semaphore calls it.
  void cut() noexcept { link_->cut(); }

 private:
  template <typename Executor>
  friend class basic_shared_semaphore;

  // The clock of the semaphores, if it is moved by hand, for tests.
  virtual std::shared_ptr<detail::manual_time> manual() const { return nullptr; }

  const std::shared_ptr<detail::engine_link> link_;
};

/// Returns the script that the engine executes, in Lua, for Redis 6.0 and newer and Valkey.
TURNSTILE_API std::string_view shared_script() noexcept;

}  // namespace turnstile::inline v1

#endif
