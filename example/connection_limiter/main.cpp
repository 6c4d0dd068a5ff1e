// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A TCP proxy that forwards at most N connections to an upstream server at once. Put it in front of
// a database or service with limited capacity. See README.md and --help.
//
//   options.*, help.*       the options and the help text
//   option_rules.*          which options go together
//   adjustable.*            the options that can change while the program runs
//   limits_file.*           the file that has such options
//   values.*, text.*        numbers, durations and addresses; messages
//   log/log.*               the lines of the log
//   log/line_writer.*       writes them without blocking a connection
//   log/failure_log.*       logs what fails often: once, then as a count
//   proxy/limiter.*         one listener and its connections
//   proxy/admission.*       the permits and the queue
//   proxy/fleet_limit.*     the limit of --shared
//   proxy/limit_finder.*    finds the limit for --limit auto
//   proxy/origin.*          where a connection comes from
//   proxy/client_key.hpp    what counts as one client
//   proxy/early_data.*      what a queued client sends, and whether it disconnects
//   proxy/relay.*           copies the bytes of one connection
//   proxy/statistics.*      the counters
//   proxy/upstream_server.*     connects to the upstream
//   proxy/upstream_addresses.*  the addresses of the upstream
//   proxy/socket_state.*    what the kernel knows about a connection
//   proxy/unix_socket.*     files and peers of Unix-domain sockets
//   proxy/proxy_header.*    the PROXY protocol
//   proxy/listening.*       the listening sockets
//   proxy/io_threads.hpp    the threads
//   proxy/net.*             helpers for Asio
//   admin/admin.*           the admin endpoint
//   admin/access.*          which requests it answers
//   admin/metrics.*         the metrics in Prometheus' text format
//   admin/page.*            the page, and how it is compiled into the program
//   admin/http.*            its responses
//   systemd.*               readiness, and sockets passed by systemd
//   demo/demo.*, view.*     --demo

#include "admin/admin.hpp"
#include "demo/demo.hpp"
#include "help.hpp"
#include "log/line_writer.hpp"
#include "log/log.hpp"
#include "options.hpp"
#include "proxy/io_threads.hpp"
#include "proxy/limiter.hpp"
#include "proxy/net.hpp"
#include "systemd.hpp"
#include "text.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace connection_limiter {

