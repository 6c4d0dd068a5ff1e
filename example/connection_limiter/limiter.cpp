// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "limiter.hpp"

#include "relay.hpp"

#include <array>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

// Until accepting is tried again, after it failed: mostly since the descriptors are used up, and
// then the next try would fail as well.
constexpr std::chrono::milliseconds pause_after_failure{100};

std::vector<tcp::endpoint> look_up(asio::io_context& context, const host_port& where,
                                   const char* option) {
  error_code ec;
  const auto found = tcp::resolver{context}.resolve(where.host, std::to_string(where.port),
                                                    tcp::resolver::numeric_service, ec);
  if (ec) throw std::runtime_error(text(option, ' ', to_string(where), ": ", ec.message()));
  return {found.begin(), found.end()};
}

tcp::acceptor listen(asio::io_context& context, const host_port& where) {
  const tcp::endpoint endpoint = look_up(context, where, "--listen").front();
  try {
    return {context, endpoint};
  } catch (...) {
    throw std::runtime_error(text("--listen ", endpoint, ": ", reason(std::current_exception())));
  }
}

// How much of what a client sends while it waits is kept for later.
constexpr std::size_t most_early = 16384;

// Ends when it is cancelled.
awaitable<void> never() {
  asio::steady_timer timer{co_await this_coro::executor, steady_clock::time_point::max()};
  co_await timer.async_wait(as_result);
}

// Reads what the client sends while it waits. Ends when it has hung up. (Not of one that has sent
// too much: nothing more is read of that, and so its end is not seen.)
awaitable<void> hung_up(tcp::socket& client, std::string& early) {
  std::array<char, 4096> data;
  while (early.size() < most_early) {
    const auto room =
        asio::buffer(data, most_early - early.size());  // or all of it, where that is less
    const auto [ec, n] = co_await client.async_read_some(room, as_result);
    early.append(data.data(), n);
    if (ec) co_return;
  }
  co_await never();
}

// How many may wait in our own queue.
std::size_t places(const settings& s) {
  return s.overflow == overflow_mode::queue ? s.max_queue : 0;
}

}  // namespace

limiter::limiter(io_threads& threads, const settings& s, log_function log)
    : settings_(s),
      log_(std::move(log)),
      acceptor_(listen(threads.contexts().front(), s.listen)),
      upstream_(look_up(threads.contexts().front(), s.upstream, "--upstream")),
      permits_(acceptor_.get_executor(), s.limit),
      places_(acceptor_.get_executor(), places(s)),
      presences_(acceptor_.get_executor(), turnstile::semaphore::max()),
      stop_requests_(acceptor_.get_executor(), 0) {
  for (asio::io_context& context : threads.contexts()) lanes_.push_back({context, {}});
}

void limiter::stop() { stop_requests_.release(); }

awaitable<void> limiter::run() {
  co_await (accept_connections() || stop_requests_.async_acquire(use_awaitable));
  acceptor_.close();
  permits_.close();  // whoever waits for one is refused
  co_await drain();
}

// ---- Accepting ----------------------------------------------------------------------------------

awaitable<void> limiter::accept_connections() {
  asio::steady_timer pause{acceptor_.get_executor()};
  bool failing = false;
  for (auto next = lanes_.begin();; ++next) {
    if (next == lanes_.end()) next = lanes_.begin();
    std::string trouble;
    try {
      if (const error_code ec = co_await accept_one(*next)) trouble = ec.message();
    } catch (const std::exception& e) {
      trouble = e.what();
    }
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return;  // by stop()

    if (trouble.empty()) {
      if (failing) log_("accept: works again");
      failing = false;
      continue;
    }
    figures_.accept_errors.add();
    if (!failing) log_("accept: " + trouble + "; trying again ten times a second");
    failing = true;
    pause.expires_after(pause_after_failure);
    co_await pause.async_wait(use_awaitable);
  }
}

