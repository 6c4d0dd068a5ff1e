// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The recipes of include/turnstile/recipes.md, each with a run that shows that it does what it says.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;
using boost::system::error_code;
using socket_type = asio::local::stream_protocol::socket;
using namespace std::chrono_literals;

awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer{co_await asio::this_coro::executor, time};
  co_await timer.async_wait(use_awaitable);
}

// ---- A timeout for a callback ------------------------------------------------------------------

void acquire_within(turnstile::semaphore& semaphore, std::chrono::milliseconds patience,
                    std::function<void(turnstile::permit)> handler) {
  auto timer = std::make_shared<asio::steady_timer>(semaphore.get_executor(), patience);
  auto both = asio::experimental::make_parallel_group(
      semaphore.async_acquire_permit(asio::deferred), timer->async_wait(asio::deferred));
  both.async_wait(asio::experimental::wait_for_one(),
                  [timer, handler = std::move(handler)](auto, error_code, turnstile::permit permit,
                                                        error_code) {
                    handler(std::move(permit));  // empty: gave up, or closed
                  });
}

bool a_timeout_for_a_callback() {
  asio::io_context io;
  turnstile::semaphore semaphore{io, 1};
  int granted = 0, gave_up = 0;
  turnstile::permit held;
  for (int i = 0; i < 2; ++i)
    acquire_within(semaphore, 10ms, [&](turnstile::permit permit) {
      ++(permit ? granted : gave_up);
      if (permit) held = std::move(permit);
    });
  io.run();
  return granted == 1 && gave_up == 1 && semaphore.waiting() == 0;
}

// ---- Limit any operation -----------------------------------------------------------------------

awaitable<std::size_t> send(turnstile::semaphore& writers, socket_type& socket,
                            std::string_view text) {
  co_return co_await turnstile::async_with_permit(
      writers, asio::async_write(socket, asio::buffer(text), asio::deferred), use_awaitable);
}

void send(turnstile::semaphore& writers, const std::shared_ptr<socket_type>& socket,
          std::string_view text) {
  turnstile::async_with_permit(writers,
                               asio::async_write(*socket, asio::buffer(text), asio::deferred),
                               [socket](error_code ec, std::size_t) {
                                 if (ec) std::cerr << "not sent: " << ec.message() << '\n';
                               });
}

bool limit_any_operation() {
  asio::io_context io;
  turnstile::semaphore writers{io, 1};
  auto one = std::make_shared<socket_type>(io);
  socket_type other{io};
  asio::local::connect_pair(*one, other);

  std::size_t sent = 0;
  asio::co_spawn(io, send(writers, *one, "hello "),
                 [&](const std::exception_ptr&, std::size_t n) { sent = n; });
  send(writers, one, "world");
  io.run();

  std::string text(11, ' ');
  asio::read(other, asio::buffer(text));
  return sent == 6 && text.find("world") != text.npos && writers.available() == 1;
}

// ---- A request that needs several permits --------------------------------------------------------

awaitable<void> convert(turnstile::bounded_semaphore& megabytes, std::size_t needed) {
  // What needs more than there is runs alone.
  auto permit =
      co_await megabytes.async_acquire_permit(std::min(needed, megabytes.limit()), use_awaitable);
  co_await sleep_for(1ms);             // load
  permit.release(permit.count() / 2);  // half of the memory is free again
  co_await sleep_for(1ms);             // write
}

bool several_permits() {
  asio::io_context io;
  turnstile::bounded_semaphore megabytes{io, 100};
  int done = 0;
  for (const std::size_t needed : {60u, 500u, 1u})
    asio::co_spawn(io, convert(megabytes, needed),
                   [&](const std::exception_ptr& e) { done += !e; });
  io.run();
  return done == 3 && megabytes.in_use() == 0;
}

// ---- Change the limit while running -------------------------------------------------------------

