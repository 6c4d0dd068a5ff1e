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

constexpr std::size_t max_threads = 256;

// The options of the program. All others belong to a listener.
constexpr std::array program_wide{"admin", "admin-public", "threads", "demo", "help"};

// What an option expects, for error messages.
std::string expected_by(std::string_view option) {
  if (option == "listen" || option == "upstream" || option == "admin")
    return "an address or host name and a port, such as 127.0.0.1:6000, [::1]:6000 or "
           "db.example:5432";
  if (option == "admin-public")
    return "a host name without a scheme or path, such as limiter.example";
  if (option == "limit" || option == "per-client")
    return "a number from 1 to " + std::to_string(max_permits);
  if (option == "max-queue" || option == "per-client-queue")
    return "a number from 0 to " + std::to_string(max_permits);
  if (option == "threads") return "a number from 1 to " + std::to_string(max_threads);
  if (option == "overflow") return "queue, backlog or reject";
  if (option == "abandon") return "on or off";
  return "a duration such as 500ms, 5s, 2m or 1h, at most 1000h";
}

std::optional<host_port> to_upstream(std::string_view text) {
  const auto address = to_host_port(text);
  return address && address->port != 0 ? address : std::nullopt;
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
      std::clamp(std::size_t{std::thread::hardware_concurrency()}, std::size_t{1}, max_threads);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  po::options_description all("Options", 100, 50);
  // clang-format off
  all.add_options()
    ("listen", text("ADDRESS:PORT")->default_value("127.0.0.1:6000"),
      "the address on which clients connect; with port 0 the system chooses a port, which is printed")
    ("upstream", text("HOST:PORT"),
      "the server to protect; a name is looked up once, at the start")
    ("limit", text("N")->default_value("20"), "how many connections are forwarded at once")
    ("overflow", text("MODE")->default_value("queue"),
      "what happens to connections above the limit: queue, backlog or reject (see below)")
    ("max-queue", text("N")->default_value("200"),
      "queue mode: how many connections may wait; more are refused")
    ("queue-timeout", text("TIME")->default_value("5s"),
      "queue mode: how long a connection may wait before it is refused")
    ("per-client", text("N"),
      "how many connections of one client address (IPv6: of one /64) are forwarded at once")
    ("per-client-queue", text("N"),
      "queue mode, with --per-client: how many connections of one client address may wait; the default is "
      "half of --max-queue")
    ("abandon", text("on|off")->default_value("on"),
      "queue mode: on drops queued clients that disconnect; use off if clients half-close before they "
      "get an answer")
    ("connect-timeout", text("TIME")->default_value("10s"), "how long connecting to the upstream may take")
    ("idle-timeout", text("TIME"),
      "cut a connection on which no byte has moved for this long; without it, an idle client can hold "
      "its permit for ever")
    ("session-timeout", text("TIME"), "cut a connection this long after it was forwarded")
    ("drain-timeout", text("TIME")->default_value("10s"),
      "after SIGINT or SIGTERM: how long connections may continue before they are cut")
    ("admin", text("ADDRESS:PORT"),
      "serve the admin endpoint on this address: metrics, a page, and changes of the limit (see below)")
    ("admin-public", text("NAME"),
      "allow an --admin address that other machines can reach, and accept requests for this host name")
    ("threads", text("N")->default_value(std::to_string(threads)), "how many threads forward bytes")
    ("demo", po::bool_switch(),
      "run a slow upstream, the limiter and 200 clients in one process, and show what happens; takes "
      "about five seconds")
    ("help,h", po::bool_switch(), "print this help");
  // clang-format on
  return all;
}

bool has(const po::variables_map& given, const std::string& option) {
  return !given[option].empty();
}

// The value of an option, converted by a function that returns nullopt if the text is not valid.
template <typename Convert>
auto value_of(const po::variables_map& given, const std::string& option, Convert convert) {
  if (!has(given, option))
    throw usage_error("--" + option + " is missing; expected " + expected_by(option));
  const auto& text = given[option].as<std::string>();
  const auto value = convert(text);
  if (!value)
    throw usage_error("invalid --" + option + " '" + text + "'; expected " + expected_by(option));
  return *value;
}

bool is_program_wide(const std::string& option) {
  return std::find(program_wide.begin(), program_wide.end(), option) != program_wide.end();
}

constexpr int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;

constexpr int names = po::command_line_style::allow_long;  // messages name options as --limit

// The command line in parts: the options of the program, the options before the first --listen,
// which are defaults for all listeners, and the options of each listener.
struct command_line {
  po::options_description known = description();
  po::parsed_options program{&known, names};
  po::parsed_options all{&known, names};
  std::vector<po::parsed_options> listeners;
};

