// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "world.hpp"

#include <algorithm>
#include <limits>

namespace simulation {

namespace {

std::string of(number a, number b) { return std::to_string(a) + " of " + std::to_string(b); }

}  // namespace

// ---- After each request --------------------------------------------------------------------------

// The server's time does not go back, and makes no large steps. In it, a lease runs for its whole length from the last
// request of its member on, and ends earlier only if the member leaves.
void world::check_leases(const fleet::state& before, const fleet::request& r,
                         const fleet::result& result) {
  const number passed = state_.now - before.now;
  if (passed < 0 || passed > fleet::longest_step(before.lease))
    violate("the server's time moves by " + std::to_string(passed));
  const bool is_done =
      result.reply.status == fleet::status::ok || result.reply.status == fleet::status::claimed;
  for (const auto& [id, m] : before.sessions) {
    if (id == r.id && is_done) continue;
    const auto now = state_.sessions.find(id);
    if (now == state_.sessions.end() ? m.end > state_.now : now->second.end != m.end)
      violate("the end of the lease of " + id + " has changed");
    if (now != state_.sessions.end() && m.end <= state_.now)
      violate("the lease of " + id + " has ended, and is still there");
  }
  const auto own = state_.sessions.find(r.id);
  if (is_done && r.leave != (own == state_.sessions.end()))
    violate(r.id + (r.leave ? " has left, and is still there" : " has no lease"));
  if (is_done && !r.leave && own->second.end != state_.now + state_.lease)
    violate("the lease of " + r.id + " is not as long as it should be");

  // What is over the limit is what members claim. They claim nothing that no server has granted to them.
  number& most = most_granted_[r.id];
  if (std::max(r.held, r.in_use) > most)
    violate(r.id + " claims " + of(std::max(r.held, r.in_use), most) + " permits");
  for (const auto& [id, m] : state_.sessions)
    most_granted_[id] = std::max(most_granted_[id], m.share);
}

void world::check_execution(const fleet::state& before, const fleet::request& r,
                            const fleet::result& result) {
  check_leases(before, r, result);
  number used = 0;
  const bool learning = state_.now < state_.learning_until;
  // A server that takes over without the latest state has only its clock to begin with, which may have been set back.
  if (before.run_id != state_.run_id && wall() < latest_wall_) tokens_grow_ = false;
  latest_wall_ = std::max(latest_wall_, wall());
  number latest_token = latest_token_;
  for (const auto& [id, m] : state_.sessions) {
    used += m.share;
    const auto old = before.sessions.find(id);
    const number share = old == before.sessions.end() ? 0 : old->second.share;
    const number claimed = id == r.id ? std::max(r.held, r.in_use) : 0;
    if (m.share < 0 || m.recall < 0 || m.recall > m.share || m.debt < 0 || m.debt > m.share)
      violate("the numbers of " + id + " contradict each other");
    if (m.turn != 0 && m.share >= m.need) violate(id + " has a turn, and what it needs");
    if (m.share <= share) continue;
    // Over the limit, and while the server learns, a share grows by a claim only.
    if (state_.used > state_.limit && m.share > std::max(share, claimed))
      violate("the share of " + id + " grows though " + of(state_.used, state_.limit) +
              " are used");
    if (learning && m.share > std::max(share, claimed))
      violate("the share of " + id + " grows while the server learns");
    if (tokens_grow_ && m.token <= latest_token_) violate("the token of " + id + " does not grow");
    latest_token = std::max(latest_token, m.token);
  }
  latest_token_ = latest_token;
  if (used != state_.used) violate("used is " + of(state_.used, used));
  if (state_.version > fleet::largest) violate("a number has grown beyond 2^53");

  // A limit that was lowered takes nothing: the shares follow. While the server learns, it does not know them all.
  allowed_ = std::max({allowed_, before.limit, state_.limit});
  if (!learning && state_.used <= state_.limit && now_ >= excused_until_ &&
      state_lost_at_ + 2 * lease() < now_)
    allowed_ = state_.limit;
}

// ---- Members -------------------------------------------------------------------------------------

void world::check_grant(const process& p, const waiter& w) {
  const number clock = now_ + p.offset;
  const bool goes_on = p.options.when_unreachable == fleet::unreachable::keep;
  if (clock >= p.deadline && !goes_on) violate(p.id + " grants after its deadline");
  if (p.is_closed) violate(p.id + " grants while it leaves");
  trace(&p, "grants " + std::to_string(w.n));
  if (clock >= p.deadline) return;
  // Also after a failover that has forgotten the latest token.
  if (tokens_grow_ && now_ >= excused_until_ && p.member.token() < p.last_token)
    violate(p.id + " grants with a smaller token than before");
  // The permits of a member have larger tokens than those that others were granted before.
  if (state_.limit != 1 || allowed_ != 1 || now_ < excused_until_ || !tokens_grow_) return;
  if (!last_granted_.empty() && last_granted_ != p.id && p.member.token() <= last_token_)
    violate(p.id + " grants with a token that is not larger than that of " + last_granted_);
  last_granted_ = p.id;
  last_token_ = p.member.token();
}

// What was granted under a lease that has ended is reported as lost, before anything is granted under another one.
void world::check_loss(const process& p, bool is_reported) {
  if (is_reported || now_ + p.offset < p.deadline) return;
  for (const operation& x : p.inside)
    if (!x.is_lost) violate(p.id + " has lost its lease, and does not report it");
}

// No wait without a timer.
void world::check_timer(const process& p) {
  const number wait = p.wake_at - (now_ + p.offset);
  constexpr number retry = 250'000;
  const fleet::lease_state state = p.member.state(now_ + p.offset);
  number longest = fleet::largest;
  if (p.in_use > 0 || state == fleet::lease_state::valid) longest = std::max(lease() / 5, retry);
  if (!p.queue.empty()) longest = std::max({lease() / 10, p.options.slice, retry});
  if (wait > longest) violate(p.id + " waits without a timer");
}

void world::check_all() {
  number inside = 0;
  for (const process_ptr& p : processes_) {
    const number counted = p->counted_inside(now_);
    inside += counted;
    const number clock = now_ + p->offset;
    if (p->is_dead || clock >= p->deadline || p->member.deadline() == 0) continue;
    const auto heard = heard_from_.find(p->id);
    if (heard == heard_from_.end() ||
        p->member.deadline() - p->offset > heard->second + fleet::given_up_after(lease()))
      violate(p->id + " counts on a lease for longer than two thirds of it");
    if (heard->second <= state_lost_at_) continue;
    const number counts_on = std::max(p->usable, counted);
    if (counts_on == 0) continue;
    const auto m = state_.sessions.find(p->id);
    if (m == state_.sessions.end())
      violate("the lease of " + p->id + " has ended before its deadline");
    if (m->second.share < counts_on)
      violate(p->id + " counts on " + of(counts_on, m->second.share) + " permits of its share");
  }
  if (now_ < excused_until_) return;
  const bool keeps = std::any_of(processes_.begin(), processes_.end(), [&](const process_ptr& p) {
    return p->options.when_unreachable == fleet::unreachable::keep &&
           now_ + p->offset >= p->deadline && p->deadline > 0;
  });
  if (keeps) return excuse(3 * lease());
  if (inside > allowed_) violate(of(inside, allowed_) + " permits are inside");
}

// ---- Fairness, and the end -----------------------------------------------------------------------

void world::check_shares_are_fair() {
  number least = fleet::largest, most = 0;
  const number bound = (static_cast<number>(processes_.size()) / scenario_.limit + 3) *
                       (3 * scenario_.members[0].slice + 2 * scenario_.longest_hold +
                        4 * scenario_.rtt + (scenario_.pushes ? 0 : lease() / 5));
  bool one_by_one = true;
  for (const process_ptr& p : processes_) {
    if (p->queue.empty()) continue;
    for (const waiter& w : p->queue) one_by_one = one_by_one && w.n == 1;
    const number share = state_.sessions[p->id].share;
    least = std::min(least, share);
    most = std::max(most, share);
    if (now_ + p->offset - std::max(p->last_grant, p->queue.front().since) >
        bound * (one_by_one ? 1 : scenario_.limit))
      violate(p->id + " starves");
  }
  if (one_by_one && most - 1 > least)
    violate("shares are " + std::to_string(least) + " and " + std::to_string(most));
}

void world::check_end() {
  if (scenario_.is_calm && !state_.sessions.empty())
    violate("a session is left, though all members are idle");
  // If dead members were the last, their leases end as another one speaks.
  fleet::request r;
  r.id = "the last one";
  r.lease = lease();
  r.limit = r.want = scenario_.limit;
  fleet::result result;
  for (int i = 0; i < 12; ++i) {
    ++r.serial;
    now_ += lease() / 4;
    result = fleet::sync(state_, r, {run_id_, wall(), wall() - server_started_at_});
    r.held = r.keep = result.reply.news.share;
    r.version = result.reply.news.version;
  }
  if (r.held != state_.limit && r.held != r.want)
    violate(of(r.held, state_.limit) + " permits can be had at the end");
  ++r.serial;
  r.leave = true;
  fleet::sync(state_, r, {run_id_, wall(), wall() - server_started_at_});
  if (!state_.sessions.empty() || state_.used != 0)
    violate("something is left, though all have left");
  for (const process_ptr& p : processes_)
    if (!p->is_dead && p->wake_at != fleet::largest)
      violate(p->id + " has a timer, though it is idle");
}

}  // namespace simulation