// One more where all is well, half where the upstream says that it is too much.
void adapt(turnstile::bounded_semaphore& upstream, bool overloaded) {
  const std::size_t limit = upstream.limit();
  upstream.set_limit(overloaded ? std::max<std::size_t>(limit / 2, 1)
                                : std::min<std::size_t>(limit + 1, 100));
}

bool change_the_limit() {
  asio::io_context io;
  turnstile::bounded_semaphore upstream{io, 8};
  turnstile::permit held = upstream.try_acquire_permit(8);
  adapt(upstream, true);
  const bool nobody_is_cut_off = upstream.limit() == 4 && upstream.in_use() == 8;
  held.release(4);
  const bool paid_first = !upstream.try_acquire();
  adapt(upstream, false);
  return nobody_is_cut_off && paid_first && upstream.try_acquire();
}

// ---- Permits across threads ---------------------------------------------------------------------

void compress(turnstile::semaphore& slots, asio::thread_pool& pool,
              const std::function<void()>& work) {
  slots.async_acquire_permit([&pool, work](error_code ec, turnstile::permit permit) {
    if (ec) return;
    asio::post(pool, [work, permit = std::move(permit)] {
      work();
    });  // given back here, on a thread of the pool
  });
}

bool across_threads() {
  asio::thread_pool pool{2};
  turnstile::semaphore slots{pool, 1};
  std::atomic<int> inside{0}, most{0};
  for (int i = 0; i < 20; ++i)
    compress(slots, pool, [&] {
      most = std::max(most.load(), ++inside);
      --inside;
    });
  pool.join();
  return most == 1 && slots.available() == 1;
}

// ---- A limit for each key -----------------------------------------------------------------------

class hosts {
 public:
  explicit hosts(asio::any_io_executor executor) : executor_(std::move(executor)) {}

  awaitable<void> fetch(std::string host, std::function<awaitable<void>()> request) {
    auto& slots = slots_.try_emplace(host, executor_, 2).first->second;
    auto permit = co_await slots.async_acquire_permit(use_awaitable);
    co_await request();
    permit.release();
    if (slots.in_use() == 0 && slots.waiting() == 0) slots_.erase(host);
  }

  std::size_t size() const { return slots_.size(); }

 private:
  asio::any_io_executor executor_;
  std::unordered_map<std::string, turnstile::bounded_semaphore> slots_;  // its elements stay put
};

bool a_limit_for_each_key() {
  asio::io_context io;
  hosts all{io.get_executor()};
  std::unordered_map<std::string, int> inside, most;
  for (int i = 0; i < 12; ++i) {
    const std::string host = i % 2 ? "one" : "other";
    auto request = [&, host]() -> awaitable<void> {
      most[host] = std::max(most[host], ++inside[host]);
      co_await sleep_for(1ms);
      --inside[host];
    };
    asio::co_spawn(io, all.fetch(host, request), asio::detached);
  }
  io.run();
  return most["one"] == 2 && most["other"] == 2 && all.size() == 0;
}

// ---- From a thread that is not Asio's -------------------------------------------------------------

void from_a_thread(turnstile::semaphore& slots, const std::function<void()>& work) {
  turnstile::permit permit = slots.async_acquire_permit(asio::use_future).get();  // blocks
  work();
}

bool without_waiting(turnstile::semaphore& slots, const std::function<void()>& work) {
  const turnstile::permit permit = slots.try_acquire_permit();
  if (permit) work();
  return static_cast<bool>(permit);
}

bool from_threads_that_are_not_asios() {
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  std::thread runs_io{[&] { io.run(); }};
  turnstile::semaphore slots{io, 1};

  int in_turn = 0;
  {
    const auto increment = [&] { ++in_turn; };
    std::thread one{[&] { from_a_thread(slots, increment); }};
    std::thread other{[&] { from_a_thread(slots, increment); }};
    one.join();
    other.join();
  }
  {
    turnstile::permit held = slots.try_acquire_permit();
    slots.async_acquire_permit(asio::use_future);  // dropped: what it gets goes back
  }
  while (slots.available() == 0) std::this_thread::yield();
  bool worked = false;
  const bool was_free = without_waiting(slots, [&] { worked = !without_waiting(slots, [] {}); });
  work.reset();
  runs_io.join();
  return in_turn == 2 && was_free && worked;
}

