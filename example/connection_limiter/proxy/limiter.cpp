// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/limiter.hpp"

#include "proxy/relay.hpp"
#include "text.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

constexpr std::chrono::seconds header_timeout{5};

// To connect to an upstream on the same machine takes microseconds, which say nothing about its load.
constexpr std::chrono::milliseconds shortest_time{2};
// If the upstream's backlog is full, the kernel tries again after a second.
constexpr std::chrono::milliseconds tolerable_time{500};

turnstile::adaptive_limit::outcome outcome_of(const error_code& ec) {
  using enum turnstile::adaptive_limit::outcome;
  if (ec == asio::error::connection_refused || ec == asio::error::timed_out ||
      ec == asio::error::connection_reset)
    return overloaded;
  return ec ? ignored : succeeded;
}

std::chrono::microseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start);
}

}  // namespace

limiter::limiter(io_threads& threads, const settings& s, const logger& l, passed_sockets& passed)
    : settings_(s),
      log_(l),
      listening_(threads.contexts().front(), s.listen,
                 listening_addresses(threads.contexts().front(), s.listen, "--listen"), "--listen",
                 passed),
      upstream_(s.upstream, s.resolve_every),
      report_timer_(listening_.get_executor()),
      accept_failures_(log_, name(), "accept"),
      upstream_failures_(log_, name(), "upstream " + to_string(s.upstream)),
      other_failures_(log_, name(), "connection failed"),
      admission_(listening_.get_executor(), settings_, stats_),
      open_connections_(listening_.get_executor(), turnstile::semaphore::max()),
      stop_requests_(listening_.get_executor(), 0) {
  if (const auto& a = settings_.find_limit)
    adaptive_.emplace(
        turnstile::adaptive_limit::settings{.initial = std::clamp(s.limit, a->lowest, a->highest),
                                            .lowest = a->lowest,
                                            .highest = a->highest,
                                            .tolerable = tolerable_time});
  if (const auto found = upstream_.current(); found.addresses.empty()) note_upstream(found.ec);
  for (asio::io_context& context : threads.contexts()) workers_.push_back({context, {}});
}

void limiter::stop() {
  stopping_ = true;
  stop_requests_.release();
}

void limiter::set_limit(std::size_t limit) {
  const std::size_t before = admission_.limit();
  admission_.set_limit(limit);
  log_.info(name(), text("limit changed from ", before, " to ", limit));
}

awaitable<void> limiter::run() {
  asio::co_spawn(listening_.get_executor(), report_failures(), asio::detached);
  co_await (accept_connections() || until_stopped());
  listening_.close();
  for (worker& w : workers_) co_await asio::co_spawn(w.context, pass_started(), use_awaitable);
  admission_.close();
  co_await drain();
  report_timer_.cancel();
}

// Completes when the admission has decided on the connections that start() has passed to this
// thread, or has queued them. start() posts them, and co_spawn() posts them again: they are in front
// of what this coroutine posts.
awaitable<void> limiter::pass_started() {
  for (int i = 0; i != 2; ++i) co_await asio::post(use_awaitable);
}

// Until stop() was called and the drain delay has passed.
awaitable<void> limiter::until_stopped() {
  co_await stop_requests_.async_acquire(use_awaitable);
  if (settings_.drain_delay.count() == 0) co_return;
  log_.info(name(), text("stopping in ", settings_.drain_delay.count(), " ms"));
  asio::steady_timer delay{listening_.get_executor(), settings_.drain_delay};
  const auto first =
      co_await (delay.async_wait(as_result) || stop_requests_.async_acquire(use_awaitable));
  if (first.index() == 1) stop_requests_.release();  // for drain(), which cuts at once
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
      accept_failures_.failed(
          "no file descriptor left for the upstream; retrying ten times a second");
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
    const auto c = w.connections.emplace(w.connections.end());
    auto at_the_end = [this, &w, c, open = std::move(open)](const std::exception_ptr& e,
                                                            ending how) {
      count_ending(*c, e, how);
      w.connections.erase(c);
    };
    asio::co_spawn(w.context, serve(*c, std::move(client), std::move(reserved)),
                   asio::bind_cancellation_slot(c->cancellation.slot(), std::move(at_the_end)));
  });
}

void limiter::count_ending(connection& c, const std::exception_ptr& e, ending how) {
  if (e) {
    how = ending::failed;
    c.record.reason = reason(e);
    other_failures_.failed(c.record.reason);
  }
  stats_.ended[static_cast<std::size_t>(how)].add();
  if (!log_.with_access()) return;
  const result r = result_of(how);
  c.record.result = r.name;
  if (c.record.reason.empty()) c.record.reason = r.reason;
  c.record.time = since(c.accepted);
  c.record.bytes_up = c.bytes.up;
  c.record.bytes_down = c.bytes.down;
  log_.access(name(), c.record);
}

// ---- One connection -----------------------------------------------------------------------------

