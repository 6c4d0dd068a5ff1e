// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The recipes of the documentation, all at once, on a pool of 2 to 8 threads. They share a few semaphores,
// and each use of a recipe ends as its page says.

#include "../../../example/recipes/hosts.hpp"
#include "../../../example/recipes/limits.hpp"
#include "../../../example/recipes/object_pool.hpp"
#include "../../../example/recipes/overload.hpp"
#include "../../../example/recipes/parallel_for.hpp"
#include "../../../example/recipes/retry.hpp"
#include "../../../example/recipes/shutdown.hpp"
#include "../../../example/recipes/task.hpp"
#include "../../../example/recipes/threads.hpp"
#include "../../../example/recipes/timeouts.hpp"
#include "shell.hpp"

#include <boost/asio.hpp>

#include <algorithm>
#include <csignal>
#include <exception>
#include <initializer_list>
#include <stdexcept>

namespace shell {
namespace {

using asio::awaitable;
using namespace std::chrono_literals;

// One permit of a semaphore is held for as long as this lives.
class inside {
 public:
  explicit inside(books& b) : books_(b) { b.enter(1); }
  inside(const inside&) = delete;
  inside& operator=(const inside&) = delete;
  ~inside() { books_.leave(1); }

 private:
  books& books_;
};

std::vector<std::unique_ptr<std::uint64_t>> objects(std::size_t n) {
  std::vector<std::unique_ptr<std::uint64_t>> result;
  while (result.size() != n) result.push_back(std::make_unique<std::uint64_t>(0));
  return result;
}

// What one use of the recipes for shutdown is about.
struct jobs {
  explicit jobs(asio::thread_pool& pool) : limit(pool, 2) {}

  turnstile::bounded_semaphore limit;
  std::atomic<int> running{0};
};

class kitchen {
  // A handler for the end of a coroutine. Some recipes report that they gave up.
  auto ends() {
    return [this, t = turn(open_)](const std::exception_ptr& e, auto&&...) {
      try {
        if (e) std::rethrow_exception(e);
      } catch (const boost::system::system_error& error) {
        slots_.account.check(error.code() == asio::error::operation_aborted ||
                                 error.code() == turnstile::errc::exceeds_limit,
                             "a recipe ends with an error that it does not name");
      } catch (const std::runtime_error&) {
        // a request that fails, or too many retries
      }
    };
  }

