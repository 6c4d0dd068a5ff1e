// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The programs over the core of a keyed semaphore: the core and the table of keys as shipped, with waiters that only
// take down what becomes of them.

#include "explorer.hpp"

#include <turnstile/detail/core.hpp>  // return_permits()
#include <turnstile/detail/key_table.hpp>

#include <cstring>
#include <functional>
#include <iterator>
#include <new>
#include <utility>

using turnstile::detail::cancellation;
using turnstile::detail::key_node;
using turnstile::detail::lane_limits;
using turnstile::detail::lane_waiter;
using turnstile::detail::outcome;
using table = turnstile::detail::key_table<int, std::less<>>;  // one tree for all keys

namespace turnstile::inline v1::detail {
extern std::size_t model_most_for_others;
}  // namespace turnstile::inline v1::detail

namespace {

constexpr int max_ops = 5, max_keys = 3;
enum key : int { A, B, C };

// What one acquire went through. Access to this is not checked: it is the record of the test.
struct ticket {
  int key;
  std::uint32_t permits;
  bool started, immediate, done, destroyed, finished;
  bool held;  // by the callers: granted, and not given back
  outcome what;
  int refusals;  // so many times deliver() still says no
  std::uint64_t begun_at, queued_at;
  int nth;  // in the order of the completions
};

struct book {
  table* c;
  ticket tickets[max_ops];
  key_node* nodes[max_ops];  // where each acquire waits, or holds permits
  lane_waiter* ops[max_ops];
  cancellation* cancels[max_ops];
  std::uint32_t per_key, total;  // the most that may be held at any moment
  long held[max_keys];           // as the callers know
  int completions;
  int resumptions;
};
book b;
int* data;  // watched memory, guarded by the semaphore where there is one permit

class op final : public lane_waiter {
 public:
  op(int id, std::uint32_t n) : lane_waiter(n), id_(id) { b.nodes[id]->begin_wait(); }
  void connect(cancellation* c) { cancellation_ = c; }

  bool deliver() noexcept override {
    ticket& t = b.tickets[id_];
    if (t.refusals > 0) {
      --t.refusals;
      model::note("refuses to be delivered", id_);
      return false;
    }
    complete(id_, get_outcome());
    model::set_event(id_);
    return true;
  }
  void discard() noexcept override {
    key_node* const k = b.nodes[id_];
    b.tickets[id_].destroyed = true;
    if (get_outcome() == outcome::granted) {
      k->pin();  // what destroy() drops
      k->return_permits(permits());
    }
    complete(id_, outcome::aborted);
    model::set_event(id_);
  }
  void post_resumption() noexcept override;

  // Takes down how an acquire ended.
  static void complete(int id, outcome o) {
    ticket& t = b.tickets[id];
    model::check(!t.done, "completed twice");
    model::check(o != outcome::waiting, "delivered undecided");
    t.done = true;
    t.what = o;
    t.nth = b.completions++;
    model::note(o == outcome::granted      ? "granted"
                : o == outcome::aborted    ? "aborted"
                : o == outcome::closed     ? "closed"
                : o == outcome::queue_full ? "refused: the queue is full"
                                           : "exceeds the limit",
                id);
    if (o != outcome::granted) return;
    t.held = true;
    b.held[t.key] += t.permits;
    long all = 0;
    for (long n : b.held) all += n;
    model::check(b.held[t.key] <= static_cast<long>(b.per_key), "more than one key may hold");
    model::check(all <= static_cast<long>(b.total), "more than all keys may hold");
  }

  // What take_apart() does. The pin of a granted operation is that of its permits.
  void destroy() {
    const int id = id_;
    if (cancellation_) cancellation_->finish();
    delete this;
    b.tickets[id].finished = true;
    if (b.tickets[id].what != outcome::granted) b.nodes[id]->end_wait();
  }

