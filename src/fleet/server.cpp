// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "fleet/server.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace turnstile::inline v1::detail::fleet {

namespace {

bool is_learning(const state& s) { return s.now < s.learning_until; }
number excess(const state& s) { return std::max<number>(0, s.used - s.limit); }
void set_share(state& s, session& m, number share) {
  s.used += share - std::exchange(m.share, share);
}

// ---- Time ----------------------------------------------------------------------------------------

// A jump of the wall clock shortens a lease by one step at most. Back it does not go.
void move_time(state& s, number wall) {
  s.now += std::clamp<number>(wall - s.wall, 0, longest_step(s.lease));
  s.wall = wall;
}

void end_leases(state& s) {
  std::erase_if(s.sessions, [&](const auto& entry) {
    if (entry.second.end > s.now) return false;
    s.used -= entry.second.share;
    return true;
  });
}

// Another server than the last one may have an older state, and a young one without state has had one that it lost.
// It learns the shares from the members, for a whole lease: by then, all others have given up theirs, and what an
// older state still says about them has ended, too.
void begin_learning_if_needed(state& s, const request& r, const server_facts& f) {
  const bool is_new = s.run_id.empty();
  const bool may_have_lost =
      is_new ? r.version > 0 || f.age < given_up_after(s.lease) : s.run_id != f.run_id;
  if (may_have_lost) s.learning_until = s.now + s.lease;
  // Versions and tokens must grow, though some were forgotten.
  s.version = std::max(s.version, r.version);
  if (s.run_id != f.run_id) s.epoch = s.version = std::max(s.version + 1, f.wall);
  s.run_id = f.run_id;
}

// ---- The report of a member ----------------------------------------------------------------------

// What a member counts on and the server does not know of is counted, whatever the limit says. But it is not granted
// again as long as there is no room for it.
//
// A member that has given its lease up has its share only if the server has kept the lease. If not, its share may be
// another member's, and only what is in use is counted. A server that took over may have forgotten the end of a lease.
// It relies on one that has a third left: it is taken to have forgotten less than that.
bool claim(state& s, session& m, request& r) {
  number known = m.share;
  if (r.lost) {
    const bool is_restored = m.epoch != s.epoch && m.end - s.now > s.lease / 3;
    if (r.epoch != s.epoch && !is_restored) known = 0;
    r.held = std::max(r.in_use, std::min(r.held, known));
    r.keep = std::min(r.keep, r.held);
  }
  const bool is_claim = r.held > m.share;
  if (is_claim) {
    set_share(s, m, r.held);
    m.token = m.version = ++s.version;
  }
  const number claimed = std::max<number>(0, r.held - known);
  if (!is_learning(s))
    m.debt += std::min(claimed, excess(s));
  else  // the server does not know whether there is room
    m.debt = std::max({m.debt, r.debt, r.lost ? claimed : 0});
  return is_claim;
}

// The member keeps what it says, and what it was granted and had not heard of. If it has not heard of this server at
// all, that may be another member's.
void give_back(state& s, session& m, const request& r) {
  const number unheard = r.epoch == s.epoch ? m.share - r.held : 0;
  if (m.share != r.keep + unheard) m.version = ++s.version;
  set_share(s, m, r.keep + unheard);
  m.debt = std::clamp<number>(m.debt - (r.held - r.keep), 0, m.share);
}

status take_report(state& s, session& m, request r) {
  if (m.version == 0)
    m.version = ++s.version;  // what the member has heard of a session that has ended is older
  const bool claimed = claim(s, m, r);
  give_back(s, m, r);
  // The token of a session that a failover has restored may be older than what the member had heard.
  if (m.epoch != s.epoch && m.share > 0 && !claimed) m.token = m.version = ++s.version;
  m.serial = r.serial;
  m.epoch = s.epoch;
  m.end = s.now + s.lease;
  m.in_use = r.in_use;
  m.want = r.want;
  m.need = r.need <= s.limit ? r.need : 0;
  if (m.need <= m.share)
    m.turn = 0;
  else if (m.turn == 0)
    m.turn = ++s.turns;
  return claimed ? status::claimed : status::ok;
}

// ---- Shares ---------------------------------------------------------------------------

// Of some hundred elements at most. std::stable_sort allocates, and that of libstdc++ 12 makes clang 19 warn.
template <typename It, typename Less>
void sort_stably(It first, It last, Less less) {
  for (It i = first; i != last; ++i) std::rotate(std::upper_bound(first, i, *i, less), i, i + 1);
}

struct row {
  const std::string* id;
  session* m;
  number demand;         // at most so much
  number target;         // so much is due to it
  bool has_turn;         // it waits in vain, or did until a slice ago
  number share, recall;  // before
};

// Members in the order in which they are granted: by turn, then the poorest first. A member that has not been heard of
// for longer than a renewal takes is granted nothing more.
std::vector<row> make_rows(state& s) {
  std::vector<row> rows;
  for (auto& [id, m] : s.sessions) {
    const bool is_silent = m.end - s.now < s.lease - s.lease / 4;
    rows.push_back({.id = &id,
                    .m = &m,
                    .demand = std::min(m.want, is_silent ? m.share : s.limit),
                    .target = 0,
                    .has_turn = !is_silent && (m.turn > 0 || m.turn_end > s.now),
                    .share = m.share,
                    .recall = m.recall});
  }
  sort_stably(rows.begin(), rows.end(), [](const row& a, const row& b) {
    if (a.has_turn != b.has_turn) return a.has_turn;
    return a.has_turn ? a.m->turn < b.m->turn : a.m->share < b.m->share;
  });
  return rows;
}

// Members with a turn get what they need, as far as it goes. The others get equal parts of the rest.
void set_targets(const state& s, std::vector<row>& rows) {
  number left = s.limit;
  std::vector<row*> rest;
  for (row& r : rows) {
    number part =
        std::max(r.m->need, std::min(r.demand, s.limit / static_cast<number>(rows.size())));
    if (r.m->turn == 0) part = std::max(part, std::min(r.demand, r.m->share));  // until its end
    if (r.has_turn && part <= left) {
      left -= r.target = part;
    } else {
      // Its turn will come. Meanwhile it does not keep permits that are too few.
      if (r.m->turn > 0) r.demand = std::min(r.demand, r.m->in_use);
      rest.push_back(&r);
    }
  }
  sort_stably(rest.begin(), rest.end(),
              [](const row* a, const row* b) { return a->demand < b->demand; });
  auto first = rest.begin();
  number level = 0;
  for (; first != rest.end(); ++first) {
    level = left / (rest.end() - first);
    if ((*first)->demand > level) break;
    left -= (*first)->target = (*first)->demand;
  }
  // What cannot be divided stays with those that have it; of these, with those that had a turn last.
  sort_stably(first, rest.end(), [](const row* a, const row* b) {
    return a->m->share != b->m->share ? a->m->share > b->m->share : a->m->turn_end > b->m->turn_end;
  });
  for (number odd = left - level * (rest.end() - first); first != rest.end(); ++first, --odd)
    (*first)->target = level + (odd > 0 ? 1 : 0);
}

void grant(state& s, std::vector<row>& rows) {
  for (row& r : rows) {
    const number n = std::min(r.target - r.m->share, s.limit - s.used);
    if (n <= 0) continue;
    set_share(s, *r.m, r.m->share + n);
    if (r.m->turn == 0 || r.m->share < r.m->need) continue;
    r.m->turn = 0;
    r.m->turn_end = s.now + s.slice;
  }
}

// Asks back what is missing: debts, then what members have beyond their targets, from the one with most beyond it.
void recall(const state& s, std::vector<row>& rows) {
  number missing = excess(s);
  for (row& r : rows) {
    r.m->recall = r.m->debt = std::min(r.m->debt, excess(s));
    missing += std::max<number>(0, r.target - r.m->share) - r.m->recall;
  }
  const auto beyond = [](const row& r) { return r.m->share - r.target; };
  sort_stably(rows.begin(), rows.end(),
              [&](const row& a, const row& b) { return beyond(a) > beyond(b); });
  for (row& r : rows) {
    const number n = std::clamp<number>(beyond(r) - r.m->recall, 0, std::max<number>(0, missing));
    r.m->recall += n;
    missing -= n;
  }
}

// While a demand is not met, idle permits are welcome from every member. The server does not know which are idle.
number wanted_of_idle(const std::vector<row>& rows) {
  number wanted = 0;
  for (const row& r : rows) wanted += std::max<number>(0, r.demand - r.m->share);
  return wanted;
}

// Divides the limit anew, and returns the members whose news have changed.
std::vector<const row*> divide(state& s, std::vector<row>& rows) {
  const bool was_wanted = s.idle_wanted > 0;
  if (is_learning(s)) {
    s.idle_wanted = 0;
    for (row& r : rows) r.m->recall = r.m->debt;
  } else {
    set_targets(s, rows);
    grant(s, rows);
    recall(s, rows);
    s.idle_wanted = wanted_of_idle(rows);
  }
  std::vector<const row*> changed;
  for (const row& r : rows) {
    const bool is_asked = s.idle_wanted > 0 && !was_wanted && r.m->share > 0;
    if (r.m->share == r.share && r.m->recall == r.recall && !is_asked) continue;
    r.m->version = ++s.version;
    if (r.m->share > r.share) r.m->token = r.m->version;
    changed.push_back(&r);
  }
  return changed;
}

// ---- News ----------------------------------------------------------------------------------------

news news_about(const state& s, const session& m) {
  return {s.epoch,       m.version, m.share, m.recall, m.debt,
          s.idle_wanted, m.token,   s.limit, s.lease,  s.slice};
}

}  // namespace

