// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A keyed semaphore over long times: random histories beside a naive model, and memory that does not grow.

#define BOOST_TEST_MODULE keyed_history
#include "../verify/fuzz/keyed_history.hpp"

#include <turnstile.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdlib>
#include <new>
#include <random>
#include <string>
#include <utility>

namespace {

// The blocks of operator new that are in use, and the most since the last look.
std::size_t blocks = 0, most_blocks = 0, made = 0;

}  // namespace

void* operator new(std::size_t size) {
  void* const p = std::malloc(size);
  if (!p) throw std::bad_alloc();
  ++made;
  if (++blocks > most_blocks) most_blocks = blocks;
  return p;
}
// Not inline: g++ would warn of a free() of what was allocated with new.
[[gnu::noinline]] void operator delete(void* p) noexcept {
  if (p) --blocks;
  std::free(p);
}
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

namespace {

template <typename Executor>
void compare_with_model(unsigned seeds, int steps) {
  for (unsigned seed = 0; seed != seeds; ++seed) {
    std::mt19937 random(seed);
    const auto next = [&]() -> unsigned { return random() & 255; };
    const auto check = [&](bool ok, const char* what) {
      if (!ok) BOOST_FAIL("seed " << seed << " differs from the model: " << what);
    };
    fuzz::keyed_history<turnstile::basic_keyed_semaphore<int, Executor>, decltype(next),
                        decltype(check)>
        history(next, check);
    for (int i = 0; i != steps; ++i) history.step();
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(random_histories_are_as_the_naive_model_has_them) {
  compare_with_model<boost::asio::any_io_executor>(400, 200);
  compare_with_model<boost::asio::io_context::executor_type>(400, 200);
}

// Each of a million keys is used once: granted at once, or after a wait, or cancelled.
BOOST_AUTO_TEST_CASE(keys_that_are_not_used_any_more_need_no_memory) {
  constexpr int keys = 1'000'000;
  boost::asio::io_context io;
  turnstile::basic_keyed_semaphore<std::string, boost::asio::io_context::executor_type> sem(
      io.get_executor(), {.per_key = 1, .total = 2});
  const auto key = [](int i) { return "a key that needs a block of its own " + std::to_string(i); };
  int ended = 0;
  const auto use = [&](int i) {
    switch (i % 16) {
      default:
        if (sem[key(i)].try_acquire_permit()) ++ended;
        return;
      case 1:
        sem[key(i)].async_acquire_permit(
            [&](turnstile::error_code, turnstile::permit) { ++ended; });
        break;
      case 2:
      case 3: {
        const auto one = sem["one"].try_acquire_permit(), two = sem["two"].try_acquire_permit();
        sem[key(i)].async_acquire_permit(
            [&](turnstile::error_code, turnstile::permit) { ++ended; });
        if (i % 16 == 3) sem.cancel();
      }
    }
    io.restart();
    io.poll();
  };
  for (int i = 0; i != 100; ++i) use(i);
  const std::size_t before = blocks, made_before = made;
  most_blocks = blocks;
  for (int i = 100; i != keys; ++i) use(i);
  const std::size_t after = blocks, most = most_blocks, made_after = made;
  BOOST_TEST(ended == keys);
  BOOST_TEST(sem.size() == 0u);
  BOOST_TEST(after == before);
  BOOST_TEST(most - before <= 16u);
  BOOST_TEST(made_after - made_before >=
             2u * (keys - 100));  // the key and its node: they were counted
}
