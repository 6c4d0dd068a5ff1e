// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Six processes with one limit over a redis-server, while processes and server are killed, stopped and cut off. At each
// grant, the permits of all processes whose lease is valid are counted in shared memory: never more than the limit.
// Afterwards each process is served again. The last line says what was seen; status 1 if something was wrong.

#include "redis.hpp"

#include <turnstile/redis_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#include <boost/asio.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr unsigned limit = 8, processes = 6, workers = 6;
constexpr auto lease = 1s;
using random_engine = std::mt19937_64;

// In shared memory. Process p has byte p of `inside`. So one load shows all of them at one moment.
struct places {
  std::atomic<std::uint64_t> inside{0};
  std::atomic<std::uint64_t> wrong{0};  // what `inside` was when there were too many
  std::array<std::atomic<std::int64_t>, processes> valid_until{};
  std::array<std::atomic<std::uint64_t>, processes> grants{};

  static std::int64_t now() { return turnstile::detail::boot_time(); }
  static std::uint64_t in_byte(unsigned p, std::uint64_t n) { return n << (8 * p); }

  void enter(unsigned p, unsigned n) {
    // The leases are read first, then what is inside, then the time. So a lease that has not ended was valid when its
    // permits were read. One that was renewed meanwhile may seem to have ended: too few are counted then, never too many.
    std::array<std::int64_t, processes> ends;
    for (unsigned q = 0; q != processes; ++q) ends[q] = valid_until[q];
    const std::uint64_t all = inside.fetch_add(in_byte(p, n)) + in_byte(p, n);
    const std::int64_t time = now();
    std::uint64_t valid = 0;
    for (unsigned q = 0; q != processes; ++q)
      if (ends[q] > time) valid += all >> (8 * q) & 255;
    if (valid > limit) wrong = all;
    ++grants[p];
  }
  void leave(unsigned p, unsigned n) { inside -= in_byte(p, n); }
  unsigned empty(unsigned p) {
    return static_cast<unsigned>(inside.fetch_and(~in_byte(p, 255)) >> (8 * p) & 255);
  }
};

// ---- One process -------------------------------------------------------------------------------

class process {
 public:
  process(places& all, unsigned number, const std::string& url, std::uint64_t seed)
      : all_(all), number_(number), random_(seed), engine_(io_, {.url = url}) {}

  void run() {
    for (unsigned i = 0; i != workers; ++i) asio::co_spawn(io_, work(), asio::detached);
    asio::co_spawn(io_, note_losses(), asio::detached);
    io_.run();
  }

 private:
  asio::awaitable<void> work() {
    asio::steady_timer timer(io_);
    for (;;) {
      const unsigned n = random_() % 64 == 0 ? 1 + static_cast<unsigned>(random_() % limit) : 1;
      const auto permit = co_await semaphore_.async_acquire_permit(n);
      const std::uint64_t lease_number = losses_;
      const std::int64_t time = places::now();  // first: the process may be stopped at any moment
      all_.valid_until[number_] = time + semaphore_.valid_for().count();
      all_.enter(number_, n);
      timer.expires_after(std::chrono::microseconds(random_() % 20000));
      co_await timer.async_wait(asio::deferred);
      if (losses_ == lease_number) all_.leave(number_, n);
    }
  }

  // What was granted under a lease that was lost does not count.
  asio::awaitable<void> note_losses() {
    for (;;) {
      co_await semaphore_.async_wait_lost();
      ++losses_;
      all_.empty(number_);
    }
  }

  places& all_;
  const unsigned number_;
  random_engine random_;
  std::uint64_t losses_ = 0;
  asio::io_context io_{1};
  turnstile::redis_engine engine_;
  turnstile::shared_semaphore semaphore_{
      io_, engine_, {.name = "storm", .limit = limit, .lease = lease}};
};

// ---- The storm ---------------------------------------------------------------------------------

class storm {
 public:
  storm(places& all, std::uint64_t seed, std::vector<std::string> server_options)
      : all_(all), random_(seed), server_(std::move(server_options)) {
    for (unsigned p = 0; p != processes; ++p) start(p);
  }
  ~storm() {
    for (const pid_t p : children_) end(p);
  }

