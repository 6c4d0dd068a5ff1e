// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_SHARED_FIXTURE_HPP
#define TURNSTILE_TEST_UNIT_SHARED_FIXTURE_HPP

// Shared semaphores over an engine in memory, with a clock that stands still.

#include "support.hpp"

#include <turnstile.hpp>
#include <turnstile/memory_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <list>
#include <map>
#include <ostream>
#include <string>
#include <utility>

namespace turnstile::inline v1 {

// For Boost.Test.
inline std::ostream& operator<<(std::ostream& s, errc e) { return s << make_error_code(e); }
inline std::ostream& operator<<(std::ostream& s, lease_state l) {
  constexpr const char* names[] = {"joining", "valid", "learning", "unreachable", "lost", "left"};
  return s << names[static_cast<int>(l)];
}

}  // namespace turnstile::inline v1

namespace test {

namespace asio = boost::asio;
using namespace std::chrono_literals;

using turnstile::errc;
using turnstile::error_code;
using turnstile::lease_state;
using turnstile::memory_engine;
using turnstile::permit;
using turnstile::shared_permit;
using turnstile::shared_semaphore;
using turnstile::unreachable;
using fault = memory_engine::fault;

inline std::string text_of(error_code ec) {
  if (!ec) return "";
  if (ec == asio::error::operation_aborted) return "!aborted";
  if (ec == errc::closed) return "!closed";
  if (ec == errc::exceeds_limit) return "!exceeds";
  if (ec == errc::queue_full) return "!full";
  if (ec == errc::timed_out) return "!timed out";
  if (ec == errc::lease_lost) return "!lost";
  if (ec == errc::unreachable) return "!unreachable";
  if (ec == errc::not_a_semaphore) return "!not a semaphore";
  if (ec == errc::no_limit) return "!no limit";
  return "!" + ec.message();
}

struct shared_fixture : transcript {
  // Records "name", or "name!error", and keeps the permit.
  struct handler {
    shared_fixture* f;
    std::string name;
    void operator()(error_code ec) const { f->write(name + text_of(ec)); }
    void operator()(error_code ec, shared_permit p) const {
      (*this)(ec);
      if (!ec) f->held[name] = std::move(p);
    }
  };
  handler operator()(std::string name) { return {this, std::move(name)}; }

  shared_semaphore& make(turnstile::shared_options o) {
    if (o.name.empty()) o.name = "name";
    return semaphores.emplace_back(io, *engine, std::move(o));
  }

  std::string poll() {
    io.restart();
    io.poll();
    return read();
  }
  // Runs what is ready until nothing is, without a step of the clock.
  std::string settle() { return run(0s); }
  // Moves the clock in small steps, as time passes.
  std::string run(std::chrono::microseconds d) {
    constexpr std::chrono::microseconds step = 1ms;
    for (auto passed = 0us;; passed += step) {
      io.restart();
      io.poll();
      if (passed >= d) return read();
      clock.advance(step);
    }
  }

  asio::io_context io;
  turnstile::manual_clock clock;
  turnstile::memory_server server{clock};
  std::unique_ptr<memory_engine> engine = std::make_unique<memory_engine>(io, server);
  std::list<shared_semaphore> semaphores;
  std::map<std::string, shared_permit> held;
};

}  // namespace test

#endif
