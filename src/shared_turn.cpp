// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The thread that has the turn of a shared_core.

#include "fleet/text.hpp"
#include "shared_contents.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace turnstile::inline v1::detail {

void shared_core::take_turns() noexcept {
  bool is_over = false;
  for (std::uint32_t seen = 1; seen != 0;) {
    is_over = work() || is_over;
    seen = turns_.fetch_sub(seen, std::memory_order_acq_rel) - seen;
  }
  if (is_over) drop_reference();  // its own; the caller has another one
}

// True once: when there is nothing more to say.
bool shared_core::work() noexcept try {
  contents& c = *contents_;
  if (c.is_over) return false;
  if (read_mail()) return finish();
  for (;;) {
    const number now = time();
    // In this order: what is granted meanwhile is counted twice rather than not at all.
    const waits w = get_waits();
    const auto before = static_cast<number>(in_use());
    const fleet::orders o =
        c.member.step(now, {before, before + w.permits, w.first, w.first_since});
    publish(o, now, w.first != 0 && before + w.first <= o.usable);

    // What was granted until the limit was lowered is not in the request. If it does not fit, the request was never sent.
    const auto after = static_cast<number>(in_use());
    if (o.send) {
      const bool is_wrong = after > o.send->in_use && (o.send->lost || after > o.send->keep);
      if (is_wrong || !c.send(*o.send)) {
        // Permits in use are lost at the deadline.
        if ((word_.load(std::memory_order_relaxed) & orphaned) && !c.has_engine() &&
            (after == 0 || c.member.deadline() == 0))
          return finish();
        c.member.failed(now, o.send->serial);
        continue;
      }
    }
    // The new share has to be used before the next step. If the strand is busy, its holder does that later.
    if (o.again && is_idle(word_.load(std::memory_order_acquire))) continue;
    // A release that has not seen the lower limit does not call.
    if (after < before && before > o.usable) continue;

    if (end_of_leaving(!o.send && !o.again && o.wake_at == fleet::largest && after == 0))
      return finish();
    lacks_alarm_.store(!c.wake(o.again ? now : o.wake_at, now), std::memory_order_relaxed);
    return false;
  }
} catch (...) {
  // There was no memory for the request.
  const number now = time();
  lacks_alarm_.store(!contents_->wake(now + 10'000, now), std::memory_order_relaxed);
  return false;
}

// Returns whether the execution context ends.
bool shared_core::read_mail() noexcept {
  contents& c = *contents_;
  const inlet::mail m = c.in->take();
  if (m.rang) c.alarm_at = fleet::largest;
  for (const std::string& text : m.news)
    if (const auto n = fleet::read_news(text)) c.member.pushed(*n);
  for (const inlet::answer& a : m.answers) read_answer(a.serial, a.reply.error, a.reply.numbers);
  if (m.leaves) {
    c.leaves = true;
    c.member.leave();
  }
  if (m.limits != 0) {
    announced_limits_.fetch_sub(m.limits, std::memory_order_relaxed);
    c.member.set_limit(static_cast<number>(m.limit));
    c.sets_limit = true;
  }
  return m.ends;
}

void shared_core::read_answer(number serial, std::string_view error,
                              const std::vector<number>& numbers) noexcept {
  fleet::member& m = contents_->member;
  const auto r = error.empty() ? fleet::read_reply(numbers) : std::nullopt;
  if (r) {
    m.answered(time(), *r);
    if (r->status == fleet::status::no_limit) end_waits(outcome::no_limit);
    return;
  }
  m.failed(time(), serial);
  if (!error.empty() && !error.starts_with("TURNSTILE")) return;
  end_waits(outcome::not_a_semaphore);
  m.set_limit(0);
  events_->end_waits(outcome::not_a_semaphore, event::limit_set - 1, event::limit_set);
}

// What was granted under the lease is not valid any more. This comes before anything of the next lease, which may have
// begun. The deadline goes before the number: a permit with the next number was not granted under the old deadline.
void shared_core::note_loss() noexcept {
  state_.store(lease_state::lost, std::memory_order_release);
  deadline_.store(0, std::memory_order_release);
  covered_.store(0, std::memory_order_relaxed);
  lease_number_.fetch_add(2, std::memory_order_acq_rel);
  events_->end_waits(outcome::lease_lost, event::lease_lost - 1, event::lease_lost);
  listeners_.tell();
}

// Puts in force what the member says, and ends the waits that end by it. If what waits first fits, it was put back into
// the queue after a grant, and perhaps no other call comes.
void shared_core::publish(const fleet::orders& o, number now, bool fits) noexcept {
  contents& c = *contents_;
  const fleet::member& m = c.member;
  const auto to_permits = [](number n) {
    return (std::min)(static_cast<std::size_t>((std::max<number>)(n, 0)), most);
  };
  const std::size_t usable = to_permits(o.usable);
  if (o.lost) {
    if (usable != c.usable) core::set_limit(ballast);
    note_loss();
  }
  share_.store(static_cast<std::size_t>(m.share()), std::memory_order_relaxed);
  // A claim without room is no grant.
  if (m.share() == 0 || m.share() > m.debt())
    token_.store(static_cast<std::uint64_t>(m.token()), std::memory_order_release);
  learning_until_.store(m.learning_until(), std::memory_order_relaxed);
  // A member that loses its lease while it leaves has left, but its permits have not.
  const lease_state state = m.state(now);
  state_.store(state == lease_state::left && in_use() > 0 ? lease_state::lost : state,
               std::memory_order_release);
  // It is raised before the limit and lowered after it, and at least what is usable: so what is granted under the limit is
  // covered, except during note_loss().
  const std::size_t covered =
      m.deadline() == 0 ? 0 : std::max(usable, to_permits(m.share() - m.debt()));
  covered_.store(std::max(covered, covered_.load(std::memory_order_relaxed)),
                 std::memory_order_relaxed);
  deadline_.store(m.deadline(), std::memory_order_release);

  // After a grant was refused, the limit is the ballast.
  if (was_refused_.exchange(false, std::memory_order_acq_rel) || usable != c.usable || fits) {
    c.usable = usable;
    core::set_limit(ballast + usable);
  }
  covered_.store(covered, std::memory_order_relaxed);
  if (const auto limit = static_cast<std::size_t>(m.limit()); limit != total_limit()) {
    if (total_limit() == 0 && !c.sets_limit) c.compare_limits(limit);
    total_limit_.store(limit, std::memory_order_relaxed);
    set_most(limit);
  }
  if (std::exchange(c.refuses, o.refuse) != o.refuse)
    refuse(o.refuse ? outcome::unreachable : outcome::waiting);
  if (c.sets_limit && !m.has_new_limit() &&
      announced_limits_.load(std::memory_order_relaxed) == 0) {
    c.sets_limit = false;
    events_->end_waits(outcome::done, event::limit_set - 1, event::limit_set);
  }
}

// Returns whether that is the end.
bool shared_core::end_of_leaving(bool is_quiet) noexcept {
  if (!contents_->leaves || !is_quiet) return false;
  events_->end_waits(outcome::done, event::left - 1, event::left);
  return word_.load(std::memory_order_acquire) & orphaned;
}

bool shared_core::finish() noexcept {
  contents& c = *contents_;
  c.is_over = true;
  c.alarm.reset();
  deadline_.store(0, std::memory_order_release);
  core::set_limit(ballast);
  try {
    if (c.listens)
      c.engine->with_engine([&](shared_engine& e) { e.ignore(fleet::channel_of(c.key, c.id)); });
  } catch (...) {  // then the handler stays, and does nothing
  }
  c.in->cut();  // last: the context may be gone then
  return true;
}

bool shared_core::contents::send(const fleet::request& r) try {
  return engine->with_engine([&](shared_engine& e) {
    if (!listens)
      e.listen(fleet::channel_of(key, id), [i = in](std::string_view text) {
        i->put([&](inlet::mail& m) { m.news.emplace_back(text); });
      });
    listens = true;
    e.async_sync(
        {key, fleet::to_arguments(r)}, [i = in, serial = r.serial](shared_engine::reply answer) {
          i->put([&](inlet::mail& m) { m.answers.push_back({serial, std::move(answer)}); });
        });
  });
} catch (...) {
  return false;
}

void shared_core::contents::compare_limits(std::size_t other) noexcept try {
  if (limit == 0 || limit == other) return;
  engine->with_engine([&](shared_engine& e) {
    e.note("the limit of " + name + " is " + std::to_string(other) + ", not " +
           std::to_string(limit) + " as in the options of this process");
  });
} catch (...) {  // there was no memory: it is not said
}

bool shared_core::contents::wake(number at, number now) noexcept try {
  if (at == fleet::largest) {
    if (std::exchange(alarm_at, at) != at) alarm->clear();
  } else if (at < alarm_at) {  // else it rings early, and is set again
    alarm->set(std::max(at, now));
    alarm_at = at;
  }
  return true;
} catch (...) {
  alarm_at = fleet::largest;
  return false;
}

}  // namespace turnstile::inline v1::detail
