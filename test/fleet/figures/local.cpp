// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// An acquire within the share, beside one of a semaphore of one process. Processor time of the thread.

#include "figures.hpp"
#include "processes.hpp"

#include <turnstile/bounded_semaphore.hpp>
#include <turnstile/redis_semaphore.hpp>

#include <boost/asio/io_context.hpp>

#include <ctime>
#include <string>

namespace figures {

namespace {

namespace asio = boost::asio;
using executor = asio::io_context::executor_type;
using shared_semaphore = turnstile::basic_shared_semaphore<executor>;
using turnstile::error_code;

constexpr int repetitions = 25;
constexpr long steps = 200'000;

// So many that few of their steps have epoll_wait() between them, which costs as much as several steps. A program
// has it there too, but it is not what is compared.
constexpr int chains = 256;

double thread_time() {  // nanoseconds
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

void expect(bool is_granted) {
  if (!is_granted)
    throw std::runtime_error{
        "an acquire within the share was not granted: is the machine too busy?"};
}

template <typename Semaphore>
double try_pair(Semaphore& s) {
  const double start = thread_time();
  for (long i = 0; i != steps; ++i) {
    expect(s.try_acquire());
    s.release();
  }
  return (thread_time() - start) / steps;
}

// A chain of acquires, each followed by a release.
template <typename Semaphore>
struct chain {
  asio::io_context& io;
  Semaphore& s;
  long& left;

  void operator()(const error_code& ec) const {
    expect(!ec);
    s.release();
    if (--left > 0)
      s.async_acquire(*this);
    else if (left == 1 - chains)
      io.stop();
  }
};

template <typename Semaphore>
double callback(asio::io_context& io, Semaphore& s) {
  long left = steps;
  io.restart();
  const double start = thread_time();
  for (int i = 0; i != chains; ++i) s.async_acquire(chain<Semaphore>{io, s, left});
  io.run();
  return (thread_time() - start) / (steps + chains - 1);
}

// Gets a share that suffices, and stays with this process for longer than the measurement takes.
void get_share(asio::io_context& io, shared_semaphore& s) {
  s.async_acquire(chains, [&](const error_code& ec) {
    expect(!ec);
    s.release(chains);
    io.stop();
  });
  io.restart();
  io.run();
}

void measure(const std::string& url) {
  using namespace std::chrono_literals;
  asio::io_context io;
  turnstile::redis_engine engine(io, {.url = url});
  turnstile::basic_bounded_semaphore<executor> core(io, chains, chains);
  shared_semaphore checked(io, engine, {.name = "checked", .limit = chains, .linger = 15s});
  shared_semaphore unchecked(
      io, engine,
      {.name = "unchecked", .limit = chains, .linger = 15s, .check_every_grant = false});
  for (int i = 0; i != repetitions; ++i) {
    get_share(io, checked);
    get_share(io, unchecked);
    print("local.try.core", try_pair(core));
    print("local.try.unchecked", try_pair(unchecked));
    print("local.try.checked", try_pair(checked));
    print("local.callback.core", callback(io, core));
    print("local.callback.unchecked", callback(io, unchecked));
    print("local.callback.checked", callback(io, checked));
  }
}

}  // namespace

void measure_local(server& s) {
  child([url = s.url()] { measure(url); }).wait();
}

}  // namespace figures
