// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "fleet/server.hpp"
#include "fleet/text.hpp"

#include <turnstile/detail/memory_state.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace turnstile::inline v1::detail {

namespace {

constexpr std::int64_t hour = 3'600'000'000;

}  // namespace

struct memory_state::contents {
  std::map<std::string, fleet::state> states;
  int starts = 1;
  std::int64_t started = 0;

  // A clock of the server, which need not be that of the members.
  static std::int64_t wall(const manual_time* t) {
    if (t) return hour + t->now();
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
};

memory_state::memory_state(std::shared_ptr<manual_time> time)
    : time_(std::move(time)), contents_(std::make_unique<contents>()) {
  // It has no state that it could have lost: it need not learn.
  contents_->started = contents::wall(time_.get()) - hour;
}

memory_state::~memory_state() = default;

shared_engine::reply memory_state::execute(const shared_engine::request& r) {
  const auto request = fleet::read_request(r.arguments);
  if (!request) return {"TURNSTILE wrong arguments", {}};
  fleet::result done;
  std::vector<std::shared_ptr<message_sink>> sinks;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::int64_t wall = contents::wall(time_.get());
    done = fleet::sync(contents_->states[r.key], *request,
                       {std::to_string(contents_->starts), wall, wall - contents_->started});
    if (!done.pushes.empty())
      for (const auto& s : sinks_)
        if (auto sink = s.lock()) sinks.push_back(std::move(sink));
  }
  for (const fleet::push& p : done.pushes)
    for (const auto& sink : sinks)
      sink->hear(fleet::channel_of(r.key, p.id), fleet::to_text(p.news));
  return {{}, fleet::to_numbers(done.reply)};
}

void memory_state::restart(bool keeps_state) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ++contents_->starts;
  contents_->started = contents::wall(time_.get());
  if (!keeps_state) contents_->states.clear();
}

void memory_state::add(const std::shared_ptr<message_sink>& s) {
  const std::lock_guard<std::mutex> lock(mutex_);
  sinks_.erase(
      std::remove_if(sinks_.begin(), sinks_.end(), [](const auto& sink) { return sink.expired(); }),
      sinks_.end());
  sinks_.push_back(s);
}

}  // namespace turnstile::inline v1::detail
