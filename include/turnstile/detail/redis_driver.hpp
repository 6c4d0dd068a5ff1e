// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_REDIS_DRIVER_HPP
#define TURNSTILE_DETAIL_REDIS_DRIVER_HPP

// The event loop of a Redis client, made of Asio: two sockets, two resolvers and a timer on a strand. A driver lives
// until its engine is destroyed and its operations have ended. If its execution context is destroyed first, it drops
// everything that belongs to the context, and does nothing any more.

#include <turnstile/detail/config.hpp>
#include <turnstile/detail/handler_executor.hpp>
#include <turnstile/detail/redis_client.hpp>
#include <turnstile/shared_engine.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace turnstile::inline v1::detail {

class redis_driver;

// What the destruction of an execution context does to its drivers. The mutex guards only the list.
class redis_service final : public asio::execution_context::service {
 public:
  using key_type = redis_service;
  static inline asio::execution_context::id id;

  // Made after the services that a driver's members use, and so shut down before them.
  TURNSTILE_COLD explicit redis_service(asio::execution_context& context)
      : asio::execution_context::service(context) {}

  inline bool enter(redis_driver&);  // false if the context is being destroyed
  inline void leave(redis_driver&) noexcept;

 private:
  inline void shutdown() override;
  inline std::shared_ptr<redis_driver> next_to_abandon();

  std::mutex mutex_;
  bool is_shut_down_ = false;
  std::set<redis_driver*> drivers_;
};

class redis_driver final : public redis_loop, public std::enable_shared_from_this<redis_driver> {
  using strand_type = asio::strand<asio::any_io_executor>;
  using protocol = asio::generic::stream_protocol;
  using socket_type = asio::basic_stream_socket<protocol, strand_type>;
  using resolver_type = asio::ip::basic_resolver<asio::ip::tcp, strand_type>;
  using clock = std::chrono::steady_clock;
  using error_code = boost::system::error_code;

 public:
  redis_driver(const asio::any_io_executor& ex, redis_address a, std::chrono::milliseconds timeout)
      : address_(a),
        io_(std::in_place, asio::make_strand(ex)),
        client_(std::move(a), timeout, *this) {}
  redis_driver(const redis_driver&) = delete;
  redis_driver& operator=(const redis_driver&) = delete;
  ~redis_driver() {
    if (service_) service_->leave(*this);
  }

  static std::shared_ptr<redis_driver> make(const asio::any_io_executor& ex, redis_address a,
                                            std::chrono::milliseconds timeout) {
    auto driver = std::make_shared<redis_driver>(ex, std::move(a), timeout);
    auto& service = asio::use_service<redis_service>(detail::context_of(ex));
    if (!service.enter(*driver)) {
      driver->abandon();
      return driver;
    }
    driver->service_ = &service;
    driver->start([](redis_client& c) { c.start(); });
    return driver;
  }

  void sync(shared_engine::request r, shared_engine::reply_handler handler) {
    start([request = std::move(r), h = std::move(handler)](redis_client& c) mutable {
      c.sync(std::move(request), std::move(h));
    });
  }
  void listen(std::string channel, shared_engine::message_handler handler) {
    start([name = std::move(channel), h = std::move(handler)](redis_client& c) mutable {
      c.listen(std::move(name), std::move(h));
    });
  }
  void ignore(const std::string& channel) {
    start([channel](redis_client& c) { c.ignore(channel); });
  }

  // The engine is gone.
  void stop() noexcept {
    is_stopping_ = true;  // if there is no memory now, what happens next ends it
    try {
      start([](redis_client&) {});
    } catch (...) {
    }
  }

  bool is_connected() const noexcept { return client_.is_connected(); }
  std::string last_error() const { return client_.last_error(); }
  void note(const std::string& problem) { client_.note(problem); }

 private:
  friend redis_service;

  struct connection {
    explicit connection(const strand_type& s)
        : resolver(s), socket(std::make_shared<socket_type>(s)) {}

    resolver_type resolver;
    std::shared_ptr<socket_type> socket;  // operations that are under way own it, too
    unsigned generation = 0;              // grows with each connect() and close()
    bool waits_to_write = false;
  };
  struct objects {
    explicit objects(const strand_type& s) : strand(s), timer(s) {}

    strand_type strand;
    asio::basic_waitable_timer<clock, asio::wait_traits<clock>, strand_type> timer;
    time_point timer_expiry = (time_point::max)();
    std::array<connection, redis_links> connections = {{connection(strand), connection(strand)}};
  };

  // Calls f on the strand. Any thread calls this, also while the context is destroyed.
  template <typename F>
  void start(F&& f) {
    const std::lock_guard<std::recursive_mutex> lock(mutex_);
    if (is_gone_) return;
    asio::post(io_->strand, [self = shared_from_this(), call = std::forward<F>(f)]() mutable {
      self->run(call);
    });
  }

  template <typename F>
  void run(F& f) {
    if (is_gone_) return;
    if (!is_stopped_) f(client_);
    if (!is_stopping_ || std::exchange(is_stopped_, true)) return;
    client_.stop();
    io_->timer.cancel();
  }

  // A handler that calls f(error, result...) on behalf of this connection, unless it has been closed meanwhile.
  template <typename F>
  auto guarded(redis_link l, F f) {
    return [self = shared_from_this(), l, generation = of(l).generation, g = std::move(f)](
               const error_code& ec, const auto&... results) {
      if (self->is_gone_ || generation != self->of(l).generation) return;
      const auto call = [&](redis_client&) { g(*self, ec, results...); };
      self->run(call);
    };
  }

