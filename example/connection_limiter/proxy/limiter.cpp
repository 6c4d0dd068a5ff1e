// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/limiter.hpp"

#include "proxy/relay.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

}  // namespace

limiter::limiter(io_threads& threads, const settings& s, log_function log)
    : settings_(s),
      log_(std::move(log)),
      acceptor_(listen(threads.contexts().front(),
                       look_up(threads.contexts().front(), s.listen, "--listen").front(),
                       "--listen")),
      listening_on_(acceptor_.local_endpoint()),
      upstream_(look_up(threads.contexts().front(), s.upstream, "--upstream")),
      admission_(acceptor_.get_executor(), settings_, figures_),
      presences_(acceptor_.get_executor(), turnstile::semaphore::max()),
      stop_requests_(acceptor_.get_executor(), 0) {
  for (asio::io_context& context : threads.contexts()) lanes_.push_back({context, {}});
}

void limiter::stop() { stop_requests_.release(); }

void limiter::set_limit(std::size_t limit) {
  const std::size_t before = admission_.limit();
  admission_.set_limit(limit);
  log_(text(listening_on_, ": limit ", limit, ", was ", before));
}

awaitable<void> limiter::run() {
  co_await (accept_connections() || stop_requests_.async_acquire(use_awaitable));
  acceptor_.close();
  admission_.close();
  co_await drain();
}

// ---- Accepting ----------------------------------------------------------------------------------

awaitable<void> limiter::accept_connections() {
  accept_trouble trouble{acceptor_.get_executor(), log_, text(listening_on_, ": accept")};
  for (auto next = lanes_.begin();; ++next) {
    if (next == lanes_.end()) next = lanes_.begin();
    std::string why;
    try {
      if (const error_code ec = co_await accept_one(*next)) why = ec.message();
    } catch (const std::exception& e) {
      why = e.what();
    }
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return;  // by stop()

    if (why.empty()) {
      while (lacking_a_descriptor_.now() != 0)
        co_await trouble.pause("no descriptor left for the upstream");
      trouble.over();
    } else {
      figures_.accept_errors.add();
      co_await trouble.pause(why);
    }
  }
}

awaitable<error_code> limiter::accept_one(lane& l) {
  turnstile::permit in_advance;
  if (settings_.overflow == overflow_mode::backlog)
    in_advance = co_await admission_.before_accepting();
  const asio::any_io_executor executor = l.context.get_executor();
  auto [ec, client] = co_await acceptor_.async_accept(executor, as_result);
  if (ec) co_return ec;
  // The limit was lowered before it came: so it was not let through, and takes its turn again.
  if (in_advance && admission_.is_over_limit()) {
    in_advance.release();
    in_advance = co_await admission_.before_accepting();
  }
  start(l, std::move(client), std::move(in_advance));
  co_return ec;
}

void limiter::start(lane& l, tcp::socket client, turnstile::permit in_advance) {
  figures_.accepted.add();
  // From here on, everything happens on the lane's thread.
  asio::post(l.context, [this, &l, client = std::move(client), in_advance = std::move(in_advance),
                         presence = presences_.try_acquire_permit()]() mutable {
    const auto signal = l.connections.emplace(l.connections.end());
    auto at_the_end = [this, &l, signal, presence = std::move(presence)](
                          const std::exception_ptr& e, ending how) {
      l.connections.erase(signal);
      ended(e, how);
    };
    asio::co_spawn(l.context, serve(std::move(client), std::move(in_advance)),
                   asio::bind_cancellation_slot(signal->slot(), std::move(at_the_end)));
  });
}

void limiter::ended(const std::exception_ptr& e, ending how) {
  if (e) {
    how = ending::failed;
    log_("a connection failed: " + reason(e));
  }
  figures_.ended[static_cast<std::size_t>(how)].add();
}

// ---- One connection -----------------------------------------------------------------------------

awaitable<ending> limiter::serve(tcp::socket client, turnstile::permit in_advance) try {
  std::string early;
  const auto [pass, refusal] = co_await admission_.decide(client, std::move(in_advance), early);
  if (!pass) co_return refusal;
  const gauge::one active{figures_.active};

  tcp::socket upstream{client.get_executor()};
  if (const error_code ec = co_await connect(upstream)) {
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return ending::drain;
    log_(text("upstream ", to_string(settings_.upstream), ": ", ec.message()));
    co_return ending::failed;
  }
  for (tcp::socket* socket : {&client, &upstream}) {
    error_code ignored;
    socket->set_option(tcp::no_delay{true}, ignored);
    socket->set_option(asio::socket_base::keep_alive{true}, ignored);
  }
  const time_limits limits{settings_.idle_timeout, settings_.session_timeout};
  co_return co_await relay(client, upstream, std::move(early), limits, figures_);
} catch (const boost::system::system_error& e) {
  if (e.code() != asio::error::operation_aborted) throw;
  co_return ending::drain;
}

awaitable<error_code> limiter::connect(tcp::socket& upstream) {
  const auto deadline = steady_clock::now() + settings_.connect_timeout;
  // Those descriptors that others give back are ours before another client is accepted.
  std::optional<gauge::one> lacking;
  for (;;) {
    const error_code ec = co_await connect_to_one_of(upstream_, upstream, deadline);
    if (ec != asio::error::no_descriptors || steady_clock::now() >= deadline) co_return ec;
    if (!lacking) lacking.emplace(lacking_a_descriptor_);
    asio::steady_timer pause{upstream.get_executor(), std::chrono::milliseconds{100}};
    co_await pause.async_wait(use_awaitable);
  }
}

// ---- Stopping -----------------------------------------------------------------------------------

awaitable<void> limiter::drain() {
  constexpr std::size_t all = turnstile::semaphore::max();
  log_(text(listening_on_, ": stopping: ", figures_.active.now(), " connections may finish"));
  asio::steady_timer deadline{acceptor_.get_executor(), settings_.drain_timeout};
  // With permits that give themselves back: should both have happened, these are thrown away.
  const auto first =
      co_await (presences_.async_acquire_permit(all, as_result) || deadline.async_wait(as_result) ||
                stop_requests_.async_acquire(as_result));
  if (first.index() == 0) co_return;
  log_(text(listening_on_, ": cutting ", figures_.active.now(), " connections"));
  cut();
  co_await presences_.async_acquire_permit(all, use_awaitable);
}

void limiter::cut() {
  for (lane& l : lanes_)
    asio::post(l.context, [&l] {
      for (asio::cancellation_signal& connection : l.connections)
        connection.emit(asio::cancellation_type::terminal);
    });
}

}  // namespace connection_limiter
