// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FUZZ_KEYED_MODEL_HPP
#define TURNSTILE_TEST_FUZZ_KEYED_MODEL_HPP

// A naive model of a keyed semaphore: the model of the lanes, with the errors, the closing and the handlers that
// are to be called.

#include "lanes_history.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

namespace fuzz {

using turnstile::detail::lane_limits;

enum class result { granted, aborted, closed, exceeds, full };

// A handler that is to be called.
struct told {
  int id;
  std::size_t key;
  result what;
  std::size_t permits;
  unsigned call;      // the number of the call that has ended the wait in vain, or zero
  bool gone = false;  // the semaphore is
};

// The handler of the key that is called next. No rule says in which order cancel(), close(), set_limits() and the
// destructor end the waits of different keys. Within a key, the order is that of the initiating calls.
inline std::deque<told>::iterator next_told(std::deque<told>& telling, std::size_t key) {
  const unsigned call = telling.front().call;
  if (call == 0) return telling.begin();
  return std::find_if(telling.begin(), telling.end(),
                      [&](const told& t) { return t.call != call || t.key == key; });
}

class keyed_model {
 public:
  static constexpr std::size_t keys = lanes_model::keys;

  struct request {
    int id;
    std::size_t key;
    std::size_t permits;
  };

  keyed_model(const lane_limits& l, std::deque<told>& telling)
      : telling_(&telling), limits_(l), lanes_(l) {}

  const lane_limits& limits() const { return limits_; }
  bool is_closed() const { return closed_; }
  std::size_t in_use() const { return lanes_.in_use(); }
  std::size_t held(std::size_t key) const { return lanes_.held(key); }
  std::size_t waiting() const { return queue_.size(); }
  std::size_t waiting(std::size_t key) const { return lanes_.waiting(key); }
  bool exists(std::size_t key) const { return held(key) != 0 || waiting(key) != 0; }
  std::size_t size() const {
    std::size_t n = 0;
    for (std::size_t key = 0; key != keys; ++key) n += exists(key);
    return n;
  }
  std::size_t available(std::size_t key) const {
    const auto left = [](std::size_t most, std::size_t n) { return most - std::min(most, n); };
    return std::min(left(limits_.per_key, held(key)), left(limits_.total, in_use()));
  }

  void acquire(const request& r) {
    if (closed_) return tell(r, result::closed);
    if (r.permits == 0) return tell(r, result::granted);
    if (r.permits > most()) return tell(r, result::exceeds);
    queue_.push_back(r);
    lanes_.acquire({r.id, r.key, static_cast<std::uint32_t>(r.permits)});
    serve();
  }

  // It overtakes no acquire of its own key, and none whose turn it is: one whose key has room for it. So it may fail
  // even if an acquire would be granted: the key that holds fewer goes first if it waits.
  bool try_acquire(std::size_t key, std::uint32_t n) {
    if (closed_ || n == 0 || n > available(key)) return false;
    std::array<bool, keys> seen{};
    for (const request& r : queue_) {
      if (r.key == key) return false;
      if (!seen[r.key] && held(r.key) + r.permits <= limits_.per_key) return false;
      seen[r.key] = true;
    }
    lanes_.acquire({-1, key, n});
    lanes_.log.clear();
    return true;
  }

  void give_back(std::size_t key, std::size_t n) {
    lanes_.give_back(key, static_cast<std::uint32_t>(n));
    serve();
  }

  void cancel(int id) {
    const auto at =
        std::find_if(queue_.begin(), queue_.end(), [&](const request& r) { return r.id == id; });
    if (at == queue_.end()) return;
    tell(*at, result::aborted);
    queue_.erase(at);
    lanes_.cancel(id);
    serve();
  }
  void cancel_all() { end_all(result::aborted); }
  void close() {
    closed_ = true;
    end_all(result::closed);
  }

  void set_limits(const lane_limits& l) {
    limits_ = l;
    const unsigned call = ++calls();
    for (const request& r : queue_)
      if (r.permits > most()) tell(r, result::exceeds, call);
    std::erase_if(queue_, [&](const request& r) { return r.permits > most(); });
    lanes_.set_limits(l);
    serve();
  }

 private:
  std::size_t most() const { return std::min(limits_.per_key, limits_.total); }

  // Different for all semaphores of a history.
  static unsigned& calls() {
    static unsigned n = 0;
    return n;
  }

  void tell(const request& r, result what, unsigned call = 0) {
    telling_->push_back({r.id, r.key, what, what == result::granted ? r.permits : 0, call});
  }

  void end_all(result what) {
    const unsigned call = ++calls();
    for (const request& r : queue_) tell(r, what, call);
    queue_.clear();
    lanes_.cancel_all();
  }

  // What the lanes have decided.
  void serve() {
    for (const ended& e : lanes_.log) {
      const auto at = std::find_if(queue_.begin(), queue_.end(),
                                   [&](const request& r) { return r.id == e.id; });
      tell(*at, e.how == turnstile::detail::admission::granted ? result::granted : result::full);
      queue_.erase(at);
    }
    lanes_.log.clear();
  }

  std::deque<told>* telling_;
  lane_limits limits_;
  lanes_model lanes_;
  std::vector<request> queue_;
  bool closed_ = false;
};

}  // namespace fuzz

#endif
