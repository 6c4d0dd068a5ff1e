// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// How many completions of other threads one call hands over. Several threads acquire and release in a
// loop, and an executor counts what each call posts. A thread that keeps the strand for as long as others
// leave work behind would hand over thousands.

#include "../../unit/context_executor.hpp"
#include "shell.hpp"

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include <string>

namespace shell {
namespace {

// The completions that this thread has handed over in the present call.
thread_local std::size_t handed_over = 0;

// Posts to a context, and counts.
struct counting_executor : test::context_executor<counting_executor> {
  template <typename F>
  void execute(F&& f) const {
    ++handed_over;
    asio::post(*context, std::forward<F>(f));
  }
};

}  // namespace

void play_capture(std::uint64_t seed, dice d) {
  const int threads = 2 + static_cast<int>(d.below(7));
  const std::string name =
      "shell, one semaphore in a loop on " + std::to_string(threads) + " threads";
  asio::io_context io;
  auto work = asio::make_work_guard(io);
  resource<turnstile::basic_semaphore<counting_executor>> r(counting_executor{{&io}}, 1, seed,
                                                            name.c_str());
  const std::size_t ahead = 1 + d.below(8);  // acquires of each thread that wait
  std::thread runs([&] { io.run(); });

  // Besides what a call's own permit and its own acquire decide.
  constexpr std::size_t for_others = 64;
  const auto measure = [&](auto call) {
    handed_over = 0;
    call();
    r.account.check(handed_over <= for_others + 1, "one call hands over the work of the others");
  };
  test::in_parallel(threads, [&](int) {
    const auto acquire = [&] {
      r.semaphore.async_acquire(
          [t = ticket(r.account)](error_code ec) mutable { t.complete(ec, 0); });
    };
    for (std::size_t i = 0; i != ahead; ++i) measure(acquire);
    for (int i = 0; i != 2000; ++i) {
      measure([&] { r.semaphore.release(); });
      measure(acquire);
    }
    for (std::size_t i = 0; i != ahead; ++i) measure([&] { r.semaphore.release(); });
  });
  r.account.all_done();
  work.reset();
  runs.join();
  r.check();
}

}  // namespace shell
