// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "options.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

namespace connection_limiter {

namespace {

namespace po = boost::program_options;

constexpr std::size_t most_threads = 256;

// The options of the program; all others are a listener's.
constexpr std::array program_wide{"admin", "admin-public", "threads", "demo", "help"};

// What an option takes, in the words of the line that says that it was given something else.
std::string taken_by(std::string_view option) {
  if (option == "listen" || option == "upstream" || option == "admin")
    return "an address or a name and a port, such as 127.0.0.1:6000, [::1]:6000 or db.example:5432";
  if (option == "admin-public") return "the name in the address by which browsers ask for it";
  if (option == "limit" || option == "per-client")
    return "a number from 1 to " + std::to_string(most_permits);
  if (option == "max-queue" || option == "per-client-queue")
    return "a number from 0 to " + std::to_string(most_permits);
  if (option == "threads") return "a number from 1 to " + std::to_string(most_threads);
  if (option == "overflow") return "queue, backlog or reject";
  if (option == "abandon") return "on or off";
  return "a duration such as 500ms, 5s, 2m or 1h, at most 1000h";
}

std::optional<host_port> to_upstream(std::string_view text) {
  const auto where = to_host_port(text);
  return where && where->port != 0 ? where : std::nullopt;
}

std::optional<overflow_mode> to_overflow_mode(std::string_view text) {
  if (text == "queue") return overflow_mode::queue;
  if (text == "backlog") return overflow_mode::backlog;
  if (text == "reject") return overflow_mode::reject;
  return {};
}

std::optional<bool> to_switch(std::string_view text) {
  if (text == "on") return true;
  if (text == "off") return false;
  return {};
}

std::optional<std::string> to_name(const std::string& text) {
  if (text.empty() || text.find_first_of("/ @") != text.npos) return {};
  return text;
}

po::options_description description() {
  const std::size_t threads =
      std::clamp(std::size_t{std::thread::hardware_concurrency()}, std::size_t{1}, most_threads);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  po::options_description all("Options", 100, 50);
  // clang-format off
  all.add_options()
    ("listen", text("ADDRESS:PORT")->default_value("127.0.0.1:6000"),
      "where clients connect to; port 0 lets the system choose, and the line that is printed says which")
    ("upstream", text("HOST:PORT"),
      "the server to protect; a name is looked up once, at the start")
    ("limit", text("N")->default_value("20"), "how many connections are let through at once")
    ("overflow", text("MODE")->default_value("queue"),
      "what becomes of more than that: queue, backlog or reject (see below)")
    ("max-queue", text("N")->default_value("200"), "queue: how many may wait; more are refused")
    ("queue-timeout", text("TIME")->default_value("5s"), "queue: how long one waits before it is refused")
    ("per-client", text("N"),
      "how many connections of one client address (IPv6: of one /64) are let through at once")
    ("per-client-queue", text("N"),
      "queue: how many of one client address may wait while it has --per-client connections already, so "
      "that it does not fill the queue; half of --max-queue where it is not given")
    ("abandon", text("on|off")->default_value("on"),
      "queue: whether one leaves that hangs up; off where clients may end their side before they are served")
    ("connect-timeout", text("TIME")->default_value("10s"), "how long connecting to the upstream may take")
    ("idle-timeout", text("TIME"),
      "cut a connection on which nothing moves for so long (otherwise it may hold its place for ever)")
    ("session-timeout", text("TIME"), "cut a connection that was let through so long ago")
    ("drain-timeout", text("TIME")->default_value("10s"),
      "after SIGINT or SIGTERM: how long the connections may go on before they are cut")
    ("admin", text("ADDRESS:PORT"),
      "serve metrics, a page to watch by, and changes of the limit there (see below)")
    ("admin-public", text("NAME"),
      "let --admin be an address that others can reach, and asked for by this name")
    ("threads", text("N")->default_value(std::to_string(threads)), "how many threads move the bytes")
    ("demo", po::bool_switch(),
      "a slow upstream, the limiter and 200 clients in one process, and a view of them; takes "
      "some five seconds")
    ("help,h", po::bool_switch(), "print this");
  // clang-format on
  return all;
}

bool has(const po::variables_map& given, const std::string& option) {
  return !given[option].empty();
}

// An option's value, by a function that gives nothing where it cannot make sense of the text.
template <typename Convert>
auto value_of(const po::variables_map& given, const std::string& option, Convert convert) {
  if (!has(given, option))
    throw usage_error("--" + option + " is missing; it takes " + taken_by(option));
  const auto& text = given[option].as<std::string>();
  const auto value = convert(text);
  if (!value)
    throw usage_error("--" + option + " takes " + taken_by(option) + ", not '" + text + "'");
  return *value;
}

bool is_program_wide(const std::string& option) {
  return std::find(program_wide.begin(), program_wide.end(), option) != program_wide.end();
}

constexpr int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;

constexpr int names = po::command_line_style::allow_long;  // how messages write them: --limit

// The command line: what is the program's; what comes before the first --listen, and holds for all
// listeners; and what each --listen starts.
struct command_line {
  po::options_description known = description();
  po::parsed_options program{&known, names};
  po::parsed_options all{&known, names};
  std::vector<po::parsed_options> listeners;
};

// The first that has an option counts, and in the end the defaults.
po::variables_map values(std::initializer_list<const po::parsed_options*> parts) {
  po::variables_map given;
  for (const po::parsed_options* part : parts) po::store(*part, given);
  return given;
}

void parse(int argc, const char* const* argv, command_line& result) {
  const auto parsed = po::command_line_parser(argc, argv).options(result.known).style(style).run();
  for (const auto& option : parsed.options) {
    if (option.string_key.empty())
      throw usage_error("unexpected argument '" + option.original_tokens.at(0) + "'; see --help");
    if (option.string_key == "listen") result.listeners.emplace_back(&result.known, names);
    po::parsed_options& part = is_program_wide(option.string_key) ? result.program
                               : result.listeners.empty()         ? result.all
                                                                  : result.listeners.back();
    part.options.push_back(option);
  }
}

settings to_settings(const po::variables_map& given, bool demo) {
  const auto to_places = [](const std::string& text) { return to_number(text, most_permits); };
  settings s;
  s.listen = value_of(given, "listen", to_host_port);
  if (!demo) s.upstream = value_of(given, "upstream", to_upstream);
  s.limit = value_of(given, "limit", to_limit);
  s.overflow = value_of(given, "overflow", to_overflow_mode);
  s.max_queue = value_of(given, "max-queue", to_places);
  s.queue_timeout = value_of(given, "queue-timeout", to_duration);
  if (has(given, "per-client")) s.per_client = value_of(given, "per-client", to_limit);
  s.per_client_queue = s.max_queue - s.max_queue / 2;
  if (has(given, "per-client-queue")) {
    s.per_client_queue = value_of(given, "per-client-queue", to_places);
    if (!s.per_client) throw usage_error("--per-client-queue is of no use without --per-client");
  }
  s.abandon = value_of(given, "abandon", to_switch);
  s.connect_timeout = value_of(given, "connect-timeout", to_duration);
  if (has(given, "idle-timeout")) s.idle_timeout = value_of(given, "idle-timeout", to_duration);
  if (has(given, "session-timeout"))
    s.session_timeout = value_of(given, "session-timeout", to_duration);
  s.drain_timeout = value_of(given, "drain-timeout", to_duration);

  // The last of the demo's clients wait for nearly all of its time, and that is no fault of theirs.
  if (demo && given["queue-timeout"].defaulted()) s.queue_timeout = std::chrono::minutes{1};
  return s;
}

options to_options(const command_line& line) {
  const po::variables_map given = values({&line.program});
  options result;
  result.help = given["help"].as<bool>();
  if (result.help) return result;
  result.demo = given["demo"].as<bool>();
  if (line.listeners.empty())
    result.limiters.push_back(to_settings(values({&line.all}), result.demo));
  for (const po::parsed_options& listener : line.listeners)
    result.limiters.push_back(to_settings(values({&listener, &line.all}), result.demo));
  result.threads = value_of(given, "threads", [](const std::string& text) {
    const auto number = to_number(text, most_threads);
    return number && *number != 0 ? number : std::nullopt;
  });

  if (has(given, "admin")) result.admin = value_of(given, "admin", to_host_port);
  if (has(given, "admin-public")) result.admin_public = value_of(given, "admin-public", to_name);
  if (result.demo && (line.listeners.size() > 1 || result.admin))
    throw usage_error("--demo is of one listener, and without --admin");
  if (!result.admin_public.empty() && !result.admin)
    throw usage_error("--admin-public is of no use without --admin");
  return result;
}

}  // namespace

options parse_options(int argc, const char* const* argv) try {
  command_line line;
  parse(argc, argv, line);
  return to_options(line);
} catch (const po::invalid_command_line_syntax& e) {
  const std::string name = e.get_option_name();
  if (e.kind() != e.missing_parameter && e.kind() != e.empty_adjacent_parameter)
    throw usage_error(e.what());
  throw usage_error(name + " takes " + taken_by(name.substr(name.find_first_not_of('-'))));
} catch (const po::error& e) {
  throw usage_error(e.what() + std::string{"; see --help"});
}

std::string help_text() {
  std::ostringstream out;
  out << R"(connection_limiter lets at most so many connections through to a server at once.

  connection_limiter --upstream HOST:PORT [--listen ADDRESS:PORT] [--limit N] ...
  connection_limiter --demo [--limit N] [--threads N]

)" << description()
      << R"(
Several servers at once: each --listen begins a listener with a limit of its own, and the options
after it are that one's; those before the first --listen hold for all that do not say otherwise.
(--admin, --admin-public and --threads are the program's, wherever they stand.)

  connection_limiter --queue-timeout 10s --listen 127.0.0.1:6000 --upstream 127.0.0.1:5432 --limit 20
                                         --listen 127.0.0.1:6001 --upstream 127.0.0.1:6379 --limit 32

TIME is a number with a unit: 500ms, 5s, 2m, 1h.

Overflow modes
  queue    Accepted, then waits for its turn, first come, first served. Refused (closed) when
           --max-queue others wait already, or after --queue-timeout.
  backlog  Not accepted before its turn: waits in the kernel's backlog, at no cost here. Nobody is
           refused; once the backlog is full, too, clients see a slow connect, then their own
           time-out.
  reject   Refused (closed) at once.
With --per-client, the next connection of a client that has as many already waits in the same queue,
but for one of its own to end first: those of others behind it pass. In the modes reject and backlog
it is refused at once (who a client is, one knows only once it was accepted).

The admin endpoint
  GET /metrics  the figures, in Prometheus' text format
  GET /healthz  200 while connections are accepted, 503 while the limiter stops
  GET /         a page to watch by
  PUT /limit    a new limit, a number: curl -X PUT -d 30 http://127.0.0.1:9100/limit
                with several listeners: /limit?listener=127.0.0.1:6000; nobody is cut
It asks nobody for a password, so it is to be on a loopback address. Others need --admin-public; what
keeps strangers away is then up to you. Requests from pages of other sites are refused.

SIGINT and SIGTERM: accepts nothing more, refuses those who wait, lets the others finish for
--drain-timeout, cuts the rest, and prints the totals. A second signal cuts at once.

Exit status: 0 after an orderly end, 1 where it could not start (or the demo found a fault), 2 where
the options are wrong. The log is on standard error.
)";
  return out.str();
}

}  // namespace connection_limiter
