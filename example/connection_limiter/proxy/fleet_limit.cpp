// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/fleet_limit.hpp"

#include "text.hpp"

#ifdef CONNECTION_LIMITER_HAS_REDIS
#include <turnstile/redis_engine.hpp>
#endif

#include <chrono>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;

constexpr std::chrono::seconds patience{2};  // with a Redis that does not answer

}  // namespace

fleet_limit::engine fleet_limit::connect([[maybe_unused]] asio::io_context& context,
                                         [[maybe_unused]] const std::string& url) {
#ifdef CONNECTION_LIMITER_HAS_REDIS
  try {
    auto link = std::make_unique<turnstile::redis_engine>(context, turnstile::redis_options{url});
    const turnstile::redis_engine& redis = *link;
    return {std::move(link), [&redis] { return redis.connected(); }};
  } catch (const std::invalid_argument& e) {
    // Without the URL, which may have a password.
    const std::string_view what = e.what();
    throw usage_error(text("invalid --shared: ", what.substr(what.find(' ') + 1)));
  }
#else
  throw usage_error(
      "--shared needs hiredis, which this connection_limiter was built without; install it "
      "(Debian and Ubuntu have it as libhiredis-dev), and build the program again");
#endif
}

fleet_limit::fleet_limit(const shared_limit& s, std::size_t first_limit)
    : name_(s.name),
      first_limit_(first_limit),
      reported_limit_(first_limit),
      engine_(connect(context_, s.url)) {
  turnstile::shared_options o;
  o.name = s.name;
  o.limit = first_limit;
  o.lease = s.lease;
  permits_.emplace(context_, *engine_.link, std::move(o));
  thread_ = std::jthread{[this] { context_.run(); }};
}

fleet_limit::~fleet_limit() { context_.stop(); }

std::size_t fleet_limit::limit() const noexcept {
  const std::size_t known = permits_->limit();
  return known != 0 ? known : first_limit_;
}

std::string fleet_limit::lease() const {
  switch (permits_->lease()) {
    case turnstile::lease_state::joining: return "joining";
    case turnstile::lease_state::valid: return "valid";
    case turnstile::lease_state::learning: return "learning";
    case turnstile::lease_state::unreachable: return "unreachable";
    case turnstile::lease_state::lost: return "lost";
    case turnstile::lease_state::left: return "left";
  }
  return {};
}

std::string fleet_limit::problem() const {
  if (valid_for().count() != 0) return {};
  const std::string error = last_error();
  // The error may be over, unless connections wait.
  if (is_connected() && (error.empty() || permits_->waiting() == 0)) return {};
  return error.empty() ? "Redis has not answered yet" : error;
}

awaitable<error_code> fleet_limit::set_limit(std::size_t limit) {
  asio::steady_timer timer{co_await this_coro::executor, patience};
  const auto first =
      co_await (permits_->async_set_limit(limit, as_result) || timer.async_wait(as_result));
  if (first.index() == 1) co_return turnstile::errc::unreachable;
  co_return std::get<0>(std::get<0>(first));
}

awaitable<void> fleet_limit::leave() {
  asio::steady_timer timer{co_await this_coro::executor, patience};
  co_await (permits_->async_leave(as_result) || timer.async_wait(as_result));
}

void fleet_limit::report(const logger& l) {
  const std::string subject = "shared limit " + name_;
  if (std::string now = problem(); now != reported_problem_) {
    if (now.empty())
      l.info(subject, "works again");
    else
      l.warning(subject, now + "; connections wait");
    reported_problem_ = std::move(now);
  }
  if (const std::size_t now = limit(); now != reported_limit_) {
    l.info(subject, text("the limit of all limiters is ", now, ", and was ", reported_limit_));
    reported_limit_ = now;
  }
}

}  // namespace connection_limiter
