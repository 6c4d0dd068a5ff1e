// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_MEMORY_ENGINE_HPP
#define TURNSTILE_MEMORY_ENGINE_HPP

#include <turnstile/detail/context_hook.hpp>
#include <turnstile/detail/handler_executor.hpp>
#include <turnstile/detail/memory_state.hpp>
#include <turnstile/detail/service.hpp>
#include <turnstile/manual_clock.hpp>
#include <turnstile/shared_engine.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace turnstile::inline v1 {

template <typename Executor>
class basic_memory_engine;

/// Plays the part of the Redis server for the shared semaphores of one process: for tests, and for programs that also run as a
/// single process.
///
/// @par Thread safety
/// Safe, except for destroying. The engines of the server may outlive it.
class memory_server {
 public:
  /// Constructs a server with the system's clock.
  memory_server() : memory_server(std::shared_ptr<detail::manual_time>()) {}

  /// Constructs a server whose clock is moved by hand. The semaphores of its engines use that clock, too.
  explicit memory_server(manual_clock& clock) : memory_server(clock.time_) {}

  /// Starts the server anew, with its state or without. As after a restart of Redis, nothing new is granted for up to a
  /// lease, until all members have claimed what they have.
  void restart(bool keeps_state) { state_->restart(keeps_state); }

 private:
  template <typename Executor>
  friend class basic_memory_engine;

  explicit memory_server(std::shared_ptr<detail::manual_time> time)
      : state_(std::make_shared<detail::memory_state>(std::move(time))) {}

  std::shared_ptr<detail::memory_state> state_;
};

/// The connection of shared semaphores to a `memory_server`. For tests, it can fail as a connection to Redis can.
///
/// Replies and messages come as functions that are posted to the executor.
///
/// @tparam Executor the type of the executor.
///
/// @par Thread safety
/// Safe, except for constructing and destroying. If the context is destroyed first, the engine does nothing any more.
///
/// @par Example
/// @code
/// turnstile::manual_clock clock;
/// turnstile::memory_server server(clock);
/// turnstile::memory_engine engine(io, server);
/// turnstile::shared_semaphore a(io, engine, {.name = "db", .limit = 2});
/// turnstile::shared_semaphore b(io, engine, {.name = "db", .limit = 2});  // as in another process
/// @endcode
template <typename Executor = boost::asio::any_io_executor>
class basic_memory_engine final : public shared_engine {
 public:
  /// The type of the executor.
  using executor_type = Executor;

  /// How requests fail.
  enum class fault {
    /// Requests succeed.
    none,
    /// The server does not get them.
    request_lost,
    /// The server executes them, and the reply is an error.
    reply_lost,
    /// The server executes them, and the reply comes when the fault is changed.
    reply_late
  };

  /// Constructs an engine for a server.
  basic_memory_engine(const executor_type& ex, memory_server& server)
      : link_(std::make_shared<link>(ex, server.state_)) {
    link_->start();
  }

  /// Constructs an engine that uses the executor of an execution context.
  /// @tparam ExecutionContext an `io_context`, a `thread_pool` or another `execution_context`.
  template <typename ExecutionContext>
    requires detail::context_for<ExecutionContext, Executor>
  basic_memory_engine(ExecutionContext& context, memory_server& server)
      : basic_memory_engine(executor_type(context.get_executor()), server) {}

  /// Destroys the engine. Semaphores that use it do as if the server could not be reached.
  ~basic_memory_engine() override {
    cut();
    link_->end();
  }

  /// Makes requests fail in this way from now on, with this error text. `fault::none` ends that.
  void set_fault(fault f, std::string error = "ERR connection lost") {
    link_->set_fault(f, std::move(error));
  }

  /// Sets whether messages are lost from now on.
  void drop_messages(bool drops) { link_->drop_messages(drops); }

  /// Returns how many requests were made.
  std::size_t requests() const { return link_->requests(); }

  void async_sync(request r, reply_handler handler) override {
    link_->execute(r, std::move(handler));
  }
  void listen(std::string channel, message_handler handler) override {
    link_->listen(std::move(channel), std::move(handler));
  }
  void ignore(const std::string& channel) override { link_->ignore(channel); }
  std::string last_error() const override { return link_->last_error(); }
  void note(const std::string& problem) override { link_->note(problem); }