  void blow(std::chrono::seconds time) {
    const std::vector<std::function<void()>> faults{
        [this] { restart(any()); },
        [this] { restart(any()); },
        [this] { stop(any()); },
        [this] { stop(any()); },
        [this] { ask({"CLIENT", "KILL", "TYPE", "normal"}); },
        [this] { ask({"CLIENT", "KILL", "TYPE", "pubsub"}); },
        [this] { ask({"SCRIPT", "FLUSH"}); },
        [this] {
          server_.pause();
          sleep(1500);
          server_.resume();
        },
        [this] {
          server_.stop();
          sleep(500);
          server_.start();
        }};
    for (const auto end = steady_clock::now() + time; steady_clock::now() < end; ++faults_) {
      sleep(300);
      faults[random_() % faults.size()]();
    }
  }

  // Whether each process is served again.
  bool recovers() {
    std::vector<std::uint64_t> before(all_.grants.begin(), all_.grants.end());
    const auto end = steady_clock::now() + 60s;
    for (unsigned p = 0; p != processes;) {
      if (all_.grants[p] > before[p] + 10)
        ++p;
      else if (steady_clock::now() > end)
        return false;
      else
        std::this_thread::sleep_for(10ms);
    }
    return true;
  }

  unsigned faults() const { return faults_; }

 private:
  unsigned any() { return static_cast<unsigned>(random_() % processes); }
  void sleep(unsigned most) {
    std::this_thread::sleep_for(std::chrono::milliseconds(random_() % most));
  }

  void start(unsigned p) {
    const std::uint64_t seed = random_();
    children_[p] = fork();
    if (children_[p] != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string url = "unix://" + std::filesystem::absolute(server_.socket()).string();
    try {
      process(all_, p, url, seed).run();
    } catch (const std::exception& e) {
      std::fprintf(stderr, "process %u: %s\n", p, e.what());
    }
    _exit(1);
  }
  static void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  void restart(unsigned p) {
    end(children_[p]);
    all_.empty(p);  // its permits are in use by nothing
    start(p);
  }
  void stop(unsigned p) {
    kill(children_[p], SIGSTOP);
    sleep(2000);
    kill(children_[p], SIGCONT);
  }
  void ask(const std::vector<std::string>& command) {
    redis_connection connection(server_.socket());
    try {
      connection(command);
    } catch (const std::runtime_error&) {  // the command has cut this connection, too
    }
  }

  places& all_;
  random_engine random_;
  unsigned faults_ = 0;
  redis_server server_;
  std::array<pid_t, processes> children_{};
};

}  // namespace

int main(int argc, char** argv) {
  const auto usage = [] {
    std::fputs("fleet_storm: expected --seconds <n> and, if wanted, --aof\n", stderr);
    return 2;
  };
  int seconds = 0;
  std::vector<std::string> server_options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--aof") == 0)
      server_options = {"--appendonly", "yes", "--appendfsync", "always"};
    else if (std::strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
      seconds = std::atoi(argv[++i]);
    else
      return usage();
  }
  if (seconds < 1) return usage();

  void* const memory =
      mmap(nullptr, sizeof(places), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 1;
  places& all = *new (memory) places;
  const std::uint64_t seed = std::random_device{}();
  storm s(all, seed, server_options);
  s.blow(std::chrono::seconds(seconds));
  const bool recovered = s.recovers();
  std::uint64_t grants = 0;
  for (const auto& g : all.grants) grants += g;
  if (all.wrong != 0)
    std::printf("more than %u inside; one byte for each process: %016llx\n", limit,
                static_cast<unsigned long long>(all.wrong));
  if (!recovered) std::puts("a process is not served any more");
  std::printf("%llu grants, %u faults, seed %llu: %s\n", static_cast<unsigned long long>(grants),
              s.faults(), static_cast<unsigned long long>(seed),
              all.wrong == 0 && recovered ? "never more than the limit inside" : "WRONG");
  return all.wrong == 0 && recovered ? 0 : 1;
}
