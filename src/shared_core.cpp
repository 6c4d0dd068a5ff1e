// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "fleet/member.hpp"
#include "fleet/text.hpp"

#include <turnstile/detail/shared_core.hpp>

#include <algorithm>
#include <mutex>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace turnstile::inline v1::detail {

using fleet::number;

namespace {

bool is_allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_.:/-").find(c) != std::string_view::npos;
}

const shared_options& checked_options(const shared_options& o) {
  using namespace std::chrono_literals;
  const auto require = [](bool is_right, const char* what) {
    if (!is_right) throw std::invalid_argument(what);
  };
  require(!o.name.empty() && o.name.size() <= 128 &&
              std::all_of(o.name.begin(), o.name.end(), is_allowed),
          "turnstile: the name of a shared semaphore has 1 to 128 letters, digits, or _.:/-");
  require(o.limit <= shared_core::most, "turnstile: a limit of more than max() permits");
  require(o.lease >= 1s && o.lease <= 10min, "turnstile: a lease is of 1 s to 10 min");
  require(o.slice >= 1ms && o.slice <= o.lease / 10,
          "turnstile: a slice is of 1 ms to a tenth of the lease");
  require(o.linger >= 0ms && o.linger <= o.lease, "turnstile: linger is of 0 to the lease");
  return o;
}

// 128 random bits: new for each object.
std::string make_id() {
  std::random_device random;
  std::string id;
  while (id.size() < 32) {
    unsigned bits = random();
    for (int i = 0; i != 8; ++i, bits >>= 4) id += "0123456789abcdef"[bits & 15];
  }
  return id;
}

fleet::options member_options(const shared_options& o, std::string id) {
  const auto us = [](std::chrono::milliseconds t) { return number(t.count()) * 1000; };
  return {std::move(id), number(o.limit), us(o.lease),
          us(o.slice),   us(o.linger),    o.when_unreachable};
}

}  // namespace

// ---- What comes from outside -------------------------------------------------------------------

// What happens to the core on other threads, until it is cut.
class shared_core::inlet {
 public:
  explicit inlet(shared_core& c) noexcept : core_(&c) {}

  struct answer {
    number serial;
    shared_engine::reply reply;
  };
  struct mail {
    std::vector<answer> answers;
    std::vector<std::string> news;
    bool rang = false, ends = false, leaves = false;
    std::size_t limit = 0;
    int limits = 0;  // so many were set
  };

  template <typename Function>
  void put(Function write) {
    shared_core* c;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!core_) return;
      write(mail_);
      c = core_;
      c->add_reference();
    }
    c->kick();
    c->drop_reference();
  }
  mail take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(mail_, {});
  }
  void cut() noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    core_ = nullptr;
  }

 private:
  std::mutex mutex_;
  shared_core* core_;  // which has a reference to itself, unless null
  mail mail_;
};

// What belongs to the thread that has the turn.
struct shared_core::contents {
  contents(shared_core& c, const shared_setup& s)
      : id(make_id()),
        key(fleet::key_of(s.options.name)),
        engine(s.engine),
        member(member_options(s.options, id)),
        in(std::make_shared<inlet>(c)),
        alarm(s.make_alarm([i = in] { i->put([](inlet::mail& m) { m.rang = true; }); },
                           [i = in] { i->put([](inlet::mail& m) { m.ends = true; }); })) {}

  bool send(const fleet::request& r);
  bool has_engine() {
    return engine->with_engine([](shared_engine&) {});
  }
  void wake(number at, number now) noexcept;

  const std::string id, key;
  const std::shared_ptr<engine_link> engine;
  fleet::member member;
  const std::shared_ptr<inlet> in;
  std::unique_ptr<detail::alarm> alarm;
  number alarm_at = fleet::largest;  // if it is set
  std::size_t usable = 0;            // as the core has it
  bool listens = false, leaves = false, refuses = false, sets_limit = false, is_over = false;
};

// False if there is no engine any more, or it could not take the request.
bool shared_core::contents::send(const fleet::request& r) try {
  return engine->with_engine([&](shared_engine& e) {
    if (!std::exchange(listens, true))
      e.listen(fleet::channel_of(key, id), [i = in](std::string_view text) {
        i->put([&](inlet::mail& m) { m.news.emplace_back(text); });
      });
    e.async_sync(
        {key, fleet::to_arguments(r)}, [i = in, serial = r.serial](shared_engine::reply answer) {
          i->put([&](inlet::mail& m) { m.answers.push_back({serial, std::move(answer)}); });
        });
  });
} catch (...) {
  return false;
}

void shared_core::contents::wake(number at, number now) noexcept try {
  if (at == fleet::largest) {
    if (std::exchange(alarm_at, at) != at) alarm->clear();
  } else if (at < alarm_at) {  // else it rings early, and is set again
    alarm->set(std::max(at, now));
    alarm_at = at;
  }
} catch (...) {
  alarm_at = fleet::largest;
}

// ---- Any thread --------------------------------------------------------------------------------

