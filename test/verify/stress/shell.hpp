// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_STRESS_SHELL_HPP
#define TURNSTILE_TEST_STRESS_SHELL_HPP

// What the files of the program `shell` share: where a round takes place, its semaphores, and the
// account of what is under way.

#include "books.hpp"
#include "options.hpp"

#include <turnstile.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace shell {

namespace asio = boost::asio;
using test::books;
using test::dice;
using test::holding;
using test::ticket;
using turnstile::error_code;
using turnstile::permit;
using io_executor = asio::io_context::executor_type;
using pool_executor = asio::thread_pool::executor_type;
using pool_strand = asio::strand<pool_executor>;
using channel = asio::experimental::concurrent_channel<void(error_code)>;

// ---- Where a round takes place -------------------------------------------------------------------

// An io_context and a thread pool, each of 2 to 8 threads.
class places {
 public:
  places(std::size_t io_threads, std::size_t pool_threads)
      : pool_(std::in_place, pool_threads), guard_(io_->get_executor()) {
    for (; io_threads != 0; --io_threads) threads_.emplace_back([this] { io_->run(); });
  }
  ~places() { join(); }

  asio::io_context& io() { return *io_; }
  asio::thread_pool& pool() { return *pool_; }
  pool_strand strand() { return asio::make_strand(pool_->get_executor()); }

  // When nothing more is to come: runs what is left.
  void join() {
    guard_.reset();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
    if (pool_) pool_->join();
  }

  // Leaves what is not done yet on the contexts.
  void stop() {
    io_->stop();
    pool_->stop();
    join();
  }
  // First the io_context: handlers that are bound to the pool wait at semaphores on the io_context, and
  // not the other way round.
  void destroy() {
    io_.reset();
    pool_.reset();
  }

 private:
  std::optional<asio::io_context> io_{std::in_place};
  std::optional<asio::thread_pool> pool_;
  asio::executor_work_guard<io_executor> guard_;
  std::vector<std::thread> threads_;
};

// ---- Semaphores ----------------------------------------------------------------------------------

template <typename Semaphore>
struct resource {
  template <typename Executor>
  resource(const Executor& ex, std::size_t n, std::uint64_t seed, const char* what)
      : semaphore(ex, n), permits(n), account(seed, what) {
    account.ceiling(n);
    if (n == 1) account.keeps_apart();
  }

  // How many permits to acquire.
  std::size_t size(dice& d) const {
    if (d.one_in(64)) return semaphore.max() + 1;
    if (d.one_in(32)) return 0;
    return 1 + d.below(static_cast<std::uint32_t>(permits));
  }

  void give_back(std::size_t n) {
    account.leave(n);
    semaphore.release(n);
  }

  void check() {
    account.check(semaphore.waiting() == 0, "acquires wait at the end");
    account.check(semaphore.available() == permits,
                  "the permits available at the end are not those of the beginning");
  }

  Semaphore semaphore;
  const std::size_t permits;
  books account;
};

// Those of a round: of four types, on an io_context, a pool and a strand.
struct semaphores {
  semaphores(places& p, dice& d, std::uint64_t seed, const char* what)
      : any{{p.pool().get_executor(), several(d), seed, what},
            {asio::make_strand(p.pool()), several(d), seed, what},
            {p.io().get_executor(), 1, seed, what}},
        io(p.io().get_executor(), several(d), seed, what),
        pool(p.pool().get_executor(), several(d), seed, what),
        strand(p.strand(), several(d), seed, what) {}

  template <typename F>
  void for_each(F f) {
    for (auto& a : any) f(a);
    f(io);
    f(pool);
    f(strand);
  }

  resource<turnstile::semaphore> any[3];
  resource<turnstile::basic_semaphore<io_executor>> io;
  resource<turnstile::basic_bounded_semaphore<pool_executor>> pool;
  resource<turnstile::basic_bounded_semaphore<pool_strand>> strand;

 private:
  static std::size_t several(dice& d) { return 1 + (d.one_in(2) ? 0 : d.below(4)); }
};

// ---- A round -------------------------------------------------------------------------------------

// Counts a thing that is under way, for as long as it lives. What is posted to begin a thing owns one, too.
class turn {
 public:
  explicit turn(std::atomic<std::uint64_t>& open) : open_(&open) {
    open.fetch_add(1, test::relaxed);
  }
  turn(turn&& other) noexcept : open_(std::exchange(other.open_, nullptr)) {}
  turn& operator=(turn&&) = delete;
  ~turn() {
    if (open_) open_->fetch_sub(1, std::memory_order_release);
  }

 private:
  std::atomic<std::uint64_t>* open_;
};

class stage {
 public:
  // With `to_be_demolished`, the contexts are destroyed at the end, with whatever is on them.
  stage(std::uint64_t seed, dice& d, bool to_be_demolished)
      : io_threads(2 + d.below(7)),
        pool_threads(2 + d.below(7)),
        demolished(to_be_demolished),
        name("shell, " + std::to_string(io_threads) + " and " + std::to_string(pool_threads) +
             " threads" + (demolished ? ", demolished" : "")),
        at(io_threads, pool_threads),
        all(at, d, seed, name.c_str()),
        messages(std::in_place, at.pool(), 1000) {}

  // All is done, and the books balance.
  void finish() {
    if (demolished) {
      at.stop();
      messages.reset();
      at.destroy();
    }
    not_more_than(0);
    all.for_each([](auto& r) { r.account.all_done(); });
    if (!demolished) at.join();
    all.for_each([](auto& r) { r.check(); });
  }

  turn begin() { return turn(open_); }
  void not_more_than(std::uint64_t n) {
    all.pool.account.until("groups wait that could be served",
                           [&] { return open_.load(std::memory_order_acquire) <= n; });
  }

  // A permit that was entered is used for a while, somewhere.
  void use(books& b, permit p, dice d) {
    holding h(b, std::move(p));
    switch (d.below(8)) {
      case 0: return asio::post(at.pool(), [h = std::move(h)] {});
      case 1: return asio::post(at.io(), [h = std::move(h)] {});
      case 2: return h.release(h->count());
      case 3: {
        const auto timer = std::make_shared<asio::steady_timer>(at.io(), moment(d));
        return timer->async_wait([timer, h = std::move(h)](error_code) {});
      }
      default: return;
    }
  }

  // In no time, or soon.
  static std::chrono::microseconds moment(dice& d) {
    return std::chrono::microseconds(d.one_in(3) ? 0 : d.below(200));
  }

  const std::size_t io_threads, pool_threads;
  const bool demolished;
  const std::string name;
  places at;
  semaphores all;  // may outlive the contexts
  std::optional<channel> messages;

 private:
  std::atomic<std::uint64_t> open_{0};
};

// ---- What happens in a round -----------------------------------------------------------------------

// Each begins one thing, on the calling thread, which is none of the contexts'.
void begin_group(stage& s, dice& d);      // parallel groups
void begin_single(stage& s, dice& d);     // one acquire, with a cancellation in most cases
void begin_coroutine(stage& s, dice& d);  // a coroutine of several acquires
void wait_for_future(stage& s, dice& d);  // blocks until it is done

// Rounds of their own.
void play_capture(std::uint64_t seed, dice d);
std::uint64_t play_recipes(std::uint64_t seed, dice d,
                           std::uint64_t most);  // returns how many uses

}  // namespace shell

#endif
