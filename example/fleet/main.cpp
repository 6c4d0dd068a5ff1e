// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Four processes with one limit of 8 over Redis. One of them is killed, and another one is stopped for longer than its lease.
// What a process does with the semaphore is in member.cpp. The rest starts, signals and watches the processes.

#include "group.hpp"
#include "table.hpp"
#include "view.hpp"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

namespace {

using namespace std::chrono_literals;
using fleet::limit;
using std::chrono::milliseconds;

constexpr int shortest = 12, longest = 300;  // what --seconds takes
constexpr milliseconds waits{11'000};        // what the steps take besides the pauses between them
constexpr int pauses = 6;
enum { a, b, c, d };  // the processes

class demo {
 public:
  demo(fleet::table& t, std::string url, milliseconds pause)
      : table_(t), group_(t, std::move(url)), view_(t), pause_(pause) {}

  bool run() {
    for (const int process : {a, b, c, d}) {
      group_.start(process);
      view_.say(std::string("start ") + fleet::name_of(process));
      if (process == a)
        view_.say("a Redis that has just started waits for a lease, 3 s: others may have shares");
      watch_until("the share of a process that was started", [&] { return share(process) > 0; });
      watch(pause_);
    }

    group_.kill(b);
    table_.full_at = 0;
    const std::int64_t killed_at = fleet::now();
    view_.say("kill -9 B: its share is free when its lease ends");
    watch_until("the share of the killed process", [&] { return table_.full_at > 0; });
    const double unused = static_cast<double>(table_.full_at - killed_at) / 1e6;
    view_.say("the others use all permits");
    watch(pause_);

    group_.stop(c);
    view_.say("kill -STOP C, for longer than its lease");
    watch(fleet::lease * 3 / 2);
    watch_until("the share of the stopped process", [&] { return share(a) + share(d) >= limit; });
    group_.resume(c);
    view_.say("kill -CONT C: its lease is lost, and it gets another one");
    watch_until("a share of the process that goes on",
                [&] { return has_lease(c) && share(c) > 0; });
    watch(pause_);

    group_.leave();
    const int most = table_.most_inside;
    if (most > limit)
      std::printf("failed: %d of %d inside", most, limit);
    else
      std::printf("never more than %d of %d inside", most, limit);
    std::printf(" at %d grants; all %d used again %.1f s after the kill\n", table_.grants.load(),
                limit, unused);
    return most <= limit;
  }

 private:
  const fleet::row& row(int process) const {
    return table_.rows[static_cast<std::size_t>(process)];
  }
  int share(int process) const { return row(process).share; }
  bool has_lease(int process) const { return row(process).lease == turnstile::lease_state::valid; }

  template <typename Condition>
  void watch_until(const char* what, Condition is_met) {
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!is_met()) {
      if (std::chrono::steady_clock::now() > deadline)
        throw std::runtime_error(std::string("waited 60 s in vain for ") + what);
      group_.expect_alive();
      view_.draw(group_.conditions());
      std::this_thread::sleep_for(20ms);
    }
  }
  void watch(milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    watch_until("the time", [&] { return std::chrono::steady_clock::now() >= end; });
  }

  fleet::table& table_;
  fleet::group group_;
  fleet::view view_;
  const milliseconds pause_;
};

int wrong(const std::string& problem) {
  std::cerr << "fleet: " << problem << std::endl;
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  int seconds = 23;
  std::string url;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--seconds") {
      const char* const text = i + 1 < argc ? argv[++i] : "";
      const char* const end = text + std::strlen(text);
      const auto [stop, error] = std::from_chars(text, end, seconds);
      if (error != std::errc() || stop != end || seconds < shortest || seconds > longest)
        return wrong("--seconds takes a number from " + std::to_string(shortest) + " to " +
                     std::to_string(longest) + ", not '" + text + "'");
    } else if (argument.substr(0, 1) == "-" || !url.empty()) {
      return wrong("unexpected argument '" + std::string(argument) +
                   "'; expected --seconds and a URL");
    } else {
      url = argument;
    }
  }
  if (url.empty())
    return wrong("expected the URL of a Redis server, such as redis://127.0.0.1:6379");

  try {
    return demo(fleet::make_table(), url, (seconds * 1000ms - waits) / pauses).run() ? 0 : 1;
  } catch (const std::exception& e) {
    std::cerr << "fleet: " << e.what() << std::endl;
    return 1;
  }
}
