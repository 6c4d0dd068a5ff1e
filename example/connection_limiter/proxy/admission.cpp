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

// Only the queue mode has queue slots.
std::size_t slots(const settings& s, std::size_t n) {
  return s.overflow == overflow_mode::queue ? n : 0;
}

}  // namespace

admission::admission(const asio::any_io_executor& executor, const settings& s, statistics& f)
    : settings_(s),
      stats_(f),
      permits_(executor, s.limit),
      queue_slots_(executor, slots(s, s.max_queue)) {
  if (s.per_client) clients_.emplace(executor, *s.per_client, slots(s, s.per_client_queue));
}

awaitable<turnstile::permit> admission::reserve() {
  co_return co_await permits_.async_acquire_permit(use_awaitable);
}

awaitable<admission::decision> admission::decide(tcp::socket& client, turnstile::permit reserved,
                                                 std::string& early) {
  const auto start = steady_clock::now();
  grant g;
  g.permit = std::move(reserved);
  if (clients_) {
    error_code ec;
    const tcp::endpoint from = client.remote_endpoint(ec);
    if (ec) co_return decision{{}, ending::abandoned};  // the client has already disconnected
    g.client = clients_->get(from.address());
    g.client_permit = g.client->permits.try_acquire_permit();
  }
  const bool within_client_limit = !clients_ || g.client_permit;
  if (within_client_limit && !g.permit) g.permit = permits_.try_acquire_permit();
  if (!within_client_limit || !g.permit) {
    const ending e = co_await wait(g, client, early);
    if (e != ending::served) co_return decision{{}, e};
  }
  stats_.waits.add(std::chrono::duration_cast<wait_times::duration>(steady_clock::now() - start));
  co_return decision{std::move(g)};
}

// Waits in the queue for the permits that the grant still lacks. Returns `served` once it has them,
// or the reason for the refusal.
awaitable<ending> admission::wait(grant& g, tcp::socket& client, std::string& early) {
  turnstile::permit client_slot;
  if (clients_ && !g.client_permit) {
    client_slot = g.client->queue_slots.try_acquire_permit();
    if (!client_slot) co_return ending::client_full;
  }
  const turnstile::permit slot = queue_slots_.try_acquire_permit();
  if (!slot) co_return ending::full;
  const queue_times::entry waiting{stats_.waiting};

  // The first operation that completes cancels the others. If the permits were acquired but another
  // operation completed first, the caller destroys the grant, which returns them.
  asio::steady_timer timer{co_await this_coro::executor, settings_.queue_timeout};
  const auto first = co_await (acquire(g, std::move(client_slot)) || timer.async_wait(as_result) ||
                               read_early_data(client, early, settings_.abandon));
  if (first.index() == 1) co_return ending::timed_out;
  if (first.index() == 2) co_return ending::abandoned;
  if (std::get<0>(first)) co_return ending::stopping;  // errc::closed is the only possible error
  // read_early_data() may have read the end of the stream just as the permit was granted. The relay
  // would not see that end again, so check for it here.
  if (settings_.abandon && has_ended(client)) co_return ending::abandoned;
  co_return ending::served;
}

awaitable<error_code> admission::acquire(grant& g, turnstile::permit client_slot) {
  if (client_slot) {
    auto [ec, acquired] = co_await g.client->permits.async_acquire_permit(as_result);
    if (ec) co_return ec;
    g.client_permit = std::move(acquired);
    client_slot.release();
  }
  auto [ec, acquired] = co_await permits_.async_acquire_permit(as_result);
  g.permit = std::move(acquired);
  co_return ec;
}

void admission::close() {
  permits_.close();
  if (clients_) clients_->close();
}

}  // namespace connection_limiter
