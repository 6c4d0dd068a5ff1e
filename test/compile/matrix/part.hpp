// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Uses what the headers before it declare. Included once in each of two parts of a program, under the
// name PART; both make the same functions of turnstile's templates.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "main.hpp"

// Whether all went well.
bool PART() {
  boost::asio::io_context context;
  boost::asio::cancellation_signal signal;
  turnstile::semaphore sem(context, 2);
  turnstile::bounded_semaphore bounded(context, 1);
  result acquired{}, permitted{}, cancelled{}, timed{};

  sem.async_acquire(set{acquired});
  bounded.async_acquire_permit(set_with_permit{permitted});
  bounded.async_acquire_permit(
      1, boost::asio::bind_cancellation_slot(signal.slot(), set_with_permit{cancelled}));
  signal.emit(boost::asio::cancellation_type::total);
  boost::asio::steady_timer timer(context, boost::asio::steady_timer::time_point());
  turnstile::async_with_permit(sem, timer.async_wait(boost::asio::deferred), set{timed});
  context.run();

  sem.release();
  turnstile::permit rest = sem.try_acquire_permit(2);
  bounded.set_limit(2);
  bounded.close();
  return acquired == success && permitted == success && cancelled == failure && timed == success &&
         rest.count() == 2 && sem.shrink(1) == 0 && bounded.limit() == 2;
}
