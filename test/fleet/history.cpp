// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "history.hpp"

#include <algorithm>

using namespace turnstile::detail::fleet;

namespace {

constexpr number second = 1'000'000, hour = 3600 * second;

}  // namespace

history::history(std::uint64_t seed) : random_{seed} {
  const bool is_large = seed % 40 == 0;
  is_in_steps_ = once_in(3);
  calls_ = is_large ? 400 : static_cast<int>(random(20, 200));
  lease_ = one_of<number>({second, second / 2 * 3 + 1, 15 * second, 600 * second});
  slice_ = one_of<number>({1'000, 10'000, lease_ / 10});
  limit_ = one_of<number>({1, 2, 3, 8, 20, 100, (number{1} << 31) - 1});
  // Of the numbers, versions and the clock come nearest to 2^53. A history needs less than a thousandth below.
  const number late = largest - largest / 1000;
  wall_ = once_in(5) ? late : 1'700'000'000 * second;
  started_ = wall_ - one_of<number>({0, lease_ / 3, lease_ / 3 * 2, lease_, hour});
  members_.resize(static_cast<std::size_t>(is_large ? 100 : random(1, 8)));
  for (member& m : members_) {
    m.id = new_id();
    if (once_in(20)) m.heard.version = once_in(2) ? late + random(0, late / 1000) : random(1, 2);
  }
}

// As members make them, and short ones of which one is the beginning of another.
std::string history::new_id() {
  std::string id;
  for (number left = once_in(4) ? random(1, 3) : 32; left > 0; --left)
    id += "0123456789abcdef"[random(0, 15)];
  const bool is_taken =
      std::any_of(members_.begin(), members_.end(), [&](const member& m) { return m.id == id; });
  return is_taken ? new_id() : id;
}

history::event history::next_event() {
  if (once_in(40)) is_busy_ = !is_busy_;
  pass_time();
  if (!once_in(15)) return event::none;
  if (once_in(3)) {
    run_id_ = std::to_string(random(1, 1'000'000));
    started_ = wall_ - one_of<number>({0, lease_ / 3, lease_ / 3 * 2, lease_, hour});
  }
  return one_of<event>({event::none, event::delete_key, event::flush_all, event::flush_scripts,
                        event::save, event::save, event::restore, event::restore});
}

void history::pass_time() {
  if (is_in_steps_) {
    wall_ += one_of<number>(
        {0, 0, 0, 0, slice_ / 2, slice_ / 2, slice_, lease_ / 12, lease_ / 4, lease_ / 3});
    return;
  }
  wall_ += one_of<number>({0, 0, 1, random(1, 1000), random(1, 1000), slice_ / 2, slice_,
                           slice_ + 1, lease_ / 20, lease_ / 20, lease_ / 5});
  if (once_in(30))
    wall_ += one_of<number>({lease_ / 4, lease_ / 3, lease_ / 2, lease_, 10 * lease_});
  if (once_in(60)) wall_ += one_of<number>({-1, -slice_, -lease_, -hour, hour});
}

server_facts history::facts() const {
  // Redis tells whole seconds.
  return {run_id_, wall_, (wall_ - started_) / second * second};
}

request history::next_request() {
  if (!under_way_.empty() && once_in(6)) return one_of(under_way_);
  auto& m = members_[static_cast<std::size_t>(random(0, static_cast<number>(members_.size()) - 1))];
  for (;;) {
    request r = new_request(m);
    if (under_way_.size() < 10)
      under_way_.push_back(r);
    else if (once_in(2))
      under_way_[static_cast<std::size_t>(random(0, 9))] = r;
    if (!once_in(10)) return r;  // or it is late
  }
}

request history::new_request(member& m) {
  if (once_in(100)) {
    m.id = new_id();
    m.heard = {};
  }
  request r;
  r.id = m.id;
  r.serial = ++m.serial;
  r.epoch = m.heard.epoch;
  r.version = m.heard.version;
  r.lease = lease_;
  r.slice = slice_;
  r.limit = once_in(30) ? 0 : limit_;
  if (once_in(60)) r.set_limit = random(1, std::min(largest / 1000, 2 * limit_));
  r.lost = once_in(r.epoch != epoch_ ? 3 : 20);
  r.leave = once_in(50);
  r.held = once_in(20) ? random(0, limit_) : m.heard.share;
  r.debt = once_in(20) ? random(0, r.held) : m.heard.debt;
  r.in_use = once_in(2) ? r.held : random(0, r.held);
  if (once_in(40)) r.in_use += random(1, 3);
  if (once_in(2))
    r.keep = std::min(r.held, std::max(r.in_use, r.held - m.heard.recall));
  else
    r.keep = once_in(2) ? r.held : random(0, r.held);
  r.want = r.in_use;
  if (is_busy_ ? !once_in(3) : once_in(40)) r.want += once_in(3) ? random(0, limit_) : random(0, 3);
  if (r.want > r.in_use && once_in(2)) r.need = r.in_use + random(1, r.want - r.in_use);
  if (!is_busy_ && r.want == r.in_use) r.keep = std::max(r.keep, std::min(r.held, r.want));
  return r;
}

void history::executed(const request& r, const result& x) {
  const auto hear = [&](const std::string& id, const news& n) {
    for (member& m : members_)
      if (m.id == id && (n.epoch != m.heard.epoch || n.version > m.heard.version)) m.heard = n;
  };
  for (const push& p : x.pushes)
    if (!once_in(4)) hear(p.id, p.news);
  const bool says_something = x.reply.status == status::ok || x.reply.status == status::claimed;
  if (says_something) epoch_ = x.reply.news.epoch;
  if (says_something && !once_in(8)) hear(r.id, x.reply.news);
}
