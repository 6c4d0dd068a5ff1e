// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_TASK_HPP
#define TURNSTILE_EXAMPLE_RECIPES_TASK_HPP

// Recipe "Another coroutine type".

#include "common.hpp"

#include <coroutine>
#include <exception>
#include <functional>
#include <utility>

namespace recipes {

// A coroutine type that knows nothing of Asio. The coroutine starts at once and owns itself.
struct task {
  struct promise_type {
    task get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// A suspended coroutine. Destroys it, instead of leaking it, if nothing resumes it.
class suspended {
 public:
  explicit suspended(std::coroutine_handle<> coroutine) noexcept : coroutine_(coroutine) {}
  suspended(suspended&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  ~suspended() {
    if (coroutine_) coroutine_.destroy();
  }
  void resume() { std::exchange(coroutine_, nullptr).resume(); }

 private:
  std::coroutine_handle<> coroutine_;
};

// Lets a coroutine of any type await async_acquire_permit(). `executor` resumes the coroutine.
template <typename Operation>
class permit_awaiter {
 public:
  permit_awaiter(asio::any_io_executor executor, Operation operation)
      : executor_(std::move(executor)), operation_(std::move(operation)) {}

  bool await_ready() const noexcept { return false; }

  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    // After the start of the operation, another thread may resume the coroutine, which destroys
    // *this. So what is needed is moved out first.
    auto operation = std::move(operation_);
    const auto executor = executor_;
    std::move(operation)(asio::bind_executor(
        executor,
        [this, waiting = suspended{coroutine}](error_code ec, turnstile::permit permit) mutable {
          error_ = ec;
          permit_ = std::move(permit);
          waiting.resume();
        }));
  }

  turnstile::permit await_resume() {
    if (error_) throw boost::system::system_error(error_);
    return std::move(permit_);
  }

 private:
  asio::any_io_executor executor_;
  Operation operation_;
  error_code error_;
  turnstile::permit permit_;
};

inline task visit(asio::any_io_executor executor, turnstile::semaphore& slots,
                  std::function<void()> work) {
  auto permit = co_await permit_awaiter{executor, slots.async_acquire_permit()};
  work();
}

}  // namespace recipes

#endif
