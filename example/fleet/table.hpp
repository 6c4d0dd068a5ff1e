// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef FLEET_TABLE_HPP
#define FLEET_TABLE_HPP

#include <turnstile/shared_options.hpp>

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <system_error>

namespace fleet {

constexpr int limit = 8;
constexpr int processes = 4;
constexpr std::chrono::seconds lease{3};

// A clock that all processes of a machine have in common.
inline std::int64_t now() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// What a process knows about its share and its lease.
struct row {
  std::atomic<int> share{0}, waiting{0};
  std::atomic<turnstile::lease_state> lease{turnstile::lease_state::joining};
  std::atomic<std::int64_t> valid_until{0};
};

// Counts the jobs inside, independently of Redis and of the library. It is in memory that all processes share.
struct table {
  // How many permits each process uses: a byte each in one word, so that one addition enters a process and
  // counts all of them at the same instant.
  std::atomic<std::uint32_t> inside{0};
  std::atomic<int> most_inside{0};
  std::atomic<int> grants{0};
  // The first grant, since this was set to 0, with which all permits were used.
  std::atomic<std::int64_t> full_at{0};
  std::array<row, processes> rows;

  int inside_of(int process) const { return byte(inside, process); }

  // What is left from a lease that is over is not counted, since the share belongs to the others by then: the process was
  // stopped. But if it is granted something, it counts.
  int count(std::uint32_t all, int granted_to = -1) const {
    int sum = 0;
    for (int i = 0; i < processes; ++i)
      if (i == granted_to || now() < rows[static_cast<std::size_t>(i)].valid_until)
        sum += byte(all, i);
    return sum;
  }

  void enter(int process) {
    const int n = count(inside.fetch_add(one(process)) + one(process), process);
    ++grants;
    for (int most = most_inside; n > most && !most_inside.compare_exchange_weak(most, n);) {
    }
    std::int64_t none = 0;
    if (n >= limit) full_at.compare_exchange_strong(none, now());
  }
  void leave(int process) { inside -= one(process); }
  void take_off(int process) { inside &= ~(one(process) * 0xff); }  // after the process was killed

 private:
  static std::uint32_t one(int process) { return std::uint32_t(1) << (8 * process); }
  static int byte(std::uint32_t all, int process) {
    return static_cast<int>(all >> (8 * process) & 0xff);
  }
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free &&
                  std::atomic<turnstile::lease_state>::is_always_lock_free,
              "otherwise these do not work between processes");

// Makes a table for this process and those that it forks.
inline table& make_table() {
  void* const memory =
      mmap(nullptr, sizeof(table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return *new (memory) table;
}

}  // namespace fleet

#endif
