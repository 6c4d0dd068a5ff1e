// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "fleet/member.hpp"

#include <algorithm>
#include <utility>

namespace turnstile::inline v1::detail::fleet {

namespace {

constexpr number first_retry = 10'000, last_retry = 250'000;

// How long an answer may take before the request is given up, and sent anew.
constexpr number patience(number lease) { return lease / 10; }

}  // namespace

member::member(options o)
    : options_(std::move(o)), lease_(options_.lease), slice_(options_.slice) {}

// ---- What it has ---------------------------------------------------------------------------------

bool member::may_grant(number now) const {
  return counts_on_share() && (now < deadline_ || options_.when_unreachable == unreachable::keep);
}

bool member::counts_on_share() const {
  return valid_ || (lost_ && options_.when_unreachable == unreachable::keep);
}

number member::held(const local& l) const { return std::max(l.in_use, std::min(share_, ceiling_)); }

// A share that has grown is used once before a recall counts, so that each grant of a share serves an acquire. A claim
// without room is no grant.
number member::usable() const {
  if (leaving_ || !counts_on_share()) return 0;
  return std::min(share_ - (is_fresh_ ? debt_ : recall_), ceiling_);
}

// What the next request gives back: what is recalled, and what is idle if others wait for it or if it was not needed
// for one to two spans of linger. What is in use is kept.
number member::keep(const local& l, number idle_wanted) const {
  if (leaving_) return l.in_use;
  number most = held(l);
  most = std::min(most, share_ - recall_);
  number idle = std::max({l.want, recent_use_, earlier_use_});
  if (idle_wanted > 0) idle = std::max(l.want, std::min(idle, share_ - recall_ - idle_wanted));
  return std::max(l.in_use, std::min(most, idle));
}

void member::note_use(number now, const local& l) {
  if (now >= use_until_) {
    earlier_use_ = std::exchange(recent_use_, 0);
    use_until_ = now + std::max(options_.linger, slice_);
  }
  recent_use_ = std::max(recent_use_, l.want);
  if (share_ > 0 || l.want > 0) needed_at_ = now;
}

// Also before an answer: what was granted under a lease that has ended is lost, even if the answer begins a new one.
void member::end_if_due(number now) {
  if (!valid_ || now < deadline_) return;
  valid_ = false;
  lost_ = true;
  has_ended_ = true;
  had_share_ = had_share_ || share_ > 0;
}

bool member::report_end(const local& l) {
  const bool had_share = std::exchange(had_share_, false);
  return std::exchange(has_ended_, false) && (had_share || l.in_use > 0);
}

// ---- When it speaks ------------------------------------------------------------------------------

bool member::leaves_next(number now, const local& l) const {
  if (l.want > 0) return false;
  return leaving_ || (valid_ && new_limit_ == 0 && now - needed_at_ >= lease_);
}

// When the next request is to be sent, if none is in flight.
number member::due(const local& l) const {
  const bool waits = l.head > 0;
  number at = largest;
  if (!valid_) {
    if (l.want > 0 || new_limit_ > 0 || (lost_ && !leaving_)) at = 0;
  } else {
    at = renew_at_;
    const bool was_waiting = sent_.want > share_;
    if (keep(l, 0) < held(l) || new_limit_ > 0 || (leaving_ && l.want == 0)) at = 0;
    // Others wait for what is idle: at once, but not at each release while they wait.
    if (keep(l, idle_wanted_) < held(l)) at = std::min(at, offered_at_ + slice_);
    if (waits && l.want > share_ && !was_waiting) at = 0;
    // The head has waited for a slice, so it waits in vain: ask every slice.
    if (waits) at = std::min(at, std::max(l.head_since, sent_at_) + slice_);
    // Nothing waits any more: leave the queue, but not more often than that.
    if (was_waiting && l.want <= share_) at = std::min(at, sent_at_ + slice_);
  }
  return at == largest ? largest : std::max(at, retry_at_);
}

request member::make_request(number now, const local& l) {
  request r;
  r.id = options_.id;
  r.serial = sent_.serial + 1;
  r.epoch = epoch_;
  r.version = version_;
  r.lease = options_.lease;
  r.slice = options_.slice;
  r.limit = options_.limit;
  r.set_limit = new_limit_;
  r.lost = !counts_on_share();
  r.held = held(l);
  r.debt = debt_;
  r.in_use = l.in_use;
  r.keep = keep(l, idle_wanted_);
  if (r.keep < keep(l, 0)) offered_at_ = now;
  r.want = l.want;
  r.need = l.head > 0 && now - l.head_since >= slice_ ? l.head : 0;
  r.leave = leaves_next(now, l);
  return r;
}

orders member::step(number now, const local& l) {
  orders o;
  end_if_due(now);
  note_use(now, l);
  if (in_flight_ && now >= sent_at_ + patience(lease_)) failed(now, sent_.serial);

  if (is_fresh_) {
    o.usable = usable();
    is_fresh_ = false;
    o.again = true;
    o.lost = report_end(l);
    return o;
  }
  if (!in_flight_ && due(l) <= now) {
    sent_ = make_request(now, l);
    sent_at_ = now;
    in_flight_ = unanswered_ = true;
    ceiling_ = std::min(ceiling_, sent_.keep);
    o.send = sent_;
  }
  o.usable = usable();
  o.refuse = lost_ && options_.when_unreachable == unreachable::fail;
  o.wake_at = in_flight_ ? sent_at_ + patience(lease_) : due(l);
  if (valid_) o.wake_at = std::min(o.wake_at, deadline_);
  if (valid_ && share_ > 0) o.wake_at = std::min(o.wake_at, use_until_);
  o.lost = report_end(l);  // last, as there may be no memory for a request
  return o;
}

// ---- What it hears -------------------------------------------------------------------------------

void member::answered(number now, const reply& r) {
  const bool is_news = r.status == status::ok || r.status == status::claimed;
  if (r.serial != sent_.serial || !unanswered_) {
    // To a request that was followed by another one: what it kept still binds, and it renews nothing.
    if (is_news) hear(r.news);
    return;
  }
  if (!is_news) return failed(now, r.serial);
  end_if_due(now);
  in_flight_ = unanswered_ = false;
  ceiling_ = largest;
  retry_at_ = backoff_ = 0;
  if (sent_.set_limit == new_limit_) new_limit_ = 0;
  lease_ = r.news.lease;
  slice_ = r.news.slice;
  // What another server has said does not hold any more, and what it may say yet is not listened to.
  if (r.news.epoch != std::exchange(epoch_, r.news.epoch)) version_ = 0;
  hear(r.news);
  if (sent_.leave) {
    share_ = recall_ = debt_ = 0;
    valid_ = lost_ = is_fresh_ = false;
    return;
  }
  has_joined_ = true;
  learning_until_ = now + r.learning_left;
  deadline_ = sent_at_ + given_up_after(lease_);
  renew_at_ = sent_at_ + renewed_after(lease_);
  if (valid_)
    end_if_due(now);  // the lease may have become shorter
  else
    lost_ = !(valid_ = now < deadline_);
}

void member::failed(number now, number serial) {
  if (serial != sent_.serial || !in_flight_) return;
  in_flight_ = false;
  backoff_ = backoff_ == 0 ? first_retry : std::min(2 * backoff_, last_retry);
  retry_at_ = now + backoff_;
}

void member::hear(const news& n) {
  if (n.epoch != epoch_ || n.version < version_) return;
  is_fresh_ = is_fresh_ || n.share > share_;
  version_ = n.version;
  share_ = n.share;
  recall_ = n.recall;
  debt_ = n.debt;
  idle_wanted_ = n.idle_wanted;
  token_ = n.token;
  limit_ = n.limit;
}

lease_state member::state(number now) const {
  if (has_left()) return lease_state::left;
  if (lost_ || (valid_ && now >= deadline_)) return lease_state::lost;
  if (!valid_) return has_joined_ && backoff_ > 0 ? lease_state::unreachable : lease_state::joining;
  if (backoff_ > 0) return lease_state::unreachable;
  return now < learning_until_ ? lease_state::learning : lease_state::valid;
}

}  // namespace turnstile::inline v1::detail::fleet
