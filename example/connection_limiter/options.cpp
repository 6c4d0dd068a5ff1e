// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "options.hpp"

#include "help.hpp"
#include "limits_file.hpp"
#include "option_rules.hpp"
#include "text.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace connection_limiter {

namespace {

namespace po = boost::program_options;

// The options of the program. All others belong to a listener.
constexpr std::array program_wide{"admin",      "admin-public", "threads",
                                  "access-log", "log-format",   "limits-file",
                                  "version",    "demo",         "help"};

std::optional<host_port> to_upstream(std::string_view text) {
  const auto address = to_address(text);
  if (!address || !address->path.empty()) return address;
  return address->port != 0 && address->host != "*" ? address : std::nullopt;
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

// Whether lost connections are cut.
std::optional<bool> to_lost_lease(std::string_view text) {
  if (text == "cut") return true;
  if (text == "keep") return false;
  return {};
}

std::optional<log_format> to_log_format(std::string_view text) {
  if (text == "plain") return log_format::plain;
  if (text == "json") return log_format::json;
  return {};
}

std::optional<int> to_proxy_version(std::string_view text) {
  if (text == "v1") return 1;
  if (text == "v2") return 2;
  return {};
}

// The kernel takes at most 32767 s.
constexpr std::chrono::hours max_keepalive{9};

std::optional<std::string> to_name(const std::string& text) {
  if (text.empty() || !is_printable(text) || text.find_first_of("/@") != text.npos) return {};
  return text;
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
// which are defaults for all listeners, and the options of each listener. A limits file has parts for all
// listeners and for each one, too.
struct command_line {
  po::options_description known = description();
  po::parsed_options program{&known, names};
  po::parsed_options all{&known, names};
  std::vector<po::parsed_options> listeners;
  po::parsed_options file_all{&known, names};
  std::vector<po::parsed_options> file_listeners;
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

// Reads the limits file into the parts of the command line for it.
void parse_limits_file(const std::string& path, command_line& line) {
  line.file_listeners.assign(std::max(line.listeners.size(), std::size_t{1}), line.file_all);
  po::parsed_options* part = &line.file_all;
  for (const auto& [name, value] : read_limits_file(path)) {
    if (name != "listen") {
      po::option o;
      o.string_key = name;
      o.value = o.original_tokens = {value};
      part->options.push_back(std::move(o));
      continue;
    }
    const auto found = std::find_if(line.listeners.begin(), line.listeners.end(),
                                    [&, &address = value](const po::parsed_options& l) {
                                      return l.options.front().value.front() == address;
                                    });
    if (found == line.listeners.end()) throw usage_error("there is no --listen " + value);
    part = &line.file_listeners[static_cast<std::size_t>(found - line.listeners.begin())];
  }
}

bool has(const po::parsed_options& part, std::string_view option) {
  return std::any_of(part.options.begin(), part.options.end(),
                     [&](const po::option& o) { return o.string_key == option; });
}

// Throws usage_error if the part has an option that has no effect on any of its listeners.
void check_effects(const po::parsed_options& part, std::span<const settings> listeners) {
  for (const po::option& o : part.options) check_effect(o.string_key, listeners);
}

// The demo chooses the values of these options itself.
constexpr std::array not_in_demo{"socket-mode",  "listen",       "upstream",    "resolve-every",
                                 "accept-proxy", "send-proxy",   "drain-delay", "drain-timeout",
                                 "admin",        "admin-public", "access-log",  "log-format",
                                 "limits-file",  "share-limit",  "shared"};

void check_demo(const command_line& line) {
  for (const char* option : not_in_demo)
    if (has(line.program, option) || has(line.all, option) || !line.listeners.empty())
      throw usage_error(std::string{"--demo cannot be combined with --"} +
                        (line.listeners.empty() ? option : "listen"));
}

// Sets what --limit and the options that belong to it say.
void set_limit(settings& s, const po::variables_map& given) {
  constexpr std::size_t first = 8;
  const bool is_auto = given["limit"].as<std::string>() == "auto";
  const bool dry_run = has(given, "limit-dry-run") && value_of(given, "limit-dry-run", to_switch);
  if (is_auto && dry_run)
    throw usage_error("--limit-dry-run on needs a number as --limit, which stays the limit");
  if (!is_auto && !dry_run) return;
  auto_limit a{.dry_run = dry_run};
  if (has(given, "limit-min")) a.lowest = value_of(given, "limit-min", to_limit);
  if (has(given, "limit-max")) a.highest = value_of(given, "limit-max", to_limit);
  if (a.lowest > a.highest) throw usage_error("--limit-min is greater than --limit-max");
  if (is_auto) s.limit = std::clamp(first, a.lowest, a.highest);
  s.find_limit = a;
}

shared_limit to_shared(const po::variables_map& given) {
  shared_limit s;
  s.url = value_of(given, "shared", to_shared_url);  // the Redis engine checks it
  s.name = value_of(given, "name", to_shared_name);
  if (has(given, "lease")) s.lease = value_of(given, "lease", to_lease);
  if (has(given, "lost-lease")) s.cuts = value_of(given, "lost-lease", to_lost_lease);
  return s;
}

settings to_settings(const po::variables_map& given, bool demo) {
  settings s;
  s.listen = value_of(given, "listen", to_address);
  if (has(given, "socket-mode")) s.socket_mode = value_of(given, "socket-mode", to_permissions);
  if (!demo) s.upstream = value_of(given, "upstream", to_upstream);
  for (const adjustable_option& o : adjustable_options()) {
    const std::string name{o.name};
    if (has(given, name) && !(name == "limit" && given[name].as<std::string>() == "auto"))
      value_of(given, name, [&](const std::string& text) {
        return o.set(s, text) ? std::optional{true} : std::nullopt;
      });
  }
  set_limit(s, given);
  s.overflow = value_of(given, "overflow", to_overflow_mode);
  if (!has(given, "per-client-queue")) s.per_client_queue = s.max_queue - s.max_queue / 2;
  if (has(given, "share-limit")) s.share_limit = value_of(given, "share-limit", to_name);
  if (has(given, "shared")) s.shared = to_shared(given);
  if (const std::string why = why_not_shared(s, s); !why.empty()) throw usage_error(why);
  s.abandon = value_of(given, "abandon", to_switch);
  if (has(given, "accept-proxy")) s.accept_proxy = value_of(given, "accept-proxy", to_networks);
  if (has(given, "send-proxy")) s.send_proxy = value_of(given, "send-proxy", to_proxy_version);
  s.resolve_every = value_of(given, "resolve-every", to_whole_seconds);
  if (has(given, "keepalive"))
    s.keepalive = value_of(given, "keepalive", [](const std::string& text) {
      const auto time = to_whole_seconds(text);
      return time && *time <= max_keepalive ? time : std::nullopt;
    });
  if (s.keepalive && s.keepalive->count() == 0) s.keepalive.reset();

  // The last clients of the demo wait for nearly its whole duration.
  if (demo && given["queue-timeout"].defaulted()) s.queue_timeout = std::chrono::minutes{1};
  return s;
}

// The settings of all listeners. The limits file comes before the command line.
std::vector<settings> to_limiters(const command_line& line, bool demo) {
  std::vector<settings> result;
  if (line.listeners.empty())
    result.push_back(to_settings(
        line.file_listeners.empty() ? values({&line.all}) : values({&line.file_all, &line.all}),
        demo));
  for (std::size_t i = 0; i != line.listeners.size(); ++i)
    result.push_back(to_settings(
        line.file_listeners.empty()
            ? values({&line.listeners[i], &line.all})
            : values({&line.file_listeners[i], &line.file_all, &line.listeners[i], &line.all}),
        demo));
  const std::span<const settings> all{result};
  for (const po::parsed_options* part : {&line.all, &line.file_all}) check_effects(*part, all);
  for (const auto* parts : {&line.listeners, &line.file_listeners})
    for (std::size_t i = 0; i != parts->size(); ++i) check_effects((*parts)[i], all.subspan(i, 1));
  check_shared_limits(result);
  return result;
}

options to_options(command_line& line) {
  const po::variables_map given = values({&line.program});
  options result;
  result.help = given["help"].as<bool>();
  result.version = given["version"].as<bool>();
  if (result.help || result.version) return result;
  result.demo = given["demo"].as<bool>();
  if (result.demo) check_demo(line);
  if (has(given, "limits-file")) result.limits_file = given["limits-file"].as<std::string>();
  result.limiters = to_limiters(line, result.demo);
  if (!result.limits_file.empty()) try {
      parse_limits_file(result.limits_file, line);
      result.limiters = to_limiters(line, result.demo);
    } catch (const std::exception& e) {
      const std::string start = "--limits-file " + result.limits_file;
      const std::string_view what = e.what();
      throw usage_error(what.starts_with(start) ? e.what() : text(start, ": ", what));
    }
  result.threads = value_of(given, "threads", [](const std::string& text) {
    const auto number = to_number(text, max_threads);
    return number && *number != 0 ? number : std::nullopt;
  });

  result.access_log = value_of(given, "access-log", to_switch);
  result.format = value_of(given, "log-format", to_log_format);
  if (has(given, "admin")) result.admin = value_of(given, "admin", to_host_port);
  if (has(given, "admin-public"))
    result.admin_public = given["admin-public"].as<std::vector<std::string>>();
  for (const std::string& name : result.admin_public)
    if (!to_name(name))
      throw usage_error("invalid --admin-public '" + name + "'; expected " +
                        expected_by(std::string_view{"admin-public"}));
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

}  // namespace connection_limiter
