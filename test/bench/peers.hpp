// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_BENCH_PEERS_HPP
#define TURNSTILE_TEST_BENCH_PEERS_HPP

// What one would take instead: the same few calls as turnstile's, with nothing else to them. None of
// these gives a permit back where a handler is destroyed, none can be cancelled but the channel.

#include <turnstile/bounded_semaphore.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <type_traits>
#include <unordered_map>
#include <utility>

namespace bench {

namespace asio = boost::asio;
using boost::system::error_code;

// A channel with a message for each permit.
template <typename Executor>
class channel_semaphore {
 public:
  using executor_type = Executor;

  channel_semaphore(const Executor& ex, std::size_t permits) : channel_(ex, 1'000'000'000) {
    for (std::size_t i = 0; i != permits; ++i) release();
  }
  template <typename Token>
  auto async_acquire(Token&& token) {
    return channel_.async_receive(std::forward<Token>(token));
  }
  void release() { channel_.try_send(error_code()); }

 private:
  asio::experimental::concurrent_channel<Executor, void(error_code)> channel_;
};

// turnstile itself, awaited with the token `deferred`.
template <typename Executor>
class deferred_semaphore {
 public:
  deferred_semaphore(const Executor& ex, std::size_t permits) : semaphore_(ex, permits) {}
  auto async_acquire_permit(asio::use_awaitable_t<>) {
    return semaphore_.async_acquire_permit(asio::deferred);
  }

 private:
  turnstile::basic_semaphore<Executor> semaphore_;
};

// A queue of handlers, each in one allocation of its allocator, with work for its executor.
template <typename Executor>
class handlers {
 public:
  handlers() = default;
  handlers(const handlers&) = delete;
  handlers& operator=(const handlers&) = delete;
  ~handlers() {
    while (node* const n = pop()) n->destroy();
  }

  struct node {
    node* next = nullptr;
    virtual void post() = 0;
    virtual void destroy() = 0;

   protected:
    ~node() = default;
  };

  template <typename Handler>
  static node* make(Handler&& handler, const Executor& ex) {
    using type = waiting<std::decay_t<Handler>>;
    typename type::allocator a(type::allocator_of(handler));
    type* const p = std::allocator_traits<typename type::allocator>::allocate(a, 1);
    return ::new (static_cast<void*>(p)) type(std::forward<Handler>(handler), ex);
  }

  void push(node* n) {
    (last_ ? last_->next : first_) = n;
    last_ = n;
  }
  node* pop() {
    node* const n = first_;
    if (n && !(first_ = n->next)) last_ = nullptr;
    return n;
  }

 private:
  template <typename Handler>
  struct waiting final : node {
    using handler_executor = asio::associated_executor_t<Handler, Executor>;
    static auto allocator_of(const Handler& h) {
      return asio::get_associated_allocator(h, asio::recycling_allocator<void>());
    }
    using allocator = typename std::allocator_traits<decltype(allocator_of(
        std::declval<const Handler&>()))>::template rebind_alloc<waiting>;

    template <typename H>
    waiting(H&& h, const Executor& ex)
        : handler(std::forward<H>(h)), work(asio::get_associated_executor(handler, ex)) {}

    void post() override {
      auto w = std::move(work);
      Handler h = take();
      asio::post(w.get_executor(), [h = std::move(h)]() mutable { std::move(h)(error_code()); });
    }
    void destroy() override { take(); }

    Handler take() {
      allocator a(allocator_of(handler));
      Handler h = std::move(handler);
      std::allocator_traits<allocator>::destroy(a, this);
      std::allocator_traits<allocator>::deallocate(a, this, 1);
      return h;
    }

    Handler handler;
    asio::executor_work_guard<handler_executor> work;
  };

  node* first_ = nullptr;
  node* last_ = nullptr;
};

// A counter and a list behind a mutex.
template <typename Executor>
class mutex_semaphore {
 public:
  using executor_type = Executor;

  mutex_semaphore(const Executor& ex, std::size_t permits) : executor_(ex), permits_(permits) {}

