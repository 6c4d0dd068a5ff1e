// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "adaptive_rules.hpp"

#include <turnstile/adaptive_limit.hpp>

#include <stdexcept>

namespace turnstile::inline v1 {

namespace {

const adaptive_limit::settings& checked(const adaptive_limit::settings& s) {
  if (s.lowest == 0)
    throw std::invalid_argument("turnstile::adaptive_limit: lowest has to be 1 or more");
  if (s.initial < s.lowest || s.initial > s.highest)
    throw std::invalid_argument(
        "turnstile::adaptive_limit: initial has to be between lowest and highest");
  if (s.window <= s.window.zero())
    throw std::invalid_argument("turnstile::adaptive_limit: window has to be longer than zero");
  if (s.tolerable <= s.tolerable.zero())
    throw std::invalid_argument("turnstile::adaptive_limit: tolerable has to be longer than zero");
  return s;
}

double seconds(std::chrono::nanoseconds t) noexcept {
  return std::chrono::duration<double>(t).count();
}

}  // namespace

adaptive_limit::adaptive_limit() : adaptive_limit(settings()) {}

adaptive_limit::adaptive_limit(const settings& s) : settings_(checked(s)), limit_(s.initial) {
  state_.limit = s.initial;
}

std::size_t adaptive_limit::ended(time_point start, time_point end, std::size_t in_use_at_start,
                                  outcome o) noexcept {
  if (o == outcome::ignored) return state_.limit;
  const bool overloaded = o == outcome::overloaded ||
                          detail::seconds_between(start, end) > seconds(settings_.tolerable);
  // Relaxed: nothing depends on it. A call of waited() between the two is forgotten, but that one came no later
  // than what is reported here.
  const bool waited = waited_.load(std::memory_order_relaxed);
  if (waited) waited_.store(false, std::memory_order_relaxed);
  const detail::adaptive_bounds bounds{settings_.lowest, settings_.highest,
                                       seconds(settings_.window)};
  detail::adaptive_rules<>(state_, bounds).ended(start, end, in_use_at_start, overloaded, waited);
  limit_.store(state_.limit, std::memory_order_relaxed);
  return state_.limit;
}

}  // namespace turnstile::inline v1