 private:
  const int id_;
};
op* get(int i) { return static_cast<op*>(b.ops[i]); }

// The n-th resumption that is posted sets event first_resumption + n.
constexpr int first_resumption = 11, max_resumptions = 5;

void op::post_resumption() noexcept {
  if (b.resumptions == max_resumptions) {
    b.c->resume(false);
    return;
  }
  model::set_event(first_resumption + b.resumptions++);
}

void end_resumptions() {
  for (int n = b.resumptions; n < max_resumptions; ++n) model::set_event(first_resumption + n);
}

void run_resumptions() {
  for (int n = 0; n < max_resumptions; ++n) {
    model::wait_event(first_resumption + n);
    if (n >= b.resumptions) return;  // the end of the program
    model::note("a resumption runs", n);
    b.c->resume(false);
  }
}

void make_table(const lane_limits& l) {
  b.per_key = l.per_key;
  b.total = l.total;
  b.c = new (model::allocate(sizeof(table), "core")) table(l);
}

void set_limits(const lane_limits& l) {
  model::note("sets the limits", static_cast<int>(l.per_key), static_cast<int>(l.total));
  b.c->set_limits(l);
}

// Of what comes next.
void expect_acquire(int id, int key, std::uint32_t n) {
  ticket& t = b.tickets[id];
  t.key = key;
  t.permits = n;
}

// An acquire, as initiate_keyed and acquire_op make it. True where its completion will come later.
bool start(int id, int key, std::uint32_t n = 1, bool cancellable = false) {
  ticket& t = b.tickets[id];
  expect_acquire(id, key, n);
  t.started = true;
  t.begun_at = model::now();
  model::note("acquires a permit of key", id, key);
  const table::result found = b.c->acquire(key, n, true);
  b.nodes[id] = found.node;
  if (found.o != outcome::waiting) {
    t.immediate = t.finished = true;
    t.queued_at = model::now();
    op::complete(id, found.o);
    return false;
  }
  static const char* const names[] = {"op0", "op1", "op2", "op3", "op4"};
  op* const o = new (model::allocate(sizeof(op), names[id])) op(id, n);
  b.ops[id] = o;
  if (cancellable) {
    b.cancels[id] = new (model::allocate(sizeof(cancellation), "cancellation")) cancellation(*b.c);
    b.cancels[id]->add_reference();  // of what may request it
    o->connect(b.cancels[id]);
  }
  const outcome late = found.node->wait(*o);
  t.queued_at = model::now();
  if (late != outcome::waiting) {
    t.immediate = true;
    op::complete(id, late);
    o->destroy();
  }
  found.node->end_wait();
  return late == outcome::waiting;
}

outcome finish(int id) {
  if (b.tickets[id].immediate) return b.tickets[id].what;
  model::wait_event(id);
  get(id)->destroy();
  return b.tickets[id].what;
}

outcome acquire(int id, int key, std::uint32_t n = 1) {
  start(id, key, n);
  return finish(id);
}

bool try_acquire(int id, int key, std::uint32_t n = 1) {
  expect_acquire(id, key, n);
  const table::result found = b.c->acquire(key, n, false);
  model::note(found.node ? "try_acquire: true" : "try_acquire: false", id, key);
  if (!found.node) return false;
  b.nodes[id] = found.node;
  b.tickets[id].immediate = b.tickets[id].finished = true;
  op::complete(id, outcome::granted);
  return true;
}

void hold(int id, int key, std::uint32_t n = 1) {
  model::check(try_acquire(id, key, n), "not granted");
}

// What the permit object of an acquire does.
void release(int id) {
  ticket& t = b.tickets[id];
  model::note("releases the permits of", id);
  t.held = false;
  b.held[t.key] -= t.permits;
  b.nodes[id]->return_permits(t.permits);
}

void cancel_one(int id) {
  model::note("cancels", id);
  b.cancels[id]->request(outcome::aborted);
  b.cancels[id]->drop_reference();
}

void use_data() { ++*data; }  // a data race where two hold the one permit

bool is_asleep(const ticket& t) { return t.started && !t.done; }

// ---- What holds for all of them ----

class base : public model::program {
 public:
  base(const char* name, int threads) : name_(name), threads_(threads) {}
  const char* name() const override { return name_; }
  int threads() const override { return threads_; }

  void setup() override {
    std::memset(&b, 0, sizeof b);
    turnstile::detail::model_most_for_others = 32;
    data = new (model::allocate(sizeof(int), "data")) int(0);
    prepare();
  }

  void settled() override {
    books();
    order();
    if (!retry_) nothing_sleeps_in_vain();
    expect();
  }

  // The semaphore is destroyed: every waiter is told.
  void teardown() override {
    b.c->orphan();
    for (const ticket& t : b.tickets) model::check(!is_asleep(t), "never completed");
  }

  void finished() override {
    for (int i = 0; i < max_ops; ++i) {
      ticket& t = b.tickets[i];
      if (t.done && !t.finished) finish(i);
      if (t.held) release(i);
    }
    model::check(b.c->in_use() == 0, "permits are not conserved");
    model::check(b.c->size() == 0, "a key is left that holds nothing");
    operator delete(data);
    b.c->drop_reference();
  }

 protected:
  virtual void prepare() = 0;
  virtual void expect() {}

