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

std::chrono::microseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start);
}

}  // namespace

limiter::limiter(io_threads& threads, const settings& s, const logger& l, passed_sockets& passed,
                 std::shared_ptr<admission> a)
    : settings_(s),
      timeouts_(s),
      log_(l),
      listening_(threads.contexts().front(), s.listen,
                 listening_addresses(threads.contexts().front(), s.listen, "--listen"), "--listen",
                 passed, {s.keepalive, s.socket_mode}),
      upstream_(s, l, listening_.name()),
      accept_failures_(log_, name(), "accept"),
      other_failures_(log_, name(), "connection failed"),
      admission_(std::move(a)),
      open_connections_(listening_.get_executor(), turnstile::semaphore::max()),
      stop_requests_(listening_.get_executor(), 0) {
  if (settings_.find_limit) finder_.emplace(*settings_.find_limit, s.limit);
  for (asio::io_context& context : threads.contexts()) workers_.push_back({context, {}});
}

void limiter::stop() {
  stopping_ = true;
  stop_requests_.release();
}

void limiter::adjust(const adjustable& next) {
  const adjustable before = current();
  adjustable after = next;
  if (settings_.finds_limit() || settings_.shared) after.limit = before.limit;
  admission_->set_limits(after);
  {
    const std::lock_guard lock{mutex_};
    timeouts_ = after;
  }
  for (const adjustable_option& o : adjustable_options())
    if (const std::string from = o.get(before), to = o.get(after); from != to)
      log_.info(name(), text(o.name, " changed from ", from, " to ", to));
}

adjustable limiter::current() const { return {admission_->limits(), now()}; }

timeouts limiter::now() const {
  const std::lock_guard lock{mutex_};
  return timeouts_;
}

awaitable<void> limiter::run() {
  asio::co_spawn(listening_.get_executor(), report_failures(),
                 asio::bind_cancellation_slot(reporting_.slot(), asio::detached));
  if (cuts_for_lease())
    asio::co_spawn(listening_.get_executor(), watch_lease(),
                   asio::bind_cancellation_slot(watching_.slot(), asio::detached));
  co_await (accept_connections() || until_stopped());
  listening_.close();
  for (worker& w : workers_) co_await asio::co_spawn(w.context, pass_started(), use_awaitable);
  admission_->close();
  co_await drain();
  watching_.emit(asio::cancellation_type::terminal);
  if (fleet()) co_await fleet()->leave();
  reporting_.emit(asio::cancellation_type::terminal);
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
  const auto time = now().drain_delay;
  if (time.count() == 0) co_return;
  log_.info(name(), text("stopping in ", time.count(), " ms"));
  asio::steady_timer delay{listening_.get_executor(), time};
  const auto first =
      co_await (delay.async_wait(as_result) || stop_requests_.async_acquire(use_awaitable));
  if (first.index() == 1) stop_requests_.release();  // for drain(), which cuts at once
}

// Until run() cancels it. To cancel only its timer would have no effect if a report is just due.
awaitable<void> limiter::report_failures() {
  asio::steady_timer timer{co_await this_coro::executor};
  for (;;) {
    timer.expires_after(std::chrono::seconds{1});
    co_await timer.async_wait(use_awaitable);
    for (failure_log* f : {&accept_failures_, &other_failures_}) f->report();
    upstream_.report();
    if (fleet()) fleet()->report(log_);
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
    if (!upstream_.waits_for_descriptor()) accept_failures_.succeeded();
    while (upstream_.waits_for_descriptor()) {
      accept_failures_.failed(
          "no file descriptor left for the upstream; retrying ten times a second");
      co_await pause_accepting();
    }
  }
}

awaitable<error_code> limiter::accept_one(worker& w) {
  turnstile::permit reserved;
  if (settings_.overflow == overflow_mode::backlog) reserved = co_await admission_->reserve();
  const asio::any_io_executor executor = w.context.get_executor();
  auto [ec, client] = co_await listening_.accept(executor);
  if (ec) co_return ec;
  // If the limit was lowered after the permit was reserved, return the permit and wait for another.
  if (reserved && admission_->is_over_limit()) {
    reserved.release();
    reserved = co_await admission_->reserve();
  }
  start(w, std::move(client), std::move(reserved));
  co_return ec;
}

