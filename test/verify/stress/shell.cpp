// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The shell over the core, on several threads: parallel groups, `||` and `&&`, cancel_after, futures,
// strands, signals that are destroyed or used again, coroutines that move between executors, and the
// recipes of the documentation.
//
// It goes in rounds, each with new contexts and semaphores. After each round no permit is lost and none is
// too many, each acquire was completed or destroyed exactly once, and no acquire waits. What the sanitizers
// see in the meantime is half of the purpose.

#include "shell.hpp"

#include <algorithm>
#include <cstdio>

namespace shell {
namespace {

test::tally sum = {};

std::uint64_t play_stage(std::uint64_t seed, dice d, std::uint64_t most, bool demolished) {
  const std::uint64_t groups =
      std::min<std::uint64_t>(most, demolished ? 100 + d.below(200) : 2000);
  stage s(seed, d, demolished);
  const std::uint64_t at_once = d.one_in(2) ? 8 : 64;
  // Late in the round, so that most of it is about a semaphore that is open.
  const std::uint64_t closes_at = d.one_in(4) ? groups / 2 + d.below(1000) : ~0ull;
  std::atomic<std::uint64_t> begun{0};
  const std::uint64_t luck = d();
  test::in_parallel(2, [&](int thread) {
    dice mine(luck + static_cast<unsigned>(thread));
    for (;;) {
      const std::uint64_t n = begun.fetch_add(1, test::relaxed);
      if (n >= groups) return;
      if (n == closes_at) s.all.strand.semaphore.close();
      if (!demolished) s.not_more_than(at_once);
      switch (mine.below(8)) {
        case 0:
        case 1:
        case 2: begin_group(s, mine); break;
        case 3:
        case 4: begin_single(s, mine); break;
        case 5:
        case 6: begin_coroutine(s, mine); break;
        case 7: wait_for_future(s, mine); break;
      }
      if (mine.one_in(200)) s.all.any[mine.below(3)].semaphore.cancel();
    }
  });
  s.finish();
  s.all.for_each([](auto& r) { r.account.add_to(sum); });
  return groups;
}

std::uint64_t play(std::uint64_t seed, std::uint64_t most) {
  dice d(seed);
  switch (d.below(8)) {
    case 0: play_capture(seed, d); return 0;
    case 1: return play_recipes(seed, d, most);
    case 2: return play_stage(seed, d, most, true);
    default: return play_stage(seed, d, most, false);
  }
}

}  // namespace
}  // namespace shell

int main(int argc, char** argv) {
  std::uint64_t groups = 3000, seed = test::any_seed();
  test::read_options(argc, argv,
                     {{"--groups", &groups}, {"--seed", &seed}, {"--patience", &test::patience}});

  const std::uint64_t first_seed = seed;
  std::uint64_t done = 0;
  const auto start = std::chrono::steady_clock::now();
  while (done < groups) done += shell::play(seed++, groups - done);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  const auto& sum = shell::sum;
  std::printf(
      "%llu groups: acquires: %llu granted, %llu cancelled, %llu timed out, %llu closed, "
      "%llu exceeds, %llu destroyed; %llu rounds from seed %llu, %.1f s, %.0f a second\n",
      number(done), number(sum[test::granted]), number(sum[test::cancelled]),
      number(sum[test::timed_out]), number(sum[test::closed]), number(sum[test::exceeds]),
      number(sum[test::destroyed]), number(seed - first_seed), number(first_seed), took.count(),
      static_cast<double>(done) / took.count());
}
