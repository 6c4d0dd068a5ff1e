// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Waiting for a permit, but not for ever: with cancel_after where Boost has it (1.86), and with the
// awaitable operators and a timer where it does not. Whoever gives up leaves the queue at once, and
// those behind move up.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION < 108600
#include <boost/asio/experimental/awaitable_operators.hpp>
#endif

#include <chrono>
#include <iostream>

namespace asio = boost::asio;
using asio::as_tuple;
using asio::awaitable;
using asio::use_awaitable;
using namespace std::chrono_literals;

// A permit, or an empty one where none could be had in time.
awaitable<turnstile::permit> acquire_within(turnstile::semaphore& semaphore,
                                            std::chrono::milliseconds patience) {
#if BOOST_VERSION >= 108600
  auto [ec, permit] = co_await semaphore.async_acquire_permit(
      asio::cancel_after(patience, as_tuple(use_awaitable)));
  co_return std::move(permit);
#else
  using namespace asio::experimental::awaitable_operators;
  asio::steady_timer timer{semaphore.get_executor(), patience};
  // The one that is second is cancelled; should both have happened, the permit in what is thrown
  // away gives itself back.
  auto first = co_await (semaphore.async_acquire_permit(as_tuple(use_awaitable)) ||
                         timer.async_wait(as_tuple(use_awaitable)));
  if (first.index() == 1) co_return turnstile::permit{};
  co_return std::get<turnstile::permit>(std::get<0>(std::move(first)));
#endif
}

awaitable<void> visit(turnstile::semaphore& semaphore, bool& as_expected) {
  turnstile::permit taken = semaphore.try_acquire_permit();

  turnstile::permit refused = co_await acquire_within(semaphore, 20ms);
  std::cout << "while it is taken:  " << (refused ? "a permit" : "gave up") << std::endl;
  std::cout << "still in the queue: " << semaphore.waiting() << std::endl;

  taken.release();
  turnstile::permit granted = co_await acquire_within(semaphore, 20ms);
  std::cout << "once it is free:    " << (granted ? "a permit" : "gave up") << std::endl;

  as_expected = !refused && granted && semaphore.waiting() == 0;
}

int main() {
  asio::io_context context;
  turnstile::semaphore semaphore{context, 1};
  bool as_expected = false;
  asio::co_spawn(context, visit(semaphore, as_expected), asio::detached);
  context.run();
  return as_expected ? 0 : 1;
}