result sync(state& s, const request& r, const server_facts& f) {
  result answer;
  answer.reply.serial = r.serial;
  if (s.limit == 0 && r.limit == 0 && r.set_limit == 0) {
    answer.reply.status = status::no_limit;
    return answer;
  }
  move_time(s, f.wall);
  end_leases(s);
  if (s.sessions.empty()) {
    s.lease = r.lease;
    s.slice = r.slice;
  }
  begin_learning_if_needed(s, r, f);
  if (const auto m = s.sessions.find(r.id); m != s.sessions.end() && r.serial <= m->second.serial) {
    answer.reply.status = status::late;
    return answer;
  }
  if (r.set_limit > 0)
    s.limit = r.set_limit;
  else if (s.limit == 0)
    s.limit = r.limit;

  if (r.leave) {
    if (const auto m = s.sessions.find(r.id); m != s.sessions.end()) {
      set_share(s, m->second, 0);
      s.sessions.erase(m);
    }
    answer.reply.news = {.epoch = s.epoch,
                         .version = s.version,
                         .limit = s.limit,
                         .lease = s.lease,
                         .slice = s.slice};
  } else {
    answer.reply.status = take_report(s, s.sessions[r.id], r);
  }
  std::vector<row> rows = make_rows(s);
  for (const row* changed : divide(s, rows))
    if (*changed->id != r.id) answer.pushes.push_back({*changed->id, news_about(s, *changed->m)});
  if (!r.leave) answer.reply.news = news_about(s, s.sessions[r.id]);
  answer.reply.learning_left = std::max<number>(0, s.learning_until - s.now);
  return answer;
}

}  // namespace turnstile::inline v1::detail::fleet
