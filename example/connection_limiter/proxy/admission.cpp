// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/admission.hpp"

#include "proxy/early_data.hpp"

#include <chrono>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

// Whoever is too many waits here in the queue mode only.
std::size_t places(const settings& s, std::size_t n) {
  return s.overflow == overflow_mode::queue ? n : 0;
}

}  // namespace

admission::admission(const asio::any_io_executor& executor, const settings& s, figures& f)
    : settings_(s),
      figures_(f),
      permits_(executor, s.limit),
      places_(executor, places(s, s.max_queue)) {
  if (s.per_client) clients_.emplace(executor, *s.per_client, places(s, s.per_client_queue));
}

awaitable<turnstile::permit> admission::before_accepting() {
  co_return co_await permits_.async_acquire_permit(use_awaitable);
}

awaitable<admission::decision> admission::decide(tcp::socket& client, turnstile::permit in_advance,
                                                 std::string& early) {
  const auto start = steady_clock::now();
  pass p;
  p.of_all = std::move(in_advance);
  if (clients_) {
    error_code ec;
    const tcp::endpoint from = client.remote_endpoint(ec);
    if (ec) co_return decision{{}, ending::abandoned};  // it is gone already
    p.visit = clients_->enter(from.address());
    p.of_client = p.visit->permits.try_acquire_permit();
  }
  const bool client_may = !clients_ || p.of_client;
  if (client_may && !p.of_all) p.of_all = permits_.try_acquire_permit();
  if (!client_may || !p.of_all) {
    const ending e = co_await wait(p, client, early);
    if (e != ending::served) co_return decision{{}, e};
  }
  figures_.waits.add(std::chrono::duration_cast<wait_times::duration>(steady_clock::now() - start));
  co_return decision{std::move(p)};
}

// Waits in the queue for what the pass still lacks: `served`, or why it cannot be had.
awaitable<ending> admission::wait(pass& p, tcp::socket& client, std::string& early) {
  turnstile::permit place_of_client;
  if (clients_ && !p.of_client) {
    place_of_client = p.visit->places.try_acquire_permit();
    if (!place_of_client) co_return ending::client_full;
  }
  const turnstile::permit place = places_.try_acquire_permit();
  if (!place) co_return ending::full;
  const queue_times::one waiting{figures_.waiting};

  // Whatever comes second is cancelled. Should more than one have happened, the pass goes, and gives
  // back what it has got.
  asio::steady_timer timer{co_await this_coro::executor, settings_.queue_timeout};
  const auto first =
      co_await (acquire(p, std::move(place_of_client)) || timer.async_wait(as_result) ||
                read_early_data(client, early, settings_.abandon));
  if (first.index() == 1) co_return ending::timed_out;
  if (first.index() == 2) co_return ending::abandoned;
  if (std::get<0>(first)) co_return ending::stopping;  // closed is the only error
  // Its end may have been read just as its turn came: nobody who reads again is told of that.
  if (settings_.abandon && has_ended(client)) co_return ending::abandoned;
  co_return ending::served;
}

awaitable<error_code> admission::acquire(pass& p, turnstile::permit place_of_client) {
  if (place_of_client) {
    auto [ec, granted] = co_await p.visit->permits.async_acquire_permit(as_result);
    if (ec) co_return ec;
    p.of_client = std::move(granted);
    place_of_client.release();
  }
  auto [ec, granted] = co_await permits_.async_acquire_permit(as_result);
  p.of_all = std::move(granted);
  co_return ec;
}

void admission::close() {
  permits_.close();
  if (clients_) clients_->close();
}

}  // namespace connection_limiter