namespace {

// Raises the open-file limit as far as allowed. Logs a warning if it may still be too low.
void check_descriptors(const options& o, const logger& l) {
  std::size_t needed = 64 + io_threads::descriptors(o.threads);
  for (const settings& s : o.limiters)
    needed += 2 * (s.finds_limit() ? s.find_limit->highest : s.limit) +
              (s.overflow == overflow_mode::queue ? s.max_queue : 0) +
              (s.shared ? 2 + io_threads::descriptors(1) : 0);  // Redis
  rlimit allowed{};
  if (getrlimit(RLIMIT_NOFILE, &allowed) != 0) return;
  if (const rlimit raised{allowed.rlim_max, allowed.rlim_max};
      setrlimit(RLIMIT_NOFILE, &raised) == 0)
    allowed = raised;
  if (allowed.rlim_cur < needed)
    l.warning("", text("may need ", needed, " file descriptors, but the limit is ",
                       allowed.rlim_cur, "; raise it with ulimit -n"));
}

// True if the parent process wants the signal to be ignored, as nohup does.
bool is_ignored(int number) {
  struct sigaction action{};
  return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// The signals that end the program, or make it read the limits file.
constexpr std::array handled_signals{SIGINT, SIGTERM, SIGQUIT, SIGHUP};

// Keeps these signals from the calling thread and from those that it starts. Returns what was kept from it before.
sigset_t block_signals() {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  for (const int number : handled_signals) sigaddset(&blocked, number);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  return before;
}

// Until no limiter runs. To cancel the wait would have no effect on a signal that has just arrived.
void stop_on_signals(asio::signal_set& signals, std::list<limiter>& limiters,
                     const std::size_t& running) {
  signals.async_wait([&](const error_code& ec, int) {
    if (ec || running == 0) return;
    notify_service_manager("STOPPING=1");
    for (limiter& l : limiters) l.stop();
    stop_on_signals(signals, limiters, running);
  });
}

// Reads the command line and the limits file again, and changes what differs. Throws usage_error, before
// anything has changed.
void read_limits_again(const std::function<options()>& read, std::list<limiter>& limiters) {
  const options next = read();
  const auto check = [&](bool is_same, const char* option) {
    if (!is_same)
      throw usage_error(text("--limits-file ", next.limits_file, ": ", option,
                             " cannot be turned on or off while the program runs"));
  };
  auto s = next.limiters.begin();
  for (const limiter& l : limiters) {
    check(s->finds_limit() == l.initial().finds_limit(), "--limit auto");
    check(s->per_client.has_value() == l.initial().per_client.has_value(), "--per-client");
    ++s;
  }
  s = next.limiters.begin();
  for (limiter& l : limiters) l.adjust(*s++);
}

void read_limits_on_signal(asio::signal_set& signals, const std::function<options()>& read,
                           std::list<limiter>& limiters, const std::size_t& running,
                           const logger& log) {
  signals.async_wait([&](const error_code& ec, int) {
    if (ec || running == 0) return;
    try {
      read_limits_again(read, limiters);
    } catch (const std::exception& e) {
      log.error("", text(e.what(), "; nothing was changed"));
    }
    read_limits_on_signal(signals, read, limiters, running, log);
  });
}

// The admission of a listener: its own, or the one that listeners share.
std::shared_ptr<admission> admission_for(
    const settings& s, asio::io_context& context,
    std::map<std::string, std::shared_ptr<admission>>& shared) {
  if (s.share_limit.empty()) return std::make_shared<admission>(context.get_executor(), s);
  std::shared_ptr<admission>& a = shared[s.share_limit];
  if (!a) a = std::make_shared<admission>(context.get_executor(), s);
  return a;
}

// With several listeners, each line names its listener.
void print_totals(const std::list<limiter>& limiters, line_writer& output) {
  for (const limiter& l : limiters)
    output.write(text("totals", limiters.size() > 1 ? " of " + l.name() : "", ": ",
                      totals(l.stats()), "; ", l.available(), " of ", l.limit(),
                      " permits returned"));
}

std::string listed(const std::vector<endpoint>& addresses) {
  std::string result;
  for (const endpoint& address : addresses)
    result += (result.empty() ? "" : " and ") + to_string(address);
  return result;
}

std::string lines_dropped(std::uint64_t n) {
  return text(n, " lines were dropped here, because they were not read in time");
}

void serve(const options& o, const std::function<options()>& read_options) {
  // First of all, so that no other descriptor gets one of their numbers.
  std::vector<int> sockets = take_passed_sockets();
  // Also for the threads that may outlive the limiters: those of the writers, and of the upstream's name.
  const sigset_t blocked_before = block_signals();
  line_writer output{STDOUT_FILENO, lines_dropped};
  line_writer errors{STDERR_FILENO, [format = o.format](std::uint64_t n) {
                       return logger{{}, format}.line(log_level::warning, "log", lines_dropped(n));
                     }};
  const logger log_to_stderr{[&](const std::string& line) { errors.write(line); }, o.format,
                             o.access_log};
  check_descriptors(o, log_to_stderr);
  io_threads threads{o.threads};
  asio::io_context& first = threads.contexts().front();
  asio::signal_set signals{first}, hangup{first};
  for (const int number : handled_signals)
    if (number == SIGHUP && !o.limits_file.empty())
      hangup.add(number);
    else if (!is_ignored(number))
      signals.add(number);
  for (const int number : {SIGUSR1, SIGUSR2}) std::signal(number, SIG_IGN);
  passed_sockets passed{std::move(sockets)};
  std::list<limiter> limiters;
  std::map<std::string, std::shared_ptr<admission>> shared;
  for (const settings& s : o.limiters)
    limiters.emplace_back(threads, s, log_to_stderr, passed, admission_for(s, first, shared));
  std::optional<admin> a;
  if (o.admin) a.emplace(*o.admin, o.admin_public, limiters, log_to_stderr, passed);
  if (passed.left() != 0)
    log_to_stderr.warning("", text(passed.left(), " sockets of the service manager are not used; ",
                                   "expected the addresses of --listen and --admin"));

  pthread_sigmask(SIG_SETMASK, &blocked_before, nullptr);
  std::size_t running = limiters.size();
  stop_on_signals(signals, limiters, running);
  read_limits_on_signal(hangup, read_options, limiters, running, log_to_stderr);
  auto upstream = o.limiters.begin();
  for (const limiter& l : limiters)
    output.write(text("listening on ", listed(l.addresses()), ", upstream ",
                      to_string(upstream++->upstream), ", limit ", l.limit()));
  if (a) output.write(text("admin endpoint: http://", to_string(a->address()), '/'));

  notify_service_manager("READY=1");

  for (limiter& l : limiters)
    asio::co_spawn(first, l.run(), [&](const std::exception_ptr& e) {
      if (--running == 0) {
        signals.cancel();
        hangup.cancel();
        threads.finish();
      }
      if (e) std::rethrow_exception(e);
    });
  threads.run();
  // `signals` restores the default action. Without this, a late signal would end the program before the last lines
  // are written.
  block_signals();
  print_totals(limiters, output);
}

}  // namespace

}  // namespace connection_limiter

int main(int argc, char* argv[]) try {
  using namespace connection_limiter;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe on standard output must not end the program
  const options o = parse_options(argc, argv);
  if (o.help) {
    std::cout << help_text();
    return EXIT_SUCCESS;
  }
  if (o.version) {
    std::cout << "connection_limiter " << version() << std::endl;
    return EXIT_SUCCESS;
  }
  if (o.demo) return run_demo(o) ? EXIT_SUCCESS : EXIT_FAILURE;
  serve(o, [&] { return parse_options(argc, argv); });
} catch (const connection_limiter::usage_error& e) {
  std::cerr << "connection_limiter: " << connection_limiter::on_one_line(e.what()) << std::endl;
  return 2;
} catch (const std::exception& e) {
  std::cerr << "connection_limiter: " << connection_limiter::on_one_line(e.what()) << std::endl;
  return EXIT_FAILURE;
}
