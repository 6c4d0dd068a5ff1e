// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Runs a program through all its executions under the memory model of C++11, without fences and
// without seq_cst (which is taken for acq_rel).
//
// Memory. A location keeps every value it ever had, in modification order. A thread's view says, for
// each location, which of its values is the oldest that the thread may still read; a load may read
// that one and each later one. A release writes the thread's view into the value, an acquire joins
// it; a read-modify-write reads the newest value and passes the view of that on (release sequences).
// A plain store must come after every value of its location in the thread's view: it
// would need a choice of places in the modification order otherwise, and is reported.
// A failing compare-and-swap is a load; a weak one may also fail without a reason, within a limit.
//
// Races. Plain accesses call us because the program and the core are compiled with the calls of
// ThreadSanitizer (-fsanitize=thread), which are answered here and not by its library. Vector
// clocks tell whether two of them are ordered. Freeing is a write to all of the block, and freed memory
// is never used again, so that each access after it, and each that merely could be after it, is seen.
//
// Exploration. Depth-first, by running the program from its beginning with the choices made so
// far. A step is one atomic operation: which thread, and which value it reads. Two steps
// depend on each other where they change the same location, or where one reads what the other wrote; a read
// of an old value depends on no later write, since it may as well come after it. Sleep sets leave
// out executions that are equal but for the order of independent steps; races between the steps
// of an execution say where another order has to be tried (dynamic partial-order reduction).
// A mutex is a location that a thread can lock only while it is free: until then the thread cannot be picked.
// What may come in another order are two locks. An unlock comes after its lock, and before the next.
// A location is taken for ordered, and its accesses for no steps at all, until an execution shows two
// accesses that conflict and are not ordered by the program itself; then all begins anew.

#include "explorer.hpp"

#include <atomic>  // the ones in shadow
#include <mutex>

#include <boost/context/detail/fcontext.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <unordered_set>
#include <vector>

namespace model {
namespace {

namespace ctx = boost::context::detail;

constexpr int max_threads = 8;  // thread 0 sets up and tears down
constexpr int max_locations = 48;
constexpr int max_messages = 63;
constexpr int max_events = 16;
constexpr std::size_t arena_size = 4096;
constexpr std::size_t stack_size = 64 * 1024;
constexpr int max_steps = 400;

using mask = std::uint64_t;
constexpr mask write_bit = mask(1) << 63;

struct clock {
  std::array<std::uint16_t, max_threads> t{};
  void join(const clock& o) {
    for (int i = 0; i < max_threads; ++i) t[i] = std::max(t[i], o.t[i]);
  }
};

struct view {
  std::array<std::uint8_t, max_locations> at{};
  void join(const view& o) {
    for (int i = 0; i < max_locations; ++i) at[i] = std::max(at[i], o.at[i]);
  }
};

struct message {
  std::uint64_t value = 0;
  view seen;
  clock before;
  int writer = -1;  // the step that wrote it
};

struct location {
  const void* address = nullptr;
  int size = 0;
  std::vector<message> messages;
  // For as long as it is taken for ordered.
  clock reads, additions;
  int last_writer = 0;
  std::uint16_t last_write = 0;
};

enum class kind : std::uint8_t { load, store, fetch, cas, lock, unlock };

struct operation {
  kind what = kind::load;
  bool weak = false;
  rmw how = rmw::exchange;
  int at = -1;  // location
  std::memory_order order{}, failure{};
  std::uint64_t operand = 0, expected = 0, bits = ~0ull;
};

enum class status : std::uint8_t { none, ready, blocked, ended };

struct thread_state {
  status st = status::none;
  operation pending;
  std::uint64_t result = 0;
  bool succeeded = false;
  int waits_for = -1;
  ctx::fcontext_t context = nullptr;
  view seen;
  clock now;
  clock trace;  // of the steps
  int spurious = 0;
  int stale_at = -1, stale_message = -1, stale_count = 0;
};

struct shadow_byte {
  std::uint8_t block;  // 1 + index; 0: not allocated
  std::uint8_t write_thread;
  std::uint16_t write_clock;
  std::array<std::uint16_t, max_threads> reads;
};

struct block {
  std::size_t begin, end;
  const char* name;
  bool freed;
};

struct step {
  int thread;
  operation op;
  mask choice;
  bool wrote;
  int read;  // message
  std::uint64_t value, written;
  clock before;         // of its thread, before this step
  clock trace;          // of this step
  std::uint16_t index;  // in its thread, from 1
};

struct note_entry {
  int at;  // before this step
  int thread;
  const char* text;
  int a, b;
};

struct node {
  std::array<mask, max_threads> choices{}, sleep{}, done{};
  std::array<mask, max_threads> odd{};  // those that read an old value or fail without a reason
  int enabled = 0;                      // bit per thread
  int backtrack = 0;
  int thread = -1;
  mask choice = 0;
  int preemptions = 0;
  int oddities = 0;  // before this step
  int previous = -1;
};

enum class stop { no, violation, restart, cut };

struct machine {
  program* prog = nullptr;
  options opt;