  // What the callers know, the core knows.
  void books() {
    long all = 0;
    std::size_t keys = 0, asleep = 0;
    for (int k = 0; k < max_keys; ++k) {
      std::size_t of_key = 0;
      bool exists = b.held[k] != 0;
      for (const ticket& t : b.tickets) {
        if (t.key != k || !t.started) continue;
        of_key += is_asleep(t);
        exists |= !t.finished;
      }
      asleep += of_key;
      all += b.held[k];
      keys += exists;
      const auto read = [k](auto f) { return static_cast<long>(b.c->read(k, 0, f)); };
      model::check(read([](const key_node& n) { return n.held(); }) == b.held[k],
                   "the permits of a key are not conserved");
      model::check(read([](const key_node& n) { return n.waiting(); }) == static_cast<long>(of_key),
                   "waiting() of a key is wrong");
    }
    model::check(static_cast<long>(b.c->in_use()) == all, "permits are not conserved");
    model::check(b.c->waiting() == asleep, "waiting() is wrong");
    model::check(b.c->size() == keys, "size() is wrong");
    const lane_limits l = b.c->limits();
    model::check(b.c->limit() == l.total && b.c->per_key() == l.per_key, "limits() is wrong");
  }

  // First come, first served, within a key.
  void order() {
    for (const ticket& x : b.tickets) {
      for (const ticket& y : b.tickets) {
        if (!x.started || !y.started || x.immediate || !y.done || x.key != y.key) continue;
        if (y.what != outcome::granted || x.queued_at >= y.begun_at) continue;
        if (x.done && x.what != outcome::granted) continue;
        model::check(x.done && x.nth < y.nth, "not first come, first served");
      }
    }
  }

  // A permit is idle only if every waiting key is at its limit, or one that is not needs more.
  void nothing_sleeps_in_vain() {
    const lane_limits l = b.c->limits();
    const std::size_t free = b.c->available();
    bool short_of = false, eligible = false, suffices = false;
    for (const ticket& t : b.tickets) {
      if (!is_asleep(t)) continue;
      model::check(!b.c->is_closed(), "waits though the semaphore is closed");
      model::check(t.permits <= l.per_key && t.permits <= l.total, "waits for more than the limit");
      if (b.held[t.key] + static_cast<long>(t.permits) > static_cast<long>(l.per_key)) continue;
      eligible = true;
      (t.permits > free ? short_of : suffices) = true;
    }
    model::check(!suffices || short_of, "left asleep");
    if (!eligible && !b.c->is_closed() && l.total > 0)
      model::check(b.c->locked() == (free == 0), "free permits cannot be had");
  }

  bool retry_ = false;  // what was refused may wait for the next call

