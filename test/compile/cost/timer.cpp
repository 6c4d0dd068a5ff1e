// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What semaphore.cpp is measured beside: the same program with Asio's timer.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>

int main() {
  boost::asio::io_context io;
  boost::asio::steady_timer timer(io, std::chrono::milliseconds(1));
  timer.async_wait([](boost::system::error_code ec) { std::puts(ec ? "failed" : "done"); });
  io.run();
}
