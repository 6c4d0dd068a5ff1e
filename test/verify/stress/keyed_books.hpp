// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_STRESS_KEYED_BOOKS_HPP
#define TURNSTILE_TEST_STRESS_KEYED_BOOKS_HPP

// The books of one keyed semaphore: those of all keys together, and how many permits each key holds.

#include "books.hpp"

#include <turnstile.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace test {

class keyed_books {
 public:
  keyed_books(books& all, std::uint32_t keys, std::size_t per_key)
      : all_(all), per_key_(per_key), keys_(std::make_unique<key[]>(keys)) {}

  // For a while no more than n permits are held, until lift_ceiling(). To be called by one thread, when no more are in
  // use.
  void lower_ceiling(std::uint32_t n) { change_ceiling(n); }
  void lift_ceiling() { change_ceiling(no_ceiling); }

  books& all() { return all_; }

  // A key has one permit. It keeps its holders apart, so they may share a variable that is not atomic.
  void keeps_apart() { apart_ = true; }

  // The key holds n permits from now on; all() was told already.
  void enter(std::uint32_t k, std::size_t n) {
    // Only if the ceiling was the same before and afterwards is it that of this moment. Nothing is released here, so that
    // the books order nothing.
    const std::uint64_t ceiling = ceiling_.load(std::memory_order_acquire);
    const std::size_t held = held_.fetch_add(n, std::memory_order_acquire) + n;
    if (held > static_cast<std::uint32_t>(ceiling) && ceiling == ceiling_.load(relaxed))
      all_.fail("permits are granted past a lowered limit");
    if (keys_[k].held.fetch_add(n, relaxed) + n > per_key_)
      all_.fail("a key holds more permits than it may");
    if (n != 0 && apart_) ++keys_[k].shared;
  }
  // It does not any more. To be called before they are given back.
  void leave(std::uint32_t k, std::size_t n) {
    held_.fetch_sub(n, relaxed);
    keys_[k].held.fetch_sub(n, relaxed);
    all_.leave(n);
  }

  // Once a key: whether the caller is the one that may forget a permit of it.
  bool may_forget(std::uint32_t k) {
    if (keys_[k].forgotten.exchange(true, relaxed)) return false;
    forgotten_.fetch_add(1, relaxed);
    return true;
  }
  std::size_t forgotten() const { return forgotten_.load(relaxed); }

  // The fate of a refused acquire, which all() counts with those that exceed a limit.
  void add_full() { full_.fetch_add(1, relaxed); }
  std::uint64_t full() const { return full_.load(relaxed); }

 private:
  struct key {
    std::atomic<std::size_t> held{0};
    std::atomic<bool> forgotten{false};
    std::uint64_t shared = 0;
  };

  static constexpr std::uint32_t no_ceiling = ~std::uint32_t(0);

  // The upper half counts the changes.
  void change_ceiling(std::uint32_t n) {
    ceiling_.store(((ceiling_.load(relaxed) >> 32) + 1) << 32 | n, relaxed);
  }

  books& all_;
  const std::size_t per_key_;
  const std::unique_ptr<key[]> keys_;
  bool apart_ = false;
  std::atomic<std::uint64_t> ceiling_{no_ceiling};
  std::atomic<std::size_t> held_{0}, forgotten_{0};
  std::atomic<std::uint64_t> full_{0};
};

// A permit of a key that was entered in the books.
class key_holding {
 public:
  key_holding(keyed_books& b, std::uint32_t key, turnstile::permit p) noexcept
      : books_(&b), key_(key), permit_(std::move(p)) {}
  key_holding(key_holding&&) noexcept = default;
  ~key_holding() { books_->leave(key_, permit_.count()); }

  turnstile::permit& operator*() noexcept { return permit_; }
  turnstile::permit* operator->() noexcept { return &permit_; }

  key_holding split(std::size_t n) { return {*books_, key_, permit_.split(n)}; }
  void release(std::size_t n) {
    books_->leave(key_, n);
    permit_.release(n);
  }
  void forget_one() {
    if (!permit_ || !books_->may_forget(key_)) return;
    books_->leave(key_, 1);
    permit_.split(1).forget();
  }

 private:
  keyed_books* books_;
  std::uint32_t key_;
  turnstile::permit permit_;
};

}  // namespace test

#endif
