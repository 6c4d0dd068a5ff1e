// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "options.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>

namespace connection_limiter {

namespace {

namespace po = boost::program_options;
using std::chrono::milliseconds;

constexpr std::size_t most_permits = 1'000'000;
constexpr std::size_t most_threads = 256;
constexpr milliseconds longest = std::chrono::hours{1000};

// What an option takes, in the words of the line that says that it was given something else.
std::string taken_by(std::string_view option) {
  if (option == "listen" || option == "upstream")
    return "an address or a name and a port, such as 127.0.0.1:6000, [::1]:6000 or db.example:5432";
  if (option == "limit") return "a number from 1 to " + std::to_string(most_permits);
  if (option == "max-queue") return "a number from 0 to " + std::to_string(most_permits);
  if (option == "threads") return "a number from 1 to " + std::to_string(most_threads);
  if (option == "overflow") return "queue, backlog or reject";
  if (option == "abandon") return "on or off";
  return "a duration such as 500ms, 5s, 2m or 1h, at most 1000h";
}

// A number that is all of the text, and not beyond `most`.
std::optional<std::size_t> to_number(std::string_view text, std::size_t most) {
  std::size_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (ec != std::errc{} || end != text.data() + text.size() || number > most) return {};
  return number;
}

std::optional<milliseconds> to_duration(std::string_view text) {
  const std::size_t unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view unit = text.substr(unit_at);
  const std::size_t unit_ms = unit == "ms"  ? 1
                              : unit == "s" ? 1'000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                                            : 0;
  if (unit_ms == 0) return {};
  const auto number =
      to_number(text.substr(0, unit_at), static_cast<std::size_t>(longest.count()) / unit_ms);
  if (!number) return {};
  return milliseconds{*number * unit_ms};
}

std::optional<host_port> to_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return {};
  const auto port = to_number(text.substr(colon + 1), 65535);
  std::string_view host = text.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  else if (host.find_first_of(":[]") != host.npos)
    return {};
  if (host.empty() || !port) return {};
  return host_port{std::string{host}, static_cast<std::uint16_t>(*port)};
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
    ("abandon", text("on|off")->default_value("on"),
      "queue: whether one leaves that hangs up; off where clients may end their side before they are served")
    ("connect-timeout", text("TIME")->default_value("10s"), "how long connecting to the upstream may take")
    ("idle-timeout", text("TIME"),
      "cut a connection on which nothing moves for so long (otherwise it may hold its place for ever)")
    ("session-timeout", text("TIME"), "cut a connection that was let through so long ago")
    ("drain-timeout", text("TIME")->default_value("10s"),
      "after SIGINT or SIGTERM: how long the connections may go on before they are cut")
    ("threads", text("N")->default_value(std::to_string(threads)), "how many threads move the bytes")
    ("demo", po::bool_switch(),
      "a slow upstream, the limiter and 200 clients in one process, and a view of them; takes "
      "some five seconds")
    ("help,h", po::bool_switch(), "print this");
  // clang-format on
  return all;
}

// An option's value, by a function that gives nothing where it cannot make sense of the text.
template <typename Convert>
auto value_of(const po::variables_map& given, const std::string& option, Convert convert) {
  if (given[option].empty())
    throw usage_error("--" + option + " is missing; it takes " + taken_by(option));
  const auto& text = given[option].as<std::string>();
  const auto value = convert(text);
  if (!value)
    throw usage_error("--" + option + " takes " + taken_by(option) + ", not '" + text + "'");
  return *value;
}

po::variables_map read(int argc, const char* const* argv) try {
  po::variables_map given;
  const po::options_description known = description();
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  const auto parsed = po::command_line_parser(argc, argv).options(known).style(style).run();
  for (const auto& option : parsed.options)
    if (option.string_key.empty())
      throw usage_error("unexpected argument '" + option.original_tokens.at(0) + "'; see --help");
  po::store(parsed, given);
  return given;
} catch (const po::invalid_command_line_syntax& e) {
  const std::string name = e.get_option_name();
  if (e.kind() != e.missing_parameter && e.kind() != e.empty_adjacent_parameter)
    throw usage_error(e.what());
  throw usage_error(name + " takes " + taken_by(name.substr(name.find_first_not_of('-'))));
} catch (const po::error& e) {
  throw usage_error(e.what() + std::string{"; see --help"});
}

}  // namespace

std::string to_string(const host_port& where) {
  const bool v6 = where.host.find(':') != std::string::npos;
  return (v6 ? '[' + where.host + ']' : where.host) + ':' + std::to_string(where.port);
}

options parse_options(int argc, const char* const* argv) {
  const po::variables_map given = read(argc, argv);
  options result;
  result.help = given["help"].as<bool>();
  if (result.help) return result;
  result.demo = given["demo"].as<bool>();

  const auto from_one_to = [](std::size_t most) {
    return [most](const std::string& text) {
      const auto number = to_number(text, most);
      return number && *number != 0 ? number : std::nullopt;
    };
  };
  settings& s = result.limiter;
  s.listen = value_of(given, "listen", to_host_port);
  if (!result.demo) s.upstream = value_of(given, "upstream", to_host_port);
  s.limit = value_of(given, "limit", from_one_to(most_permits));
  s.overflow = value_of(given, "overflow", to_overflow_mode);
  s.max_queue = value_of(given, "max-queue",
                         [](const std::string& text) { return to_number(text, most_permits); });
  s.queue_timeout = value_of(given, "queue-timeout", to_duration);
  s.abandon = value_of(given, "abandon", to_switch);
  s.connect_timeout = value_of(given, "connect-timeout", to_duration);
  if (!given["idle-timeout"].empty()) s.idle_timeout = value_of(given, "idle-timeout", to_duration);
  if (!given["session-timeout"].empty())
    s.session_timeout = value_of(given, "session-timeout", to_duration);
  s.drain_timeout = value_of(given, "drain-timeout", to_duration);
  result.threads = value_of(given, "threads", from_one_to(most_threads));

  // The last of the demo's clients wait for nearly all of its time, and that is no fault of theirs.
  if (result.demo && given["queue-timeout"].defaulted()) s.queue_timeout = std::chrono::minutes{1};
  return result;
}

std::string help_text() {
  std::ostringstream out;
  out << R"(connection_limiter lets at most so many connections through to a server at once.

  connection_limiter --upstream HOST:PORT [--listen ADDRESS:PORT] [--limit N] ...
  connection_limiter --demo [--limit N] [--threads N]

)" << description()
      << R"(
TIME is a number with a unit: 500ms, 5s, 2m, 1h.

Overflow modes
  queue    Accepted, then waits for its turn, first come, first served. Refused (closed) when
           --max-queue others wait already, or after --queue-timeout.
  backlog  Not accepted before its turn: waits in the kernel's backlog, at no cost here. Nobody is
           refused; once the backlog is full, too, clients see a slow connect, then their own
           time-out.
  reject   Refused (closed) at once.

SIGINT and SIGTERM: accepts nothing more, refuses those who wait, lets the others finish for
--drain-timeout, cuts the rest, and prints the totals. A second signal cuts at once.

Exit status: 0 after an orderly end, 1 where it could not start (or the demo found a fault), 2 where
the options are wrong. The log is on standard error.
)";
  return out.str();
}

}  // namespace connection_limiter
