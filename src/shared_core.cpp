// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "fleet/text.hpp"
#include "shared_contents.hpp"

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace turnstile::inline v1::detail {

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

shared_core::contents::contents(shared_core& c, const shared_setup& s)
    : id(make_id()),
      key(fleet::key_of(s.options.name)),
      name(s.options.name),
      limit(s.options.limit),
      engine(s.engine),
      member(member_options(s.options, id)),
      in(std::make_shared<inlet>(c)),
      alarm(s.make_alarm([i = in] { i->put([](inlet::mail& m) { m.rang = true; }); },
                         [i = in](bool waits) { i->end(waits); })) {}

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

void shared_core::take_permits(std::size_t n) noexcept {
  while (!release(n)) n = (std::min)(n, in_use());
}

// While a waiter is delivered, the semaphore may be destroyed, and with it the last other reference.
bool shared_core::release_to_waiters(std::size_t n) noexcept {
  add_reference();
  const bool is_released = core::release(n, ballast);
  // A waiter that has got all of it leaves in use what was in use. Acquire: limit_under() reads the limit that was stored
  // before this word.
  word w = word_.load(std::memory_order_acquire);
  if (is_released && used(w) + n > limit_under(w)) kick();
  drop_reference();
  return is_released;
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
  // In this order: the state of a lease is seen with its deadline.
  const number now = time(), deadline = deadline_.load(std::memory_order_acquire);
  const lease_state s = state_.load(std::memory_order_acquire);
  if (s != lease_state::left && deadline != 0 && now >= deadline) return lease_state::lost;
  if (s == lease_state::learning && now >= learning_until_.load(std::memory_order_relaxed))
    return lease_state::valid;
  return s;
}

}  // namespace turnstile::inline v1::detail