awaitable<error_code> limiter::accept_one(lane& l) {
  turnstile::permit permit;
  if (settings_.overflow == overflow_mode::backlog)
    permit = co_await permits_.async_acquire_permit(use_awaitable);
  const asio::any_io_executor executor = l.context.get_executor();
  auto [ec, client] = co_await acceptor_.async_accept(executor, as_result);
  if (!ec) start(l, std::move(client), std::move(permit));
  co_return ec;
}

void limiter::start(lane& l, tcp::socket client, turnstile::permit permit) {
  figures_.accepted.add();
  // From here on, everything happens on the lane's thread.
  asio::post(l.context, [this, &l, client = std::move(client), permit = std::move(permit),
                         presence = presences_.try_acquire_permit()]() mutable {
    const auto signal = l.connections.emplace(l.connections.end());
    auto at_the_end = [this, &l, signal, presence = std::move(presence)](
                          const std::exception_ptr& e, ending how) {
      l.connections.erase(signal);
      ended(e, how);
    };
    asio::co_spawn(l.context, serve(std::move(client), std::move(permit)),
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

awaitable<ending> limiter::serve(tcp::socket client, turnstile::permit permit) try {
  std::string early;
  if (!permit) {
    const auto start = steady_clock::now();
    permit = permits_.try_acquire_permit();
    if (!permit) {
      const ending refused = co_await wait_for(permit, client, early);
      if (!permit) co_return refused;
    }
    figures_.waits.add(
        std::chrono::duration_cast<wait_times::duration>(steady_clock::now() - start));
  }
  const gauge::one active{figures_.active};

  tcp::socket upstream{client.get_executor()};
  if (const error_code ec = co_await connect(upstream)) {
    if (was_cancelled(co_await this_coro::cancellation_state)) co_return ending::cut;
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
  co_return ending::cut;
}

// Waits in the queue for a permit; where there is none in the end, says why.
awaitable<ending> limiter::wait_for(turnstile::permit& permit, tcp::socket& client,
                                    std::string& early) {
  const turnstile::permit place = places_.try_acquire_permit();
  if (!place) co_return ending::full;

  // Whatever comes second is cancelled. Should more than one have happened, the permit in the result
  // that is thrown away gives itself back.
  asio::steady_timer timer{co_await this_coro::executor, settings_.queue_timeout};
  awaitable<void> gone = settings_.abandon ? hung_up(client, early) : never();
  auto first = co_await (permits_.async_acquire_permit(as_result) || timer.async_wait(as_result) ||
                         std::move(gone));
  if (first.index() == 1) co_return ending::timed_out;
  if (first.index() == 2) co_return ending::abandoned;
  auto& [ec, granted] = std::get<0>(first);
  permit = std::move(granted);
  co_return ending::stopping;  // where ec says so: the semaphore is closed
}

awaitable<error_code> limiter::connect(tcp::socket& upstream) {
  asio::steady_timer timer{upstream.get_executor(), settings_.connect_timeout};
  const auto first =
      co_await (asio::async_connect(upstream, upstream_, as_result) || timer.async_wait(as_result));
  if (first.index() == 1) co_return asio::error::timed_out;
  co_return std::get<error_code>(std::get<0>(first));
}

// ---- Stopping -----------------------------------------------------------------------------------

awaitable<void> limiter::drain() {
  constexpr std::size_t all = turnstile::semaphore::max();
  log_(text("stopping: ", figures_.active.now(), " connections may finish"));
  asio::steady_timer deadline{acceptor_.get_executor(), settings_.drain_timeout};
  // With permits that give themselves back: should both have happened, these are thrown away.
  const auto first =
      co_await (presences_.async_acquire_permit(all, as_result) || deadline.async_wait(as_result) ||
                stop_requests_.async_acquire(as_result));
  if (first.index() == 0) co_return;
  log_(text("cutting ", figures_.active.now(), " connections"));
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