  template <typename Token>
  auto async_acquire(Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(
        [this]<typename Handler>(Handler&& handler) {
          std::unique_lock lock(mutex_);
          if (permits_ == 0) {
            waiting_.push(handlers<Executor>::make(std::forward<Handler>(handler), executor_));
            return;
          }
          --permits_;
          lock.unlock();
          const auto ex = asio::get_associated_executor(handler, executor_);
          asio::post(ex, [h = std::decay_t<Handler>(std::forward<Handler>(handler))]() mutable {
            std::move(h)(error_code());
          });
        },
        token);
  }

  void release() {
    std::unique_lock lock(mutex_);
    auto* const next = waiting_.pop();
    if (!next) ++permits_;
    lock.unlock();
    if (next) next->post();
  }

 private:
  Executor executor_;
  std::mutex mutex_;
  std::size_t permits_;
  handlers<Executor> waiting_;
};

// A counter and a list that only functions on a strand of Asio's touch: the plain reading of
// "protected by a strand".
template <typename Executor>
class strand_semaphore {
 public:
  using executor_type = Executor;

  strand_semaphore(const Executor& ex, std::size_t permits) : strand_(ex), permits_(permits) {}

  template <typename Token>
  auto async_acquire(Token&& token) {
    return asio::async_initiate<Token, void(error_code)>(
        [this]<typename Handler>(Handler&& handler) {
          auto* const n = handlers<Executor>::make(std::forward<Handler>(handler),
                                                   strand_.get_inner_executor());
          asio::dispatch(strand_, [this, n] {
            if (permits_ == 0) return waiting_.push(n);
            --permits_;
            n->post();
          });
        },
        token);
  }

  void release() {
    asio::dispatch(strand_, [this] {
      auto* const next = waiting_.pop();
      next ? next->post() : void(++permits_);
    });
  }

 private:
  asio::strand<Executor> strand_;
  std::size_t permits_;
  handlers<Executor> waiting_;
};

// A bounded semaphore of turnstile for each key, in a table behind a mutex, without a limit for all keys. With
// `removes`, a key is removed when nothing refers to its semaphore any more.
template <typename Key, typename Executor, bool removes>
class map_semaphore {
  using semaphore = turnstile::basic_bounded_semaphore<Executor>;

 public:
  map_semaphore(const Executor& ex, std::size_t per_key) : executor_(ex), per_key_(per_key) {}

  class permit {
   public:
    permit() = default;
    permit(permit&&) noexcept = default;
    ~permit() { release(); }

    explicit operator bool() const noexcept { return bool(permit_); }
    void release() {
      permit_.release();
      if (!removes || !semaphore_) return;
      const auto last = std::move(semaphore_);  // destroyed after the mutex is unlocked
      const std::scoped_lock lock(map_->mutex_);
      if (last.use_count() == 2) map_->keys_.erase(key_);
    }

   private:
    friend map_semaphore;
    permit(map_semaphore& m, const Key& key, std::shared_ptr<semaphore> s, turnstile::permit p)
        : map_(&m), key_(key), semaphore_(std::move(s)), permit_(std::move(p)) {}

    map_semaphore* map_ = nullptr;
    Key key_{};
    std::shared_ptr<semaphore> semaphore_;
    turnstile::permit permit_;
  };

  permit try_acquire_permit(const Key& key) {
    auto s = find_or_insert(key);
    auto p = s->try_acquire_permit();
    return {*this, key, std::move(s), std::move(p)};
  }

  template <typename Handler>
  void async_acquire_permit(const Key& key, Handler handler) {
    auto s = find_or_insert(key);
    semaphore& found = *s;
    found.async_acquire_permit([this, key, s = std::move(s), h = std::move(handler)](
                                   error_code ec, turnstile::permit p) mutable {
      std::move(h)(ec, permit(*this, key, std::move(s), std::move(p)));
    });
  }

 private:
  std::shared_ptr<semaphore> find_or_insert(const Key& key) {
    const std::scoped_lock lock(mutex_);
    auto& s = keys_[key];
    if (!s) s = std::make_shared<semaphore>(executor_, per_key_);
    return s;
  }

  Executor executor_;
  std::size_t per_key_;
  std::mutex mutex_;
  std::unordered_map<Key, std::shared_ptr<semaphore>> keys_;
};

}  // namespace bench

#endif