 private:
  const char* name_;
  const int threads_;
};

constexpr std::uint32_t max = table::max;

#define PROGRAM(id, text, count) \
  struct id final : base {       \
    id() : base(text, count) {}  \
    void prepare() override;     \
    void thread(int) override;   \
    void expect() override;      \
  } id##_instance;

// ---- One key ----

PROGRAM(one_key, "keyed: acquire, release | acquire, release, one key", 2)
void one_key::prepare() { make_table({1, max}); }
void one_key::thread(int i) {
  model::check(acquire(i, A) == outcome::granted, "not granted");
  use_data();
  release(i);
}
void one_key::expect() { model::check(b.c->size() == 0, "a key is left that holds nothing"); }

PROGRAM(last_release, "keyed: acquire | release, one key", 2)
void last_release::prepare() {
  make_table({1, max});
  hold(2, A);
}
void last_release::thread(int i) {
  if (i == 0) {
    model::check(acquire(0, A) == outcome::granted, "not granted");
    use_data();
  } else {
    use_data();
    release(2);
  }
}
void last_release::expect() {}

PROGRAM(last_release_two, "keyed: acquire | acquire | release, one key", 3)
void last_release_two::prepare() {
  make_table({1, max});
  hold(2, A);
}
void last_release_two::thread(int i) {
  if (i == 2) {
    use_data();
    return release(2);
  }
  model::check(acquire(i, A) == outcome::granted, "not granted");
  use_data();
  release(i);
}
void last_release_two::expect() {}

PROGRAM(try_beside_release, "keyed: try_acquire | try_acquire | release, one key", 3)
void try_beside_release::prepare() {
  make_table({1, max});
  hold(2, A);
}
void try_beside_release::thread(int i) {
  if (i == 2) {
    use_data();
    release(2);
  } else if (try_acquire(i, A)) {
    use_data();
    release(i);
  }
}
void try_beside_release::expect() {}

// While another waits, only the strand grants.
PROGRAM(try_beside_wait, "keyed: wait | release | try_acquire, one key", 3)
void try_beside_wait::prepare() {
  make_table({1, max});
  hold(3, A);
}
void try_beside_wait::thread(int i) {
  if (i == 0)
    start(0, A);
  else if (i == 1)
    release(3);
  else if (try_acquire(2, A))
    release(2);
}
void try_beside_wait::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(in_order, "keyed: two waits of one thread | release, release, one key", 2)
void in_order::prepare() {
  make_table({2, max});
  hold(2, A);
  hold(3, A);
}
void in_order::thread(int i) {
  if (i == 0) {
    start(0, A);
    start(1, A);
  } else {
    release(2);
    release(3);
  }
}
void in_order::expect() { model::check(b.tickets[1].done, "left asleep"); }

// The strand is busy when permits come back, and the key is mailed.
PROGRAM(mailed, "keyed: release | release, two wait, one key", 2)
void mailed::prepare() {
  make_table({2, max});
  hold(2, A);
  hold(3, A);
  start(0, A);
  start(1, A);
}
void mailed::thread(int i) { release(2 + i); }
void mailed::expect() { model::check(b.tickets[1].done, "left asleep"); }

// Mailed again while the strand still works on the mail.
PROGRAM(mailed_again, "keyed: release | release, release, two wait, one key", 2)
void mailed_again::prepare() {
  make_table({3, max});
  for (int id = 2; id != 5; ++id) hold(id, A);
  start(0, A);
  start(1, A);
}
void mailed_again::thread(int i) {
  if (i == 0) return release(2);
  release(3);
  release(4);
}
void mailed_again::expect() { model::check(b.tickets[1].done, "left asleep"); }

PROGRAM(mailed_by_two, "keyed: release | release | release, two wait, one key", 3)
void mailed_by_two::prepare() {
  make_table({3, max});
  for (int id = 2; id != 5; ++id) hold(id, A);
  start(0, A);
  start(1, A);
}
void mailed_by_two::thread(int i) { release(2 + i); }
void mailed_by_two::expect() { model::check(b.tickets[1].done, "left asleep"); }

// What happened before a release is seen after the acquire that it satisfies: here two satisfy one.
PROGRAM(both_seen, "keyed: acquire of two | release | release, one key", 3)
void both_seen::prepare() {
  make_table({2, max});
  hold(1, A);
  hold(2, A);
}
void both_seen::thread(int i) {
  if (i == 0) {
    if (acquire(0, A, 2) != outcome::granted) model::check(false, "not granted");
    use_data();
  } else {
    if (i == 1) use_data();
    release(i);
  }
}
void both_seen::expect() {}

PROGRAM(both_seen_at_once, "keyed: try_acquire of two | release | release, one key", 3)
void both_seen_at_once::prepare() {
  make_table({2, max});
  hold(1, A);
  hold(2, A);
}
void both_seen_at_once::thread(int i) {
  if (i == 0) {
    if (try_acquire(0, A, 2)) use_data();
  } else {
    if (i == 1) use_data();
    release(i);
  }
}
void both_seen_at_once::expect() {}

// The pin of the mail may be the last: the strand removes the node.
PROGRAM(mail_is_last, "keyed: release | cancel, release, one waits", 2)
void mail_is_last::prepare() {
  make_table({2, max});
  hold(1, A);
  hold(2, A);
  start(0, A, 2, true);
}
void mail_is_last::thread(int i) {
  if (i == 0) {
    release(1);
  } else {
    cancel_one(0);
    if (finish(0) == outcome::granted) release(0);
    release(2);
  }
}
void mail_is_last::expect() {}

// ---- Two keys ----

PROGRAM(two_keys, "keyed: acquire, release | acquire, release, two keys", 2)
void two_keys::prepare() { make_table({1, 1}); }
void two_keys::thread(int i) {
  model::check(acquire(i, i) == outcome::granted, "not granted");
  use_data();
  release(i);
}
void two_keys::expect() { model::check(b.c->size() == 0, "a key is left that holds nothing"); }

PROGRAM(two_keys_wait, "keyed: acquire A | acquire B | release, total 1", 3)
void two_keys_wait::prepare() {
  make_table({1, 1});
  hold(2, A);
}
void two_keys_wait::thread(int i) {
  if (i == 2) {
    use_data();
    return release(2);
  }
  model::check(acquire(i, i) == outcome::granted, "not granted");
  use_data();
  release(i);
}
void two_keys_wait::expect() {}

// A claim is undone, since the total is taken by another key.
PROGRAM(undone, "keyed: try A | acquire A | try B, total 1", 3)
void undone::prepare() { make_table({1, 1}); }
void undone::thread(int i) {
  if (i == 1) {
    if (acquire(1, A) != outcome::granted) model::check(false, "not granted");
    release(1);
  } else if (try_acquire(i, i == 0 ? A : B)) {
    release(i);
  }
}
void undone::expect() {}

PROGRAM(undone_by_release, "keyed: try A | wait A, try B, release", 2)
void undone_by_release::prepare() { make_table({1, 1}); }
void undone_by_release::thread(int i) {
  if (i == 0) {
    if (try_acquire(0, A)) release(0);
  } else {
    const bool held = try_acquire(1, B);
    start(2, A);
    if (held) release(1);
  }
}
void undone_by_release::expect() { model::check(b.tickets[2].done, "left asleep"); }

// A key at its own limit does not keep others from the total.
PROGRAM(passed_over, "keyed: wait A, try B | release A", 2)
void passed_over::prepare() {
  make_table({1, 3});
  hold(2, A);
}
void passed_over::thread(int i) {
  if (i == 0) {
    start(0, A);
    start(1, B);
  } else {
    release(2);
  }
}
void passed_over::expect() { model::check(b.tickets[0].done && b.tickets[1].done, "left asleep"); }

// No acquire overtakes one that waits for the total, also while that is mailed.
PROGRAM(try_after_mail, "keyed: wait A, release, try B | look at the queue", 2)
void try_after_mail::prepare() {
  make_table({1, 1});
  hold(2, C);
}
void try_after_mail::thread(int i) {
  if (i == 1) return set_limits({1, 1});
  start(0, A);
  release(2);
  model::check(!try_acquire(1, B), "try_acquire overtakes a waiter");
}
void try_after_mail::expect() { model::check(b.tickets[0].done, "left asleep"); }

// The head needs more than there is, and leaves.
PROGRAM(heavy_head, "keyed: cancel the head, which needs two | acquire B", 2)
void heavy_head::prepare() {
  make_table({2, 2});
  hold(2, C);
  start(0, A, 2, true);
}
void heavy_head::thread(int i) {
  if (i == 0)
    cancel_one(0);
  else
    start(1, B);
}
void heavy_head::expect() {
  model::check(b.tickets[1].done && b.tickets[1].what == outcome::granted,
               "not granted when the head left");
}

// The executor is told of the grants in their order, and the key that holds fewest comes first.
PROGRAM(fewest_first, "keyed: release | release, A and B wait, A holds one", 2)
void fewest_first::prepare() {
  make_table({2, 3});
  hold(2, A);
  hold(3, C);
  hold(4, C);
  start(0, A);
  start(1, B);
}
void fewest_first::thread(int i) { release(3 + i); }
void fewest_first::expect() {
  model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
  model::check(b.tickets[1].nth < b.tickets[0].nth, "granted to the key that holds more");
}

// ---- Cancelling, closing ----

PROGRAM(cancel_release, "keyed: cancel | release, one waits", 2)
void cancel_release::prepare() {
  make_table({1, max});
  hold(2, A);
  start(0, A, 1, true);
}
void cancel_release::thread(int i) { i == 0 ? cancel_one(0) : release(2); }
void cancel_release::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(cancel_early, "keyed: wait, cancel | release | wait", 3)
void cancel_early::prepare() {
  make_table({1, max});
  hold(2, A);
}
void cancel_early::thread(int i) {
  if (i == 0) {
    start(0, A, 1, true);
    if (b.tickets[0].immediate) return;
    cancel_one(0);
  } else if (i == 1) {
    release(2);
  } else {
    start(1, A);
  }
}
void cancel_early::expect() { model::check(b.tickets[0].done, "left asleep"); }

// The cancellation comes with the mail of the waiter.
PROGRAM(cancel_mailed, "keyed: wait, cancel | look at the queue", 2)
void cancel_mailed::prepare() {
  make_table({1, max});
  hold(2, A);
}
void cancel_mailed::thread(int i) {
  if (i == 1) return set_limits({1, max});
  start(0, A, 1, true);
  cancel_one(0);
}
void cancel_mailed::expect() { model::check(b.tickets[0].done, "cancelled, but left asleep"); }

PROGRAM(cancel_all_release, "keyed: cancel() | release, A and B wait", 2)
void cancel_all_release::prepare() {
  make_table({1, 2});
  hold(2, A);
  hold(3, C);
  start(0, A);
  start(1, B);
}
void cancel_all_release::thread(int i) { i == 0 ? b.c->cancel() : release(2); }
void cancel_all_release::expect() {
  model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
}

PROGRAM(cancel_all_wait, "keyed: cancel(), then acquire | release", 2)
void cancel_all_wait::prepare() {
  make_table({1, max});
  hold(2, A);
  start(0, A);
}
void cancel_all_wait::thread(int i) {
  if (i == 0) {
    b.c->cancel();
    start(1, A);
  } else {
    release(2);
  }
}
void cancel_all_wait::expect() {
  model::check(b.tickets[0].done, "left asleep");
  model::check(!b.tickets[1].done || b.tickets[1].what == outcome::granted,
               "aborted by an earlier cancel()");
}

PROGRAM(close_release, "keyed: close | acquire | release", 3)
void close_release::prepare() {
  make_table({1, max});
  hold(2, A);
}
void close_release::thread(int i) {
  if (i == 0)
    b.c->close();
  else if (i == 1)
    acquire(0, A);
  else
    release(2);
}
void close_release::expect() {}

PROGRAM(close_cancel, "keyed: close, cancel() | release, A and B wait", 2)
void close_cancel::prepare() {
  make_table({1, 2});
  hold(2, A);
  hold(3, C);
  start(0, A);
  start(1, B);
}
void close_cancel::thread(int i) {
  if (i == 0) {
    b.c->close();
    b.c->cancel();
  } else {
    release(2);
  }
}
void close_cancel::expect() {
  for (int id = 0; id != 2; ++id)
    model::check(b.tickets[id].done && b.tickets[id].what != outcome::aborted,
                 "aborted though close() came first");
}

// ---- Limits ----

PROGRAM(raise_key, "keyed: raise per_key | release | wait", 3)
void raise_key::prepare() {
  make_table({1, max});
  b.per_key = 2;
  hold(2, A);
  start(0, A);
}
void raise_key::thread(int i) {
  if (i == 0)
    set_limits({2, max});
  else if (i == 1)
    release(2);
  else
    start(1, A);
}
void raise_key::expect() { model::check(b.tickets[0].done && b.tickets[1].done, "left asleep"); }

PROGRAM(raise_total, "keyed: raise the total | try A | wait B", 3)
void raise_total::prepare() {
  make_table({2, 1});
  b.total = 2;
  hold(2, A);
}
void raise_total::thread(int i) {
  if (i == 0)
    set_limits({2, 2});
  else if (i == 1)
    try_acquire(1, A);
  else
    start(0, B);
}
void raise_total::expect() {}

PROGRAM(lower_key, "keyed: lower per_key | wait A, wait A | release", 3)
void lower_key::prepare() {
  make_table({2, max});
  hold(2, A);
}
void lower_key::thread(int i) {
  if (i == 0) {
    set_limits({1, max});
  } else if (i == 1) {
    start(0, A);
    start(1, A, 2);
  } else {
    release(2);
  }
}
void lower_key::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(lower_key_of_new, "keyed: lower per_key | try A for two", 2)
void lower_key_of_new::prepare() { make_table({2, max}); }
void lower_key_of_new::thread(int i) {
  if (i == 0)
    set_limits({1, max});
  else
    try_acquire(0, A, 2);
}
void lower_key_of_new::expect() {}

PROGRAM(lower_total, "keyed: lower the total | release, a heavy one waits", 2)
void lower_total::prepare() {
  make_table({2, 2});
  hold(2, B);
  start(0, A, 2);
  start(1, C);
}
void lower_total::thread(int i) {
  if (i == 0)
    set_limits({2, 1});
  else
    release(2);
}
void lower_total::expect() { model::check(b.tickets[0].done, "waits for more than the limit"); }

// Neither the limits before nor those after let the key have three.
PROGRAM(both_limits, "keyed: raise per_key, lower the total | wait, one waits for two", 2)
void both_limits::prepare() {
  make_table({2, 4});
  hold(2, A);
  start(0, A, 2);
  b.per_key = 4;
}
void both_limits::thread(int i) {
  if (i == 0)
    set_limits({4, 2});
  else
    start(1, A);
}
void both_limits::expect() {
  model::check(is_asleep(b.tickets[0]), "granted under limits that never were");
}

PROGRAM(both_limits_wait, "keyed: lower per_key, raise the total | wait for two, for three", 2)
void both_limits_wait::prepare() {
  make_table({4, 2});
  b.total = 4;
}
void both_limits_wait::thread(int i) {
  if (i == 0) {
    set_limits({2, 4});
  } else {
    start(0, A, 2);
    start(1, B, 3);
  }
}
void both_limits_wait::expect() {
  model::check(b.tickets[0].what == outcome::granted, "refused what both limits allow");
  model::check(b.tickets[1].what == outcome::exceeds_limit, "granted what neither limit allows");
}

// Under neither limits may the key have two.
PROGRAM(both_limits_claimed, "keyed: wait A | try A, lower per_key, raise the total", 2)
void both_limits_claimed::prepare() {
  make_table({2, 1});
  b.per_key = 1;
  b.total = 2;
}
void both_limits_claimed::thread(int i) {
  if (i == 0) {
    start(0, A);
  } else {
    try_acquire(1, A);
    set_limits({1, 2});
  }
}
void both_limits_claimed::expect() {
  model::check(b.held[A] == 1, "one is allowed by both limits");
}

PROGRAM(both_limits_claimed_twice, "keyed: try A | try A | lower per_key, raise the total", 3)
void both_limits_claimed_twice::prepare() {
  make_table({2, 1});
  b.per_key = 1;
  b.total = 2;
}
void both_limits_claimed_twice::thread(int i) {
  if (i == 2)
    set_limits({1, 2});
  else
    try_acquire(i, A);
}
void both_limits_claimed_twice::expect() { model::check(b.held[A] == 1, "both are refused"); }

// The second try of an acquire meets a grant of the strand that has left the total and has not come to the key.
PROGRAM(claimed_beside_strand,
        "keyed: try A | try B, wait A, release B | lower per_key, raise the total", 3)
void claimed_beside_strand::prepare() {
  make_table({2, 1});
  b.per_key = 1;
  b.total = 3;
}
void claimed_beside_strand::thread(int i) {
  if (i == 0) {
    try_acquire(0, A);
  } else if (i == 1) {
    const bool holds = try_acquire(1, B);
    start(2, A);
    if (holds) release(1);
  } else {
    set_limits({1, 3});
  }
}
void claimed_beside_strand::expect() {
  model::check(b.held[A] == 1, "one is allowed by both limits");
}

// ---- Bounded waiting ----

PROGRAM(bounded_two, "keyed, one place: wait | wait | release, one key", 3)
void bounded_two::prepare() {
  make_table({1, max, 1, max});
  hold(2, A);
}
void bounded_two::thread(int i) { i == 2 ? release(2) : static_cast<void>(start(i, A)); }
void bounded_two::expect() {
  const int refused =
      (b.tickets[0].what == outcome::queue_full) + (b.tickets[1].what == outcome::queue_full);
  model::check(refused < 2, "both are refused");
}

PROGRAM(bounded_keys, "keyed, one place: wait A | wait B", 2)
void bounded_keys::prepare() {
  make_table({1, 1, max, 1});
  hold(2, C);
}
void bounded_keys::thread(int i) { start(i, i); }
void bounded_keys::expect() {
  model::check(b.tickets[0].done != b.tickets[1].done, "one is refused and one waits");
}

PROGRAM(bounded_place, "keyed, one place: wait | cancel one, wait", 2)
void bounded_place::prepare() {
  make_table({1, max, 1, 1});
  hold(2, A);
  start(0, A, 1, true);
}
void bounded_place::thread(int i) {
  if (i == 0) {
    start(1, A);
  } else {
    cancel_one(0);
    start(3, A);
  }
}
void bounded_place::expect() {
  model::check(is_asleep(b.tickets[1]) != is_asleep(b.tickets[3]), "not one waits");
}

PROGRAM(bounded_close, "keyed, one place: wait | close, one waits", 2)
void bounded_close::prepare() {
  make_table({1, max, 1, 1});
  hold(2, A);
  start(0, A);
}
void bounded_close::thread(int i) { i == 0 ? static_cast<void>(start(1, A)) : b.c->close(); }
void bounded_close::expect() {}

// No acquire may wait. One that the strand could grant finds the permit taken when that is published.
PROGRAM(no_place, "keyed, no place: cancel() | wait A | try B", 3)
void no_place::prepare() { make_table({1, 1, 0, 0}); }
void no_place::thread(int i) {
  if (i == 0)
    b.c->cancel();
  else if (i == 1)
    start(0, A);
  else
    try_acquire(1, B);
}
void no_place::expect() { model::check(!is_asleep(b.tickets[0]), "waits where none may"); }

// Or the limit lowered.
PROGRAM(no_place_limits, "keyed, no place: wait A | release A, lower the total", 2)
void no_place_limits::prepare() {
  make_table({1, 2, 0, 0});
  hold(1, A);
  hold(2, B);
}
void no_place_limits::thread(int i) {
  if (i == 0) {
    start(0, A);
  } else {
    release(1);
    set_limits({1, 1, 0, 0});
  }
}
void no_place_limits::expect() { model::check(!is_asleep(b.tickets[0]), "waits where none may"); }

// ---- Executors that refuse, and the offered strand ----

struct refused_and_cancelled final : base {
  refused_and_cancelled() : base("keyed: a refusing executor | cancel | release B", 2) {
    retry_ = true;
  }
  void prepare() override {
    make_table({1, max});
    hold(2, A);
    hold(3, B);
    start(0, A, 1, true);
    b.tickets[0].refusals = 1;
  }
  void thread(int i) override { i == 0 ? cancel_one(0) : release(3); }
  void settled() override {
    release(2);  // the next call that looks at the queue
    base::settled();
  }
  void expect() override { model::check(b.tickets[0].done, "cancelled, but never told"); }
} refused_and_cancelled_instance;

struct refused final : base {
  refused() : base("keyed: a refusing executor | release A | release B", 2) { retry_ = true; }
  void prepare() override {
    make_table({1, 2});
    hold(2, A);
    hold(3, B);
    start(0, A);
    start(1, C);
    b.tickets[0].refusals = 1;
    b.tickets[1].refusals = 1;
  }
  void thread(int i) override { release(2 + i); }
  void settled() override {
    set_limits({1, 2});
    set_limits({1, 2});
    base::settled();
  }
  void expect() override { model::check(b.tickets[0].done && b.tickets[1].done, "left asleep"); }
} refused_instance;

struct offered final : base {
  offered() : base("keyed, offered: release A | release B, two of each wait | resumptions", 3) {}
  void prepare() override {
    make_table({1, max});
    hold(2, A);
    hold(3, B);
    start(0, A);
    start(1, B);
    turnstile::detail::model_most_for_others = 0;
  }
  void thread(int i) override { i == 2 ? run_resumptions() : release(2 + i); }
  void expect() override {
    model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
    end_resumptions();
  }
} offered_instance;

// ---- The end of the semaphore ----

// The threads drop all references: the last of them deletes the core.
struct lifetime : base {
  using base::base;
  void settled() override {}
  void teardown() override {}
  void finished() override { operator delete(data); }
  static void destroy() {
    b.c->orphan();
    b.c->drop_reference();
  }
};

struct outlived final : lifetime {
  outlived() : lifetime("keyed: destroy | the last release", 2) {}
  void prepare() override {
    make_table({1, max});
    hold(0, A);
  }
  void thread(int i) override { i == 0 ? destroy() : release(0); }
} outlived_instance;

struct outlived_by_two final : lifetime {
  outlived_by_two() : lifetime("keyed: destroy | release A | release A and B", 3) {}
  void prepare() override {
    make_table({2, max});
    hold(0, A);
    hold(1, A);
    hold(2, B);
  }
  void thread(int i) override {
    if (i == 0) return destroy();
    if (i == 1) return release(0);
    release(1);
    release(2);
  }
} outlived_by_two_instance;

struct outlived_beside_waiter final : lifetime {
  outlived_beside_waiter() : lifetime("keyed: destroy | release, one waits | its handler", 3) {}
  void prepare() override {
    make_table({1, max});
    hold(1, A);
    start(0, A);
  }
  void thread(int i) override {
    if (i == 0) return destroy();
    if (i == 1) return release(1);
    if (finish(0) == outcome::granted) release(0);
  }
} outlived_beside_waiter_instance;

struct forgotten final : lifetime {
  forgotten() : lifetime("keyed: destroy | forget A, release A and B", 2) {}
  void prepare() override {
    make_table({2, max});
    hold(0, A);
    hold(1, A);
    hold(2, B);
  }
  void thread(int i) override {
    if (i == 0) return destroy();
    model::note("forgets the permits of", 0);
    b.nodes[0]->drop_object();
    release(1);
    release(2);
  }
} forgotten_instance;

struct late_cancel final : lifetime {
  late_cancel() : lifetime("keyed: destroy | late cancel", 2) {}
  void prepare() override {
    make_table({1, 1});
    hold(1, B);
    start(0, A, 1, true);
  }
  void thread(int i) override {
    if (i == 0) return destroy();
    cancel_one(0);
    finish(0);
    release(1);
  }
} late_cancel_instance;

// The context is gone: what still waits is destroyed.
struct abandoned final : lifetime {
  abandoned() : lifetime("keyed: abandon, destroy | release, one waits", 2) {}
  void prepare() override {
    make_table({1, max});
    hold(1, A);
    start(0, A);
  }
  void thread(int i) override {
    if (i == 1) return release(1);
    b.c->abandon();
    finish(0);
    if (b.tickets[0].held) release(0);
    destroy();
  }
} abandoned_instance;

}  // namespace

