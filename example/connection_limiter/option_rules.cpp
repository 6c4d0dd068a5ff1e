// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "option_rules.hpp"

#include "text.hpp"

#include <algorithm>

namespace connection_limiter {

namespace {

// An option of a listener that has an effect only with another one.
struct dependency {
  const char* option;
  const char* needed;
  bool (*is_met)(const settings&);
};

bool has_queue(const settings& s) { return s.overflow == overflow_mode::queue; }
bool finds_limit(const settings& s) { return s.find_limit.has_value(); }
bool is_shared(const settings& s) { return s.shared.has_value(); }
bool has_clients(const settings& s) { return s.per_client.has_value(); }

constexpr dependency dependencies[]{
    {"max-queue", "--overflow queue", has_queue},
    {"queue-timeout", "--overflow queue", has_queue},
    {"abandon", "--overflow queue", has_queue},
    {"per-client-queue", "--overflow queue", has_queue},
    {"limit-min", "--limit auto or --limit-dry-run", finds_limit},
    {"limit-max", "--limit auto or --limit-dry-run", finds_limit},
    {"socket-mode", "--listen unix:PATH", [](const settings& s) { return !s.listen.path.empty(); }},
    {"share-limit", "--overflow queue or reject",
     [](const settings& s) { return s.overflow != overflow_mode::backlog; }},
    {"share-limit", "a number as --limit", [](const settings& s) { return !s.find_limit; }},
    {"name", "--shared", is_shared},
    {"lease", "--shared", is_shared},
    {"lost-lease", "--shared", is_shared},
    {"per-client-queue", "--per-client", has_clients}};

}  // namespace

void check_effect(std::string_view option, std::span<const settings> listeners) {
  for (const dependency& d : dependencies)
    if (option == d.option && std::none_of(listeners.begin(), listeners.end(), d.is_met))
      throw usage_error(text("--", option, " needs ", d.needed));
}

void check_shared_limits(std::span<const settings> listeners) {
  for (const settings& a : listeners)
    for (const settings& b : listeners) {
      if (a.share_limit.empty() || a.share_limit != b.share_limit) continue;
      const auto differs = [&](std::string_view name) {
        throw usage_error(
            text("--", name, " differs between listeners of --share-limit ", a.share_limit));
      };
      if (a.overflow != b.overflow) differs("overflow");
      if (a.abandon != b.abandon) differs("abandon");
      if (a.shared != b.shared) differs("shared");
      for (const char* name :
           {"limit", "max-queue", "queue-timeout", "per-client", "per-client-queue", "drain-delay"})
        if (const auto* o = find_adjustable(name); o->get(a) != o->get(b)) differs(name);
    }
}

std::string why_not_shared(const settings& s, const adjustable& next) {
  if (!s.shared) return {};
  // A connection that is not accepted yet, or not queued, cannot wait for Redis.
  if (!has_queue(s)) return "--shared needs --overflow queue";
  if (s.find_limit) return "--shared needs a number as --limit";
  if (next.limit == 0) return "--shared needs a --limit of at least 1";
  if (next.max_queue == 0) return "--shared needs a --max-queue of at least 1";
  return {};
}

std::string why_fixed(const adjustable_option& option, const settings& s) {
  if (option.name == "limit" && s.finds_limit())
    return "the limit is found automatically (--limit auto)";
  if (option.name == "per-client" && !s.per_client)
    return "per-client needs --per-client at the start";
  for (const dependency& d : dependencies)
    if (d.option == option.name && !d.is_met(s))
      return std::string{option.name} + " needs " + d.needed;
  return {};
}

}  // namespace connection_limiter
