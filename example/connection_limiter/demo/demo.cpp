// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "demo/demo.hpp"

#include "demo/view.hpp"
#include "log/log.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/limiter.hpp"
#include "proxy/net.hpp"
#include "text.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::size_t clients = 200;
constexpr steady_clock::duration total_service_time =
    4s;  // of the upstream, for all clients together
constexpr steady_clock::duration demo_timeout =
    9s;  // clients that are not served by then have failed
constexpr steady_clock::duration hard_timeout = 10s;

const tcp::endpoint any_loopback_port{asio::ip::address_v4::loopback(), 0};

// A slow server: it reads a request, which is one line, waits, and sends it back.
class slow_upstream {
 public:
  slow_upstream(asio::io_context& context, steady_clock::duration mean_time)
      : acceptor_(context, any_loopback_port), mean_time_(mean_time) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::size_t now() const noexcept { return now_; }
  std::size_t max() const noexcept { return max_; }

  awaitable<void> run() {
    for (;;) {
      tcp::socket socket = co_await acceptor_.async_accept(use_awaitable);
      max_ = std::max(max_, ++now_);
      asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket)),
                     [this](const std::exception_ptr&) { --now_; });
    }
  }

  void stop() { acceptor_.close(); }

 private:
  awaitable<void> serve(tcp::socket socket) {
    std::string request;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(request), '\n', use_awaitable);
    const double factor = std::uniform_real_distribution<>{0.6, 1.4}(random_);
    asio::steady_timer work{socket.get_executor()};
    work.expires_after(std::chrono::duration_cast<steady_clock::duration>(mean_time_ * factor));
    co_await work.async_wait(use_awaitable);
    co_await asio::async_write(socket, asio::buffer(request), use_awaitable);
  }

  tcp::acceptor acceptor_;
  const steady_clock::duration mean_time_;
  std::mt19937 random_{std::random_device{}()};
  std::size_t now_ = 0;
  std::size_t max_ = 0;
};

// Sends one request. Returns true if the server sent it back and closed the connection.
awaitable<bool> run_client(tcp::endpoint server, std::size_t n) {
  const std::string request = text("the request of client ", n, '\n');
  std::string answer;
  tcp::socket socket{co_await this_coro::executor};
  co_await socket.async_connect(server, use_awaitable);
  co_await asio::async_write(socket, asio::buffer(request), use_awaitable);
  co_await asio::async_read(socket, asio::dynamic_buffer(answer), as_result);
  co_return answer == request;
}

// The clients, the upstream and the view. They run on one thread, and the limiter on its own
// threads.
class demo {
 public:
  demo(asio::io_context& context, slow_upstream& upstream, limiter& l)
      : context_(context), upstream_(upstream), limiter_(l), finished_(context, 0) {}

  // Starts all clients and shows what happens until all of them have finished, demo_timeout has
  // passed, or a signal arrives.
  awaitable<void> run() {
    for (std::size_t n = 0; n < clients; ++n)
      asio::co_spawn(context_, run_client(*to_tcp(limiter_.addresses().front()), n),
                     [this](const std::exception_ptr& e, bool served) {
                       if (!e && served) ++served_;
                       finished_.release();
                     });
    asio::signal_set signals{context_, SIGINT, SIGTERM};
    asio::steady_timer deadline{context_, demo_timeout};
    co_await (finished_.async_acquire(clients, use_awaitable) || show() ||
              signals.async_wait(use_awaitable) || deadline.async_wait(use_awaitable));
    view_.show(now());
  }

  // Prints the result.
  bool summary() const {
    const bool ok = served_ == clients && upstream_.max() == limiter_.limit();
    std::cout << (ok ? "ok: " : "failed: ") << served_ << " of " << clients
              << " clients served; at most " << upstream_.max()
              << " connections to the upstream at once, limit " << limiter_.limit() << "; "
              << limiter_.stats().refused() << " refused; wait " << readable(now().median_wait)
              << " (median), " << readable(now().p99_wait) << " (99th percentile)" << std::endl;
    return ok;
  }

 private:
  awaitable<void> show() {
    asio::steady_timer timer{context_};
    for (;;) {
      timer.expires_after(view_.interval());
      co_await timer.async_wait(use_awaitable);
      view_.show(now());
    }
  }

  snapshot now() const {
    const statistics& f = limiter_.stats();
    snapshot s;
    s.clients = clients;
    s.limit = limiter_.limit();
    s.active = f.active.now();
    s.queued = limiter_.queued();
    s.served = served_;
    s.refused = f.refused();
    s.upstream_now = upstream_.now();
    s.upstream_max = upstream_.max();
    const auto waits = f.waits.read();
    s.median_wait = std::chrono::duration_cast<std::chrono::microseconds>(waits.quantile(0.5));
    s.p99_wait = std::chrono::duration_cast<std::chrono::microseconds>(waits.quantile(0.99));
    s.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start_);
    return s;
  }

  asio::io_context& context_;
  slow_upstream& upstream_;
  limiter& limiter_;
  turnstile::semaphore finished_;  // a permit for each client that has finished
  view view_;
  const steady_clock::time_point start_ = steady_clock::now();
  std::size_t served_ = 0;
};

}  // namespace

bool run_demo(const options& o) {
  settings s = o.limiters.front();
  if (s.limit == 0 || s.limit > clients)
    throw usage_error(text("invalid --limit '", s.limit, "'; expected a number from 1 to ", clients,
                           " with --demo"));
  std::cout << clients << " clients at once, and an upstream with room for " << s.limit
            << " connections:" << std::endl;

  asio::io_context context;
  slow_upstream upstream{context, total_service_time * s.limit / clients};
  s.listen = {"127.0.0.1", 0};
  s.upstream = {"127.0.0.1", upstream.port()};
  s.drain_timeout = 0ms;  // at the end there is no connection to wait for

  std::mutex mutex;
  std::string lines;
  const logger to_string{[&](const std::string& line) {
    const std::lock_guard lock{mutex};
    lines += line + '\n';
  }};
  io_threads threads{o.threads};
  passed_sockets none{{}};
  const auto permits = std::make_shared<admission>(threads.contexts().front().get_executor(), s);
  limiter l{threads, s, to_string, none, permits};
  asio::co_spawn(threads.contexts().front(), l.run(), [&](const std::exception_ptr& e) {
    threads.finish();
    if (e) std::rethrow_exception(e);
  });
  std::jthread running{[&] { threads.run(); }};

  bool ok = false;
  demo d{context, upstream, l};
  asio::co_spawn(context, upstream.run(), asio::detached);
  asio::co_spawn(context, d.run(), [&](const std::exception_ptr& e) {
    ok = d.summary() && !e;
    if (e) std::cerr << "the demo failed: " << reason(e) << std::endl;
    l.stop();
    upstream.stop();
  });
  context.run_for(hard_timeout);
  l.stop();  // needed only if the demo did not end before hard_timeout
  running.join();
  if (!ok) std::cerr << "The limiter's log:\n" << lines << std::flush;
  return ok;
}

}  // namespace connection_limiter
