// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A TCP proxy that lets at most so many connections through to an upstream server at once: what one
// puts in front of a database or a service that bears only so much. See --help.
//
//   main.cpp          the command line, signals, exit status
//   options.*         the options
//   limiter.*         one listening address, and what becomes of its connections
//   admission.*       its semaphores: who is let through, who waits, who is refused
//   client_limits.*   a limit for each client address
//   early_data.*      what a client sends, and whether it hangs up, while it waits
//   relay.*           the bytes of one connection
//   figures.*         what is counted
//   admin.*           the admin endpoint: who may ask for what
//   metrics.*         the figures in Prometheus' text format
//   page.*            the page, and how it comes into the program
//   io_threads.hpp    the threads
//   net.*, text.*, values.*   of use to all: Asio, messages, what users write
//   demo.*, view.*    --demo

#include "admin/admin.hpp"
#include "demo/demo.hpp"
#include "options.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/limiter.hpp"
#include "proxy/net.hpp"
#include "text.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <list>
#include <optional>
#include <string>

namespace connection_limiter {

namespace {

// Says so in the log where the descriptors may not suffice.
void check_descriptors(const options& o) {
  std::size_t needed = 64 + io_threads::descriptors(o.threads);
  for (const settings& s : o.limiters)
    needed += 2 * s.limit + (s.overflow == overflow_mode::queue ? s.max_queue : 0);
  rlimit allowed{};
  if (getrlimit(RLIMIT_NOFILE, &allowed) == 0 && allowed.rlim_cur < needed)
    log_to_stderr(text("may need ", needed, " descriptors, and is allowed ", allowed.rlim_cur,
                       " (ulimit -n)"));
}

void stop_on_signals(asio::signal_set& signals, std::list<limiter>& limiters) {
  signals.async_wait([&](const error_code& ec, int) {
    if (ec) return;
    for (limiter& l : limiters) l.stop();
    stop_on_signals(signals, limiters);
  });
}

// Where there are several, each line says whose it is.
void print_totals(const std::list<limiter>& limiters) {
  for (const limiter& l : limiters) {
    std::cout << "totals";
    if (limiters.size() > 1) std::cout << " of " << l.listening_on();
    std::cout << ": " << totals(l.seen()) << "; permits " << l.available() << " of " << l.limit()
              << " back" << std::endl;
  }
}

void serve(const options& o) {
  check_descriptors(o);
  io_threads threads{o.threads};
  asio::io_context& first = threads.contexts().front();
  asio::signal_set signals{first, SIGINT, SIGTERM};
  std::list<limiter> limiters;
  for (const settings& s : o.limiters) limiters.emplace_back(threads, s, log_to_stderr);
  std::optional<admin> a;
  if (o.admin) a.emplace(*o.admin, o.admin_public, limiters, log_to_stderr);

  stop_on_signals(signals, limiters);
  auto upstream = o.limiters.begin();
  for (const limiter& l : limiters)
    std::cout << "listening on " << l.listening_on() << ", upstream "
              << to_string(upstream++->upstream) << ", limit " << l.limit() << std::endl;
  if (a) std::cout << "admin endpoint: http://" << a->listening_on() << '/' << std::endl;

  std::size_t running = limiters.size();
  for (limiter& l : limiters)
    asio::co_spawn(first, l.run(), [&](const std::exception_ptr& e) {
      if (--running == 0) {
        signals.cancel();
        threads.finish();
      }
      if (e) std::rethrow_exception(e);
    });
  threads.run();
  print_totals(limiters);
}

}  // namespace

}  // namespace connection_limiter

int main(int argc, char* argv[]) try {
  using namespace connection_limiter;
  std::signal(SIGPIPE, SIG_IGN);  // a reader of ours that is gone is no reason to stop
  const options o = parse_options(argc, argv);
  if (o.help) {
    std::cout << help_text();
    return EXIT_SUCCESS;
  }
  if (o.demo) return run_demo(o) ? EXIT_SUCCESS : EXIT_FAILURE;
  serve(o);
} catch (const connection_limiter::usage_error& e) {
  std::string line = e.what();  // one, whatever was given
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::cerr << "connection_limiter: " << line << std::endl;
  return 2;
} catch (const std::exception& e) {
  std::cerr << "connection_limiter: " << e.what() << std::endl;
  return EXIT_FAILURE;
}