  alignas(64) unsigned char arena[arena_size];
  shadow_byte shadow[arena_size];
  std::int16_t location_at[arena_size];
  std::size_t arena_used = 0;
  std::vector<block> blocks;
  std::vector<location> locations;
  int location_count = 0;
  int setup_locations = 0;
  std::array<bool, max_locations> unordered{};  // survives executions
  struct event {
    bool set;
    view seen;
    clock before, trace;
  } events[max_events];

  std::array<thread_state, max_threads> threads;
  int thread_count = 0;  // with thread 0
  int current = 0;
  bool scheduling = false;
  bool running = false;  // in an execution
  stop halt = stop::no;
  const char* what = nullptr;
  char text[200];
  std::uint64_t time = 0;

  std::vector<node> nodes;
  std::vector<step> steps;
  std::vector<note_entry> notes;
  std::size_t fresh = 0;  // the first step that has not been made before
  ctx::fcontext_t scheduler = nullptr;
  std::unique_ptr<unsigned char[]> stacks[max_threads];
};

machine m;

bool acquires(std::memory_order o) {
  return o == std::memory_order_acquire || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst || o == std::memory_order_consume;
}
bool releases(std::memory_order o) {
  return o == std::memory_order_release || o == std::memory_order_acq_rel ||
         o == std::memory_order_seq_cst;
}

// Leaves the fiber for good.
void leave() {
  ctx::jump_fcontext(m.scheduler, nullptr);
  std::abort();
}
void violation(const char* what) {
  if (m.halt == stop::no) {
    m.halt = stop::violation;
    m.what = what;
  }
  leave();
}

void pause() { m.scheduler = ctx::jump_fcontext(m.scheduler, nullptr).fctx; }

// ---- Plain memory ----

bool in_arena(const void* p) {
  const auto* b = static_cast<const unsigned char*>(p);
  return b >= m.arena && b < m.arena + arena_size;
}

void access_failed(const char* what, std::size_t at) {
  const int b = m.shadow[at].block;
  std::snprintf(m.text, sizeof m.text, "%s: %s+%zu, thread %d", what,
                b ? m.blocks[b - 1].name : "outside", b ? at - m.blocks[b - 1].begin : at,
                m.current);
  violation(m.text);
}

void plain(const void* p, std::size_t n, bool write, const char* what) {
  if (!m.running || !in_arena(p)) return;
  const std::size_t first = static_cast<const unsigned char*>(p) - m.arena;
  const clock& c = m.threads[m.current].now;
  for (std::size_t i = first; i != first + n; ++i) {
    shadow_byte& s = m.shadow[i];
    if (s.block == 0 || m.blocks[s.block - 1].freed) access_failed("used after it was freed", i);
    if (s.write_clock > c.t[s.write_thread]) access_failed(what, i);
    if (write) {
      for (int t = 0; t < m.thread_count; ++t)
        if (s.reads[t] > c.t[t]) access_failed(what, i);
      s.write_thread = static_cast<std::uint8_t>(m.current);
      s.write_clock = c.t[m.current];
    } else {
      s.reads[m.current] = c.t[m.current];
    }
  }
}

// ---- Atomic memory ----

int find(const void* a) {
  if (!in_arena(a)) {
    violation("an atomic outside the memory that is watched");
    return -1;
  }
  const int l = m.location_at[static_cast<const unsigned char*>(a) - m.arena];
  // An atomic access conflicts with what creates and what frees the atomic.
  plain(a, 1, false, "atomic access races with the end or the beginning of the object");
  if (l < 0) violation("not an atomic");
  return l;
}

bool writes(const operation& op, mask choice) {
  return op.what != kind::load && choice == write_bit;
}

// Which steps the thread could take now.
mask choices(const thread_state& t) {
  const operation& op = t.pending;
  if (op.what != kind::load && op.what != kind::cas && op.what != kind::lock) return write_bit;
  const location& l = m.locations[op.at];
  const int last = static_cast<int>(l.messages.size()) - 1;
  if (op.what == kind::lock) return l.messages[last].value == 0 ? write_bit : 0;
  mask r = 0;
  if (op.what == kind::cas && l.messages[last].value == op.expected) r |= write_bit;
  for (int i = t.seen.at[op.at]; i <= last; ++i) {
    if (op.what == kind::cas && l.messages[i].value == op.expected) {
      if (!op.weak || t.spurious >= m.opt.spurious) continue;
    }
    // However long an old value may be read, it is not read for ever.
    if (i != last && t.stale_at == op.at && t.stale_message == i && t.stale_count >= m.opt.stale)
      continue;
    r |= mask(1) << i;
  }
  return r;
}

// Which of them happen only where memory is weak.
mask odd_choices(const thread_state& t) {
  const operation& op = t.pending;
  if (op.what != kind::load && op.what != kind::cas) return 0;
  const location& l = m.locations[op.at];
  const int last = static_cast<int>(l.messages.size()) - 1;
  const bool could_succeed = op.what == kind::cas && l.messages[last].value == op.expected;
  return ~(write_bit | (could_succeed ? mask(0) : mask(1) << last));
}

// Makes the step; what the thread gets is in t.result and t.succeeded.
void perform(int id, mask choice, int number, step* record) {
  thread_state& t = m.threads[id];
  const operation& op = t.pending;
  location& l = m.locations[op.at];
  ++m.time;
  const bool write = writes(op, choice);
  if (record) record->before = t.trace;
  const int last = static_cast<int>(l.messages.size()) - 1;
  const int read = write ? last : 63 - __builtin_clzll(choice);
  const std::memory_order order = op.what == kind::cas && !write ? op.failure : op.order;

  if (op.what == kind::store && t.seen.at[op.at] != last) {
    m.halt = stop::violation;
    m.what = "a plain store competes with another write";
  }
  if (op.what != kind::store) {
    const message& from = l.messages[read];
    t.result = from.value;
    if (t.stale_at == op.at && t.stale_message == read)
      ++t.stale_count;
    else
      t.stale_at = op.at, t.stale_message = read, t.stale_count = 1;
    t.seen.at[op.at] = static_cast<std::uint8_t>(read);
    if (acquires(order)) {
      t.seen.join(from.seen);
      t.now.join(from.before);
    }
    if (from.writer >= 0) t.trace.join(m.steps[from.writer].trace);
  }
  if (op.what == kind::cas) {
    t.succeeded = write;
    if (!write && op.weak && t.result == op.expected) ++t.spurious;
  }
  std::uint64_t written = 0;
  if (write) {
    if (last + 1 >= max_messages) {
      m.halt = stop::violation;
      m.what = "one location is changed without end";
      return;
    }
    message next;
    switch (op.what) {
      case kind::fetch:
        switch (op.how) {
          case rmw::exchange: written = op.operand; break;
          case rmw::add: written = (t.result + op.operand) & op.bits; break;
          case rmw::sub: written = (t.result - op.operand) & op.bits; break;
          case rmw::bit_or: written = t.result | op.operand; break;
          case rmw::bit_and: written = t.result & op.operand; break;
        }
        break;
      default: written = op.operand;
    }
    next.value = written;
    next.writer = number;
    t.seen.at[op.at] = static_cast<std::uint8_t>(last + 1);
    if (op.what != kind::store) {  // goes on with the release sequence
      next.seen = l.messages[last].seen;
      next.before = l.messages[last].before;
    }
    if (releases(order)) {
      next.seen.join(t.seen);
      next.before.join(t.now);
    }
    next.seen.at[op.at] = static_cast<std::uint8_t>(last + 1);
    if (l.messages[last].writer >= 0) t.trace.join(m.steps[l.messages[last].writer].trace);
    l.messages.push_back(next);
  }
  if (record) {
    ++t.trace.t[id];
    record->thread = id;
    record->op = op;
    record->choice = choice;
    record->wrote = write;
    record->read = op.what == kind::store ? -1 : read;
    record->value = t.result;
    record->written = written;
    record->trace = t.trace;
    record->index = t.trace.t[id];
  }
  ++t.now.t[id];
}

// Whether the location may still be taken for ordered, with this access.
bool ordered(int at, const thread_state& t, const operation& op) {
  location& l = m.locations[at];
  const auto before = [&](const clock& c) {
    for (int i = 0; i < m.thread_count; ++i)
      if (i != m.current && c.t[i] > t.now.t[i]) return false;
    return true;
  };
  const bool addition = op.what == kind::fetch && op.order == std::memory_order_relaxed &&
                        (op.how == rmw::add || op.how == rmw::sub);
  if (l.last_writer != m.current && l.last_write > t.now.t[l.last_writer]) return false;
  if (op.what == kind::load) {
    if (!before(l.additions)) return false;
    l.reads.t[m.current] = t.now.t[m.current];
  } else {
    if (!before(l.reads) || (!addition && !before(l.additions))) return false;
    if (addition) {
      l.additions.t[m.current] = t.now.t[m.current];
    } else {
      l.last_writer = m.current;
      l.last_write = t.now.t[m.current];
    }
  }
  return true;
}

// An atomic operation of the current thread.
void run_operation(const operation& op) {
  thread_state& t = m.threads[m.current];
  t.pending = op;
  if (!m.scheduling || m.current == 0) {
    if (m.scheduling) std::abort();
    // The newest value, and success where that is possible.
    mask c = choices(t);
    if (c == 0) violation("would wait for ever");
    c = (c & write_bit) ? write_bit : mask(1) << (63 - __builtin_clzll(c));
    perform(m.current, c, -1, nullptr);
    if (m.halt != stop::no) leave();
    if (++m.time > 100000) violation("does not end");
    return;
  }
  if (!m.unordered[op.at]) {
    const bool conditional = op.what == kind::cas || op.what == kind::lock;
    if (!conditional && op.at < m.setup_locations && ordered(op.at, t, op)) {
      mask c = choices(t);
      c = (c & write_bit) ? write_bit : mask(1) << (63 - __builtin_clzll(c));
      // No step: the trace clock stays as it is.
      perform(m.current, c, -1, nullptr);
      if (m.halt != stop::no) leave();
      return;
    }
    if (op.at < m.setup_locations) {
      m.unordered[op.at] = true;
      m.halt = stop::restart;
      leave();
    }
  }
  t.st = status::ready;
  pause();
}

// ---- Fibers ----

void fiber(ctx::transfer_t from) {
  m.scheduler = from.fctx;
  const int id = m.current;
  if (id == 0) {
    m.prog->setup();
    pause();
    m.prog->settled();
    m.prog->teardown();
    pause();
    m.prog->finished();
    check(allocated() == 0, "not everything was freed");
  } else {
    m.prog->thread(id - 1);
  }
  m.threads[id].st = status::ended;
  ctx::jump_fcontext(m.scheduler, nullptr);
  std::abort();
}

void start(int id) {
  if (!m.stacks[id]) m.stacks[id].reset(new unsigned char[stack_size]);
  m.threads[id].context = ctx::make_fcontext(m.stacks[id].get() + stack_size, stack_size, &fiber);
}

void resume(int id) {
  m.current = id;
  m.threads[id].context = ctx::jump_fcontext(m.threads[id].context, nullptr).fctx;
  m.current = 0;
}

// ---- Reduction ----

bool happens_before(const step& a, const step& b) { return b.trace.t[a.thread] >= a.index; }

void add_backtrack(int at, int last) {
  node& n = m.nodes[at];
  const step& e1 = m.steps[at];
  int initials = 0, seen = 0;
  int members[max_steps];
  int count = 0;
  for (int k = at + 1; k <= last; ++k) {
    const step& e = m.steps[k];
    if (k != last && happens_before(e1, e)) continue;
    if (!(seen & (1 << e.thread))) {
      bool first = true;
      for (int i = 0; i < count && first; ++i) first = !happens_before(m.steps[members[i]], e);
      if (first) initials |= 1 << e.thread;
    }
    seen |= 1 << e.thread;
    members[count++] = k;
  }
  initials &= n.enabled;
  if (initials & n.backtrack) return;
  const int own = 1 << m.steps[last].thread;
  if (initials & own)
    n.backtrack |= own;
  else if (initials)
    n.backtrack |= initials & -initials;
  else
    n.backtrack |= n.enabled;
}

void find_races(int last) {
  const step& e2 = m.steps[last];
  if (e2.op.what == kind::load || e2.op.what == kind::unlock) return;
  clock before = e2.before;
  for (int k = last - 1; k >= 0; --k) {
    const step& e1 = m.steps[k];
    if (e1.thread == e2.thread || e1.op.at != e2.op.at) continue;
    if (before.t[e1.thread] >= e1.index) continue;
    if (!e1.wrote && !e2.wrote) continue;
    if (e1.op.what == kind::unlock) continue;
    add_backtrack(k, last);
    if (e1.wrote) before.join(e1.trace);
  }
}

// ---- One execution ----

void reset() {
  std::memset(m.shadow, 0, sizeof(shadow_byte) * m.arena_used);
  std::fill(m.location_at, m.location_at + arena_size, std::int16_t(-1));
  m.arena_used = 0;
  m.blocks.clear();
  m.location_count = 0;
  for (auto& e : m.events) e.set = false;
  m.thread_count = m.prog->threads() + 1;
  for (auto& t : m.threads) t = thread_state();
  for (auto& t : m.threads) t.now.t[&t - m.threads.data()] = 1;
  m.current = 0;
  m.halt = stop::no;
  m.what = nullptr;
  m.time = 0;
  m.steps.clear();
  m.notes.clear();
}

void wake() {
  for (int i = 1; i < m.thread_count; ++i) {
    thread_state& t = m.threads[i];
    if (t.st == status::blocked && m.events[t.waits_for].set) {
      t.waits_for = -1;
      resume(i);
      if (m.halt != stop::no) return;
      i = 0;  // it may have set another event
    }
  }
}

// Picks what a new node begins with; false where everything that could be done is asleep.
bool open(node& n) {
  int order[max_threads], count = 0;
  if (n.previous > 0) order[count++] = n.previous;
  for (int i = 1; i < m.thread_count; ++i)
    if (i != n.previous) order[count++] = i;
  int first = -1;
  for (int k = 0; k < count; ++k) {
    const int i = order[k];
    if (!(n.enabled & (1 << i)) || !(n.choices[i] & ~n.sleep[i])) continue;
    if (first < 0) first = i;
    if (m.opt.reduce) break;
    n.backtrack |= 1 << i;
  }
  if (first < 0) return false;
  n.backtrack |= 1 << first;
  return true;
}

// The next choice of the node that has not been made; false where there is none.
bool advance(node& n) {
  if (n.thread >= 0) n.done[n.thread] |= n.choice;
  int order[max_threads + 1], count = 0;
  if (n.thread >= 0)
    order[count++] = n.thread;
  else if (n.previous > 0)
    order[count++] = n.previous;
  for (int i = 1; i < m.thread_count; ++i) order[count++] = i;
  for (int k = 0; k < count; ++k) {
    const int i = order[k];
    if (!(n.backtrack & (1 << i))) continue;
    if (m.opt.preemptions >= 0 && i != n.previous && n.previous > 0 &&
        (n.enabled & (1 << n.previous)) && n.preemptions >= m.opt.preemptions)
      continue;
    mask left = n.choices[i] & ~n.sleep[i] & ~n.done[i];
    if (m.opt.odd >= 0 && n.oddities >= m.opt.odd) left &= ~n.odd[i];
    if (!left) continue;
    n.thread = i;
    n.choice = mask(1) << (63 - __builtin_clzll(left));
    return true;
  }
  return false;
}

void child_of(const node& parent, node& n, const step& s) {
  n.previous = s.thread;
  n.preemptions = parent.preemptions;
  n.oddities = parent.oddities + ((s.choice & parent.odd[s.thread]) != 0);
  if (parent.previous > 0 && s.thread != parent.previous &&
      (parent.enabled & (1 << parent.previous)))
    ++n.preemptions;
  if (!m.opt.sleep) return;
  for (int i = 1; i < m.thread_count; ++i) {
    if (i == s.thread) continue;
    mask z = parent.sleep[i] | parent.done[i];
    // What would have written the same location is another step now.
    if (s.wrote && (parent.enabled & (1 << i)) && m.threads[i].pending.at == s.op.at)
      z &= ~write_bit;
    n.sleep[i] = z;
  }
}

void execute_threads() {
  m.setup_locations = m.location_count;
  m.scheduling = true;
  for (int i = 1; i < m.thread_count; ++i) {
    thread_state& t = m.threads[i];
    t.seen = m.threads[0].seen;
    t.now.join(m.threads[0].now);
    start(i);
  }
  ++m.threads[0].now.t[0];
  for (int i = 1; i < m.thread_count; ++i) {
    resume(i);
    if (m.halt != stop::no) return;
  }
  for (std::size_t depth = 0;; ++depth) {
    wake();
    if (m.halt != stop::no) return;
    int enabled = 0;
    for (int i = 1; i < m.thread_count; ++i)
      if (m.threads[i].st == status::ready && choices(m.threads[i]) != 0) enabled |= 1 << i;
    if (!enabled) return;
    if (depth >= max_steps) {
      m.halt = stop::violation;
      m.what = "does not end";
      return;
    }
    if (depth == m.nodes.size()) {
      node n;
      if (depth) child_of(m.nodes[depth - 1], n, m.steps[depth - 1]);
      n.enabled = enabled;
      for (int i = 1; i < m.thread_count; ++i)
        if (enabled & (1 << i)) {
          n.choices[i] = choices(m.threads[i]);
          n.odd[i] = odd_choices(m.threads[i]);
        }
      if (!open(n) || !advance(n)) {
        m.halt = stop::cut;
        return;
      }
      m.nodes.push_back(n);
    }
    node& n = m.nodes[depth];
    if (n.enabled != enabled) {
      std::fputs("explorer: an execution cannot be repeated\n", stderr);
      std::abort();
    }
    m.steps.emplace_back();
    perform(n.thread, n.choice, static_cast<int>(depth), &m.steps.back());
    if (m.halt != stop::no) return;
    if (m.opt.reduce && depth + 1 >= m.fresh) find_races(static_cast<int>(depth));
    const int id = n.thread;
    m.threads[id].st = status::none;
    resume(id);
    if (m.halt != stop::no) return;
  }
}

void join_all() {
  for (int i = 1; i < m.thread_count; ++i) {
    m.threads[0].seen.join(m.threads[i].seen);
    m.threads[0].now.join(m.threads[i].now);
  }
  ++m.threads[0].now.t[0];
}

void execute() {
  reset();
  m.running = true;
  m.scheduling = false;
  start(0);
  resume(0);
  if (m.halt == stop::no) execute_threads();
  m.scheduling = false;
  if (m.halt == stop::no) {
    join_all();
    resume(0);
  }
  if (m.halt == stop::no) wake();
  for (int i = 1; i < m.thread_count && m.halt == stop::no; ++i) {
    if (m.threads[i].st == status::ended) continue;
    m.halt = stop::violation;
    m.what = "a thread waits for ever";
  }
  if (m.halt == stop::no) {
    join_all();
    resume(0);
  }
  m.running = false;
}

// ---- What happened ----

std::string name_of(int at) {
  const location& l = m.locations[at];
  const std::size_t p = static_cast<const unsigned char*>(l.address) - m.arena;
  const int b = m.shadow[p].block;
  char text[80];
  static const char* const core_names[] = {"word",    "limit", "references",
                                           "mailbox", "left",  "entered"};
  if (b && std::strcmp(m.blocks[b - 1].name, "core") == 0) {
    int nth = 0;
    for (int i = 0; i < at; ++i) {
      const std::size_t q = static_cast<const unsigned char*>(m.locations[i].address) - m.arena;
      nth += m.shadow[q].block == b;
    }
    if (nth < 6) return core_names[nth];
  }
  std::snprintf(text, sizeof text, "%s+%zu", b ? m.blocks[b - 1].name : "?",
                b ? p - m.blocks[b - 1].begin : p);
  return text;
}

std::string show(int at, std::uint64_t v) {
  char text[160];
  if (name_of(at) == "word") {
    static const char* const flags[] = {"closed",   "queued",    "busy", "pending", "reserved",
                                        "orphaned", "abandoned", "dead", "offered"};
    const long used = static_cast<long>(v & 0x7fffffff);
    if (used > 0x40000000)
      std::snprintf(text, sizeof text, "{max-%ld", 0x7fffffff - used);
    else
      std::snprintf(text, sizeof text, "{%ld", used);
    std::string s = text;
    for (int i = 0; i < 9; ++i)
      if (v >> (31 + i) & 1) s += std::string(" ") + flags[i];
    if (v >> 40 & 0x7ffff) s += " epoch " + std::to_string(v >> 40 & 0x7ffff);
    if (v >> 59) s += " refs " + std::to_string(v >> 59);
    return s + "}";
  }
  if (name_of(at) == "limit")
    std::snprintf(text, sizeof text, "{%llu epoch %llu}",
                  static_cast<unsigned long long>(v & 0x7fffffff),
                  static_cast<unsigned long long>(v >> 40));
  else if (v >= reinterpret_cast<std::uintptr_t>(m.arena) &&
           v < reinterpret_cast<std::uintptr_t>(m.arena) + arena_size) {
    const std::size_t p = v - reinterpret_cast<std::uintptr_t>(m.arena);
    const int b = m.shadow[p].block;
    std::snprintf(text, sizeof text, "&%s%s", b ? m.blocks[b - 1].name : "?", (p & 1) ? "|1" : "");
  } else
    std::snprintf(text, sizeof text, "%llu", static_cast<unsigned long long>(v));
  return text;
}

const char* order_name(std::memory_order o) {
  switch (o) {
    case std::memory_order_relaxed: return "relaxed";
    case std::memory_order_acquire: return "acquire";
    case std::memory_order_release: return "release";
    case std::memory_order_acq_rel: return "acq_rel";
    default: return "seq_cst";
  }
}

void print_trace() {
  static const char* const hows[] = {"exchange", "add", "sub", "or", "and"};
  std::size_t n = 0;
  const auto print_notes = [&](int before) {
    for (; n < m.notes.size() && m.notes[n].at <= before; ++n) {
      const note_entry& e = m.notes[n];
      std::printf("      thread %d: -- %s", e.thread, e.text);
      if (e.a >= 0) std::printf(" %d", e.a);
      if (e.b >= 0) std::printf(", %d", e.b);
      std::puts("");
    }
  };
  for (std::size_t i = 0; i < m.steps.size(); ++i) {
    print_notes(static_cast<int>(i));
    const step& s = m.steps[i];
    if (s.op.at < 0) continue;  // not made, as the explorer has come to a limit
    std::printf("  %3zu thread %d: ", i, s.thread);
    const std::string at = name_of(s.op.at);
    switch (s.op.what) {
      case kind::load:
        std::printf("%s.load(%s) = %s #%d", at.c_str(), order_name(s.op.order),
                    show(s.op.at, s.value).c_str(), s.read);
        break;
      case kind::store:
        std::printf("%s.store(%s) %s", at.c_str(), order_name(s.op.order),
                    show(s.op.at, s.written).c_str());
        break;
      case kind::fetch:
        std::printf("%s.%s(%s) %s -> %s #%d", at.c_str(), hows[static_cast<int>(s.op.how)],
                    order_name(s.op.order), show(s.op.at, s.value).c_str(),
                    show(s.op.at, s.written).c_str(), s.read + 1);
        break;
      case kind::cas:
        if (s.wrote)
          std::printf("%s.cas(%s) %s -> %s #%d", at.c_str(), order_name(s.op.order),
                      show(s.op.at, s.value).c_str(), show(s.op.at, s.written).c_str(), s.read + 1);
        else
          std::printf("%s.cas(%s) fails, expected %s, is %s #%d", at.c_str(),
                      order_name(s.op.failure), show(s.op.at, s.op.expected).c_str(),
                      show(s.op.at, s.value).c_str(), s.read);
        break;
      case kind::lock: std::printf("%s.lock()", at.c_str()); break;
      case kind::unlock: std::printf("%s.unlock()", at.c_str()); break;
    }
    std::puts("");
  }
  print_notes(1 << 30);
}

std::uint64_t fingerprint() {
  // What each thread read from which other, and the order of the writes of each location.
  std::uint64_t h = 0;
  const auto mix = [](std::uint64_t a, std::uint64_t b) {
    a ^= b + 0x9e3779b97f4a7c15ull + (a << 6) + (a >> 2);
    a *= 0xff51afd7ed558ccdull;
    return a ^ (a >> 29);
  };
  std::array<std::uint64_t, max_threads> per{};
  for (const step& s : m.steps) {
    std::uint64_t& p = per[s.thread];
    const int from = s.read >= 0 ? m.locations[s.op.at].messages[s.read].writer : -2;
    std::uint64_t e = mix(s.op.at, s.wrote);
    e = mix(e, from >= 0 ? m.steps[from].thread * 1000 + m.steps[from].index : 77 + from);
    p = mix(p, e);
  }
  for (auto p : per) h = mix(h, p);
  return h;
}

}  // namespace

result explore(program& p, const options& o) {
  using seconds = std::chrono::duration<double>;
  const auto begin = std::chrono::steady_clock::now();
  m.prog = &p;
  m.opt = o;
  if (o.preemptions >= 0 || o.odd >= 0) m.opt.reduce = m.opt.sleep = false;
  m.unordered.fill(false);
  result r;
  std::unordered_set<std::uint64_t> census;
  for (bool again = true; again;) {
    again = false;
    m.nodes.clear();
    m.fresh = 0;
    r.executions = r.cut = r.steps = 0;
    census.clear();
    for (;;) {
      execute();
      r.steps += m.steps.size();
      if (m.halt == stop::restart) {
        again = true;
        break;
      }
      if (m.halt == stop::violation) {
        r.violation = m.what;
        std::printf("%s: %s\n", p.name(), m.what);
        print_trace();
        ++r.executions;
        break;
      }
      if (m.halt == stop::cut) {
        ++r.cut;
      } else {
        ++r.executions;
        if (o.census) census.insert(fingerprint());
      }
      while (!m.nodes.empty() && !advance(m.nodes.back())) m.nodes.pop_back();
      if (m.nodes.empty()) {
        r.complete = true;
        break;
      }
      m.fresh = m.nodes.size();
      if (r.executions >= o.executions) break;
      if (((r.executions + r.cut) & 1023) == 0 &&
          seconds(std::chrono::steady_clock::now() - begin).count() > o.seconds)
        break;
    }
  }
  if (o.trace_last && !r.violation) print_trace();
  r.distinct = census.size();
  r.seconds = seconds(std::chrono::steady_clock::now() - begin).count();
  return r;
}

// ---- For programs ----

void* allocate(std::size_t n, const char* name) {
  const std::size_t begin = (m.arena_used + 15) & ~std::size_t(15);
  if (begin + n + 16 > arena_size || m.blocks.size() > 200) {
    std::fputs("explorer: out of memory\n", stderr);
    std::abort();
  }
  m.blocks.push_back({begin, begin + n, name, false});
  for (std::size_t i = m.arena_used; i != begin; ++i) m.shadow[i].block = 0;
  for (std::size_t i = begin; i != begin + n; ++i)
    m.shadow[i].block = static_cast<std::uint8_t>(m.blocks.size());
  m.arena_used = begin + n;
  plain(m.arena + begin, n, true, "?");
  return m.arena + begin;
}

std::size_t allocated() {
  return static_cast<std::size_t>(
      std::count_if(m.blocks.begin(), m.blocks.end(), [](const block& b) { return !b.freed; }));
}

void note(const char* text, int a, int b) {
  m.notes.push_back({static_cast<int>(m.steps.size()), m.current, text, a, b});
}

void check(bool ok, const char* what) {
  if (!ok) violation(what);
}

std::uint64_t now() { return ++m.time; }

int thread() { return static_cast<int>(m.current); }

void set_event(int e) {
  thread_state& t = m.threads[m.current];
  m.events[e] = {true, t.seen, t.now, t.trace};
  ++t.now.t[m.current];
}

bool is_set(int e) { return m.events[e].set; }

void wait_event(int e) {
  thread_state& t = m.threads[m.current];
  if (!m.events[e].set) {
    if (m.current == 0) violation("would wait for ever");
    t.st = status::blocked;
    t.waits_for = e;
    pause();
  }
  t.seen.join(m.events[e].seen);
  t.now.join(m.events[e].before);
  t.trace.join(m.events[e].trace);
}

// ---- For the atomics ----

void create(const void* a, std::size_t size, std::uint64_t value) {
  if (!in_arena(a)) {
    violation("an atomic outside the memory that is watched");
    return;
  }
  if (m.location_count == max_locations) {
    std::fputs("explorer: too many atomics\n", stderr);
    std::abort();
  }
  const std::size_t at = static_cast<const unsigned char*>(a) - m.arena;
  plain(a, size, true, "an atomic is made where something else is");
  const int id = m.location_count++;
  m.location_at[at] = static_cast<std::int16_t>(id);
  if (static_cast<int>(m.locations.size()) < m.location_count) m.locations.resize(m.location_count);
  location& l = m.locations[id];
  l.address = a;
  l.size = static_cast<int>(size);
  l.messages.clear();
  l.messages.emplace_back();
  l.messages[0].value = value;
  l.reads = l.additions = clock{};
  l.last_writer = m.current;
  l.last_write = m.threads[m.current].now.t[m.current];
}

std::uint64_t load(const void* a, std::memory_order order) {
  operation op;
  op.what = kind::load;
  op.at = find(a);
  op.order = order;
  run_operation(op);
  return m.threads[m.current].result;
}

void store(void* a, std::uint64_t value, std::memory_order order) {
  operation op;
  op.what = kind::store;
  op.at = find(a);
  op.order = order;
  op.operand = value;
  run_operation(op);
}

std::uint64_t fetch(void* a, rmw what, std::uint64_t operand, std::uint64_t bits,
                    std::memory_order order) {
  operation op;
  op.what = kind::fetch;
  op.at = find(a);
  op.order = order;
  op.how = what;
  op.operand = operand;
  op.bits = bits;
  run_operation(op);
  return m.threads[m.current].result;
}

void result_used(void* a) {
  // Of additions taken for ordered, no program may look at the result.
  const int at = m.location_at[static_cast<unsigned char*>(a) - m.arena];
  if (!m.running || !m.scheduling || m.current == 0 || m.unordered[at] || at >= m.setup_locations)
    return;
  operation op;
  op.what = kind::store;
  op.order = std::memory_order_acq_rel;
  if (!ordered(at, m.threads[m.current], op)) {
    m.unordered[at] = true;
    m.halt = stop::restart;
    leave();
  }
}

bool compare_exchange(void* a, std::uint64_t& expected, std::uint64_t desired,
                      std::memory_order success, std::memory_order failure, bool weak) {
  operation op;
  op.what = kind::cas;
  op.at = find(a);
  op.weak = weak;
  op.order = success;
  op.failure = failure == std::memory_order_acq_rel   ? std::memory_order_acquire
               : failure == std::memory_order_release ? std::memory_order_relaxed
                                                      : failure;
  op.operand = desired;
  op.expected = expected;
  run_operation(op);
  const thread_state& t = m.threads[m.current];
  if (!t.succeeded) expected = t.result;
  return t.succeeded;
}

void lock(void* a) {
  operation op;
  op.what = kind::lock;
  op.at = find(a);
  op.order = std::memory_order_acquire;
  op.operand = 1;
  run_operation(op);
}

void unlock(void* a) {
  operation op;
  op.what = kind::unlock;
  op.at = find(a);
  op.order = std::memory_order_release;
  run_operation(op);
}

}  // namespace model

