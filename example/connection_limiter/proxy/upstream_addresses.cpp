// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/upstream_addresses.hpp"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace connection_limiter {

namespace {

constexpr std::chrono::seconds min_interval{1};

upstream_addresses::found look_up(const host_port& upstream) {
  asio::io_context context;  // not run: look_up() blocks
  upstream_addresses::found result;
  result.addresses = look_up(context, upstream, result.ec);
  return result;
}

bool is_name(const host_port& upstream) {
  if (!upstream.path.empty()) return false;
  error_code ec;
  asio::ip::make_address(upstream.host, ec);
  return ec.failed();
}

}  // namespace

struct upstream_addresses::state {
  void run() {
    std::unique_lock lock{mutex};
    while (!stopping) {
      // First the shortest time between two look-ups, then until one is due.
      changed.wait_for(lock, min_interval, [this] { return stopping; });
      const auto due = [this] { return stopping || wanted; };
      if (every.count() == 0)
        changed.wait(lock, due);
      else
        changed.wait_for(lock, every - min_interval, due);
      if (stopping) return;
      wanted = false;
      lock.unlock();
      found next = look_up(upstream);
      lock.lock();
      now.ec = next.ec;
      if (!next.ec) now.addresses = std::move(next.addresses);
    }
  }

  const host_port upstream;
  const std::chrono::milliseconds every;
  std::mutex mutex = {};  // guards the members below
  std::condition_variable changed = {};
  found now = {};
  bool wanted = false;
  bool stopping = false;
};

upstream_addresses::upstream_addresses(const host_port& upstream, std::chrono::milliseconds every)
    : state_(new state{upstream, every}) {
  state_->now = look_up(upstream);
  if (is_name(upstream)) std::thread{[s = state_] { s->run(); }}.detach();
}

upstream_addresses::~upstream_addresses() {
  const std::lock_guard lock{state_->mutex};
  state_->stopping = true;
  state_->changed.notify_all();
}

upstream_addresses::found upstream_addresses::current() const {
  const std::lock_guard lock{state_->mutex};
  return state_->now;
}

void upstream_addresses::look_up_again() {
  const std::lock_guard lock{state_->mutex};
  state_->wanted = true;
  state_->changed.notify_all();
}

}  // namespace connection_limiter
