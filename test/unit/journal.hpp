// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_JOURNAL_HPP
#define TURNSTILE_TEST_UNIT_JOURNAL_HPP

// An io_context with handlers that record what they got.

#include "recorder.hpp"

#include <turnstile.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <ostream>
#include <string>

namespace turnstile::inline v1 {

// For Boost.Test.
inline std::ostream& operator<<(std::ostream& s, errc e) { return s << make_error_code(e); }

}  // namespace turnstile::inline v1

namespace test {

namespace asio = boost::asio;

using turnstile::bounded_semaphore;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;
using turnstile::semaphore;

struct context_of_test {
  asio::io_context io;
};

class journal : public context_of_test, public recorder {
 public:
  // Runs what is ready, and reads.
  std::string poll() {
    io.restart();
    io.poll();
    return read();
  }
};

}  // namespace test

#endif
