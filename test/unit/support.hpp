// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_SUPPORT_HPP
#define TURNSTILE_TEST_UNIT_SUPPORT_HPP

// What several tests need.

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace test {

// Far more than anything takes, also under a sanitizer on a busy machine.
inline constexpr std::chrono::seconds patience{60};

// Ends the program where its scope is not left in time: for what would hang if it failed.
class watchdog {
 public:
  watchdog() : thread_([this] { watch(); }) {}
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  ~watchdog() {
    {
      const std::scoped_lock lock(mutex_);
      left_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, patience, [this] { return left_; })) return;
    std::fputs("watchdog: the test hangs\n", stderr);
    std::abort();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool left_ = false;
  std::thread thread_;
};

// Where n threads wait for each other, once. std::barrier of libstdc++ 12 may wait for ever on systems that have
// no futex, such as Windows.
class barrier {
 public:
  explicit barrier(int n) : missing_(n) {}
  void arrive_and_wait() {
    std::unique_lock lock(mutex_);
    if (--missing_ == 0)
      complete_.notify_all();
    else
      complete_.wait(lock, [this] { return missing_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable complete_;
  int missing_;
};

// A text of entries, for a test that compares what happened with what should have happened.
class transcript {
 public:
  void write(const std::string& entry) { text_ += (text_.empty() ? "" : " ") + entry; }
  // What was written since the last call.
  std::string read() { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

// Waits for what other threads bring about. False where they do not.
template <typename Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace test

#endif
