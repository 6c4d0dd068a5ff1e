// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Loads two libraries, each with its symbols to itself or, with `global`, shared with the other, and
// passes semaphores and permits to and fro between them and itself.

#include "check.hpp"
#include "library.hpp"

#include <boost/asio/error.hpp>

#include <dlfcn.h>

#include <cstdio>
#include <string_view>
#include <utility>

namespace {

const library& load(const char* file, int mode) {
  void* const handle = dlopen(file, RTLD_NOW | mode);
  if (!handle) std::fprintf(stderr, "%s\n", dlerror());
  CHECK(handle);
  const auto get = reinterpret_cast<decltype(&get_library)>(dlsym(handle, "get_library"));
  CHECK(get);
  return *get();
}

const turnstile::error_code nothing_yet = boost::asio::error::would_block;

// first makes the semaphore.
void pass(const library& first, const library& second) {
  boost::asio::io_context context;
  boost::asio::cancellation_signal signal;
  turnstile::permit held, late;
  turnstile::error_code result = nothing_yet, late_result = nothing_yet;
  const auto run = [&] {
    context.restart();
    context.run();
  };

  turnstile::semaphore* const s = first.make(context, 2);
  second.acquire(*s, 2, held, result, {});
  run();
  CHECK(!result && held.count() == 2 && s->available() == 0);

  first.acquire(*s, 1, late, late_result, {});
  CHECK(s->waiting() == 1);
  held.release(1);
  run();
  CHECK(!late_result && late.count() == 1);
  late.merge(std::move(held));
  CHECK(late.count() == 2);

  for (const library* l : {&first, &second}) {
    late_result = nothing_yet;
    l->acquire(*s, 1, held, late_result, signal.slot());
    CHECK(s->waiting() == 1);
    signal.emit(boost::asio::cancellation_type::terminal);
    run();
    CHECK(late_result == boost::asio::error::operation_aborted && s->waiting() == 0);
  }

  result = nothing_yet;
  second.acquire(*s, 1, held, result, {});
  s->close();
  run();
  for (const library* l : {&first, &second}) CHECK(result == l->closed());
  CHECK(result == turnstile::errc::closed);
  CHECK(result.category() == turnstile::error_category());

  // Its permits outlive it; destroyed by another library than the one that made it.
  second.destroy(s);
  late.release();

  // A context that is destroyed takes along what waits on the semaphores of both.
  turnstile::permit kept;
  turnstile::semaphore *a, *b;
  result = nothing_yet;
  {
    boost::asio::io_context other;
    a = first.make(other, 0);
    b = second.make(other, 1);
    first.acquire(*b, 1, kept, result, {});
    other.run();
    CHECK(!result && kept.count() == 1);
    result = nothing_yet;
    first.acquire(*a, 1, held, result, {});
    second.acquire(*a, 1, held, result, {});
    first.acquire(*b, 1, held, result, {});
    second.acquire(*b, 1, held, result, {});
    CHECK(a->waiting() == 2 && b->waiting() == 2);
  }
  CHECK(result == nothing_yet);
  first.destroy(b);
  second.destroy(a);
}

}  // namespace

int main(int argc, char** argv) {
  CHECK(argc == 4);
  const int mode = argv[1] == std::string_view("global") ? RTLD_GLOBAL : RTLD_LOCAL;
  const library& first = load(argv[2], mode);
  const library& second = load(argv[3], mode);
  CHECK(&first != &second);
  pass(first, second);
  pass(second, first);
}
