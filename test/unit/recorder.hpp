// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_RECORDER_HPP
#define TURNSTILE_TEST_UNIT_RECORDER_HPP

// Handlers that record what they got.

#include "support.hpp"

#include <turnstile.hpp>

#include <boost/asio/error.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>

namespace test {

// What the handlers called since the last read() have written: "a b!aborted" says that a was granted,
// and then b was cancelled. "c(7 text)" says that c was called with these values.
class recorder : public transcript {
 public:
  // A handler of one thread, for any signature that begins with an error. Keeps the permit that it gets.
  auto operator()(const std::string& name) {
    return [this, name, token = alive_](turnstile::error_code ec, auto... values) {
      std::ostringstream text;
      (keep(name, text, values), ...);
      write(name + what(ec) + (text.str().empty() ? "" : "(" + text.str() + ")"));
    };
  }

  // A handler of any thread. It only counts, without a lock.
  auto count() {
    return [this](turnstile::error_code ec, auto&&...) {
      if (!ec)
        ++counted.granted;
      else if (ec == boost::asio::error::operation_aborted)
        ++counted.aborted;
      else if (ec == turnstile::errc::closed)
        ++counted.closed;
      else
        ++counted.others;
    };
  }

  // How many copies of the handlers with a name exist.
  long alive() const { return alive_.use_count() - 1; }

  // The permits that the handlers got, by the names of the handlers.
  std::map<std::string, turnstile::permit> held;

  // What the handlers of count() got.
  struct {
    std::atomic<int> granted = 0, aborted = 0, closed = 0, others = 0;

    int all() const { return granted + aborted + closed + others; }
  } counted;

 private:
  static std::string what(turnstile::error_code ec) {
    if (!ec) return "";
    if (ec == boost::asio::error::operation_aborted) return "!aborted";
    if (ec == boost::asio::error::eof) return "!eof";
    if (ec == turnstile::errc::closed) return "!closed";
    if (ec == turnstile::errc::exceeds_limit) return "!exceeds";
    if (ec == turnstile::errc::queue_full) return "!full";
    if (ec == turnstile::errc::timed_out) return "!timed out";
    return "!" + ec.message();
  }

  template <typename Value>
  void keep(const std::string& name, std::ostringstream& text, Value& value) {
    if constexpr (std::is_base_of_v<turnstile::permit, Value>) {
      if (value) held[name] = std::move(value);
    } else {
      text << (text.str().empty() ? "" : " ") << value;
    }
  }

  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace test

#endif