namespace model {

std::span<program* const> keyed_programs() {
  static program* const all[] = {
      &one_key_instance,
      &last_release_instance,
      &last_release_two_instance,
      &try_beside_release_instance,
      &try_beside_wait_instance,
      &in_order_instance,
      &mailed_instance,
      &mailed_again_instance,
      &mailed_by_two_instance,
      &both_seen_instance,
      &both_seen_at_once_instance,
      &mail_is_last_instance,
      &two_keys_instance,
      &two_keys_wait_instance,
      &undone_instance,
      &undone_by_release_instance,
      &passed_over_instance,
      &try_after_mail_instance,
      &heavy_head_instance,
      &fewest_first_instance,
      &cancel_release_instance,
      &cancel_early_instance,
      &cancel_mailed_instance,
      &cancel_all_release_instance,
      &cancel_all_wait_instance,
      &close_release_instance,
      &close_cancel_instance,
      &raise_key_instance,
      &raise_total_instance,
      &lower_key_instance,
      &lower_key_of_new_instance,
      &lower_total_instance,
      &both_limits_instance,
      &both_limits_wait_instance,
      &both_limits_claimed_instance,
      &both_limits_claimed_twice_instance,
      &claimed_beside_strand_instance,
      &bounded_two_instance,
      &bounded_keys_instance,
      &bounded_place_instance,
      &bounded_close_instance,
      &no_place_instance,
      &no_place_limits_instance,
      &refused_and_cancelled_instance,
      &refused_instance,
      &offered_instance,
      &outlived_instance,
      &outlived_by_two_instance,
      &outlived_beside_waiter_instance,
      &forgotten_instance,
      &late_cancel_instance,
      &abandoned_instance,
  };
  return all;
}

}  // namespace model