 public:
  kitchen(std::uint64_t seed, dice& d)
      : threads_(2 + d.below(7)),
        name_("shell, recipes on " + std::to_string(threads_) + " threads"),
        pool_(threads_),
        slots_(pool_.get_executor(), 1 + d.below(2), seed, name_.c_str()),
        writers_(pool_.get_executor(), 1, seed, name_.c_str()),
        megabytes_(pool_.get_executor(), 100, seed, name_.c_str()),
        retries_(pool_.get_executor(), 3, seed, name_.c_str()),
        hosts_(pool_.get_executor()),
        priorities_(pool_.get_executor(), 3, 1),
        objects_(pool_.get_executor(), objects(2)) {
    asio::local::connect_pair(*out_, in_);
    asio::co_spawn(pool_, recipes::refill(retries_.semaphore, 10'000), asio::detached);
  }

  // Uses one recipe. Some of them block the calling thread until they are done.
  void begin(dice& d) {
    slots_.account.until("recipes do not end", [&] { return open_.load(test::relaxed) <= 32; });
    auto& slots = slots_.semaphore;
    const auto patience = std::chrono::milliseconds(d.below(3));
    const auto work = [this] { inside x(slots_.account); };
    // The same, for functions that have to be copied. The use of the recipe ends with the last copy.
    const auto counted_work = [work, t = std::make_shared<turn>(open_)] { work(); };
    const auto slow_work = [this]() -> awaitable<void> {
      inside x(slots_.account);
      co_await recipes::sleep_for(50us);
    };
    switch (d.below(20)) {
      case 0:
        return recipes::acquire_within(slots, patience, [counted_work](permit p) {
          if (p) counted_work();
        });
      case 1: return spawn(wait_briefly(patience));
      case 2:
        return asio::co_spawn(asio::make_strand(pool_),
                              recipes::visit_within(slots, patience, slow_work), ends());
      case 3: sent_ += 4; return spawn(write());
      case 4: sent_ += 4; return recipes::send(writers_.semaphore, out_, "text");
      case 5: return spawn(recipes::convert(megabytes_.semaphore, d.below(150)));
      case 6:
        return asio::post(adapting_, [this, overloaded = d.one_in(3), t = turn(open_)] {
          recipes::adapt(megabytes_.semaphore, overloaded);
        });
      case 7: return recipes::compress(slots, pool_, counted_work);
      case 8: return recipes::from_a_thread(slots, work);
      case 9: return void(recipes::from_a_thread_within(slots, patience, work));
      case 10: return void(recipes::without_waiting(slots, work));
      case 11: return void(recipes::visit(pool_.get_executor(), slots, counted_work));
      case 12: {
        static const char* const names[] = {"one", "two", "three"};
        return spawn(hosts_.fetch(names[d.below(3)], [fails = d.one_in(4)]() -> awaitable<void> {
          co_await recipes::sleep_for(10us);
          if (fails) throw std::runtime_error("a request that fails");
        }));
      }
      case 13: return spawn(use_object());
      case 14:
        return spawn(recipes::call(slots, retries_.semaphore,
                                   [this, failures = d.below(3)]() mutable -> awaitable<bool> {
                                     inside x(slots_.account);
                                     co_await recipes::sleep_for(10us);
                                     co_return failures-- == 0;
                                   }));
      case 15: return run_many(d, slow_work);
      case 16: return work_and_drain(d.one_in(2));
      case 17: return work_and_close();
      case 18: return spawn(recipes::run_in_time(slots, patience, slow_work));
      case 19: {
        auto request = []() -> awaitable<void> { co_await recipes::sleep_for(10us); };
        return spawn(d.one_in(2) ? priorities_.run_important(request)
                                 : priorities_.run_ordinary(request));
      }
    }
  }

  void finish() {
    drain_on_ctrl_c();
    slots_.account.until("recipes do not end",
                         [&] { return open_.load(std::memory_order_acquire) == 0; });
    retries_.semaphore.close();  // ends refill()
    pool_.join();
    megabytes_.semaphore.set_limit(megabytes_.permits);
    slots_.check();
    writers_.check();
    megabytes_.check();
    slots_.account.check(hosts_.size() == 0, "a host is not forgotten");
    std::string text(sent_, ' ');
    asio::read(in_, asio::buffer(text));
    for (std::size_t i = 0; i != text.size(); i += 4)
      slots_.account.check(text.compare(i, 4, "text") == 0, "two wrote at once");
  }

 private:
  template <typename T>
  void spawn(awaitable<T> coroutine) {
    asio::co_spawn(pool_, std::move(coroutine), ends());
  }

  awaitable<void> wait_briefly(std::chrono::milliseconds patience) {
    const permit p = co_await recipes::acquire_within(slots_.semaphore, patience);
    if (p) inside x(slots_.account);
  }

  awaitable<void> write() {
    const std::size_t n = co_await recipes::send(writers_.semaphore, *out_, "text");
    writers_.account.check(n == 4, "not all was sent");
  }

  awaitable<void> use_object() {
    const auto object = co_await objects_.acquire();
    ++*object;
    co_await recipes::sleep_for(10us);
    ++*object;
  }

  // The parent is cancelled, on its strand, while it starts the children or waits for them.
  template <typename Work>
  void run_many(dice& d, const Work& work) {
    const auto strand = asio::make_strand(pool_.get_executor());
    const auto signal = std::make_shared<asio::cancellation_signal>();
    asio::post(strand, [=, this, n = d.below(5), cancels = d.one_in(2), t = turn(open_)] {
      asio::co_spawn(
          strand,
          recipes::parallel_for(pool_.get_executor(), slots_.semaphore, n,
                                [work](std::size_t) { return work(); }),
          asio::bind_cancellation_slot(
              signal->slot(),
              asio::bind_executor(
                  strand, [signal, end = ends()](const std::exception_ptr& e) { end(e); })));
      if (cancels)
        asio::post(strand, [signal] { signal->emit(asio::cancellation_type::terminal); });
    });
  }

  static awaitable<void> do_jobs(std::shared_ptr<jobs> j) {
    for (;;) {
      auto [ec, p] = co_await j->limit.async_acquire_permit(asio::as_tuple(asio::deferred));
      if (ec) co_return;
      ++j->running;
      co_await recipes::sleep_for(10us);
      --j->running;
    }
  }

  void work_and_drain(bool with_time_limit) {
    const auto j = std::make_shared<jobs>(pool_);
    for (int i = 0; i != 3; ++i) spawn(do_jobs(j));
    spawn(drain(j, with_time_limit));
  }

  awaitable<void> drain(std::shared_ptr<jobs> j, bool with_time_limit) {
    if (with_time_limit) {
      const bool drained =
          co_await recipes::drain_within(j->limit, std::chrono::seconds(test::patience));
      slots_.account.check(drained, "jobs do not end");
    } else {
      co_await recipes::drain(j->limit);
    }
    slots_.account.check(j->running == 0, "drained while a job was running");
  }

  void work_and_close() {
    struct queue {
      explicit queue(asio::thread_pool& pool) : semaphore(pool, 1) {}

      turnstile::semaphore semaphore;
      int done = 0;  // not atomic: there is one permit
    };
    const auto q = std::make_shared<queue>(pool_);
    for (int i = 0; i != 3; ++i)
      spawn(recipes::work(q->semaphore, [q]() -> awaitable<void> {
        if (++q->done == 5) q->semaphore.close();
        co_return;
      }));
  }

  // A signal that the recipe does not wait for yet, or no more, is taken here.
  void drain_on_ctrl_c() {
    asio::signal_set others(pool_, SIGINT, SIGTERM);
    const auto j = std::make_shared<jobs>(pool_);
    for (int i = 0; i != 3; ++i) spawn(do_jobs(j));
    std::atomic<bool> done{false};
    asio::co_spawn(pool_, recipes::drain_on_ctrl_c(j->limit, std::chrono::seconds(test::patience)),
                   [&](const std::exception_ptr& e, bool drained) {
                     slots_.account.check(!e && drained && j->running == 0,
                                          "Ctrl-C does not drain");
                     done = true;
                   });
    slots_.account.until("Ctrl-C is ignored", [&] {
      if (!done) std::raise(SIGINT);
      return done.load();
    });
  }

  std::size_t threads_;
  std::string name_;
  asio::thread_pool pool_;
  std::atomic<std::uint64_t> open_{0};  // uses of recipes
  resource<turnstile::semaphore> slots_, writers_;
  resource<turnstile::bounded_semaphore> megabytes_, retries_;
  recipes::hosts hosts_;
  recipes::priorities priorities_;
  recipes::object_pool<std::uint64_t> objects_;
  std::shared_ptr<recipes::socket_type> out_ = std::make_shared<recipes::socket_type>(pool_);
  recipes::socket_type in_{pool_};
  std::atomic<std::size_t> sent_{0};
  asio::strand<pool_executor> adapting_ = asio::make_strand(pool_.get_executor());
};

}  // namespace

std::uint64_t play_recipes(std::uint64_t seed, dice d, std::uint64_t most) {
  const std::uint64_t uses = std::min<std::uint64_t>(most, 1000);
  kitchen k(seed, d);
  std::atomic<std::uint64_t> begun{0};
  const std::uint64_t luck = d();
  test::in_parallel(2, [&](int thread) {
    dice mine(luck + static_cast<unsigned>(thread));
    while (begun.fetch_add(1, test::relaxed) < uses) k.begin(mine);
  });
  k.finish();
  return uses;
}

}  // namespace shell