// The value of an option comes from the first part that has it, or else is the default.
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
  const auto to_size = [](const std::string& text) { return to_number(text, max_permits); };
  settings s;
  s.listen = value_of(given, "listen", to_host_port);
  if (!demo) s.upstream = value_of(given, "upstream", to_upstream);
  s.limit = value_of(given, "limit", to_limit);
  s.overflow = value_of(given, "overflow", to_overflow_mode);
  s.max_queue = value_of(given, "max-queue", to_size);
  s.queue_timeout = value_of(given, "queue-timeout", to_duration);
  if (has(given, "per-client")) s.per_client = value_of(given, "per-client", to_limit);
  s.per_client_queue = s.max_queue - s.max_queue / 2;
  if (has(given, "per-client-queue")) {
    s.per_client_queue = value_of(given, "per-client-queue", to_size);
    if (!s.per_client) throw usage_error("--per-client-queue needs --per-client");
  }
  s.abandon = value_of(given, "abandon", to_switch);
  s.connect_timeout = value_of(given, "connect-timeout", to_duration);
  if (has(given, "idle-timeout")) s.idle_timeout = value_of(given, "idle-timeout", to_duration);
  if (has(given, "session-timeout"))
    s.session_timeout = value_of(given, "session-timeout", to_duration);
  s.drain_timeout = value_of(given, "drain-timeout", to_duration);

  // The last clients of the demo wait for nearly its whole duration.
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
    const auto number = to_number(text, max_threads);
    return number && *number != 0 ? number : std::nullopt;
  });

  if (has(given, "admin")) result.admin = value_of(given, "admin", to_host_port);
  if (has(given, "admin-public")) result.admin_public = value_of(given, "admin-public", to_name);
  if (result.demo && (line.listeners.size() > 1 || result.admin))
    throw usage_error("--demo allows only one --listen, and no --admin");
  if (!result.admin_public.empty() && !result.admin)
    throw usage_error("--admin-public needs --admin");
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
  throw usage_error(name + " has no value; expected " +
                    expected_by(name.substr(name.find_first_not_of('-'))));
} catch (const po::error& e) {
  throw usage_error(e.what() + std::string{"; see --help"});
}

std::string help_text() {
  std::ostringstream out;
  out << R"(connection_limiter is a TCP proxy that forwards at most N connections to a server at once.

  connection_limiter --upstream HOST:PORT [--listen ADDRESS:PORT] [--limit N] ...
  connection_limiter --demo [--limit N] [--threads N]

)" << description()
      << R"(
TIME is a number with a unit: 500ms, 5s, 2m or 1h. To refuse a connection is to close it before it was
forwarded. To cut a connection is to reset it.

Overflow modes: what happens to a connection above the limit
  queue    It is accepted and waits for its turn, first come, first served. It is refused if
           --max-queue connections wait already, or after --queue-timeout.
  backlog  It is not accepted until a permit is free, and waits in the kernel's backlog. When the
           backlog is full too, clients see a slow connect, then their own time-out.
  reject   It is refused at once.

With --per-client, the next permit goes to the waiting client that has fewest forwarded connections. A
connection above the limit of its client waits in the queue until another connection of the same client
ends, and connections of other clients pass it. In the modes backlog and reject, such a connection is
refused at once, after it was accepted.

Several listeners
  Each --listen starts a listener with a limit of its own. Options after a --listen belong to that
  listener. Options before the first --listen are defaults for all listeners. --admin, --admin-public
  and --threads belong to the program and can stand anywhere.

  connection_limiter --queue-timeout 10s --listen 127.0.0.1:6000 --upstream 127.0.0.1:5432 --limit 20
                                         --listen 127.0.0.1:6001 --upstream 127.0.0.1:6379 --limit 32

The admin endpoint
  GET /metrics  the metrics, in Prometheus' text format
  GET /healthz  200 while the limiter accepts connections, 503 while it stops
  GET /         a page that shows the load
  PUT /limit    sets a new limit and cuts no connection:
                curl -X PUT -d 30 http://127.0.0.1:9100/limit
                With several listeners, name one: /limit?listener=127.0.0.1:6000
  The endpoint has no password, so it must listen on a loopback address. With --admin-public it can
  listen on any address; restrict access by other means then, such as a firewall. Requests from pages
  of other sites are refused.

Signals
  SIGINT and SIGTERM: the limiter stops accepting connections, refuses queued connections, and lets
  forwarded connections continue for --drain-timeout. Then it cuts the connections that are left,
  prints the totals and exits. A second signal cuts the connections at once.

Exit status: 0 after a signal or a successful demo; 1 if it could not start, or the demo failed;
2 if an option is wrong. The log goes to standard error.
)";
  return out.str();
}

}  // namespace connection_limiter