  connection& of(redis_link l) noexcept { return io_->connections[static_cast<std::size_t>(l)]; }

  void fail(redis_link l, const error_code& ec) {
    const std::string server =
        address_.path.empty() ? address_.host + ":" + std::to_string(address_.port) : address_.path;
    client_.lost(l, "cannot connect to " + server + ": " + ec.message());
  }

  void connect(redis_link l, unsigned attempt) override {
    connection& c = of(l);
    ++c.generation;
#if defined(BOOST_ASIO_HAS_LOCAL_SOCKETS)
    if (!address_.path.empty())
      return connect_to(l, {asio::local::stream_protocol::endpoint(address_.path)});
#endif
    error_code no_literal;
    const auto literal = asio::ip::make_address(address_.host, no_literal);
    if (!no_literal) return connect_to(l, {asio::ip::tcp::endpoint(literal, address_.port)});
    c.resolver.async_resolve(
        address_.host, std::to_string(address_.port), asio::ip::tcp::resolver::numeric_service,
        guarded(l, [l, attempt](redis_driver& self, const error_code& ec, const auto& found) {
          if (ec) return self.fail(l, ec);
          std::vector<protocol::endpoint> all;
          for (const auto& entry : found) all.push_back(entry.endpoint());
          // Begins with another one each time: the first may be one that does not even refuse.
          std::rotate(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(attempt % all.size()),
                      all.end());
          self.connect_to(l, all);
        }));
  }

  void connect_to(redis_link l, const std::vector<protocol::endpoint>& endpoints) {
    const auto s = std::make_shared<socket_type>(io_->strand);
    of(l).socket = s;
    of(l).waits_to_write = false;
    asio::async_connect(*s, endpoints,
                        guarded(l, [l, s](redis_driver& self, error_code ec, const auto&) {
                          if (!ec) s->native_non_blocking(true, ec);
                          if (ec) return self.fail(l, ec);
                          s->set_option(asio::ip::tcp::no_delay(true),
                                        ec);  // fails for a Unix domain socket, which needs none
                          self.client_.connected(l, s->native_handle());
                          self.wait_to_read(l, s);
                        }));
  }

  void wait_to_read(redis_link l, const std::shared_ptr<socket_type>& s) {
    if (of(l).socket != s) return;
    s->async_wait(asio::socket_base::wait_read,
                  guarded(l, [l, s](redis_driver& self, const error_code&) {
                    self.client_.readable(l);
                    self.wait_to_read(l, s);
                  }));
  }

  void wait_to_write(redis_link l) override {
    if (std::exchange(of(l).waits_to_write, true)) return;
    const auto s = of(l).socket;
    s->async_wait(asio::socket_base::wait_write,
                  guarded(l, [l](redis_driver& self, const error_code&) {
                    self.of(l).waits_to_write = false;
                    self.client_.writable(l);
                  }));
  }

  void close(redis_link l) noexcept override {
    connection& c = of(l);
    ++c.generation;
    c.resolver.cancel();
    error_code ignored;
    if (const auto s = std::exchange(c.socket, nullptr)) s->close(ignored);
  }

  // A timer that expires too early does no harm.
  void wake_at(time_point t) override {
    if (t >= io_->timer_expiry) return;
    io_->timer_expiry = (time_point::max)();  // if there is no memory for the wait
    io_->timer.expires_at(t);
    io_->timer.async_wait([self = shared_from_this()](const error_code& ec) {
      if (ec || self->is_gone_) return;
      self->io_->timer_expiry = (time_point::max)();
      const auto tick = [](redis_client& c) { c.tick(); };
      self->run(tick);
    });
    io_->timer_expiry = t;
  }

  void post(std::function<void()> f) override { asio::post(io_->strand, std::move(f)); }

  // The context is being destroyed.
  void abandon() noexcept {
    service_ = nullptr;
    {
      const std::lock_guard<std::recursive_mutex> lock(mutex_);
      is_gone_ = true;
    }
    client_.abandon();
    io_.reset();
  }

  const redis_address address_;
  std::optional<objects> io_;
  redis_client client_;
  redis_service* service_ = nullptr;
  std::atomic<bool> is_stopping_ = false;
  bool is_stopped_ = false;
  // Held while something is posted from outside of the strand, by an executor that may come back.
  std::recursive_mutex mutex_;
  std::atomic<bool> is_gone_ = false;  // changes with the mutex
};

bool redis_service::enter(redis_driver& d) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!is_shut_down_) drivers_.insert(&d);
  return !is_shut_down_;
}

void redis_service::leave(redis_driver& d) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  drivers_.erase(&d);
}

// User code runs in abandon(), and may destroy engines, and make new ones.
void redis_service::shutdown() {
  while (const auto d = next_to_abandon()) d->abandon();
}

std::shared_ptr<redis_driver> redis_service::next_to_abandon() {
  const std::lock_guard<std::mutex> lock(mutex_);
  is_shut_down_ = drivers_.empty();
  if (is_shut_down_) return nullptr;
  redis_driver& d = **drivers_.begin();
  drivers_.erase(drivers_.begin());
  return d.shared_from_this();
}

}  // namespace turnstile::inline v1::detail

#endif