 private:
  // The executor and the handlers. Its mutex is not held while anything is posted or called. What is posted from another
  // context is waited for when the executor's ends.
  class link final : public detail::message_sink, public detail::context_hook {
   public:
    link(const Executor& ex, std::shared_ptr<detail::memory_state> server)
        : server_(std::move(server)), executor_(ex) {}

    void start() {
      if (!attach(detail::context_of(*executor_))) drop_context();
      server_->add(self());
    }
    void end() noexcept {
      detach();
      context_ended();
    }

    const std::shared_ptr<detail::manual_time>& time() const noexcept { return server_->time(); }

    void execute(const request& r, reply_handler h) {
      const auto [f, error] = next_fault();
      reply answer{error, {}};
      if (f != fault::request_lost) {
        reply done = server_->execute(r);
        if (f != fault::reply_lost) answer = std::move(done);
      }
      pending p{std::move(h), std::move(answer)};
      if (f != fault::reply_late) return post(std::move(p));
      const std::lock_guard<std::mutex> lock(mutex_);
      late_.push_back(std::move(p));
    }

    void hear(const std::string& channel, const std::string& text) override {
      if (!handler_of(channel)) return;
      post([self = self(), channel, text] {
        // It may be ignored by now.
        if (const message_handler h = self->handler_of(channel)) h(text);
      });
    }

    void listen(std::string channel, message_handler h) {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (executor_) handlers_[std::move(channel)] = std::move(h);
    }
    void ignore(const std::string& channel) {
      message_handler h;  // destroyed after the lock
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto at = handlers_.find(channel);
      if (at == handlers_.end()) return;
      h = std::move(at->second);
      handlers_.erase(at);
    }

    void set_fault(fault f, std::string error) {
      std::vector<pending> late;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        fault_ = f;
        error_ = f == fault::none ? std::string() : std::move(error);
        last_error_ = error_;
        late.swap(late_);
      }
      for (pending& p : late) post(std::move(p));
    }
    void drop_messages(bool drops) {
      const std::lock_guard<std::mutex> lock(mutex_);
      drops_ = drops;
    }
    std::size_t requests() const {
      const std::lock_guard<std::mutex> lock(mutex_);
      return requests_;
    }
    std::string last_error() const {
      const std::lock_guard<std::mutex> lock(mutex_);
      return last_error_;
    }
    void note(const std::string& problem) {
      const std::lock_guard<std::mutex> lock(mutex_);
      last_error_ = problem;
    }

   private:
    struct pending {
      void operator()() { handler(std::move(answer)); }
      reply_handler handler;
      reply answer;
    };

    std::pair<fault, std::string> next_fault() {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++requests_;
      return {fault_, error_};
    }

    message_handler handler_of(const std::string& channel) const {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto at = handlers_.find(channel);
      return drops_ || at == handlers_.end() ? message_handler() : at->second;
    }

    template <typename Function>
    void post(Function&& f) {
      with_context([&] { boost::asio::post(*executor_, std::forward<Function>(f)); });
    }

    std::shared_ptr<link> self() { return std::static_pointer_cast<link>(shared_from_this()); }

    void drop_context() noexcept override {
      const std::lock_guard<std::mutex> lock(mutex_);
      executor_.reset();
    }
    void context_ended() noexcept override {
      std::map<std::string, message_handler> handlers;
      std::vector<pending> late;
      const std::lock_guard<std::mutex> lock(mutex_);
      handlers.swap(handlers_);
      late.swap(late_);
    }

    const std::shared_ptr<detail::memory_state> server_;
    mutable std::mutex mutex_;
    std::optional<Executor> executor_;  // empty when the context or the engine is gone
    std::map<std::string, message_handler> handlers_;
    std::vector<pending> late_;
    fault fault_ = fault::none;
    std::string error_, last_error_;
    bool drops_ = false;
    std::size_t requests_ = 0;
  };

  std::shared_ptr<detail::manual_time> manual() const override { return link_->time(); }

  const std::shared_ptr<link> link_;
};

/// The engine for most uses.
using memory_engine = basic_memory_engine<>;

}  // namespace turnstile::inline v1

#endif
