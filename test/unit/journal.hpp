// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_JOURNAL_HPP
#define TURNSTILE_TEST_UNIT_JOURNAL_HPP

// An io_context whose handlers write down what became of them.

#include <turnstile.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <map>
#include <ostream>
#include <string>
#include <utility>

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

// What the handlers called since one last looked have written: "a b!aborted" says that a was
// granted, and then b was cancelled.
class journal {
 public:
  asio::io_context io;
  std::map<std::string, permit> held;  // the permits that the handlers got

  // A handler for async_acquire() or async_acquire_permit().
  auto operator()(std::string name) {
    return [this, name](error_code ec, permit p = {}) {
      write(name + what(ec));
      if (p) held[name] = std::move(p);
    };
  }

  void write(const std::string& entry) { text_ += (text_.empty() ? "" : " ") + entry; }
  std::string read() { return std::exchange(text_, {}); }

  // Runs what is ready, and reads.
  std::string poll() {
    io.restart();
    io.poll();
    return read();
  }

 private:
  static std::string what(error_code ec) {
    if (!ec) return "";
    if (ec == asio::error::operation_aborted) return "!aborted";
    if (ec == errc::closed) return "!closed";
    if (ec == errc::exceeds_limit) return "!exceeds";
    if (ec == errc::timed_out) return "!timed out";
    return "!" + ec.message();
  }

  std::string text_;
};

}  // namespace test

#endif
