// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What one async_acquire costs to compile; measure.py compares it with timer.cpp.

#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <turnstile/semaphore.hpp>

int main() {
  boost::asio::io_context io;
  turnstile::semaphore sem(io, 1);
  sem.async_acquire([](turnstile::error_code ec) { std::puts(ec ? "failed" : "done"); });
  io.run();
}