void limiter::start(worker& w, stream_socket client, turnstile::permit reserved) {
  stats_.accepted.add();
  // From here on, everything happens on the worker's thread. Not dispatch(): connections whose end is known
  // already must make room for this one first.
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

awaitable<ending> limiter::serve(connection& c, stream_socket client,
                                 turnstile::permit reserved) try {
  std::string early;
  std::optional<origin> from;
  if (log_.with_access() || settings_.send_proxy != 0 || !settings_.accept_proxy.empty()) {
    from = co_await find_origin(client, settings_.accept_proxy, early);
    if (!from) co_return ending::bad_header;
    c.record.client = from->client;
  }
  if (finder_ && admission_->available() == 0) finder_->waited();
  auto [grant, refusal] = co_await admission_->decide(client, std::move(reserved), early, stats_,
                                                      from ? from->address() : std::nullopt);
  c.record.wait = since(c.accepted);
  if (!grant) co_return refusal;
  c.shared = std::move(grant->shared);
  // watch_lease() cuts what it finds. If the lease was lost since the grant, it has looked before.
  if (c.shared && cuts_for_lease() && !c.shared.valid()) co_return ending::lease_lost;
  const gauge::scope active{stats_.active};

  const timeouts t = now();
  stream_socket upstream{client.get_executor()};
  const auto start = steady_clock::now();
  const std::size_t in_use =
      admission_->in_use();  // the gauge misses those that are about to start
  const error_code ec = co_await upstream_.connect(upstream, t.connect_timeout);
  if (finder_) {
    finder_->connected(start, in_use, ec);
    adopt_found_limit();
  }
  if (ec) {
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return c.reason_of_cut();
    c.record.reason = ec.message();
    co_return ending::failed;
  }
  if (from) co_await upstream_.send_header(upstream, from->ends);
  const time_limits limits{t.idle_timeout, t.session_timeout, t.client_ended_timeout,
                           t.upstream_ended_timeout};
  const ending e = co_await relay(client, upstream, std::move(early), limits, c.bytes, stats_);
  if (finder_ && c.bytes.refused) {
    finder_->refused(start, in_use);
    adopt_found_limit();
  }
  co_return e;
} catch (const boost::system::system_error& e) {
  if (e.code() != asio::error::operation_aborted) throw;
  co_return c.reason_of_cut();
}

void limiter::adopt_found_limit() {
  const std::lock_guard lock{setting_limit_};
  const std::size_t limit = finder_->limit();
  if (settings_.finds_limit() && limit != admission_->limit()) admission_->set_limit(limit);
}

awaitable<error_code> limiter::check_upstream() {
  if (upstream_.was_just_connected()) co_return error_code{};
  const turnstile::permit permit = co_await admission_->try_reserve();
  if (!permit) co_return error_code{};  // the upstream serves as many connections as it may
  co_return co_await upstream_.check(
      std::min(now().connect_timeout, std::chrono::milliseconds{2000}));
}

// ---- Stopping -----------------------------------------------------------------------------------

awaitable<void> limiter::drain() {
  constexpr std::size_t all = turnstile::semaphore::max();
  log_.info(name(), text("stopping, waiting for ", stats_.active.now(), " connections to end"));
  asio::steady_timer deadline{listening_.get_executor(), now().drain_timeout};
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

awaitable<void> limiter::watch_lease() {
  for (;;) {
    const auto [ec] = co_await fleet()->permits().async_wait_lost(as_result);
    if (ec != turnstile::errc::lease_lost) co_return;
    for (worker& w : workers_)
      asio::post(w.context, [&w] {
        for (connection& c : w.connections) {
          if (!c.shared || c.shared.valid()) continue;
          c.is_cut_for_lease = true;
          c.cancellation.emit(asio::cancellation_type::terminal);
        }
      });
  }
}

}  // namespace connection_limiter