shared_core::shared_core(const shared_setup& s)
    : listed_core(ballast, ballast),
      manual_(s.time),
      checks_(checked_options(s.options).check_every_grant &&
              s.options.when_unreachable != unreachable::keep),
      events_(new listed_core(event::limit_set, event::limit_set)),
      contents_(std::make_unique<contents>(*this, s)) {
  add_reference();  // its own
  take_turns();     // of its constructor
}

shared_core::~shared_core() = default;

void shared_core::drop_events::operator()(listed_core* c) const noexcept {
  c->orphan();
  c->drop_reference();
}

void shared_core::kick() noexcept {
  if (turns_.fetch_add(1, std::memory_order_acq_rel) == 0) take_turns();
}

bool shared_core::release(std::size_t n) noexcept {
  if (n > in_use() || !core::release(n)) return false;
  // What is in use falls while it is above what is usable.
  if (n != 0 && core::in_use() + n > core::limit()) kick();
  return true;
}

void shared_core::take_permits(std::size_t n) noexcept {
  while (!release(n)) n = (std::min)(n, in_use());
}

// The deadline has passed: nothing more is granted, also if another thread has the turn, or this one further up its stack.
// The next turn sets the limit anew.
bool shared_core::expire() noexcept {
  core::set_limit(ballast);
  was_refused_.store(true, std::memory_order_release);
  kick();
  return false;
}

void shared_core::set_total_limit(std::size_t n) noexcept {
  contents_->in->put([n](inlet::mail& m) {
    m.limit = n;
    ++m.limits;
  });
}

void shared_core::leave() noexcept {
  contents_->in->put([](inlet::mail& m) { m.leaves = true; });
}

void shared_core::orphan() noexcept {
  events_->orphan();
  core::orphan();
  leave();
}

void shared_core::abandon() noexcept {
  core::abandon();
  events_->abandon();
}

std::int64_t shared_core::valid_for() const noexcept {
  return (std::max<std::int64_t>)(deadline_.load(std::memory_order_acquire) - time(), 0);
}

lease_state shared_core::lease() const noexcept {
  const lease_state s = state_.load(std::memory_order_acquire);
  const number deadline = deadline_.load(std::memory_order_acquire), now = time();
  if (s != lease_state::left && deadline != 0 && now >= deadline) return lease_state::lost;
  if (s == lease_state::learning && now >= learning_until_.load(std::memory_order_relaxed))
    return lease_state::valid;
  return s;
}

// ---- The thread that has the turn ----------------------------------------------------------------

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
    publish(o, now);

    // What was granted until the limit was lowered is not in the request. If it does not fit, the request was never sent.
    const auto after = static_cast<number>(in_use());
    if (o.send) {
      const bool is_wrong = after > o.send->in_use && (o.send->lost || after > o.send->keep);
      if (is_wrong || !c.send(*o.send)) {
        if ((word_.load(std::memory_order_relaxed) & orphaned) && !c.has_engine()) return finish();
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
    c.wake(o.again ? now : o.wake_at, now);
    return false;
  }
} catch (...) {
  // There was no memory for the request. Perhaps the step that failed has given the lease up.
  const number now = time();
  if (now >= deadline_.load(std::memory_order_relaxed)) lease_number_.fetch_add(1);
  contents_->wake(now + 10'000, now);
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

// Puts in force what the member says, and ends the waits that end by it.
void shared_core::publish(const fleet::orders& o, number now) noexcept {
  contents& c = *contents_;
  const fleet::member& m = c.member;
  if (o.lost) lease_number_.fetch_add(1, std::memory_order_acq_rel);
  share_.store(static_cast<std::size_t>(m.share()), std::memory_order_relaxed);
  token_.store(static_cast<std::uint64_t>(m.token()), std::memory_order_release);
  learning_until_.store(m.learning_until(), std::memory_order_relaxed);
  state_.store(m.state(now), std::memory_order_release);
  deadline_.store(m.deadline(), std::memory_order_release);

  const auto usable = (std::min)(static_cast<std::size_t>((std::max<number>)(o.usable, 0)), most);
  // After a grant was refused, the queue is looked at again in any case.
  if (was_refused_.exchange(false, std::memory_order_acq_rel) || usable != c.usable) {
    c.usable = usable;
    core::set_limit(ballast + usable);
  }
  if (const auto limit = static_cast<std::size_t>(m.limit()); limit != total_limit()) {
    total_limit_.store(limit, std::memory_order_relaxed);
    set_most(limit);
  }
  if (o.lost) {
    events_->end_waits(outcome::lease_lost, event::lease_lost - 1, event::lease_lost);
    listeners_.tell();
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
  c.in->cut();
  c.alarm.reset();
  deadline_.store(0, std::memory_order_release);
  core::set_limit(ballast);
  try {
    if (c.listens)
      c.engine->with_engine([&](shared_engine& e) { e.ignore(fleet::channel_of(c.key, c.id)); });
  } catch (...) {  // then the handler stays, and does nothing
  }
  return true;
}

}  // namespace turnstile::inline v1::detail
