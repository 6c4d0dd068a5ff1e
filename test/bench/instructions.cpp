// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Does one work so many times, so that a tool can count what it costs: instructions <work> <times>. Compiles with
// version 1.0, too.

#include <turnstile/semaphore.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdlib>
#include <functional>
#include <map>
#include <string>

namespace asio = boost::asio;

namespace {

struct place {
  asio::io_context context{1};
  turnstile::semaphore semaphore{context, 1};

  void run() {
    context.restart();
    context.poll();
  }
};

void try_acquire(place& p, long times) {
  for (; times != 0; --times) {
    if (!p.semaphore.try_acquire()) std::abort();
    p.semaphore.release();
  }
}

void try_acquire_permit(place& p, long times) {
  for (; times != 0; --times)
    if (!p.semaphore.try_acquire_permit()) std::abort();
}

void callback(place& p, long times) {
  for (; times != 0; --times) {
    p.semaphore.async_acquire([&](turnstile::error_code) { p.semaphore.release(); });
    p.run();
  }
}

struct successor {
  place& p;
  long& left;
  void operator()(turnstile::error_code) const {
    if (--left > 0) p.semaphore.async_acquire(*this);
    p.semaphore.release();
  }
};

void hand_off(place& p, long times) {
  for (int i = 0; i != 3; ++i) p.semaphore.async_acquire(successor{p, times});
  p.run();
}

void cancel(place& p, long times) {
  asio::cancellation_signal signal;
  if (!p.semaphore.try_acquire()) std::abort();
  for (; times != 0; --times) {
    p.semaphore.async_acquire(
        asio::bind_cancellation_slot(signal.slot(), [](turnstile::error_code) {}));
    signal.emit(asio::cancellation_type::terminal);
    p.run();
  }
}

void co_await_permit(place& p, long times) {
  const auto loop = [&]() -> asio::awaitable<void> {
    for (; times != 0; --times) {
      co_await p.semaphore.async_acquire(asio::use_awaitable);
      p.semaphore.release();
    }
  };
  asio::co_spawn(p.context, loop, asio::detached);
  p.run();
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, std::function<void(place&, long)>> works{
      {"try_acquire", try_acquire}, {"try_acquire_permit", try_acquire_permit},
      {"callback", callback},       {"hand_off", hand_off},
      {"cancel", cancel},           {"co_await", co_await_permit}};
  if (argc != 3 || !works.contains(argv[1])) return 2;
  place p;
  works.at(argv[1])(p, std::atol(argv[2]));
}