// ---- The program's heap: only what lies in the watched memory is ours ----

namespace {
void release_memory(void* p) noexcept {
  using namespace model;
  if (!p || !in_arena(p)) return std::free(p);
  const std::size_t at = static_cast<unsigned char*>(p) - m.arena;
  const int b = m.shadow[at].block;
  if (b == 0 || m.blocks[b - 1].begin != at) return violation("freed, but never allocated");
  block& k = m.blocks[b - 1];
  if (k.freed) return violation("freed twice");
  plain(p, k.end - k.begin, true, "freed while another thread may use it");
  k.freed = true;
}
}  // namespace

void* operator new(std::size_t n) {
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { release_memory(p); }
void operator delete(void* p, std::size_t) noexcept { release_memory(p); }

// ---- The calls that the compiler puts before every plain access ----

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
#define TURNSTILE_ACCESS(size)                                                                    \
  void __tsan_read##size(void* p) { model::plain(p, size, false, "data race (read)"); }           \
  void __tsan_write##size(void* p) { model::plain(p, size, true, "data race (write)"); }          \
  void __tsan_unaligned_read##size(void* p) { model::plain(p, size, false, "data race (read)"); } \
  void __tsan_unaligned_write##size(void* p) { model::plain(p, size, true, "data race (write)"); }
TURNSTILE_ACCESS(1)
TURNSTILE_ACCESS(2)
TURNSTILE_ACCESS(4)
TURNSTILE_ACCESS(8)
TURNSTILE_ACCESS(16)
void __tsan_read_range(void* p, std::size_t n) { model::plain(p, n, false, "data race (read)"); }
void __tsan_write_range(void* p, std::size_t n) { model::plain(p, n, true, "data race (write)"); }
void __tsan_vptr_update(void** p, void*) { model::plain(p, sizeof *p, true, "data race (write)"); }
void __tsan_vptr_read(void** p) { model::plain(p, sizeof *p, false, "data race (read)"); }
void* __tsan_memset(void* p, int c, std::size_t n) {
  model::plain(p, n, true, "data race (write)");
  return std::memset(p, c, n);
}
void* __tsan_memcpy(void* to, const void* from, std::size_t n) {
  model::plain(from, n, false, "data race (read)");
  model::plain(to, n, true, "data race (write)");
  return std::memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, std::size_t n) {
  model::plain(from, n, false, "data race (read)");
  model::plain(to, n, true, "data race (write)");
  return std::memmove(to, from, n);
}
}
