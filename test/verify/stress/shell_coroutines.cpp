// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Coroutines that move to other executors, and have to be back on their own after each acquire; and those
// that wait for the first or for all of several acquires, by `||` and `&&`, or with a time limit.

#include "shell.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 108600
#include <boost/asio/cancel_after.hpp>
#endif

#include <exception>
#include <tuple>
#include <variant>

namespace shell {
namespace {

using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace asio::experimental::awaitable_operators;

// ---- Back on its own executor ----------------------------------------------------------------------

// A strand for coroutines. They run one at a time, so they may share a variable that is not atomic.
struct home {
  explicit home(pool_strand s) : strand(std::move(s)) {}

  void check(books& b) {
    b.check(strand.running_in_this_thread(), "a coroutine is not back on its executor");
    ++shared;
  }

  pool_strand strand;
  std::uint64_t shared = 0;
};

// Moves the coroutine away from its executor, or not.
template <typename Executor>
awaitable<void, Executor> move_away(stage& s, dice& d) {
  const asio::use_awaitable_t<Executor> token;
  switch (d.below(5)) {
    case 0: co_await asio::post(asio::bind_executor(s.at.pool(), token)); break;
    case 1: co_await asio::post(asio::bind_executor(s.at.strand(), token)); break;
    case 2:
      // Then the semaphore's executor may be the one that it is on.
      co_await asio::post(asio::bind_executor(s.all.strand.semaphore.get_executor(), token));
      break;
    case 3:
      if (!s.demolished) co_await asio::post(asio::bind_executor(s.at.io(), token));
      break;
    default: break;
  }
}

// One acquire, with one of the tokens for coroutines.
template <typename Executor, typename Resource>
awaitable<void, Executor> acquire(stage& s, home& h, Resource& r, ticket t, dice& d) {
  const asio::use_awaitable_t<Executor> token;
  auto& semaphore = r.semaphore;
  const std::size_t n = r.size(d);
  error_code ec;
  permit p;
  bool bare = false;
  switch (d.below(8)) {
    case 0: std::tie(ec, p) = co_await semaphore.async_acquire_permit(n, as_tuple(token)); break;
    case 1: p = co_await semaphore.async_acquire_permit(n, asio::redirect_error(token, ec)); break;
    case 2:
      bare = true;
      co_await semaphore.async_acquire(n, asio::redirect_error(token, ec));
      break;
    case 3: try { p = co_await semaphore.async_acquire_permit(n, token);
      } catch (const boost::system::system_error& e) {
        ec = e.code();
      }
      break;
    case 4:
      bare = true;
      try {
        co_await semaphore.async_acquire(n, token);
      } catch (const boost::system::system_error& e) {
        ec = e.code();
      }
      break;
    case 5:
      std::tie(ec, p) = co_await semaphore.async_acquire_permit(n, as_tuple(asio::deferred));
      break;
    case 6: try { p = co_await semaphore.async_acquire_permit(n);
      } catch (const boost::system::system_error& e) {
        ec = e.code();
      }
      break;
    case 7:
      std::tie(ec, p) =
          co_await semaphore.async_acquire_permit_for(stage::moment(d), n, as_tuple(token));
      break;
  }
  h.check(r.account);
  if (!t.complete(ec, bare ? n : p.count())) co_return;
  if (bare)
    r.give_back(n);
  else
    s.use(r.account, std::move(p), dice(d()));
}

// Acquires several times, each time from another executor.
template <typename Executor>
awaitable<void, Executor> wander(stage& s, std::shared_ptr<home> h, turn, dice d) {
  auto& all = s.all;
  for (int i = 0; i != 4; ++i) {
    co_await move_away<Executor>(s, d);
    switch (d.below(4)) {
      case 0: co_await acquire<Executor>(s, *h, all.io, ticket(all.io.account), d); break;
      case 1: co_await acquire<Executor>(s, *h, all.pool, ticket(all.pool.account), d); break;
      case 2: co_await acquire<Executor>(s, *h, all.strand, ticket(all.strand.account), d); break;
      case 3: {
        auto& any = all.any[d.below(3)];
        co_await acquire<Executor>(s, *h, any, ticket(any.account), d);
        break;
      }
    }
  }
}

// Stays on its strand, where it is cancelled. (Boost 1.81 ends the program if a coroutine is cancelled before
// it could turn off throw_if_cancelled, and has not been suspended.)
awaitable<void> stay(stage& s, std::shared_ptr<home> h,
                     std::shared_ptr<asio::cancellation_signal> signal, turn, dice d) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await asio::this_coro::throw_if_cancelled(false);
  for (auto n = d.below(3); n != 0; --n)
    asio::post(h->strand, [h, signal] { signal->emit(asio::cancellation_type::total); });
  for (int i = 0; i != 3; ++i) {
    auto& any = s.all.any[d.below(3)];
    co_await acquire<asio::any_io_executor>(s, *h, any, ticket(any.account), d);
  }
}

void rethrow(const std::exception_ptr& e) {
  if (e) std::rethrow_exception(e);
}

void begin_cancelled(stage& s, dice& d) {
  const auto h = std::make_shared<home>(s.at.strand());
  const auto signal = std::make_shared<asio::cancellation_signal>();
  asio::post(h->strand, [&s, h, signal, t = s.begin(), d = dice(d())] {
    // The handler keeps the signal, which has to outlive the coroutine.
    asio::co_spawn(
        h->strand, stay(s, h, signal, s.begin(), d),
        asio::bind_cancellation_slot(
            signal->slot(),
            asio::bind_executor(h->strand, [signal](const std::exception_ptr& e) { rethrow(e); })));
  });
}

// ---- The first or all of several -------------------------------------------------------------------

// An acquire that completes its ticket itself. Its permits are not entered.
template <typename Resource>
awaitable<permit> take(Resource& r, std::size_t n, ticket t) {
  auto [ec, p] = co_await r.semaphore.async_acquire_permit(n, as_tuple(use_awaitable));
  t.complete(ec, 0);
  co_return std::move(p);
}

using error_and_permit = std::tuple<error_code, permit>;

// The result of an acquire that was first, or null.
template <typename Resource>
void settle(stage& s, Resource& r, ticket t, error_and_permit* first, dice& d) {
  if (!first) {
    t.complete(asio::error::operation_aborted, 0);
    return;
  }
  auto& [ec, p] = *first;
  if (t.complete(ec, p.count())) s.use(r.account, std::move(p), dice(d()));
}

// Stays on its strand, as Asio asks of coroutines with these operators.
awaitable<void> choose(stage& s, std::shared_ptr<home> h, turn, dice d) {
  // The last is on another context, and a composed operation of Asio needs both until it is destroyed.
  auto& any = s.all.any[d.below(s.demolished ? 2 : 3)];
  auto& bounded = s.all.pool;
  const std::size_t n = any.size(d), m = bounded.size(d);
  asio::steady_timer timer(s.at.pool(), stage::moment(d));
  ticket t(any.account);
  switch (d.below(6)) {
    case 0: {
      auto first = co_await (any.semaphore.async_acquire_permit(n, as_tuple(use_awaitable)) ||
                             timer.async_wait(as_tuple(use_awaitable)));
      settle(s, any, std::move(t), std::get_if<0>(&first), d);
      break;
    }
    case 1: {
      ticket u(bounded.account);
      auto first = co_await (any.semaphore.async_acquire_permit(n, as_tuple(use_awaitable)) ||
                             bounded.semaphore.async_acquire_permit(m, as_tuple(use_awaitable)));
      settle(s, any, std::move(t), std::get_if<0>(&first), d);
      settle(s, bounded, std::move(u), std::get_if<1>(&first), d);
      break;
    }
    case 2: {
      ticket u(bounded.account);
      auto first = co_await ((any.semaphore.async_acquire_permit(n, as_tuple(use_awaitable)) &&
                              bounded.semaphore.async_acquire_permit(m, as_tuple(use_awaitable))) ||
                             timer.async_wait(as_tuple(use_awaitable)));
      // Asio takes one of the two tuples apart.
      auto* const both = std::get_if<0>(&first);
      error_and_permit one;
      if (both) one = {std::get<0>(*both), std::move(std::get<1>(*both))};
      settle(s, any, std::move(t), both ? &one : nullptr, d);
      settle(s, bounded, std::move(u), both ? &std::get<2>(*both) : nullptr, d);
      break;
    }
    case 3: {
      s.messages->try_send(error_code());
      auto first = co_await (any.semaphore.async_acquire_permit(n, as_tuple(use_awaitable)) ||
                             s.messages->async_receive(as_tuple(use_awaitable)));
      settle(s, any, std::move(t), std::get_if<0>(&first), d);
      break;
    }
    case 4:
      co_await (take(any, n, std::move(t)) || take(bounded, m, ticket(bounded.account)) ||
                timer.async_wait(as_tuple(use_awaitable)));
      break;
    case 5: {
#if BOOST_VERSION >= 108600
      auto result = co_await any.semaphore.async_acquire_permit(
          n, asio::cancel_after(stage::moment(d), as_tuple(use_awaitable)));
      settle(s, any, std::move(t), &result, d);
#else
      const auto [ec] = co_await turnstile::async_with_permit(
          any.semaphore, n, timer.async_wait(asio::deferred), as_tuple(use_awaitable));
      t.complete(ec, 0);
#endif
      break;
    }
  }
  h->check(any.account);
}

}  // namespace

void begin_coroutine(stage& s, dice& d) {
  const auto h = std::make_shared<home>(s.at.strand());
  switch (d.below(4)) {
    case 0:
      for (int i = 0; i != 2; ++i)
        asio::co_spawn(h->strand, wander<asio::any_io_executor>(s, h, s.begin(), dice(d())),
                       &rethrow);
      return;
    case 1:
      for (int i = 0; i != 2; ++i)
        asio::co_spawn(h->strand, wander<pool_strand>(s, h, s.begin(), dice(d())), &rethrow);
      return;
    case 2: return begin_cancelled(s, d);
    case 3: return asio::co_spawn(h->strand, choose(s, h, s.begin(), dice(d())), &rethrow);
  }
}

}  // namespace shell
