// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FUZZ_MODEL_HPP
#define TURNSTILE_TEST_FUZZ_MODEL_HPP

// The contract, told naively: for one thread, with a queue that is searched from its front, and no
// thought of speed.

#include <algorithm>
#include <cstddef>
#include <deque>

namespace fuzz {

enum class result { granted, aborted, closed, exceeds, full, timed_out };

struct told {
  int id;
  result what;
  std::size_t permits = 0;  // that it was granted
  bool gone = false;        // the semaphore, since
};

class model {
 public:
  // What is held is limit - free: `free` is below zero while a lowered limit is a debt.
  model(long initial, long limit) : free_(initial), limit_(limit) {}

  // The acquires whose handlers are to be called, in this order.
  std::deque<told> telling;

  long available() const { return std::max(free_, 0L); }
  long in_use() const { return limit_ - free_; }
  long limit() const { return limit_; }
  std::size_t waiting() const { return queue_.size(); }
  bool is_closed() const { return closed_; }
  bool can_acquire(long n) const {
    return !closed_ && (n == 0 || (queue_.empty() && n <= available()));
  }

  // With no time to wait: `impatient`.
  void acquire(int id, long n, bool impatient = false) {
    if (closed_)
      tell(id, result::closed);
    else if (n > limit_)
      tell(id, result::exceeds);
    else if (can_acquire(n))
      grant(id, n);
    else if (impatient)
      tell(id, result::timed_out);
    else if (queue_.size() >= max_waiting_)
      tell(id, result::full);
    else
      queue_.push_back({id, n});
  }

  bool try_acquire(long n) {
    if (!can_acquire(n)) return false;
    free_ -= n;
    return true;
  }

  bool release(long n) {
    if (n > in_use()) return false;
    free_ += n;
    serve();
    return true;
  }

  void give_back(long n) { release(std::min(n, in_use())); }

  long shrink(long n) {
    n = std::min(n, available());
    free_ -= n;
    return n;
  }

  std::size_t max_waiting() const { return max_waiting_; }
  void set_max_waiting(std::size_t n) { max_waiting_ = n; }

  void set_limit(long n) {
    free_ += n - limit_;
    limit_ = n;
    remove([&](const wait& w) { return w.permits > n; }, result::exceeds);
    serve();
  }

  void cancel(int id) {
    remove([&](const wait& w) { return w.id == id; }, result::aborted);
    serve();
  }

  void cancel_all() {
    remove([](const wait&) { return true; }, result::aborted);
  }

  void close() {
    closed_ = true;
    remove([](const wait&) { return true; }, result::closed);
  }

  // Tells no waiter.
  void abandon() { queue_.clear(); }

 private:
  struct wait {
    int id;
    long permits;
  };

  void tell(int id, result r) { telling.push_back({id, r}); }

  void grant(int id, long n) {
    free_ -= n;
    telling.push_back({id, result::granted, static_cast<std::size_t>(n)});
  }

  void serve() {
    while (!queue_.empty() && queue_.front().permits <= available()) {
      grant(queue_.front().id, queue_.front().permits);
      queue_.pop_front();
    }
  }

  template <typename Condition>
  void remove(Condition condition, result r) {
    for (std::size_t i = 0; i != queue_.size();) {
      if (condition(queue_[i])) {
        tell(queue_[i].id, r);
        queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
  }

  long free_;
  long limit_;
  bool closed_ = false;
  std::size_t max_waiting_ = 0x7fffffff;
  std::deque<wait> queue_;
};

}  // namespace fuzz

#endif
