// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_STRESS_BOOKS_HPP
#define TURNSTILE_TEST_STRESS_BOOKS_HPP

// The books of one semaphore: how many permits are held, and what became of each acquire. They are
// kept with relaxed atomics, which order nothing that the semaphore fails to order.

#include <turnstile.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>
#include <vector>

namespace test {

using turnstile::error_code;

inline constexpr auto relaxed = std::memory_order_relaxed;
inline std::uint64_t patience = 60;  // seconds

enum fate { granted, cancelled, timed_out, closed, exceeds, destroyed, fates };
using tally = std::uint64_t[fates];

inline fate fate_of(error_code ec) {
  return !ec                                           ? granted
         : ec == boost::asio::error::operation_aborted ? cancelled
         : ec == boost::system::errc::timed_out        ? timed_out
         : ec == turnstile::errc::closed               ? closed
                                                       : exceeds;
}

class books {
 public:
  books(std::uint64_t seed, const char* what) : seed_(seed), what_(what) {}

  void ceiling(std::size_t n) { ceiling_ = n; }
  void raise_ceiling(std::size_t n) { ceiling_.fetch_add(n, relaxed); }
  // There is one permit. It keeps its holders apart, so they may share a variable that is not atomic.
  void keeps_apart() { apart_ = true; }

  // n permits are held from now on.
  void enter(std::size_t n) {
    if (held_.fetch_add(n, relaxed) + n > ceiling_.load(relaxed))
      fail("more permits held than there are");
    if (n != 0 && apart_) ++shared_;
  }
  // They are not any more. To be called before they are given back.
  void leave(std::size_t n) { held_.fetch_sub(n, relaxed); }

  void start() {
    started_.fetch_add(1, relaxed);
    unfinished_.fetch_add(1, relaxed);
  }
  void finish(fate f) {
    fates_[f].fetch_add(1, relaxed);
    unfinished_.fetch_sub(1, std::memory_order_release);  // after enter()
  }
  std::uint64_t started() const { return started_.load(relaxed); }

  // Waits until no more than n acquires are under way.
  void not_more_than(std::uint64_t n) {
    until("acquires wait that could be served", [&] { return unfinished_.load(relaxed) <= n; });
  }
  // Waits until all acquires are completed, and all permits are on their way back.
  void all_done() {
    until("acquires wait that could be served",
          [&] { return unfinished_.load(std::memory_order_acquire) == 0; });
    until("permits were not given back", [&] { return held_.load(relaxed) == 0; });
  }

  template <typename Condition>
  void until(const char* or_else, Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(patience);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) fail(or_else);
      std::this_thread::yield();
    }
  }

  void check(bool what, const char* or_else) {
    if (!what) fail(or_else);
  }
  void add_to(tally& sum) {
    std::uint64_t finished = 0;
    for (int f = 0; f != fates; ++f) {
      sum[f] += fates_[f];
      finished += fates_[f];
    }
    check(unfinished_ == 0 && finished == started_, "an acquire was completed twice or never");
  }

  [[noreturn]] void fail(const char* why) {
    std::fprintf(stderr,
                 "stress: %s: %s (%llu started, %llu unfinished, %llu held)\n"
                 "stress: to repeat: --seed %llu\n",
                 what_, why, static_cast<unsigned long long>(started_),
                 static_cast<unsigned long long>(unfinished_),
                 static_cast<unsigned long long>(held_), static_cast<unsigned long long>(seed_));
    std::_Exit(1);  // the other threads are in the middle of something
  }

 private:
  const std::uint64_t seed_;
  const char* const what_;
  std::atomic<std::size_t> ceiling_{0}, held_{0};
  std::atomic<std::uint64_t> started_{0}, unfinished_{0};
  std::atomic<std::uint64_t> fates_[fates] = {};
  bool apart_ = false;
  std::uint64_t shared_ = 0;
};

// One acquire. Its handler owns the ticket, which is completed once or destroyed.
class ticket {
 public:
  explicit ticket(books& b) : books_(&b) { b.start(); }
  ticket(ticket&& other) noexcept : books_(std::exchange(other.books_, nullptr)) {}
  ticket& operator=(ticket&&) = delete;
  ~ticket() {
    if (books_) books_->finish(destroyed);
  }

  // Of an acquire of n permits. Returns whether they were granted.
  bool complete(error_code ec, std::size_t n) {
    books* const b = std::exchange(books_, nullptr);
    if (!b) std::abort();  // twice
    if (!ec) b->enter(n);
    const fate f = fate_of(ec);
    b->check(f != exceeds || ec == turnstile::errc::exceeds_limit, "an error that no rule names");
    b->finish(f);
    return !ec;
  }

 private:
  books* books_;
};

// A permit that was entered in the books.
class holding {
 public:
  holding(books& b, turnstile::permit p) noexcept : books_(&b), permit_(std::move(p)) {}
  holding(holding&&) noexcept = default;
  ~holding() { books_->leave(permit_.count()); }

  turnstile::permit& operator*() noexcept { return permit_; }
  turnstile::permit* operator->() noexcept { return &permit_; }
  void release(std::size_t n) {
    books_->leave(n);
    permit_.release(n);
  }

 private:
  books* books_;
  turnstile::permit permit_;
};

template <typename F>
void in_parallel(int n, F f) {
  std::vector<std::thread> threads;
  for (int i = 0; i != n; ++i) threads.emplace_back([&f, i] { f(i); });
  for (auto& thread : threads) thread.join();
}

}  // namespace test

#endif
