// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Compiled with BOOST_ASIO_ENABLE_HANDLER_TRACKING, and linked with the library, which does not know
// of that. tracking.py looks at what it writes to standard error.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <cstdio>
#include <optional>

namespace asio = boost::asio;
using turnstile::error_code;
using turnstile::permit;

namespace {

// The name of what follows, for the reader of the output.
void begin(const char* name) { std::fprintf(stderr, "%s\n", name); }

void waits_and_is_granted() {
  begin("granted");
  asio::io_context io;
  turnstile::semaphore sem(io, 0);
  sem.async_acquire([](error_code) {});
  sem.async_acquire_permit([](error_code, permit) {});
  sem.release(2);
  io.run();
}

void is_granted_at_once() {
  begin("at once");
  asio::io_context io;
  turnstile::bounded_semaphore sem(io, 1);
  sem.async_acquire([](error_code) {});
  io.run();
}

void is_cancelled() {
  begin("cancelled");
  asio::io_context io;
  turnstile::semaphore sem(io, 0);
  asio::cancellation_signal signal;
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), [](error_code) {}));
  signal.emit(asio::cancellation_type::terminal);
  sem.async_acquire([](error_code) {});
  sem.cancel();
  sem.async_acquire([](error_code) {});
  sem.close();
  io.run();
}

void is_destroyed() {
  begin("destroyed");
  std::optional<asio::io_context> io(std::in_place);
  turnstile::semaphore sem(*io, 0);
  sem.async_acquire([](error_code) {});
  io.reset();
  sem.cancel();
}

void throws() {
  begin("throws");
  asio::io_context io;
  turnstile::semaphore sem(io, 0);
  sem.async_acquire([](error_code) { throw 1; });
  sem.release();
  try {
    io.run();
  } catch (int) {
  }
}

void runs_with_permit() {
  begin("with permit");
  asio::io_context io;
  turnstile::semaphore sem(io, 0);
  asio::steady_timer timer(io, std::chrono::milliseconds(1));
  turnstile::async_with_permit(sem, timer.async_wait(asio::deferred), [](error_code) {});
  sem.release();
  io.run();
}

}  // namespace

int main() {
  waits_and_is_granted();
  is_granted_at_once();
  is_cancelled();
  is_destroyed();
  throws();
  runs_with_permit();
}
