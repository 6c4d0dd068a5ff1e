// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What each of two shared libraries does with semaphores, its own and the other's.

#include <turnstile.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <cstddef>

struct library {
  turnstile::semaphore* (*make)(boost::asio::io_context&, std::size_t permits);
  void (*destroy)(turnstile::semaphore*);
  // Waits for permits and puts down what came of it.
  void (*acquire)(turnstile::semaphore&, std::size_t n, turnstile::permit& held,
                  turnstile::error_code& result, boost::asio::cancellation_slot);
  turnstile::error_code (*closed)();
};

// The one function that a library exports.
extern "C" __attribute__((visibility("default"))) const library* get_library();
