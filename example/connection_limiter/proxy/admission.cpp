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

// Whether a full queue is full of connections of this client, or the client is at its limit and may not wait.
template <typename Client>
bool is_client_full(const Client& c, const settings& s) {
  if (s.overflow != overflow_mode::queue || s.per_client_queue == 0)
    return c.in_use() >= *s.per_client;
  return c.waiting() >= s.per_client_queue;
}

}  // namespace

admission::admission(const asio::any_io_executor& executor, const settings& s, statistics& f)
    : settings_(s), stats_(f), permits_(executor, s.limit + 1) {
  if (s.overflow == overflow_mode::queue) permits_.set_max_waiting(s.max_queue);
  if (s.per_client) clients_.emplace(executor, client_limits(s.limit));
  own_permit_ = try_acquire(own);
}

turnstile::keyed_limits admission::client_limits(std::size_t limit) const {
  const bool queues = settings_.overflow == overflow_mode::queue;
  return {
      .per_key = *settings_.per_client,
      .total = settings_.overflow == overflow_mode::backlog ? turnstile::semaphore::max() : limit + 1,
      .max_waiting_per_key = queues ? settings_.per_client_queue : 0,
      .max_waiting = queues ? settings_.max_queue : 0};
}

awaitable<turnstile::permit> admission::reserve() {
  co_return co_await permits_.async_acquire_permit(use_awaitable);
}

awaitable<admission::decision> admission::decide(tcp::socket& client, turnstile::permit reserved,
                                                 std::string& early,
                                                 std::optional<asio::ip::address> from) {
  const auto start = steady_clock::now();
  grant g;
  ending e = ending::served;
  if (!clients_) {
    g.permit = reserved ? std::move(reserved) : permits_.try_acquire_permit();
    if (!g.permit) e = co_await wait(permits_, g.permit, client, early);
  } else {
    g.reserved = std::move(reserved);
    error_code ec;
    if (!from) from = client.remote_endpoint(ec).address();
    if (ec) co_return decision{{}, ending::abandoned};  // the client has already disconnected
    const auto permits = (*clients_)[client_key(*from)];
    g.permit = permits.try_acquire_permit();
    if (!g.permit) e = co_await wait(permits, g.permit, client, early);
    if (e == ending::full && is_client_full(permits, settings_)) e = ending::client_full;
  }
  if (e != ending::served) co_return decision{{}, e};
  stats_.waits.add({}, steady_clock::now() - start);
  co_return decision{std::move(g)};
}

template <turnstile::acquirable Permits>
awaitable<ending> admission::wait(Permits& permits, turnstile::permit& granted, tcp::socket& client,
                                  std::string& early) {
  if (settings_.overflow != overflow_mode::queue) co_return ending::full;
  const queue_times::entry waiting{stats_.waiting};

  // The first operation that completes cancels the others. If the permit was granted but another
  // operation completed first, the group destroys the permit, which returns it.
  asio::steady_timer timer{co_await this_coro::executor, settings_.queue_timeout};
  auto first = co_await (permits.async_acquire_permit(as_result) || timer.async_wait(as_result) ||
                         read_early_data(client, early, settings_.abandon));
  if (first.index() == 1) co_return ending::timed_out;
  if (first.index() == 2) co_return ending::abandoned;
  auto& [ec, acquired] = std::get<0>(first);
  if (ec == turnstile::errc::queue_full) co_return ending::full;
  if (ec) co_return ending::stopping;
  // read_early_data() may have read the end of the stream just as the permit was granted. The relay
  // would not see that end again, so check for it here.
  if (settings_.abandon && has_ended(client)) co_return ending::abandoned;
  granted = std::move(acquired);
  co_return ending::served;
}

void admission::close() {
  permits_.close();
  if (clients_) clients_->close();
}

void admission::set_limit(std::size_t limit) {
  permits_.set_limit(limit + 1);
  if (clients_share()) clients_->set_limits(client_limits(limit));
}

std::size_t admission::available() const noexcept {
  if (!clients_share()) return permits_.available();
  const std::size_t held = clients_->in_use(), all = limit() + 1;
  return all > held ? all - held : 0;
}

std::size_t admission::queued() const noexcept {
  if (settings_.overflow != overflow_mode::queue) return 0;
  return clients_ ? clients_->waiting() : permits_.waiting();
}

}  // namespace connection_limiter
