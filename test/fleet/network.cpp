// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "world.hpp"

#include <algorithm>

namespace simulation {

// ---- Messages ------------------------------------------------------------------------------------

bool world::is_lost() {
  if (!choices_) return is_faulty() && random_.percent(scenario_.loss);
  fate_ = is_faulty() ? choices_->next_fate() : fate::prompt;
  return fate_ == fate::lost || fate_ == fate::lost_and_reported;
}

bool world::is_twice() {
  return choices_ ? fate_ == fate::twice : is_faulty() && random_.percent(scenario_.twice);
}

bool world::is_reported() {
  return choices_ ? fate_ == fate::lost_and_reported : random_.one_in(2);
}

// A slow message may arrive after its lease, and after any number of later ones.
number world::delay() {
  if (choices_)
    return fate_ == fate::late        ? 3 * scenario_.rtt
           : fate_ == fate::very_late ? lease() + lease() / 10
                                      : scenario_.rtt / 4;
  if (is_faulty() && random_.percent(scenario_.slow))
    return random_.one_in(2) ? random_.between(0, 50 * scenario_.rtt)
                             : random_.between(0, 2 * lease());
  return random_.between(scenario_.rtt / 4, scenario_.rtt / 2);
}

// A request that is lost may be reported, or not.
void world::transmit(const process_ptr& p, const fleet::request& r) {
  trace(p.get(), "sends " + std::to_string(r.serial) + (r.leave ? " leave" : "") +
                     (r.lost ? " lost" : "") + ": held " + std::to_string(r.held) + ", keep " +
                     std::to_string(r.keep) + ", want " + std::to_string(r.want) + ", need " +
                     std::to_string(r.need) + ", version " + std::to_string(r.version));
  ++figures_.requests;
  if (now_ < p->cut_until || is_lost()) {
    if (is_reported()) fail(p, r);
    return;
  }
  const auto arrives = [=, this, sent = now_] { arrive(p, r, sent); };
  at(now_ + delay(), arrives);
  if (is_twice())
    at(now_ + delay() + (choices_ ? 3 * scenario_.rtt : random_.between(0, lease())), arrives);
}

void world::fail(const process_ptr& p, const fleet::request& r) {
  at(now_ + delay(), [=, this] {
    do_in(p, [=, this] {
      trace(p.get(), std::to_string(r.serial) + " has failed");
      p->member.failed(now_ + p->offset, r.serial);
      step(p);
    });
  });
}

void world::answer(const process_ptr& p, const fleet::reply& r) {
  if (std::max(p->cut_until, p->answers_cut_until) > now_ || is_lost()) return;
  for (number copies = is_twice() ? 2 : 1; copies > 0; --copies)
    at(now_ + delay(), [=, this] {
      do_in(p, [=, this] {
        trace(p.get(), "is answered " + std::to_string(r.serial) + ": status " +
                           std::to_string(static_cast<int>(r.status)) + ", share " +
                           std::to_string(r.news.share) + ", recall " +
                           std::to_string(r.news.recall) + ", idle wanted " +
                           std::to_string(r.news.idle_wanted) + ", version " +
                           std::to_string(r.news.version));
        p->member.answered(now_ + p->offset, r);
        step(p);
      });
    });
}

void world::send_push(const fleet::push& push) {
  const auto found = std::find_if(processes_.begin(), processes_.end(),
                                  [&](const process_ptr& p) { return p->id == push.id; });
  if (found == processes_.end() || !scenario_.pushes) return;
  const process_ptr p = *found;
  if (std::max(p->cut_until, p->answers_cut_until) > now_ || is_lost()) return;
  at(now_ + delay(), [=, this] {
    do_in(p, [=, this] {
      trace(p.get(), "hears: share " + std::to_string(push.news.share) + ", recall " +
                         std::to_string(push.news.recall) + ", idle wanted " +
                         std::to_string(push.news.idle_wanted) + ", version " +
                         std::to_string(push.news.version));
      p->member.pushed(push.news);
      step(p);
    });
  });
}

// ---- The server ----------------------------------------------------------------------------------

void world::arrive(const process_ptr& p, const fleet::request& r, number sent) {
  if (!is_server_up_) {
    if (random_.one_in(2)) fail(p, r);
  } else if (now_ < server_paused_until_) {
    at(server_paused_until_ + random_.between(0, scenario_.rtt), [=, this] { arrive(p, r, sent); });
  } else {
    execute(p, r, sent);
  }
}

void world::execute(const process_ptr& p, const fleet::request& r, number sent) {
  const fleet::state before = state_;
  const fleet::result result =
      fleet::sync(state_, r, {run_id_, wall(), wall() - server_started_at_});
  if (result.reply.status != fleet::status::late)
    heard_from_[r.id] = std::max(heard_from_[r.id], sent);
  trace(nullptr, "executed " + std::to_string(r.serial) + " of " + r.id + ": used " +
                     std::to_string(state_.used) + " of " + std::to_string(state_.limit) +
                     (state_.now < state_.learning_until ? ", learning" : ""));
  check_execution(before, r, result);
  history_.emplace_back(now_, state_);
  while (now_ - history_.front().first > 2 * lease()) history_.pop_front();
  answer(p, result.reply);
  for (const fleet::push& push : result.pushes) send_push(push);
}

void world::start_server() { run_id_ = "run " + std::to_string(++server_starts_); }

void world::server_event(const event& e) {
  const bool loses = e.what == kind::server_loss;
  switch (e.what) {
    case kind::server_pause:
      server_paused_until_ = std::max(server_paused_until_, now_ + e.span);
      break;
    case kind::server_restart:
    case kind::server_loss:
      is_server_up_ = false;
      if (loses) state_ = {};
      if (loses) state_lost_at_ = now_;
      at(now_ + e.span, [this] {
        is_server_up_ = true;
        start_server();
        server_started_at_ = wall();
      });
      break;
    case kind::failover:
      while (history_.size() > 1 && history_.back().first > now_ - e.span) history_.pop_back();
      if (!history_.empty()) state_ = history_.back().second;
      state_lost_at_ = now_;
      start_server();
      server_started_at_ = wall() - 10 * lease();
      // The server relies on having forgotten less than a third of a lease.
      if (now_ - (history_.empty() ? 0 : history_.back().first) >= lease() / 3) excuse(4 * lease());
      break;
    case kind::flush:  // a newcomer may be granted up to the limit once more
      state_ = {};
      state_lost_at_ = now_;
      excuse(4 * lease());
      break;
    case kind::jump:
      // Without any state, only its age tells the server whether it may have lost some.
      if (state_.run_id.empty()) excuse(4 * lease());
      wall_offset_ += e.span;
      break;
    default: break;
  }
}

}  // namespace simulation
