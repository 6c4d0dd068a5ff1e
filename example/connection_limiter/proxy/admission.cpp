// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/admission.hpp"

#include "proxy/early_data.hpp"
#include "proxy/socket_state.hpp"

#include <chrono>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds probe_time{250};

// Whether a full queue is full of connections of this client, or the client is at its limit and may not wait.
template <typename Client>
bool is_client_full(const Client& c, const queue_limits& l, bool queues) {
  if (!queues || l.per_client_queue == 0) return c.in_use() >= *l.per_client;
  return c.waiting() >= l.per_client_queue;
}

}  // namespace

admission::admission(const asio::any_io_executor& executor, const settings& s)
    : overflow_(s.overflow),
      abandon_(s.abandon),
      limits_(s),
      fleet_(s.shared ? std::make_unique<fleet_limit>(*s.shared, s.limit) : nullptr),
      permits_(executor, s.limit + 1) {
  if (s.per_client) clients_.emplace(executor, client_limits(limits_));
  apply();
  own_permit_ = try_acquire(own);
}

turnstile::keyed_limits admission::client_limits(const queue_limits& l) const {
  const bool queues = overflow_ == overflow_mode::queue;
  return {.per_key = *l.per_client,
          .total = only_limits_clients() ? turnstile::semaphore::max() : l.limit + 1,
          .max_waiting_per_key = queues ? l.per_client_queue : 0,
          .max_waiting = queues ? l.max_queue : 0};
}

awaitable<turnstile::permit> admission::reserve() {
  co_return co_await permits_.async_acquire_permit(use_awaitable);
}

awaitable<turnstile::permit> admission::try_reserve() {
  if (!fleet_) co_return try_acquire(probe);
  turnstile::permit permit = fleet_->permits().try_acquire_permit();
  if (permit) co_return permit;
  // The share may not suffice, and another limiter may have more than it needs.
  auto [ec, acquired] = co_await fleet_->permits().async_acquire_permit_for(probe_time, as_result);
  co_return std::move(acquired);
}

awaitable<admission::decision> admission::decide(stream_socket& client, turnstile::permit reserved,
                                                 std::string& early, statistics& f,
                                                 std::optional<asio::ip::address> from) {
  const auto start = steady_clock::now();
  const queue_limits l = limits();
  const deadline until = start + l.queue_timeout;
  grant g;
  ending e = ending::served;
  bool has_waited = false;
  if (!clients_ && !fleet_) {
    g.permit = reserved ? std::move(reserved) : permits_.try_acquire_permit();
    if (!g.permit) e = co_await wait(permits_, g.permit, client, early, until, f);
  } else if (clients_) {
    g.reserved = std::move(reserved);
    const auto key = from ? std::optional{client_key{*from}} : key_of(client);
    if (!key) co_return decision{{}, ending::abandoned};  // the client has already disconnected
    const auto permits = (*clients_)[*key];
    g.permit = permits.try_acquire_permit();
    has_waited = !g.permit;
    if (has_waited && are_queues_full())
      e = ending::full;
    else if (has_waited)
      e = co_await wait(permits, g.permit, client, early, until, f);
    if (e == ending::full && is_client_full(permits, l, overflow_ == overflow_mode::queue))
      e = ending::client_full;
  }
  if (e == ending::served && fleet_)
    e = co_await acquire_shared(g.shared, has_waited, client, early, until, f);
  if (e != ending::served) co_return decision{{}, e};
  f.waits.add({}, steady_clock::now() - start);
  co_return decision{std::move(g)};
}

// If it has a permit of its client and has waited for that, it has a place in the queue already.
awaitable<ending> admission::acquire_shared(turnstile::shared_permit& granted, bool has_waited,
                                            stream_socket& client, std::string& early,
                                            deadline until, statistics& f) {
  granted = fleet_->permits().try_acquire_permit();
  if (granted) co_return ending::served;
  if (!has_waited && are_queues_full()) co_return ending::full;
  co_return co_await wait(fleet_->permits(), granted, client, early, until, f);
}

template <turnstile::acquirable Permits, typename Permit>
awaitable<ending> admission::wait(Permits& permits, Permit& granted, stream_socket& client,
                                  std::string& early, deadline until, statistics& f) {
  if (overflow_ != overflow_mode::queue) co_return ending::full;
  const queue_times::entry waiting{f.waiting};

  // The first operation that completes cancels the others. If the permit was granted but another
  // operation completed first, the group destroys the permit, which returns it.
  asio::steady_timer timer{co_await this_coro::executor, until};
  auto first = co_await (permits.async_acquire_permit(as_result) || timer.async_wait(as_result) ||
                         read_early_data(client, early, abandon_));
  if (first.index() == 1) co_return ending::timed_out;
  if (first.index() == 2) co_return ending::abandoned;
  auto& [ec, acquired] = std::get<0>(first);
  if (ec == turnstile::errc::queue_full) co_return ending::full;
  if (ec == turnstile::errc::closed || ec == asio::error::operation_aborted)
    co_return ending::stopping;
  if (ec)
    throw boost::system::system_error(ec);  // from Redis, which has something else by that name
  // read_early_data() may have read the end of the stream just as the permit was granted. The relay
  // would not see that end again, so check for it here.
  if (abandon_ && has_ended(client)) co_return ending::abandoned;
  granted = std::move(acquired);
  co_return ending::served;
}

void admission::close() {
  permits_.close();
  if (clients_) clients_->close();
  if (fleet_) fleet_->permits().close();
}

void admission::set_limits(const queue_limits& limits) {
  const std::lock_guard lock{mutex_};
  limits_ = limits;
  apply();
}

void admission::set_limit(std::size_t limit) {
  const std::lock_guard lock{mutex_};
  limits_.limit = limit;
  apply();
}

queue_limits admission::limits() const {
  const std::lock_guard lock{mutex_};
  queue_limits l = limits_;
  if (fleet_) l.limit = fleet_->limit();
  return l;
}

// Completions are posted, so nothing of them runs under the mutex.
void admission::apply() {
  permits_.set_limit(limits_.limit + 1);
  if (overflow_ == overflow_mode::queue) permits_.set_max_waiting(limits_.max_queue);
  if (clients_) clients_->set_limits(client_limits(limits_));
  if (fleet_ && !clients_) fleet_->permits().set_max_waiting(limits_.max_queue);
}

std::size_t admission::in_use() const noexcept {
  if (fleet_) return fleet_->permits().in_use();
  return (clients_share() ? clients_->in_use() : permits_.in_use()) - 1;  // without own_permit_
}

std::size_t admission::available() const noexcept {
  const std::size_t all = limit(), held = in_use();
  return all > held ? all - held : 0;
}

bool admission::are_queues_full() const {
  return fleet_ && clients_ && queued() >= limits().max_queue;
}

std::size_t admission::queued() const noexcept {
  if (overflow_ != overflow_mode::queue) return 0;
  if (fleet_) return fleet_->permits().waiting() + (clients_ ? clients_->waiting() : 0);
  return clients_ ? clients_->waiting() : permits_.waiting();
}

}  // namespace connection_limiter
