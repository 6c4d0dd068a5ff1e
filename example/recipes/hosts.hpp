// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_HOSTS_HPP
#define TURNSTILE_EXAMPLE_RECIPES_HOSTS_HPP

// Recipe "A limit for each key".

#include "common.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace recipes {

class hosts {
 public:
  explicit hosts(asio::any_io_executor executor)
      : table_(std::make_shared<table>(std::move(executor))) {}

  // Runs the request as soon as fewer than two others to the same host are running.
  awaitable<void> fetch(std::string host, std::function<awaitable<void>()> request) {
    const use semaphore{table_, std::move(host)};
    auto permit = co_await semaphore->async_acquire_permit();
    co_await request();
  }  // gives the permit back, and then forgets the host if no other request uses it

  std::size_t size() const {
    const std::scoped_lock lock{table_->mutex};
    return table_->entries.size();
  }

 private:
  struct entry {
    explicit entry(const asio::any_io_executor& executor) : semaphore{executor, 2} {}
    turnstile::bounded_semaphore semaphore;
    std::size_t uses = 0;
  };

  struct table {
    explicit table(asio::any_io_executor ex) : executor(std::move(ex)) {}
    asio::any_io_executor executor;
    std::mutex mutex;
    std::unordered_map<std::string, entry> entries;  // an entry never moves
  };

  // One request's use of a host's semaphore. The last use removes it, however the request ends.
  class use {
   public:
    use(std::shared_ptr<table> hosts, std::string host) : table_(std::move(hosts)) {
      const std::scoped_lock lock{table_->mutex};
      entry_ = &*table_->entries.try_emplace(std::move(host), table_->executor).first;
      ++entry_->second.uses;
    }
    use(const use&) = delete;
    use& operator=(const use&) = delete;
    ~use() {
      const std::scoped_lock lock{table_->mutex};
      auto& entries = table_->entries;
      if (--entry_->second.uses == 0) entries.erase(entries.find(entry_->first));
    }
    turnstile::bounded_semaphore* operator->() const { return &entry_->second.semaphore; }

   private:
    std::shared_ptr<table> table_;  // outlives the hosts object if it has to
    std::pair<const std::string, entry>* entry_;
  };

  std::shared_ptr<table> table_;
};

}  // namespace recipes

#endif
