// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "demo/demo.hpp"

#include "demo/view.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/limiter.hpp"
#include "proxy/net.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
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
constexpr steady_clock::duration upstream_time = 4s;  // what the upstream takes for all clients
constexpr steady_clock::duration patience = 9s;       // what is not done by then has failed
constexpr steady_clock::duration last_moment = 10s;

const tcp::endpoint any_loopback_port{asio::ip::address_v4::loopback(), 0};

// A server that takes its time: it reads a request, a line, works, and sends it back.
class slow_upstream {
 public:
  slow_upstream(asio::io_context& context, steady_clock::duration mean_time)
      : acceptor_(context, any_loopback_port), mean_time_(mean_time) {}

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::size_t now() const noexcept { return now_; }
  std::size_t most() const noexcept { return most_; }

  awaitable<void> run() {
    for (;;) {
      tcp::socket socket = co_await acceptor_.async_accept(use_awaitable);
      most_ = std::max(most_, ++now_);
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
  std::size_t most_ = 0;
};

// True where the server sent back what it was sent, and closed.
awaitable<bool> is_served(tcp::endpoint server, std::size_t n) {
  const std::string request = text("the request of client ", n, '\n');
  std::string answer;
  tcp::socket socket{co_await this_coro::executor};
  co_await socket.async_connect(server, use_awaitable);
  co_await asio::async_write(socket, asio::buffer(request), use_awaitable);
  co_await asio::async_read(socket, asio::dynamic_buffer(answer), as_result);
  co_return answer == request;
}

// All but the limiter runs on one thread.
class demo {
 public:
  demo(asio::io_context& context, slow_upstream& upstream, limiter& l)
      : context_(context), upstream_(upstream), limiter_(l), finished_(context, 0) {}

  // Starts all clients and shows what happens, until all have finished, patience is over, or
  // somebody interrupts.
  awaitable<void> run() {
    for (std::size_t n = 0; n < clients; ++n)
      asio::co_spawn(context_, is_served(limiter_.listening_on(), n),
                     [this](const std::exception_ptr& e, bool served) {
                       if (!e && served) ++served_;
                       finished_.release();
                     });
    asio::signal_set signals{context_, SIGINT, SIGTERM};
    asio::steady_timer deadline{context_, patience};
    co_await (finished_.async_acquire(clients, use_awaitable) || show() ||
              signals.async_wait(use_awaitable) || deadline.async_wait(use_awaitable));
    view_.show(now());
  }

  // Says how it went.
  bool summary() const {
    const bool ok = served_ == clients && upstream_.most() == limiter_.limit();
    std::cout << (ok ? "ok: " : "failed: ") << served_ << " of " << clients
              << " clients served; the upstream saw at most " << upstream_.most()
              << " connections at once, the limit is " << limiter_.limit() << "; "
              << limiter_.seen().refused() << " refused; waited " << readable(now().median_wait)
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
    const figures& f = limiter_.seen();
    snapshot s;
    s.clients = clients;
    s.limit = limiter_.limit();
    s.active = f.active.now();
    s.queued = limiter_.queued();
    s.served = served_;
    s.refused = f.refused();
    s.upstream_now = upstream_.now();
    s.upstream_most = upstream_.most();
    s.median_wait = f.waits.quantile(0.5);
    s.p99_wait = f.waits.quantile(0.99);
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
  if (s.limit > clients)
    throw usage_error(text("--limit takes a number from 1 to ", clients, " with --demo"));
  std::cout << clients << " clients at once, and an upstream that bears " << s.limit
            << " connections:" << std::endl;

  asio::io_context context;
  slow_upstream upstream{context, upstream_time * s.limit / clients};
  s.listen = {"127.0.0.1", 0};
  s.upstream = {"127.0.0.1", upstream.port()};
  s.drain_timeout = 0ms;  // in the end there is nobody whom one would have to wait for

  std::mutex mutex;
  std::string log;
  io_threads threads{o.threads};
  limiter l{threads, s, [&](const std::string& line) {
              const std::lock_guard lock{mutex};
              log += line + '\n';
            }};
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
    if (e) std::cerr << "the demo broke off: " << reason(e) << std::endl;
    l.stop();
    upstream.stop();
  });
  context.run_for(last_moment);
  l.stop();  // again, and in vain, unless the above was not reached
  running.join();
  if (!ok) std::cerr << "The limiter's log:\n" << log << std::flush;
  return ok;
}

}  // namespace connection_limiter
