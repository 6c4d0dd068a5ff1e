// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_OBJECT_POOL_HPP
#define TURNSTILE_EXAMPLE_RECIPES_OBJECT_POOL_HPP

// Recipe "A pool of objects".

#include "common.hpp"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace recipes {

template <typename T>
class object_pool {
  struct store {
    std::mutex mutex;
    std::vector<std::unique_ptr<T>> idle;
  };

 public:
  // One object. Its destructor gives the object back.
  class lease {
   public:
    lease(lease&&) noexcept = default;
    ~lease() {
      // The object goes back before the permit, so that the next coroutine finds it.
      if (!object_) return;
      const std::scoped_lock lock{store_->mutex};
      store_->idle.push_back(std::move(object_));  // never allocates: the object had a place
    }
    T& operator*() const noexcept { return *object_; }
    T* operator->() const noexcept { return object_.get(); }

   private:
    friend class object_pool;
    lease(std::shared_ptr<store> s, turnstile::permit permit)
        : permit_(std::move(permit)), store_(std::move(s)) {
      const std::scoped_lock lock{store_->mutex};
      object_ = std::move(store_->idle.back());
      store_->idle.pop_back();
    }

    turnstile::permit permit_;
    std::shared_ptr<store> store_;
    std::unique_ptr<T> object_;
  };

  object_pool(asio::any_io_executor executor, std::vector<std::unique_ptr<T>> objects)
      : permits_(std::move(executor), objects.size()), store_(std::make_shared<store>()) {
    store_->idle = std::move(objects);
  }

  awaitable<lease> acquire() {
    const auto objects = store_;  // the pool may be gone when this coroutine goes on
    auto permit = co_await permits_.async_acquire_permit();
    co_return lease{objects, std::move(permit)};
  }

 private:
  turnstile::semaphore permits_;  // as many as there are objects in the store
  std::shared_ptr<store> store_;
};

}  // namespace recipes

#endif
