// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_FIGURES_PROCESSES_HPP
#define TURNSTILE_TEST_FLEET_FIGURES_PROCESSES_HPP

#include <sys/mman.h>
#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <new>
#include <stdexcept>
#include <thread>
#include <utility>

namespace figures {

// A process that calls a function, and is killed at the end of this object at the latest.
class child {
 public:
  explicit child(const std::function<void()>& f);
  child(child&& other) noexcept : id_(std::exchange(other.id_, 0)) {}
  child& operator=(child&&) = delete;
  ~child() { kill(); }

  void kill() noexcept;
  void wait();  // until the function has returned; throws if it has thrown

 private:
  pid_t id_;
};

// An object in memory that this process shares with the ones that it starts afterwards.
template <typename T>
class shared_memory {
 public:
  shared_memory() {
    void* const p =
        mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc{};
    object_ = new (p) T;
  }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  ~shared_memory() { munmap(object_, sizeof(T)); }

  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }

 private:
  T* object_;
};

// What one process counts, for the others to read.
struct alignas(64) counter {
  std::atomic<std::uint64_t> value{0};
};

template <typename Condition>
void wait_until(const Condition& is_met, const char* what) {
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 60s; !is_met();) {
    if (std::chrono::steady_clock::now() > end) throw std::runtime_error{what};
    std::this_thread::sleep_for(500us);
  }
}

}  // namespace figures

#endif