awaitable<ending> limiter::serve(connection& c, tcp::socket client,
                                 turnstile::permit reserved) try {
  std::string early;
  std::optional<proxied_connection> ends;
  std::optional<asio::ip::address> from;
  if (log_.with_access() || settings_.send_proxy != 0 || !settings_.accept_proxy.empty()) {
    ends = co_await ends_of(client, early);
    if (!ends) co_return ending::bad_header;
    // Without an address, the client has already disconnected.
    if (ends->client != tcp::endpoint{}) from = ends->client.address();
    c.record.client = text(ends->client);
  }
  if (adaptive_ && admission_.available() == 0) adaptive_->waited();
  const auto [grant, refusal] =
      co_await admission_.decide(client, std::move(reserved), early, from);
  c.record.wait = since(c.accepted);
  if (!grant) co_return refusal;
  const gauge::scope active{stats_.active};

  tcp::socket upstream{client.get_executor()};
  const auto start = steady_clock::now();
  const std::size_t active_at_start = stats_.active.now();
  const error_code ec = co_await connect(upstream);
  if (adaptive_) learn(start, active_at_start, ec);
  if (ec) {
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return ending::drain;
    note_upstream(ec);
    c.record.reason = ec.message();
    co_return ending::failed;
  }
  note_upstream(ec);
  set_options(client, settings_.keepalive);
  set_options(upstream, settings_.keepalive);
  if (settings_.send_proxy != 0) {
    const std::string header = make_proxy_header(settings_.send_proxy, ends);
    // If that fails, the relay sees the end of the connection.
    co_await asio::async_write(upstream, asio::buffer(header), as_result);
  }
  const time_limits limits{settings_.idle_timeout, settings_.session_timeout,
                           settings_.client_ended_timeout, settings_.upstream_ended_timeout};
  co_return co_await relay(client, upstream, std::move(early), limits, c.bytes, stats_);
} catch (const boost::system::system_error& e) {
  if (e.code() != asio::error::operation_aborted) throw;
  co_return ending::drain;
}

// The ends of the connection, or those that its PROXY header says. If there must be a header, and
// there is no valid one, none.
awaitable<std::optional<proxied_connection>> limiter::ends_of(tcp::socket& client,
                                                              std::string& early) {
  error_code ignored;
  proxied_connection own{client.remote_endpoint(ignored), client.local_endpoint(ignored)};
  const auto has_client = [&](const network& n) { return n.contains(own.client.address()); };
  if (std::none_of(settings_.accept_proxy.begin(), settings_.accept_proxy.end(), has_client))
    co_return own;
  const parsed_header header = co_await read_proxy_header(client, early, header_timeout);
  if (header.state != parsed_header::valid) co_return std::nullopt;
  co_return header.ends.value_or(own);
}

awaitable<error_code> limiter::connect(tcp::socket& upstream) {
  const auto deadline = steady_clock::now() + settings_.connect_timeout;
  // While this gauge is not zero, no client is accepted: the next free descriptor is for the
  // upstream.
  std::optional<gauge::scope> waiting;
  for (;;) {
    const auto [addresses, lookup_error] = upstream_.current();
    if (addresses.empty()) co_return lookup_error;
    const error_code ec = co_await connect_to_one_of(addresses, upstream, deadline);
    if (ec != asio::error::no_descriptors || steady_clock::now() >= deadline) co_return ec;
    if (!waiting) waiting.emplace(waiting_for_descriptor_);
    asio::steady_timer pause{upstream.get_executor(), std::chrono::milliseconds{100}};
    co_await pause.async_wait(use_awaitable);
  }
}

// Finds the limit from the time that a connection took, and from its error.
void limiter::learn(steady_clock::time_point start, std::size_t active, const error_code& ec) {
  const auto end = std::max<steady_clock::time_point>(steady_clock::now(), start + shortest_time);
  const auto outcome = outcome_of(ec);
  // Refusals come so fast that the limiter's own limit is not reached. But the upstream's is.
  if (outcome == turnstile::adaptive_limit::outcome::overloaded) adaptive_->waited();
  const std::lock_guard lock{setting_limit_};
  const std::size_t limit = adaptive_->ended(start, end, active, outcome);
  if (finds_limit() && limit != admission_.limit()) admission_.set_limit(limit);
}

void limiter::note_upstream(const error_code& ec) {
  upstream_is_up_ = !ec;
  if (ec) {
    upstream_.look_up_again();
    return upstream_failures_.failed(ec.message());
  }
  last_connect_ = steady_clock::now().time_since_epoch().count();
  upstream_failures_.succeeded();
}

awaitable<error_code> limiter::check_upstream() {
  const steady_clock::duration last{last_connect_};
  const bool just_now = steady_clock::now().time_since_epoch() - last < std::chrono::seconds{1};
  if (upstream_is_up_ && last_connect_ != 0 && just_now) co_return error_code{};
  const turnstile::permit permit = admission_.try_reserve();
  if (!permit) co_return error_code{};  // the upstream serves as many connections as it may
  tcp::socket socket{co_await this_coro::executor};
  const auto timeout = std::min(settings_.connect_timeout, std::chrono::milliseconds{2000});
  const auto [addresses, lookup_error] = upstream_.current();
  error_code ec = lookup_error;
  if (!addresses.empty())
    ec = co_await connect_to_one_of(addresses, socket, steady_clock::now() + timeout);
  if (!ec && settings_.send_proxy != 0) {
    const std::string header = make_proxy_header(settings_.send_proxy, {});
    co_await asio::async_write(socket, asio::buffer(header), as_result);
  }
  note_upstream(ec);
  co_return ec;
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
      for (connection& c : w.connections) c.cancellation.emit(asio::cancellation_type::terminal);
    });
}

}  // namespace connection_limiter