// ---- Retry, but not too often ---------------------------------------------------------------------

awaitable<void> call(turnstile::semaphore& upstream, turnstile::bounded_semaphore& retries,
                     std::function<awaitable<bool>()> request) {
  for (auto pause = 1ms;; pause *= 2) {
    {
      auto permit = co_await upstream.async_acquire_permit(use_awaitable);
      const bool done = co_await request();
      if (done) co_return;
    }  // given back before the pause
    if (!retries.try_acquire()) throw std::runtime_error("too many retries");
    co_await sleep_for(pause);
  }
}

// What call() takes of the retries comes back with time.
awaitable<void> refill(turnstile::bounded_semaphore& retries, std::size_t each_second) {
  while (!retries.is_closed()) {
    co_await sleep_for(1000ms / each_second);
    error_code full;
    retries.release(full);
  }
}

bool retry_but_not_too_often() {
  asio::io_context io;
  turnstile::semaphore upstream{io, 1};
  turnstile::bounded_semaphore retries{io, 3};
  int requests = 0;
  std::string error;
  auto request = [&]() -> awaitable<bool> {
    ++requests;
    co_return false;
  };
  asio::co_spawn(io, call(upstream, retries, request), [&](const std::exception_ptr& e) {
    try {
      if (e) std::rethrow_exception(e);
    } catch (const std::runtime_error& spent) {
      error = spent.what();
    }
  });
  io.run();
  const bool spent = requests == 4 && error == "too many retries" && upstream.available() == 1;

  asio::co_spawn(io, refill(retries, 1000), asio::detached);
  auto all_back = [&]() -> awaitable<void> {
    while (retries.in_use() > 0) co_await sleep_for(1ms);
    co_await sleep_for(5ms);  // some more, which find it full
    retries.close();
  };
  asio::co_spawn(io, all_back(), asio::detached);
  io.restart();
  io.run();
  return spent && retries.available() == 3;
}

// ---- What to do on errc::closed -------------------------------------------------------------------

awaitable<void> work(turnstile::semaphore& jobs, std::function<awaitable<void>()> job) {
  for (;;) {
    auto [ec, permit] = co_await jobs.async_acquire_permit(asio::as_tuple(use_awaitable));
    if (ec == turnstile::errc::closed) co_return;  // it is over; no error
    if (ec) throw boost::system::system_error(ec);
    co_await job();
  }
}

bool closed_is_an_end() {
  asio::io_context io;
  turnstile::semaphore jobs{io, 1};
  int done = 0, ended = 0;
  auto job = [&]() -> awaitable<void> {
    co_await sleep_for(1ms);
    if (++done == 5) jobs.close();
  };
  for (int i = 0; i < 3; ++i)
    asio::co_spawn(io, work(jobs, job), [&](const std::exception_ptr& e) { ended += !e; });
  io.run();
  return done == 5 && ended == 3;
}

int main() {
  int failures = 0;
  const auto run = [&](std::string_view recipe, bool works) {
    std::cout << (works ? "works:  " : "FAILED: ") << recipe << std::endl;
    failures += !works;
  };
  run("a timeout for a callback", a_timeout_for_a_callback());
  run("limit any operation", limit_any_operation());
  run("a request that needs several permits", several_permits());
  run("change the limit while running", change_the_limit());
  run("permits across threads", across_threads());
  run("a limit for each key", a_limit_for_each_key());
  run("from a thread that is not Asio's", from_threads_that_are_not_asios());
  run("retry, but not too often", retry_but_not_too_often());
  run("what to do on errc::closed", closed_is_an_end());
  return failures == 0 ? 0 : 1;
}
