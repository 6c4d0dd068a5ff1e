// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A TCP proxy that lets at most so many connections through to an upstream server at once: what one
// puts in front of a database or a service that bears only so much. See --help.
//
//   main.cpp        the command line, signals, exit status
//   options.*       the options
//   limiter.*       one listening address, its semaphores, and what becomes of its connections
//   relay.*         the bytes of one connection
//   io_threads.hpp  the threads
//   figures.*       what is counted
//   text.*          log lines and messages
//   demo.*, view.*  --demo

#include "demo.hpp"
#include "io_threads.hpp"
#include "limiter.hpp"
#include "net.hpp"
#include "options.hpp"
#include "text.hpp"

#include <sys/resource.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>

namespace connection_limiter {

namespace {

// Says so in the log where the descriptors may not suffice.
void check_descriptors(const settings& s) {
  constexpr std::size_t others = 32;
  const std::size_t queue = s.overflow == overflow_mode::queue ? s.max_queue : 0;
  const std::size_t needed = 2 * s.limit + queue + others;
  rlimit allowed{};
  if (getrlimit(RLIMIT_NOFILE, &allowed) == 0 && allowed.rlim_cur < needed)
    log_to_stderr(text("may need ", needed, " descriptors, and is allowed ", allowed.rlim_cur,
                       " (ulimit -n)"));
}

void stop_on_signals(asio::signal_set& signals, limiter& l) {
  signals.async_wait([&](const error_code& ec, int) {
    if (ec) return;
    l.stop();
    stop_on_signals(signals, l);
  });
}

void serve(const options& o) {
  check_descriptors(o.limiter);
  io_threads threads{o.threads};
  asio::io_context& first = threads.contexts().front();
  asio::signal_set signals{first, SIGINT, SIGTERM};
  limiter l{threads, o.limiter, log_to_stderr};
  stop_on_signals(signals, l);
  std::cout << "listening on " << l.listening_on() << ", upstream " << to_string(o.limiter.upstream)
            << ", limit " << o.limiter.limit << std::endl;

  asio::co_spawn(first, l.run(), [&](const std::exception_ptr& e) {
    signals.cancel();
    threads.finish();
    if (e) std::rethrow_exception(e);
  });
  threads.run();
  std::cout << totals(l.seen()) << std::endl;
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
  std::cerr << "connection_limiter: " << e.what() << std::endl;
  return 2;
} catch (const std::exception& e) {
  std::cerr << "connection_limiter: " << e.what() << std::endl;
  return EXIT_FAILURE;
}
