// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "world.hpp"

#include <algorithm>
#include <cstdio>

namespace simulation {

namespace {

constexpr number hour = 3'600'000'000;

}  // namespace

world::world(const scenario& s, bool with_trace, choices* c)
    : scenario_(s),
      with_trace_(with_trace),
      choices_(c),
      random_(s.seed + 99),
      start_(hour),
      now_(start_),
      wall_offset_(1000 * hour) {
  allowed_ = s.limit;
  start_server();
  server_started_at_ = wall() - hour;
  for (std::size_t i = 0; i < s.members.size(); ++i) processes_.push_back(start(i));
  for (const event& e : s.events) at(start_ + e.at, [this, &e] { happen(e); });
  if (s.is_calm)
    for (number t = s.end / 2 + lease() / 2; t < s.end; t += lease() / 5)
      at(start_ + t, [this] { check_shares_are_fair(); });
}

figures world::run() {
  run_until(start_ + scenario_.end);
  number work = 0;
  for (const event& e : scenario_.events)
    if (e.what == kind::acquire) work += e.span + 4 * scenario_.rtt + scenario_.members[0].slice;
  // A dead member's lease ends, the server learns, delayed messages make a member known that is gone.
  run_until(now_ + 5 * lease() + work);
  for (const process_ptr& p : processes_)
    if (!p->queue.empty() || !p->inside.empty())
      violate("an acquire waits, though the faults have ended long ago");
  // Whatever is idle is given back, and the members leave.
  run_until(now_ + 5 * lease());
  check_end();
  return figures_;
}

// ---- Time ----------------------------------------------------------------------------------------

void world::at(number when, action a) {
  timeline_.push({std::max(when, now_), ++order_, std::move(a)});
}

void world::run_until(number end) {
  while (!timeline_.empty() && timeline_.top().when <= end) {
    now_ = timeline_.top().when;
    const action a = timeline_.top().what;
    timeline_.pop();
    if (choices_ && is_faulty())
      if (const event* e = choices_->next_fault()) happen(*e);
    a();
    if (++figures_.steps > 300000) violate("it does not end");
    check_all();
  }
  now_ = end;
}

void world::happen(const event& e) {
  trace(nullptr, std::string(name(e.what)) + ", member " + std::to_string(e.member) + ", amount " +
                     std::to_string(e.amount) + ", span " + std::to_string(e.span));
  const process_ptr p = processes_[e.member];
  switch (e.what) {
    case kind::acquire:
      return do_in(p, [=, this] { acquire(p, {e.amount, e.span, now_ + p->offset}); });
    case kind::cancel: return do_in(p, [=, this] { cancel(p, e.amount == 1); });
    case kind::set_limit:
      return do_in(p, [=, this] {
        p->member.set_limit(e.amount);
        step(p);
      });
    case kind::pause: return pause(p, e.span);
    case kind::crash: return replace(e.member, e.span);
    case kind::leave:
      return do_in(p, [=, this] {
        p->is_closed = true;
        p->queue.clear();
        p->member.leave();
        step(p);
        at(now_ + lease() + e.span, [=, this] {
          if (p->member.state(now_ + p->offset) == fleet::lease_state::left && p->inside.empty())
            replace(e.member, 0);
        });
      });
    case kind::cut: p->cut_until = std::max(p->cut_until, now_ + e.span); return;
    case kind::cut_answers:
      p->answers_cut_until = std::max(p->answers_cut_until, now_ + e.span);
      return;
    default: return server_event(e);
  }
}

// ---- Processes -----------------------------------------------------------------------------------

world::process_ptr world::start(std::size_t member) {
  fleet::options o = scenario_.members[member];
  o.id = std::to_string(member) + '.' + std::to_string(++started_);
  const auto p = std::make_shared<process>(std::move(o), scenario_.clocks[member]);
  at(now_, [=, this] { step(p); });
  return p;
}

// The old process is gone, with all that was inside.
void world::replace(std::size_t member, number after) {
  const process_ptr gone = processes_[member];
  if (gone->is_dead) return;
  gone->is_dead = true;
  gone->queue.clear();
  gone->inside.clear();
  gone->in_use = 0;
  at(now_ + after, [=, this] {
    if (processes_[member] == gone) processes_[member] = start(member);
  });
}

// A stopped process does nothing. When it goes on, everything comes at once, in any order.
void world::do_in(const process_ptr& p, const action& a) {
  if (p->is_dead) return;
  if (p->is_paused)
    p->late.push_back(a);
  else
    a();
}

void world::pause(const process_ptr& p, number span) {
  if (p->is_paused) return;
  p->is_paused = true;
  at(now_ + span, [=, this] {
    p->is_paused = false;
    trace(p.get(), "goes on");
    auto late = std::move(p->late);
    p->late.clear();
    for (std::size_t i = late.size(); i > 1; --i) std::swap(late[i - 1], late[random_.next() % i]);
    for (const action& a : late) at(now_, [=, this] { do_in(p, a); });
  });
}

void world::step(const process_ptr& p) {
  fleet::orders o;
  int turns = 0;
  do {
    if (++turns > 100) violate("step() is to be called again, without an end");
    const number clock = now_ + p->offset;
    if (const number limit = p->member.limit(); limit > 0)
      while (!p->queue.empty() && p->queue.front().n > limit)
        p->queue.pop_front();  // exceeds_limit
    o = p->member.step(clock, p->reading());
    check_loss(*p, o.lost);
    if (o.lost) {
      ++figures_.losses;
      trace(p.get(), "has lost its lease");
      for (operation& x : p->inside) x.is_lost = true;
    }
    p->usable = o.usable;
    if (p->member.deadline() > 0) p->deadline = p->member.deadline();
    if (o.refuse) p->queue.clear();
    if (o.send) transmit(p, *o.send);
  } while (serve(p) || o.again);
  p->wake_at = o.wake_at;
  check_timer(*p);
  const auto wake_up = ++p->wake_ups;
  if (o.wake_at != fleet::largest)
    at(o.wake_at - p->offset, [=, this] {
      do_in(p, [=, this] {
        if (wake_up == p->wake_ups) step(p);
      });
    });
}

// Grants to the head while the share suffices. Returns whether the last waiter has gone, or the head changed.
bool world::serve(const process_ptr& p) {
  bool changed = false;
  while (!p->queue.empty() && p->in_use + p->queue.front().n <= p->usable &&
         p->member.may_grant(now_ + p->offset)) {
    const waiter w = p->queue.front();
    p->queue.pop_front();
    check_grant(*p, w);
    ++figures_.grants;
    p->in_use += w.n;
    p->head_since = p->last_grant = now_ + p->offset;
    p->last_token = p->member.token();
    p->inside.push_back({w.n, p->member.token(), now_ + p->offset >= p->deadline});
    const auto o = std::prev(p->inside.end());
    at(now_ + w.hold, [=, this] { do_in(p, [=, this] { end(p, o); }); });
    changed = changed || p->queue.empty();
  }
  return changed;
}

void world::acquire(const process_ptr& p, const waiter& w) {
  if (p->is_closed) return;
  if (const number limit = p->member.limit(); limit > 0 && w.n > limit) return;
  if (p->queue.empty()) p->head_since = w.since;
  p->queue.push_back(w);
  if (p->queue.size() > 1) return;
  serve(p);
  if (!p->queue.empty()) step(p);
}

void world::cancel(const process_ptr& p, bool head) {
  if (p->queue.empty()) return;
  if (head) {
    p->queue.pop_front();
    p->head_since = now_ + p->offset;
  } else {
    p->queue.pop_back();
  }
  if (serve(p) || p->queue.empty()) step(p);
}

void world::end(const process_ptr& p, std::list<operation>::iterator o) {
  const bool is_debt = p->in_use > p->usable;
  p->in_use -= o->n;
  p->inside.erase(o);
  const bool changed = serve(p);
  if (is_debt || changed || (p->is_closed && p->in_use == 0)) step(p);
}

void world::trace(const process* p, const std::string& what) const {
  if (!with_trace_) return;
  std::printf("%10lld  ", static_cast<long long>(now_ - start_));
  if (p)
    std::printf("%-6s inside %lld of %lld, %zu wait: ", p->id.c_str(),
                static_cast<long long>(p->in_use), static_cast<long long>(p->usable),
                p->queue.size());
  std::printf("%s\n", what.c_str());
}

}  // namespace simulation
