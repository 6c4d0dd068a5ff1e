// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What printer.py looks at in GDB, where look_here() is called.

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using turnstile::permit;

extern "C" [[gnu::noinline]] void look_here() { asm volatile("" ::: "memory"); }

int main() {
  asio::io_context io;
  asio::thread_pool pool(1);
  const auto ignore = [](turnstile::error_code) {};

  turnstile::bounded_semaphore bounded(io, 3, 10);
  bounded.async_acquire(4, ignore);
  bounded.async_acquire(4, ignore);
  turnstile::semaphore unbounded(io, 5);
  turnstile::semaphore closed(io, 2);
  closed.close();
  turnstile::bounded_semaphore over_limit(io, 8);
  (void)over_limit.try_acquire(8);
  over_limit.set_limit(5);
  turnstile::semaphore source(io, 7);
  turnstile::semaphore target(std::move(source));

  turnstile::basic_semaphore<asio::io_context::executor_type> on_io_context(io, 1);
  turnstile::basic_semaphore<asio::thread_pool::executor_type> on_thread_pool(pool, 2);
  turnstile::basic_bounded_semaphore<asio::strand<asio::any_io_executor>> on_strand(
      asio::make_strand(io), 4);

  std::optional<asio::io_context> gone(std::in_place);
  turnstile::semaphore without_context(*gone, 1);
  gone.reset();

  [[maybe_unused]] const turnstile::semaphore& reference = unbounded;
  [[maybe_unused]] turnstile::semaphore* const pointer = &unbounded;
  const std::optional<turnstile::semaphore> optional(std::in_place, io, 6);
  std::vector<turnstile::bounded_semaphore> vector;
  vector.emplace_back(io, 1);
  vector.emplace_back(io, 2);

  turnstile::keyed_semaphore<int> keyed(io, {.per_key = 1, .total = 10});
  const permit of_key = keyed[1].try_acquire_permit();
  keyed[1].async_acquire_permit([](turnstile::error_code, permit) {});
  const turnstile::keyed_semaphore<int> keys(io, {.per_key = 2});

  permit none;
  permit one = target.try_acquire_permit();
  permit two = target.try_acquire_permit(2);
  std::vector<permit> permits;
  permits.push_back(target.try_acquire_permit(3));

  look_here();
}
