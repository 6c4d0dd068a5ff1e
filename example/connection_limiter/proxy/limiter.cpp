// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/limiter.hpp"

#include "proxy/relay.hpp"
#include "text.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

}  // namespace

limiter::limiter(io_threads& threads, const settings& s, const logger& l)
    : settings_(s),
      log_(l),
      listening_(threads.contexts().front(), s.listen,
                 listening_addresses(threads.contexts().front(), s.listen, "--listen"), "--listen"),
      upstream_(look_up(threads.contexts().front(), s.upstream, "--upstream")),
      report_timer_(listening_.get_executor()),
      accept_failures_(log_, name(), "accept"),
      upstream_failures_(log_, name(), "upstream " + to_string(s.upstream)),
      other_failures_(log_, name(), "connection failed"),
      admission_(listening_.get_executor(), settings_, stats_),
      open_connections_(listening_.get_executor(), turnstile::semaphore::max()),
      stop_requests_(listening_.get_executor(), 0) {
  for (asio::io_context& context : threads.contexts()) workers_.push_back({context, {}});
}

void limiter::stop() { stop_requests_.release(); }

void limiter::set_limit(std::size_t limit) {
  const std::size_t before = admission_.limit();
  admission_.set_limit(limit);
  log_.info(name(), text("limit changed from ", before, " to ", limit));
}

awaitable<void> limiter::run() {
  asio::co_spawn(listening_.get_executor(), report_failures(), asio::detached);
  co_await (accept_connections() || stop_requests_.async_acquire(use_awaitable));
  listening_.close();
  admission_.close();
  co_await drain();
  report_timer_.cancel();
}

// Until run() cancels the timer.
awaitable<void> limiter::report_failures() {
  for (;;) {
    report_timer_.expires_after(std::chrono::seconds{1});
    const auto [ec] = co_await report_timer_.async_wait(as_result);
    if (ec) co_return;
    for (failure_log* f : {&accept_failures_, &upstream_failures_, &other_failures_}) f->report();
  }
}

// ---- Accepting ----------------------------------------------------------------------------------

awaitable<void> limiter::accept_connections() {
  for (auto next = workers_.begin();; ++next) {
    if (next == workers_.end()) next = workers_.begin();
    std::string failure;
    try {
      if (const error_code ec = co_await accept_one(*next)) failure = ec.message();
    } catch (const std::exception& e) {
      failure = e.what();
    }
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return;  // by stop()

    if (!failure.empty()) {
      stats_.accept_errors.add();
      accept_failures_.failed(failure + "; retrying ten times a second");
      co_await pause_accepting();
      continue;
    }
    if (waiting_for_descriptor_.now() == 0) accept_failures_.succeeded();
    while (waiting_for_descriptor_.now() != 0) {
      accept_failures_.failed("no file descriptor left for connecting to the upstream");
      co_await pause_accepting();
    }
  }
}

awaitable<error_code> limiter::accept_one(worker& w) {
  turnstile::permit reserved;
  if (settings_.overflow == overflow_mode::backlog) reserved = co_await admission_.reserve();
  const asio::any_io_executor executor = w.context.get_executor();
  auto [ec, client] = co_await listening_.accept(executor);
  if (ec) co_return ec;
  // If the limit was lowered after the permit was reserved, return the permit and wait for another.
  if (reserved && admission_.is_over_limit()) {
    reserved.release();
    reserved = co_await admission_.reserve();
  }
  start(w, std::move(client), std::move(reserved));
  co_return ec;
}

void limiter::start(worker& w, tcp::socket client, turnstile::permit reserved) {
  stats_.accepted.add();
  // From here on, everything happens on the worker's thread.
  asio::post(w.context, [this, &w, client = std::move(client), reserved = std::move(reserved),
                         open = open_connections_.try_acquire_permit()]() mutable {
    const auto signal = w.connections.emplace(w.connections.end());
    auto at_the_end = [this, &w, signal, open = std::move(open)](const std::exception_ptr& e,
                                                                 ending how) {
      w.connections.erase(signal);
      count_ending(e, how);
    };
    asio::co_spawn(w.context, serve(std::move(client), std::move(reserved)),
                   asio::bind_cancellation_slot(signal->slot(), std::move(at_the_end)));
  });
}

void limiter::count_ending(const std::exception_ptr& e, ending how) {
  if (e) {
    how = ending::failed;
    other_failures_.failed(reason(e));
  }
  stats_.ended[static_cast<std::size_t>(how)].add();
}

// ---- One connection -----------------------------------------------------------------------------

awaitable<ending> limiter::serve(tcp::socket client, turnstile::permit reserved) try {
  std::string early;
  const auto [grant, refusal] = co_await admission_.decide(client, std::move(reserved), early);
  if (!grant) co_return refusal;
  const gauge::scope active{stats_.active};

  tcp::socket upstream{client.get_executor()};
  if (const error_code ec = co_await connect(upstream)) {
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return ending::drain;
    upstream_failures_.failed(ec.message());
    co_return ending::failed;
  }
  upstream_failures_.succeeded();
  for (tcp::socket* socket : {&client, &upstream}) {
    error_code ignored;
    socket->set_option(tcp::no_delay{true}, ignored);
    socket->set_option(asio::socket_base::keep_alive{true}, ignored);
  }
  const time_limits limits{settings_.idle_timeout, settings_.session_timeout,
                           settings_.client_ended_timeout, settings_.upstream_ended_timeout};
  co_return co_await relay(client, upstream, std::move(early), limits, stats_);
} catch (const boost::system::system_error& e) {
  if (e.code() != asio::error::operation_aborted) throw;
  co_return ending::drain;
}

awaitable<error_code> limiter::connect(tcp::socket& upstream) {
  const auto deadline = steady_clock::now() + settings_.connect_timeout;
  // While this gauge is not zero, no client is accepted: the next free descriptor is for the
  // upstream.
  std::optional<gauge::scope> waiting;
  for (;;) {
    const error_code ec = co_await connect_to_one_of(upstream_, upstream, deadline);
    if (ec != asio::error::no_descriptors || steady_clock::now() >= deadline) co_return ec;
    if (!waiting) waiting.emplace(waiting_for_descriptor_);
    asio::steady_timer pause{upstream.get_executor(), std::chrono::milliseconds{100}};
    co_await pause.async_wait(use_awaitable);
  }
}

// ---- Stopping -----------------------------------------------------------------------------------

awaitable<void> limiter::drain() {
  constexpr std::size_t all = turnstile::semaphore::max();
  log_.info(name(), text("stopping, waiting for ", stats_.active.now(), " connections to end"));
  asio::steady_timer deadline{listening_.get_executor(), settings_.drain_timeout};
  // async_acquire_permit(), so that the permits are returned if the acquire succeeds but another
  // operation completed first.
  const auto first =
      co_await (open_connections_.async_acquire_permit(all, as_result) ||
                deadline.async_wait(as_result) || stop_requests_.async_acquire(as_result));
  if (first.index() == 0) co_return;
  log_.warning(name(), text("cutting ", stats_.active.now(), " connections"));
  cut();
  const turnstile::permit every =
      co_await open_connections_.async_acquire_permit(all, use_awaitable);
}

void limiter::cut() {
  for (worker& w : workers_)
    asio::post(w.context, [&w] {
      for (asio::cancellation_signal& connection : w.connections)
        connection.emit(asio::cancellation_type::terminal);
    });
}

}  // namespace connection_limiter
