// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_MODEL_EXPLORER_HPP
#define TURNSTILE_TEST_MODEL_EXPLORER_HPP

#include <cstddef>
#include <cstdint>
#include <span>

namespace model {

// A small program. It is run again and again, from a new beginning, until all its executions have
// been seen. No access to its own members is checked or scheduled.
class program {
 public:
  virtual ~program() = default;
  virtual const char* name() const = 0;
  virtual int threads() const = 0;
  virtual void setup() = 0;        // before the threads
  virtual void thread(int i) = 0;  // 0 .. threads() - 1
  virtual void settled() = 0;      // when no thread can go on
  virtual void teardown() {}       // wakes the threads that still wait; they run one after another
  virtual void finished() = 0;     // when all have ended: nothing may be left
};

struct options {
  int preemptions = -1;  // at most so many; negative: all schedules
  int spurious = 1;      // how often a weak compare-and-swap of a thread fails without a reason
  int stale = 3;         // how often in a row a thread reads the same old value
  int odd = -1;          // at most so many old values and failures without a reason in all
  bool reduce = true;    // partial-order reduction by races
  bool sleep = true;     // partial-order reduction by sleep sets
  bool census = false;   // counts the distinct executions
  bool trace_last = false;
  double seconds = 1e9;
  std::uint64_t executions = ~std::uint64_t(0);  // gives up after so many
};

struct result {
  std::uint64_t executions = 0;  // complete ones
  std::uint64_t cut = 0;         // left before their end, as equal to another
  std::uint64_t steps = 0;
  std::uint64_t distinct = 0;  // with options::census
  double seconds = 0;
  bool complete = false;  // false: gave up before the end
  const char* violation = nullptr;
};

// Runs p through all its executions, up to the first that violates something; prints its trace.
result explore(program& p, const options& o);

// ---- For programs ----

// Memory in which every access is checked: alive, and ordered with every access that conflicts.
void* allocate(std::size_t n, const char* name);
std::size_t allocated();  // blocks not freed yet

void note(const char* text, int a = -1, int b = -1);
void check(bool ok, const char* what);
std::uint64_t now();  // grows with every step of an execution
int thread();         // the one that runs

// Once set, threads that wait, now or later, go on; what came before is seen after.
void set_event(int e);
void wait_event(int e);
bool is_set(int e);

// ---- For main() ----

// The programs over the core of a keyed semaphore.
std::span<program* const> keyed_programs();

}  // namespace model

#endif
