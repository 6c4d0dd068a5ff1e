// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The programs over the core of a semaphore: the core as shipped, with waiters that only take down what becomes of them.

#include "explorer.hpp"

#include <turnstile/detail/core.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>
#include <vector>

using turnstile::detail::cancellation;
using turnstile::detail::core;
using turnstile::detail::outcome;
using turnstile::detail::waiter;

// How many completions a call of the core hands over for others: each program says it.
namespace turnstile::inline v1::detail {
extern std::size_t model_most_for_others;
std::size_t model_most_for_others = 32;
}  // namespace turnstile::inline v1::detail

namespace {

constexpr int max_ops = 6;

// What one acquire went through. Access to this is not checked: it is the record of the test.
struct ticket {
  std::uint32_t permits;
  bool started, returned, immediate, done, destroyed;
  outcome what;
  int refusals;    // so many times deliver() still says no
  void (*then)();  // what the executor does as it takes the completion
  std::uint64_t begun_at, queued_at, done_at;
  int nth;  // in the order of the completions
};

struct book {
  ticket tickets[max_ops];
  core* c;
  void* ops[max_ops];
  cancellation* cancels[max_ops];
  long used;  // permits in use, as the callers know
  int completions;
  int holders;  // of the plain data below
  bool settled;
  int resumptions, resumed;  // so many were posted, and have run
  int refused_resumptions;   // so many are refused
  int watched, deliveries;   // how many a thread has delivered during a call
  void (*during_post)();     // what the executor does, once, as it takes a resumption
};
book b;
int* data;    // watched memory, guarded by the semaphore where there is one permit
int* second;  // and more of it

class op;
op* get(int i) { return static_cast<op*>(b.ops[i]); }

class op final : public waiter {
 public:
  op(int id, std::uint32_t n) : waiter(n), id_(id) {}
  void connect(cancellation* c) { cancellation_ = c; }

  // The completion: the thread that waits for it destroys the operation.
  bool deliver() noexcept override {
    ticket& t = b.tickets[id_];
    if (t.refusals > 0) {
      --t.refusals;
      model::note("refuses to be delivered", id_);
      return false;
    }
    if (b.watched == model::thread() + 1) ++b.deliveries;
    complete(get_outcome());
    if (t.then) t.then();
    model::set_event(id_);
    return true;
  }
  void post_resumption() noexcept override;
  void discard() noexcept override {
    b.tickets[id_].destroyed = true;
    if (get_outcome() == outcome::granted) {
      b.c->give_back(permits());
      b.c->drop_reference();
    }
    complete(outcome::aborted);
    model::set_event(id_);
  }

  // Takes down how it ended.
  void complete(outcome o) {
    ticket& t = b.tickets[id_];
    model::check(!t.done, "completed twice");
    model::check(o != outcome::waiting, "delivered undecided");
    t.done = true;
    t.what = o;
    t.done_at = model::now();
    t.nth = b.completions++;
    if (o == outcome::granted) b.used += t.permits;
    model::note(o == outcome::granted      ? "granted"
                : o == outcome::aborted    ? "aborted"
                : o == outcome::closed     ? "closed"
                : o == outcome::timed_out  ? "timed out"
                : o == outcome::queue_full ? "refused: the queue is full"
                                           : "exceeds the limit",
                id_);
  }
  // What the destructor of an operation does, and that of the permits it was granted.
  void destroy() {
    if (b.tickets[id_].what == outcome::granted) b.c->drop_reference();
    if (cancellation_) cancellation_->finish();
    delete this;
  }

 private:
  const int id_;
};

// The n-th resumption that is posted sets event first_resumption + n.
constexpr int first_resumption = 11, max_resumptions = 5;

void op::post_resumption() noexcept {
  if (b.refused_resumptions > 0 || b.resumptions == max_resumptions) {
    if (b.refused_resumptions > 0) --b.refused_resumptions;
    model::note("a resumption is refused");
    b.c->resume(false);
    return;
  }
  if (b.during_post) std::exchange(b.during_post, nullptr)();
  model::set_event(first_resumption + b.resumptions++);
}

// Ends the threads that run resumptions.
void end_resumptions() {
  for (int n = b.resumptions; n < max_resumptions; ++n) model::set_event(first_resumption + n);
}

// Runs each `step`-th resumption, from `first`, as the executor of the semaphore does. But a resumption that
// comes too early ends the offer here.
void run_resumptions(int first = 0, int step = 1) {
  for (int n = first; n < max_resumptions; n += step) {
    model::wait_event(first_resumption + n);
    if (n >= b.resumptions) return;  // the end of the program
    model::note("a resumption runs", n);
    ++b.resumed;
    b.c->resume(false);
  }
}

core* make_core(std::uint32_t used, std::uint32_t limit) {
  b.used = used;
  return b.c = new (model::allocate(sizeof(core), "core")) core(used, limit);
}

// An operation that was not started yet. With a cancellation there is a second owner of that.
void make_op(int id, std::uint32_t n, bool cancellable = false) {
  static const char* const names[] = {"op0", "op1", "op2", "op3", "op4", "op5"};
  b.tickets[id].permits = n;
  op* const o = new (model::allocate(sizeof(op), names[id])) op(id, n);
  b.ops[id] = o;
  if (cancellable) {
    b.cancels[id] = new (model::allocate(sizeof(cancellation), "cancellation")) cancellation(*b.c);
    b.cancels[id]->add_reference();  // of what may request it
    o->connect(b.cancels[id]);
  }
}

// Starts it; true where its completion will come later.
bool start(int id) {
  ticket& t = b.tickets[id];
  t.started = true;
  t.begun_at = model::now();
  model::note("starts to wait", id);
  const outcome o = b.c->wait(*get(id));
  t.queued_at = model::now();
  t.returned = true;
  if (o == outcome::waiting) return true;
  t.immediate = true;
  get(id)->complete(o);
  return false;
}

// None is free, and two wait for one each.
void two_wait() {
  make_core(core::max, core::max);
  for (int id = 0; id != 2; ++id) {
    make_op(id, 1);
    start(id);
  }
}

outcome finish(int id) {
  if (!b.tickets[id].immediate) model::wait_event(id);
  get(id)->destroy();
  return b.tickets[id].what;
}

outcome acquire(int id) {
  start(id);
  return finish(id);
}

bool release(std::uint32_t n) {
  model::note("releases", static_cast<int>(n));
  b.used -= n;
  const bool ok = b.c->release(n);
  if (!ok) b.used += n;
  return ok;
}

bool try_acquire(std::uint32_t n) {
  const bool ok = b.c->try_acquire(n) == outcome::granted;
  model::note(ok ? "try_acquire: true" : "try_acquire: false");
  if (ok) b.used += n;
  return ok;
}

std::size_t shrink(std::size_t n) {
  const std::size_t taken = b.c->shrink(n);
  model::note("shrinks by", static_cast<int>(taken));
  b.used += static_cast<long>(taken);
  return taken;
}

void cancel_one(int id) {
  model::note("cancels", id);
  b.cancels[id]->request(outcome::aborted);
}

void forget_cancel(int id) { b.cancels[id]->drop_reference(); }

void use_data() { ++*data; }  // a data race where two hold the one permit
void use_second() { ++*second; }

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
    second = new (model::allocate(sizeof(int), "second")) int(0);
    prepare();
  }
  void settled() override {
    // Kept by the callers, known by the core.
    model::check(static_cast<long>(b.c->in_use()) == b.used, "permits are not conserved");
    std::size_t asleep = 0;
    for (const ticket& t : b.tickets) asleep += t.started && !t.done;
    model::check(b.c->waiting() == asleep, "waiting() is wrong");
    free_ = b.c->available();
    limit_ = b.c->limit();
    closed_ = b.c->is_closed();
    // A permit that no acquire waits for can be had.
    if (asleep == 0 && !closed_ && limit_ > 0)
      model::check(b.c->locked() == (free_ == 0), "free permits cannot be had");
    order();
    expect();
  }
  // The semaphore is destroyed: in the order of the queue, every waiter is told.
  void teardown() override {
    b.settled = true;
    int first = -1;
    for (int i = 0; i < max_ops; ++i)
      if (b.tickets[i].started && !b.tickets[i].done) first = i;
    const int told = b.completions;
    b.c->orphan();
    if (first < 0) return;
    for (int i = 0; i < max_ops; ++i) {
      const ticket& t = b.tickets[i];
      if (!t.started) continue;
      model::check(t.done, "never completed");
      if (t.nth == told) first = i;
    }
    const ticket& head = b.tickets[first];
    if (!retry_)
      model::check(!closed_ && head.permits > free_ && head.permits <= limit_, "left asleep");
  }
  void finished() override {
    for (const ticket& t : b.tickets) model::check(!t.started || t.done, "never completed");
    for (int i = 0; i < max_ops; ++i)
      if (left_over_ & (1 << i)) finish(i);
    static_cast<void>(data);
    operator delete(data);
    operator delete(second);
    if (!dropped_) b.c->drop_reference();
    after();
  }

 protected:
  virtual void prepare() = 0;
  virtual void expect() {}
  virtual void after() {}

  // First come, first served.
  void order() {
    for (const ticket& x : b.tickets) {
      for (const ticket& y : b.tickets) {
        if (!x.started || !y.started || x.immediate || !y.done) continue;
        if (y.what != outcome::granted || x.queued_at >= y.begun_at) continue;
        if (x.done && x.what != outcome::granted) continue;
        model::check(x.done && x.nth < y.nth, "not first come, first served");
      }
    }
  }

  int left_over_ = 0;     // operations that only finished() destroys
  bool dropped_ = false;  // the threads dropped the references
  bool retry_ = false;    // what was refused may wait for the next call
  std::size_t free_ = 0, limit_ = 0;
  bool closed_ = false;

 private:
  const char* name_;
  const int threads_;
};

constexpr std::uint32_t max = core::max;

#define PROGRAM(id, text, count) \
  struct id final : base {       \
    id() : base(text, count) {}  \
    void prepare() override;     \
    void thread(int) override;   \
    void expect() override;      \
  } id##_instance;

PROGRAM(acquire_release, "acquire | release", 2)
void acquire_release::prepare() {
  make_core(max, max);
  make_op(0, 1);
}
void acquire_release::thread(int i) {
  if (i == 0) {
    if (acquire(0) == outcome::granted) use_data();
  } else {
    use_data();
    release(1);
  }
}
void acquire_release::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(two_by_two, "2 threads x 2 rounds, 1 permit", 2)
void two_by_two::prepare() {
  make_core(max - 1, max);
  for (int i = 0; i < 4; ++i) make_op(i, 1);
}
void two_by_two::thread(int i) {
  for (int k = 0; k < 2; ++k) {
    if (acquire(2 * i + k) != outcome::granted) model::check(false, "not granted");
    use_data();
    release(1);
  }
}
void two_by_two::expect() { model::check(free_ == 1, "a permit is missing"); }

PROGRAM(three_by_one, "3 threads x 1 round, 1 permit", 3)
void three_by_one::prepare() {
  make_core(max - 1, max);
  for (int i = 0; i < 3; ++i) make_op(i, 1);
}
void three_by_one::thread(int i) {
  if (acquire(i) != outcome::granted) model::check(false, "not granted");
  use_data();
  release(1);
}
void three_by_one::expect() { model::check(free_ == 1, "a permit is missing"); }

PROGRAM(acquirers_cancel_all, "2 acquirers | cancel()", 3)
void acquirers_cancel_all::prepare() {
  make_core(max - 1, max);
  make_op(0, 1);
  make_op(1, 1);
}
void acquirers_cancel_all::thread(int i) {
  if (i == 2) {
    b.c->cancel();
  } else if (acquire(i) == outcome::granted) {
    use_data();
    release(1);
  }
}
void acquirers_cancel_all::expect() { model::check(free_ == 1, "a permit is missing"); }

PROGRAM(acquirers_cancel_one, "2 acquirers | canceller of one", 3)
void acquirers_cancel_one::prepare() {
  make_core(max - 1, max);
  make_op(0, 1, true);
  make_op(1, 1);
}
void acquirers_cancel_one::thread(int i) {
  if (i == 2) {
    model::wait_event(10);
    if (!b.tickets[0].immediate) cancel_one(0);
    forget_cancel(0);
  } else {
    start(i);
    if (i == 0) model::set_event(10);
    if (finish(i) == outcome::granted) {
      use_data();
      release(1);
    }
  }
}
void acquirers_cancel_one::expect() { model::check(free_ == 1, "a permit is missing"); }

// Of two permits one is held. The head wants both, the waiter behind it wants one.
PROGRAM(weighted_head, "weighted head + canceller | release | try_acquire", 3)
void weighted_head::prepare() {
  make_core(max - 1, max);
  make_op(0, 2, true);
  make_op(1, 1);
  start(0);
  start(1);
  left_over_ = 3;
}
void weighted_head::thread(int i) {
  if (i == 0) {
    cancel_one(0);
    forget_cancel(0);
  } else if (i == 1) {
    release(1);
  } else {
    try_acquire(1);
  }
}
void weighted_head::expect() {
  model::check(b.tickets[0].done, "the head was neither granted nor cancelled");
}

PROGRAM(weighted_head_cancel, "weighted head + canceller", 2)
void weighted_head_cancel::prepare() {
  make_core(max - 1, max);
  make_op(0, 2, true);
  make_op(1, 1);
  make_op(2, 1);
  start(0);
  left_over_ = 1;
}
void weighted_head_cancel::thread(int i) {
  if (i == 0) {
    cancel_one(0);
    forget_cancel(0);
  } else {
    acquire(1);
  }
}
void weighted_head_cancel::expect() {
  model::check(b.tickets[1].done && b.tickets[1].what == outcome::granted,
               "not granted when the head left");
  get(2)->destroy();
}

PROGRAM(close_acquire_release, "close | acquire | release", 3)
void close_acquire_release::prepare() {
  make_core(max, max);
  make_op(0, 1);
}
void close_acquire_release::thread(int i) {
  if (i == 0) {
    b.c->close();
  } else if (i == 1) {
    if (acquire(0) == outcome::granted) use_data();
  } else {
    use_data();
    release(1);
  }
}
void close_acquire_release::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(limit_release_acquire, "set_limit | release | acquire", 3)
void limit_release_acquire::prepare() {
  make_core(2, 2);
  make_op(0, 1);
  make_op(1, 1);
  start(1);
  left_over_ = 2;
}
void limit_release_acquire::thread(int i) {
  if (i == 0)
    b.c->set_limit(3);
  else if (i == 1)
    release(1);
  else
    acquire(0);
}
void limit_release_acquire::expect() {}

PROGRAM(limit_release, "release, too few for the head | set_limit", 2)
void limit_release::prepare() {
  make_core(2, 2);
  make_op(0, 2);
  start(0);
  left_over_ = 1;
}
void limit_release::thread(int i) {
  if (i == 0)
    release(1);
  else
    b.c->set_limit(3);
}
void limit_release::expect() { model::check(b.tickets[0].done, "left asleep"); }

// The limit is raised, and only then does an acquire ask for as much.
PROGRAM(raise_then_wait, "raise, then ask for as much | release", 2)
void raise_then_wait::prepare() {
  make_core(2, 2);
  make_op(0, 3);
  make_op(1, 2);
  start(1);
  left_over_ = 3;
}
void raise_then_wait::thread(int i) {
  if (i == 0) {
    b.c->set_limit(3);
    start(0);
  } else {
    release(1);
  }
}
void raise_then_wait::expect() {
  model::check(!b.tickets[0].done || b.tickets[0].what != outcome::exceeds_limit,
               "refused for a limit that was raised before");
}

PROGRAM(two_limits, "set_limit | set_limit | acquire", 3)
void two_limits::prepare() {
  make_core(1, 1);
  make_op(0, 1);
}
void two_limits::thread(int i) {
  if (i == 0)
    b.c->set_limit(2);
  else if (i == 1)
    b.c->set_limit(0);
  else
    acquire(0);
}
void two_limits::expect() { model::check(limit_ == 0 || limit_ == 2, "no such limit was set"); }

PROGRAM(lower_limit, "lower the limit | release, with a heavy waiter", 2)
void lower_limit::prepare() {
  make_core(2, 2);
  make_op(0, 2);
  make_op(1, 1);
  start(0);
  start(1);
  left_over_ = 3;
}
void lower_limit::thread(int i) {
  if (i == 0)
    b.c->set_limit(1);
  else
    release(2);
}
void lower_limit::expect() { model::check(b.tickets[0].done, "waits for more than the limit"); }

// An acquire looked before the limit was lowered, and is mailed after the queue was looked at.
PROGRAM(lower_before_mail, "a heavy acquire | release, lower the limit", 2)
void lower_before_mail::prepare() {
  make_core(2, 2);
  make_op(0, 1);
  make_op(1, 1);
  make_op(2, 2);
  start(0);
  start(1);
  left_over_ = 7;
}
void lower_before_mail::thread(int i) {
  if (i == 0) {
    start(2);
  } else {
    release(1);
    b.c->set_limit(1);
  }
}
void lower_before_mail::expect() {
  model::check(b.tickets[2].done && b.tickets[2].what == outcome::exceeds_limit,
               "waits for what a limit excludes");
}

// The semaphore and each permit hold a reference; the thread that drops the last deletes the core.
struct lifetime : base {
  using base::base;
  void settled() override {}
  void teardown() override {}
  static void destroy() {
    b.c->orphan();
    b.c->drop_reference();
  }
};

// The first thread destroys the semaphore, each of the others gives a permit back.
struct destroyed_beside : lifetime {
  using lifetime::lifetime;
  void thread(int i) override {
    if (i == 0) return destroy();
    b.c->give_back(1);
    b.c->drop_reference();
  }
};

struct destroy_release final : destroyed_beside {
  destroy_release() : destroyed_beside("destroy | a permit comes back", 2) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    b.c->add_reference();  // the permit's
    start(0);
    left_over_ = 1;
  }
} destroy_release_instance;

// Permits that were taken at once, without waiting.
struct destroy_at_once final : destroyed_beside {
  destroy_at_once() : destroyed_beside("destroy | permits taken at once come back", 3) {
    dropped_ = true;
  }
  void prepare() override {
    make_core(max - 2, max);
    for (int i = 0; i < 2; ++i)
      model::check(b.c->acquire_at_once(1) == outcome::granted, "not granted");
  }
} destroy_at_once_instance;

// A handler that is told that the semaphore goes takes a permit.
struct acquire_at_last final : destroyed_beside {
  acquire_at_last() : destroyed_beside("destroy, the aborted acquires | a permit comes back", 2) {
    dropped_ = true;
    left_over_ = 1;
  }
  void prepare() override {
    acquired_ = false;
    make_core(max - 1, max);
    b.c->add_reference();  // the permit's
    make_op(0, 2);
    start(0);
    b.tickets[0].then = [] { acquired_ = b.c->try_acquire(1, true) == outcome::granted; };
  }
  void after() override {
    if (!acquired_) return;
    b.c->give_back(1);
    b.c->drop_reference();
  }
  static inline bool acquired_ = false;
} acquire_at_last_instance;

struct destroy_handlers final : destroyed_beside {
  destroy_handlers() : destroyed_beside("destroy | a permit comes back | handler", 3) {
    dropped_ = true;
  }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    b.c->add_reference();  // the permit's
    start(0);
  }
  void thread(int i) override {
    if (i != 2) return destroyed_beside::thread(i);
    model::wait_event(0);
    if (b.tickets[0].what == outcome::granted) b.c->give_back(1);
    get(0)->destroy();
  }
} destroy_handlers_instance;

struct late_cancel final : lifetime {
  late_cancel() : lifetime("destroy | late cancel", 2) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1, true);
    start(0);
  }
  void thread(int i) override {
    if (i == 0) {
      destroy();
    } else {
      cancel_one(0);
      finish(0);
      forget_cancel(0);
    }
  }
} late_cancel_instance;

struct last_in_mailbox final : lifetime {
  last_in_mailbox() : lifetime("acquire, the last owner | release", 2) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    make_op(1, 1);
    start(1);
    b.c->add_reference();
    b.c->add_reference();
    left_over_ = 2;
  }
  void thread(int i) override {
    if (i == 0) {
      acquire(0);
      b.c->orphan();
    } else {
      b.c->release(1);
      b.c->drop_reference();
      b.c->release(1);
    }
    b.c->drop_reference();
  }
} last_in_mailbox_instance;

// The calling threads have no reference of their own: a handler destroys the semaphore under them.

struct under_release final : lifetime {
  under_release() : lifetime("release | the handler destroys", 2) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    start(0);
  }
  void thread(int i) override {
    if (i == 0) {
      b.c->release(1);
    } else {
      finish(0);
      destroy();
    }
  }
} under_release_instance;

struct under_wait final : lifetime {
  under_wait() : lifetime("wait | release | the handler destroys", 3) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    make_op(1, 1);
    start(1);
    b.c->add_reference();
  }
  void thread(int i) override {
    if (i == 0) {
      if (!start(0)) model::set_event(0);
    } else if (i == 1) {
      b.c->release(2);
      b.c->drop_reference();
    } else {
      finish(1);
      model::wait_event(0);
      get(0)->destroy();
      destroy();
    }
  }
} under_wait_instance;

struct under_cancel final : lifetime {
  under_cancel() : lifetime("cancel() | release | the handler destroys", 3) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 2);
    start(0);
    b.c->add_reference();
  }
  void thread(int i) override {
    if (i == 0) {
      b.c->cancel();
    } else if (i == 1) {
      b.c->release(1);  // too few
      b.c->drop_reference();
    } else {
      finish(0);
      destroy();
    }
  }
} under_cancel_instance;

struct abandon_release final : lifetime {
  abandon_release() : lifetime("abandon | a permit comes back", 2) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    b.c->add_reference();
    b.c->add_reference();
    start(0);
    left_over_ = 1;
  }
  void thread(int i) override {
    if (i == 0)
      b.c->abandon();
    else
      b.c->give_back(1);
    b.c->drop_reference();
  }
  void after() override { destroy(); }
} abandon_release_instance;

// An acquire that comes too late is destroyed as well.
struct abandon_acquire final : lifetime {
  abandon_acquire() : lifetime("abandon | acquire", 2) { dropped_ = true; }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
  }
  void thread(int i) override {
    if (i == 0)
      b.c->abandon();
    else
      acquire(0);
  }
  void after() override { destroy(); }
} abandon_acquire_instance;

PROGRAM(cancel_grant, "cancel | grant", 2)
void cancel_grant::prepare() {
  make_core(max, max);
  make_op(0, 1, true);
  start(0);
  left_over_ = 1;
}
void cancel_grant::thread(int i) {
  if (i == 0) {
    cancel_one(0);
    forget_cancel(0);
  } else {
    release(1);
  }
}
void cancel_grant::expect() {
  model::check(b.tickets[0].done, "left asleep");
  model::check(free_ == (b.tickets[0].what == outcome::granted ? 0u : 1u), "a permit is missing");
}

PROGRAM(cancel_grant_all, "cancel one | cancel() | grant, two wait", 3)
void cancel_grant_all::prepare() {
  make_core(max, max);
  make_op(0, 1, true);
  make_op(1, 1);
  start(0);
  start(1);
  left_over_ = 3;
}
void cancel_grant_all::thread(int i) {
  if (i == 0) {
    cancel_one(0);
    forget_cancel(0);
  } else if (i == 1) {
    b.c->cancel();
  } else {
    release(1);
  }
}
void cancel_grant_all::expect() {
  model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
}

// An acquire that comes after cancel() has returned is not meant.
PROGRAM(cancel_then_wait, "cancel(), then acquire | release", 2)
void cancel_then_wait::prepare() {
  make_core(max, max);
  make_op(0, 1);
  make_op(1, 1);
  start(0);
  left_over_ = 1;
}
void cancel_then_wait::thread(int i) {
  if (i == 0) {
    b.c->cancel();
    model::check(acquire(1) == outcome::granted, "aborted by an earlier cancel()");
  } else {
    release(1);
    release(1);
  }
}
void cancel_then_wait::expect() { model::check(b.tickets[0].done, "left asleep"); }

struct refusing : base {
  using base::base;
};
struct refuse_release final : refusing {
  refuse_release() : refusing("a refusing executor | release | release", 2) {
    retry_ = true;
    left_over_ = 3;
  }
  void prepare() override {
    two_wait();
    b.tickets[0].refusals = 1;
  }
  void thread(int) override { release(1); }
  void settled() override {
    release(1);  // the next call that looks at the queue
    base::settled();
  }
  void expect() override { model::check(b.tickets[0].done && b.tickets[1].done, "left asleep"); }
} refuse_release_instance;

struct refuse_cancel final : refusing {
  refuse_cancel() : refusing("a refusing executor | release | canceller", 2) {
    retry_ = true;
    left_over_ = 1;
  }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1, true);
    start(0);
    b.tickets[0].refusals = 1;
  }
  void thread(int i) override {
    if (i == 0) {
      release(1);
    } else {
      cancel_one(0);
      forget_cancel(0);
    }
  }
  void settled() override {
    release(1);
    base::settled();
  }
  void expect() override { model::check(b.tickets[0].done, "left asleep"); }
} refuse_cancel_instance;

struct refuse_destroy final : refusing {
  refuse_destroy() : refusing("a refusing executor | release | destroy", 2) {
    retry_ = true;
    left_over_ = 1;
  }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    start(0);
    b.tickets[0].refusals = 3;
  }
  void thread(int i) override {
    if (i == 0)
      release(1);
    else
      b.c->orphan();
  }
  // Refused by then: at the release, if that came first, and once more.
  void settled() override {
    model::check(b.tickets[0].done, "left asleep");
    model::check(b.tickets[0].destroyed, "not destroyed though there is no queue to go back to");
  }
} refuse_destroy_instance;

// Both are decided when the executor refuses the first; the other is told at the next opportunity,
// though the first may have to wait.
struct refuse_behind final : refusing {
  refuse_behind() : refusing("a refusing executor | release | wait, cancel the third", 2) {
    retry_ = true;
    left_over_ = 15;
  }
  void prepare() override {
    make_core(max, max);
    make_op(0, 1);
    make_op(1, 1);
    make_op(2, 1, true);
    make_op(3, 1);
    for (int i = 0; i < 3; ++i) start(i);
    b.tickets[0].refusals = 1;
  }
  void thread(int i) override {
    if (i == 0) {
      release(2);
    } else {
      start(3);  // so that the strand has mail when it grants, and then more
      cancel_one(2);
      forget_cancel(2);
    }
  }
  void settled() override {
    shrink(2);
    b.c->set_limit(max);  // looks at the queue
    base::settled();
  }
  void expect() override { model::check(b.tickets[2].done, "cancelled, but never told"); }
} refuse_behind_instance;

// An executor refuses while the limit changes.
struct refuse_limit final : refusing {
  refuse_limit() : refusing("a refusing executor | release | set_limit", 2) {
    retry_ = true;
    left_over_ = 1;
  }
  void prepare() override {
    make_core(2, 2);
    make_op(0, 1);
    start(0);
    b.tickets[0].refusals = 1;
  }
  void thread(int i) override {
    if (i == 0)
      release(1);
    else
      b.c->set_limit(3);
  }
  void expect() override { model::check(b.c->limit() == 3, "another limit than was set"); }
} refuse_limit_instance;

// Of two threads that release one permit, one is told that it is one too many, unless it was granted between.
PROGRAM(release_too_many, "release | release, one in use, one waits", 2)
void release_too_many::prepare() {
  make_core(1, 1);
  make_op(0, 1);
  start(0);
  left_over_ = 1;
}
void release_too_many::thread(int) { release(1); }
void release_too_many::expect() { model::check(b.tickets[0].done, "left asleep"); }

// What a release has in hand, another thread gives back without holding it: one of them is told.
PROGRAM(release_in_hand, "release of two | release of two, one waits", 2)
void release_in_hand::prepare() {
  make_core(2, 2);
  make_op(0, 1);
  start(0);
  left_over_ = 1;
}
void release_in_hand::thread(int) { release(2); }
void release_in_hand::expect() {
  model::check(b.tickets[0].done, "left asleep");
  model::check(free_ == 1, "both gave the two back, or neither");
}

// The head takes all that comes back; what was free before suffices for the one behind it.
PROGRAM(release_behind, "release of two | try_acquire, two wait, one permit is free", 2)
void release_behind::prepare() {
  make_core(2, 3);
  make_op(0, 2);
  make_op(1, 1);
  start(0);
  start(1);
  left_over_ = 3;
}
void release_behind::thread(int i) {
  if (i == 0)
    release(2);
  else
    try_acquire(1);
}
void release_behind::expect() {
  model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
}

// The handler that gets the last permit knows that no acquire waits any more.
PROGRAM(release_then_try, "release | the granted waiter releases, try_acquire", 2)
void release_then_try::prepare() {
  make_core(1, 1);
  make_op(0, 1);
  start(0);
}
void release_then_try::thread(int i) {
  if (i == 0) {
    release(1);
  } else if (finish(0) == outcome::granted) {
    release(1);
    model::check(try_acquire(1), "a free permit cannot be had");
  }
}
void release_then_try::expect() { model::check(free_ == 0, "a permit too many"); }

PROGRAM(shrink_release, "shrink | release, one waits", 2)
void shrink_release::prepare() {
  make_core(max, max);
  make_op(0, 1);
  start(0);
  left_over_ = 1;
}
void shrink_release::thread(int i) {
  if (i == 0)
    model::check(shrink(1) == 0, "took what was on its way to a waiter");
  else
    release(1);
}
void shrink_release::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(shrink_release_two, "shrink | release of two, two wait", 2)
void shrink_release_two::prepare() {
  two_wait();
  left_over_ = 3;
}
void shrink_release_two::thread(int i) {
  if (i == 0)
    model::check(shrink(2) == 0, "took what was on its way to a waiter");
  else
    release(2);
}
void shrink_release_two::expect() { model::check(b.tickets[1].done, "left asleep"); }

PROGRAM(shrink_releases, "shrink | release | release, two wait", 3)
void shrink_releases::prepare() {
  two_wait();
  left_over_ = 3;
}
void shrink_releases::thread(int i) {
  if (i == 0)
    model::check(shrink(2) == 0, "took what was on its way to a waiter");
  else
    release(1);
}
void shrink_releases::expect() { model::check(b.tickets[1].done, "left asleep"); }

PROGRAM(try_after_wait, "wait, then try_acquire | release", 2)
void try_after_wait::prepare() {
  make_core(max, max);
  make_op(0, 1);
  left_over_ = 1;
}
void try_after_wait::thread(int i) {
  if (i == 0) {
    if (start(0)) model::check(!try_acquire(1), "try_acquire overtakes a waiter");
  } else {
    release(1);
  }
}
void try_after_wait::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(try_beside_wait, "wait | release | try_acquire", 3)
void try_beside_wait::prepare() {
  make_core(max, max);
  make_op(0, 1);
  left_over_ = 1;
}
void try_beside_wait::thread(int i) {
  if (i == 0)
    start(0);
  else if (i == 1)
    release(1);
  else if (try_acquire(1))
    release(1);
}
void try_beside_wait::expect() { model::check(b.tickets[0].done, "left asleep"); }

PROGRAM(fifo, "two waits of one thread | release, release", 2)
void fifo::prepare() {
  make_core(max, max);
  make_op(0, 1);
  make_op(1, 1);
  left_over_ = 3;
}
void fifo::thread(int i) {
  if (i == 0) {
    start(0);
    start(1);
  } else {
    release(1);
    release(1);
  }
}
void fifo::expect() { model::check(b.tickets[1].done, "left asleep"); }

PROGRAM(release_two_waiters, "release | release, two wait", 2)
void release_two_waiters::prepare() {
  two_wait();
  left_over_ = 3;
}
void release_two_waiters::thread(int) { release(1); }
void release_two_waiters::expect() { model::check(b.tickets[1].done, "left asleep"); }

// What happened before a release is seen after the acquire that it satisfies: here two satisfy one.
PROGRAM(both_seen, "acquire of two | release | release", 3)
void both_seen::prepare() {
  make_core(max, max);
  make_op(0, 2);
}
void both_seen::thread(int i) {
  if (i == 0) {
    model::check(acquire(0) == outcome::granted, "not granted");
    use_data();
    use_second();
  } else {
    i == 1 ? use_data() : use_second();
    release(1);
  }
}
void both_seen::expect() {}

PROGRAM(both_seen_at_once, "try_acquire of two | release | release", 3)
void both_seen_at_once::prepare() { make_core(max, max); }
void both_seen_at_once::thread(int i) {
  if (i == 0) {
    if (!try_acquire(2)) return;
    use_data();
    use_second();
  } else {
    i == 1 ? use_data() : use_second();
    release(1);
  }
}
void both_seen_at_once::expect() {}

PROGRAM(both_seen_shrink, "shrink by two | release | release", 3)
void both_seen_shrink::prepare() { make_core(max, max); }
void both_seen_shrink::thread(int i) {
  if (i == 0) {
    if (shrink(2) != 2) return;
    use_data();
    use_second();
  } else {
    i == 1 ? use_data() : use_second();
    release(1);
  }
}
void both_seen_shrink::expect() {}

// A release that meets waiters, before others that do not.
PROGRAM(seen_behind_queue, "release to a waiter, release | acquire", 2)
void seen_behind_queue::prepare() {
  make_core(max, max);
  make_op(0, 1);
  make_op(1, 1);
  start(0);
  left_over_ = 1;
}
void seen_behind_queue::thread(int i) {
  if (i == 0) {
    use_data();
    release(2);
  } else if (acquire(1) == outcome::granted) {
    use_data();
  }
}
void seen_behind_queue::expect() { model::check(b.tickets[1].done, "left asleep"); }

// Two are mailed while the head, which wanted too much, is cancelled: no acquire overtakes the second,
// though the word was the same before it was announced.
PROGRAM(mail_under_pending, "cancel the head | wait, wait, try_acquire", 2)
void mail_under_pending::prepare() {
  make_core(max - 2, max);
  make_op(0, 1);
  make_op(1, 1);
  make_op(2, 3, true);
  start(2);
  left_over_ = 7;
}
void mail_under_pending::thread(int i) {
  if (i == 0) {
    cancel_one(2);
    forget_cancel(2);
  } else {
    start(0);
    start(1);
    model::check(!try_acquire(1), "try_acquire overtakes a waiter");
  }
}
void mail_under_pending::expect() { model::check(b.tickets[1].done, "left asleep"); }

PROGRAM(raise_shrink, "raise the limit | shrink, one waits", 2)
void raise_shrink::prepare() {
  make_core(1, 1);
  make_op(0, 1);
  start(0);
  left_over_ = 1;
}
void raise_shrink::thread(int i) {
  if (i == 0)
    b.c->set_limit(2);
  else
    model::check(shrink(1) == 0, "took what was on its way to a waiter");
}
void raise_shrink::expect() { model::check(b.tickets[0].done, "left asleep"); }

// A cancellation never comes too late for a permit released after it.
PROGRAM(cancel_then_release, "cancel, then release | the strand is busy", 2)
void cancel_then_release::prepare() {
  make_core(max, max);
  make_op(0, 1, true);
  make_op(1, 1, true);
  start(0);
  start(1);
  left_over_ = 3;
}
void cancel_then_release::thread(int i) {
  cancel_one(i);
  forget_cancel(i);
  if (i == 0) release(1);
}
void cancel_then_release::expect() {
  model::check(b.tickets[0].done && b.tickets[0].what == outcome::aborted,
               "granted though cancelled before");
}

// An acquire that finds a permit free is not told before those that were granted theirs earlier.
PROGRAM(told_in_order, "wait, then acquire | release of two", 2)
void told_in_order::prepare() {
  make_core(max, max);
  make_op(0, 1);
  make_op(1, 1);
  start(0);
  left_over_ = 3;
}
void told_in_order::thread(int i) {
  if (i == 0)
    start(1);
  else
    release(2);
}
void told_in_order::expect() { model::check(b.tickets[1].done, "left asleep"); }

// No acquire succeeds after close(), though permits come back.
PROGRAM(close_release, "close, then release | acquire", 2)
void close_release::prepare() {
  make_core(max, max);
  make_op(0, 1);
}
void close_release::thread(int i) {
  if (i == 0) {
    b.c->close();
    release(1);
  } else {
    model::check(acquire(0) == outcome::closed, "granted a permit released after close()");
  }
}
void close_release::expect() { model::check(b.tickets[0].done, "left asleep"); }

// A waiter of a closed semaphore is told that, whatever becomes of the limit afterwards.
PROGRAM(close_then_limit, "wait, close, lower the limit | release", 2)
void close_then_limit::prepare() {
  make_core(2, 2);
  make_op(0, 2);
  make_op(1, 1);
  start(1);
  left_over_ = 3;
}
void close_then_limit::thread(int i) {
  if (i == 0) {
    start(0);
    b.c->close();
    b.c->set_limit(1);
  } else {
    release(1);
  }
}
void close_then_limit::expect() {
  model::check(b.tickets[0].what == outcome::closed, "told something else than closed");
}

// Granted while the strand is busy, and to be handed over by it: a cancellation comes too late.
PROGRAM(granted_by_mail, "acquire at once, cancel | release of two", 2)
void granted_by_mail::prepare() {
  make_core(max, max);
  make_op(0, 1);
  make_op(1, 1, true);
  start(0);
  left_over_ = 3;
}
void granted_by_mail::thread(int i) {
  if (i == 0) {
    if (start(1)) cancel_one(1);
    forget_cancel(1);
  } else {
    release(2);
  }
}
void granted_by_mail::expect() { model::check(b.tickets[1].done, "left asleep"); }

// A waiter is announced while the word, whose `queued` and `pending` are set, does not change.
PROGRAM(announced_unchanged, "a call back | wait, try_acquire", 2)
void announced_unchanged::prepare() {
  make_core(max, max);
  make_op(0, 1);
  make_op(1, 1);
  make_op(2, 1);
  start(0);
  left_over_ = 7;
  b.tickets[0].then = [] {
    start(1);
    release(2);
  };
}
void announced_unchanged::thread(int i) {
  if (i == 0)
    release(1);
  else if (start(2))
    model::check(b.tickets[2].done || !try_acquire(1), "try_acquire overtakes a waiter");
}
void announced_unchanged::expect() {
  model::check(b.tickets[1].done && b.tickets[2].done, "left asleep");
}

PROGRAM(limit_beside_mail, "a call back that waits | raise the limit", 2)
void limit_beside_mail::prepare() {
  make_core(1, 1);
  make_op(0, 1);
  make_op(1, 1);
  start(0);
  left_over_ = 3;
  b.tickets[0].then = [] { start(1); };
}
void limit_beside_mail::thread(int i) {
  if (i == 0)
    release(1);
  else
    b.c->set_limit(2);
}
void limit_beside_mail::expect() { model::check(b.tickets[1].done, "left asleep"); }

// The word is the same before and after the other's turn.
PROGRAM(try_in_turn, "try_acquire, release | try_acquire, release", 2)
void try_in_turn::prepare() { make_core(max - 1, max); }
void try_in_turn::thread(int) {
  if (!try_acquire(1)) return;
  use_data();
  release(1);
}
void try_in_turn::expect() { model::check(free_ == 1, "a permit is missing"); }

PROGRAM(permits_in_turn, "a permit object | a permit object", 2)
void permits_in_turn::prepare() { make_core(max - 1, max); }
void permits_in_turn::thread(int) {
  if (b.c->acquire_at_once(1) != outcome::granted) return;
  ++b.used;
  use_data();
  --b.used;
  b.c->return_permits(1);
}
void permits_in_turn::expect() { model::check(free_ == 1, "a permit is missing"); }

// Raising the limit is as good as a release: what happened before is seen by an acquire that gains from it.
PROGRAM(raised_seen, "raise the limit | try_acquire", 2)
void raised_seen::prepare() { make_core(0, 0); }
void raised_seen::thread(int i) {
  if (i == 0) {
    use_data();
    b.c->set_limit(1);
  } else if (try_acquire(1)) {
    use_data();
  }
}
void raised_seen::expect() {}

PROGRAM(raised_twice_seen, "raise the limit twice | try_acquire of two", 2)
void raised_twice_seen::prepare() { make_core(0, 0); }
void raised_twice_seen::thread(int i) {
  if (i == 0) {
    b.c->set_limit(1);
    use_data();
    b.c->set_limit(2);
  } else if (try_acquire(2)) {
    use_data();
  }
}
void raised_twice_seen::expect() {}

// A release that puts a limit in force which is what is in use: what that owes the queue is not left
// standing when no acquire waits any more.
PROGRAM(same_limit, "set_limit to what is in use | release, one waits", 2)
void same_limit::prepare() {
  make_core(1, 1);
  make_op(0, 1);
  start(0);
  left_over_ = 1;
}
void same_limit::thread(int i) {
  if (i == 0)
    b.c->set_limit(1);
  else
    release(1);
}
void same_limit::expect() {
  model::check(b.tickets[0].done, "left asleep");
  release(1);
  model::check(shrink(1) == 1, "reserved for an empty queue");
}

// The same, with a waiter behind that asks for more than is allowed now.
PROGRAM(lower_to_used, "lower the limit to what is in use | release, two wait", 2)
void lower_to_used::prepare() {
  make_core(2, 3);
  make_op(0, 2);
  make_op(1, 3);
  start(0);
  start(1);
  left_over_ = 3;
}
void lower_to_used::thread(int i) {
  if (i == 0)
    b.c->set_limit(2);
  else
    release(2);
}
void lower_to_used::expect() {
  model::check(b.tickets[0].what == outcome::granted, "the head was not granted");
  model::check(b.tickets[1].what == outcome::exceeds_limit, "waits for more than the limit");
}

// ---- The number of waiters is bounded: each program has one place, unless it says otherwise

struct bounding : base {
  using base::base;
  // For `free` permits, `waiters` of which wait, and one more acquire for each thread.
  void make(std::uint32_t free, int waiters, int more, std::size_t places = 1) {
    make_core(max - free, max);
    b.c->set_max_waiting(places);
    places_ = places;
    for (int id = 0; id != waiters + more; ++id) make_op(id, 1, id == 0 && waiters != 0);
    for (int id = 0; id != waiters; ++id) start(id);
    left_over_ = (1 << (waiters + more)) - 1;
  }
  int count(outcome o) {
    int n = 0;
    for (const ticket& t : b.tickets) n += t.started && t.done && t.what == o;
    return n;
  }
  void look() { model::check(b.c->waiting() <= places_, "more wait than may"); }
  void expect() override {
    look();
    expect_ends();
  }
  virtual void expect_ends() {}
  void after() override {
    if (b.cancels[0]) forget_cancel(0);
  }
  std::size_t places_ = 0;
};

struct bounded_two final : bounding {
  bounded_two() : bounding("bounded: wait | wait", 2) {}
  void prepare() override { make(0, 0, 2); }
  void thread(int i) override {
    start(i);
    look();
  }
  void expect_ends() override {
    model::check(count(outcome::queue_full) == 1, "not one is refused");
  }
} bounded_two_instance;

struct bounded_release final : bounding {
  bounded_release() : bounding("bounded: wait | wait | release", 3) {}
  void prepare() override { make(0, 0, 2); }
  void thread(int i) override {
    if (i == 2)
      release(1);
    else
      start(i);
  }
  void expect_ends() override {
    model::check(count(outcome::granted) == 1, "the permit is lost");
    model::check(count(outcome::queue_full) <= 1, "refused though there is room");
  }
} bounded_release_instance;

struct bounded_arrival final : bounding {
  bounded_arrival() : bounding("bounded: wait | release, one waits", 2) {}
  void prepare() override { make(0, 1, 1); }
  void thread(int i) override {
    if (i == 0)
      start(1);
    else
      release(1);
    look();
  }
  void expect_ends() override {
    model::check(b.tickets[0].what == outcome::granted, "the permit is lost");
  }
} bounded_arrival_instance;

// A place that a call has made free can be had after that call, if no other thread has the strand.
struct bounded_place final : bounding {
  bounded_place() : bounding("bounded: release, wait | try_acquire, one waits", 2) {}
  void prepare() override { make(0, 1, 1); }
  void thread(int i) override {
    if (i == 1) {
      model::check(!try_acquire(1), "the waiter is overtaken");
      return;
    }
    release(1);
    start(1);
  }
  void expect_ends() override {
    model::check(count(outcome::queue_full) == 0, "refused though there is room");
  }
} bounded_place_instance;

struct bounded_cancel final : bounding {
  bounded_cancel() : bounding("bounded: wait | cancel one, one waits", 2) {}
  void prepare() override { make(0, 1, 1); }
  void thread(int i) override {
    if (i == 0)
      start(1);
    else
      cancel_one(0);
    look();
  }
  void expect_ends() override {
    model::check(b.tickets[0].what == outcome::aborted, "not cancelled");
  }
} bounded_cancel_instance;

struct bounded_close final : bounding {
  bounded_close() : bounding("bounded: wait | close, one waits", 2) {}
  void prepare() override { make(0, 1, 1); }
  void thread(int i) override {
    if (i == 0)
      start(1);
    else
      b.c->close();
  }
  void expect_ends() override {
    model::check(b.tickets[0].what == outcome::closed, "not closed");
    model::check(b.tickets[1].done, "waits at a closed semaphore");
  }
} bounded_close_instance;

// One waits all the time, whatever comes and leaves meanwhile.
struct bounded_reading final : bounding {
  bounded_reading() : bounding("bounded: wait, release | waiting(), one waits", 2) {}
  void prepare() override { make(0, 1, 1, 4); }
  void thread(int i) override {
    if (i == 1) return model::check(b.c->waiting() != 0, "waiting() misses a waiter");
    start(1);
    release(1);
  }
} bounded_reading_instance;

// No place: what is granted after all has never waited.
struct bounded_none final : bounding {
  bounded_none() : bounding("bounded, no place: wait | wait | release", 3) {}
  void prepare() override { make(1, 0, 2, 0); }
  void thread(int i) override {
    if (i == 2) {
      if (try_acquire(1)) release(1);
      return;
    }
    start(i);
    look();
  }
  void expect_ends() override {
    model::check(count(outcome::granted) + count(outcome::queue_full) == 2, "an acquire waits");
  }
} bounded_none_instance;

// ---- The strand is offered: a call delivers nothing for others, and leaves a resumption behind

// Sets how much a call does for others. A thread of the program runs the resumptions, as an executor would.
struct offering : base {
  using base::base;
  void share(std::size_t n) { turnstile::detail::model_most_for_others = n; }
  // Waiters 0 .. n - 1, for one permit each.
  void queue(int n, int cancellable = -1) {
    make_core(max, max);
    for (int id = 0; id != n; ++id) {
      make_op(id, 1, id == cancellable);
      start(id);
    }
    left_over_ = (1 << n) - 1;
  }
  void expect() override {
    for (const ticket& t : b.tickets) model::check(!t.started || t.done, "left asleep");
  }
  void teardown() override {
    base::teardown();
    end_resumptions();
  }
  void finished() override {
    for (; b.resumed < b.resumptions; ++b.resumed) b.c->resume(false);
    base::finished();
  }
};

struct offered_to_resumption final : offering {
  offered_to_resumption() : offering("offered: release | release thrice | resumptions", 3) {}
  void prepare() override {
    share(1);
    queue(4);
  }
  void thread(int i) override {
    if (i == 2) return run_resumptions();
    release(1);
    if (i == 1) release(1), release(1);
  }
} offered_to_resumption_instance;

// The first resumption may take the second offer.
struct offered_two_runners final : offering {
  offered_two_runners() : offering("offered: release | release | two run resumptions", 4) {}
  void prepare() override {
    share(1);
    queue(6);
    b.tickets[0].then = [] { release(2); };
    b.tickets[2].then = [] { release(2); };
  }
  void thread(int i) override {
    if (i >= 2) return run_resumptions(i - 2, 2);
    release(1);
  }
} offered_two_runners_instance;

struct offered_beside_cancel final : offering {
  offered_beside_cancel() : offering("offered: release | release, cancel one | resumptions", 3) {}
  void prepare() override {
    share(1);
    queue(3, 2);
  }
  void thread(int i) override {
    if (i == 2) return run_resumptions();
    release(1);
    if (i == 0) return;
    cancel_one(2);
    forget_cancel(2);
  }
} offered_beside_cancel_instance;

struct offered_beside_cancel_all final : offering {
  offered_beside_cancel_all() : offering("offered: release | release, cancel() | resumptions", 3) {}
  void prepare() override {
    share(1);
    queue(3);
  }
  void thread(int i) override {
    if (i == 2) return run_resumptions();
    release(1);
    if (i == 1) b.c->cancel();
  }
} offered_beside_cancel_all_instance;

struct offered_beside_close final : offering {
  offered_beside_close() : offering("offered: release | wait, close | resumptions", 3) {}
  void prepare() override {
    share(1);
    queue(2);
    make_op(2, 1);
    left_over_ = 7;
  }
  void thread(int i) override {
    if (i == 0) {
      release(1);
    } else if (i == 1) {
      start(2);
      b.c->close();
    } else {
      run_resumptions();
    }
  }
} offered_beside_close_instance;

// An acquire that finds a permit free and the strand offered is not told before those in front.
struct offered_in_order final : offering {
  offered_in_order() : offering("offered: release of three | wait | resumptions", 3) {}
  void prepare() override {
    share(1);
    queue(2);
    make_op(2, 1);
    left_over_ = 7;
    b.tickets[0].then = [] { release(1); };
  }
  void thread(int i) override {
    if (i == 0)
      release(2);
    else if (i == 1)
      start(2);
    else
      run_resumptions();
  }
} offered_in_order_instance;

// A release that finds the strand offered does not hand its permits past the completions that are left.
struct offered_behind final : offering {
  offered_behind() : offering("offered: release | release of two, release | resumptions", 3) {}
  void prepare() override {
    share(1);
    queue(4);
  }
  void thread(int i) override {
    if (i == 2) return run_resumptions();
    release(static_cast<std::uint32_t>(1 + i));
    if (i == 1) release(1);
  }
} offered_behind_instance;

// The executor refuses a completion once.
struct offered_and_refused final : offering {
  offered_and_refused()
      : offering("offered: releases, a completion is refused | release | resumptions", 3) {
    retry_ = true;
  }
  void prepare() override {
    share(1);
    queue(4);
    b.tickets[0].then = [] { release(2); };
    b.tickets[1].refusals = 1;
  }
  void thread(int i) override {
    if (i == 2) return run_resumptions();
    release(1);
    b.c->set_limit(max);  // has the queue looked at again
  }
  void expect() override {}
} offered_and_refused_instance;

// What other threads have recorded before the first delivery is not the call's own.
struct offered_own : offering {
  using offering::offering;
  offered_own() : offering("offered: set_limit | release of three, four wait", 2) {}
  void prepare() override {
    make_core(4, 4);
    wait_for(4);
  }
  void wait_for(int n) {
    share(0);
    for (int id = 0; id != n; ++id) make_op(id, 1);
    for (int id = 0; id != n; ++id) start(id);
    left_over_ = (1 << n) - 1;
  }
  void thread(int i) override {
    if (i == 1) {
      release(3);
      return;
    }
    count_deliveries([] { b.c->set_limit(5); });
  }
  // What this thread delivers during the call.
  template <typename Call>
  static void count_deliveries(Call call) {
    b.watched = model::thread() + 1;
    call();
    b.watched = 0;
    model::check(b.deliveries <= 1, "a call works for others without a bound");
  }
  // No executor runs them meanwhile.
  void settled() override {
    for (; b.resumed < b.resumptions; ++b.resumed) b.c->resume(false);
    offering::settled();
  }
} offered_own_instance;

struct offered_own_mail final : offered_own {
  offered_own_mail() : offered_own("offered: set_limit | cancel(), three wait", 2) {}
  void prepare() override {
    make_core(4, 4);
    wait_for(3);
  }
  void thread(int i) override {
    if (i == 1) return b.c->cancel();
    count_deliveries([] { b.c->set_limit(5); });
  }
} offered_own_mail_instance;

// The executor refuses a resumption once: the call goes on, unless another has taken the strand.
struct offered_resumption_refused final : offering {
  offered_resumption_refused()
      : offering("offered: release | release thrice | resumptions, one is refused", 3) {}
  void prepare() override {
    share(1);
    queue(4);
    b.refused_resumptions = 1;
  }
  void thread(int i) override {
    if (i == 2) return run_resumptions();
    release(1);
    if (i == 1) release(1), release(1);
  }
} offered_resumption_refused_instance;

// A waiter whose completion is posted to another context: it must not depend on the resumptions, which are
// not run here.
struct offered_elsewhere final : offering {
  offered_elsewhere() : offering("offered: release twice | wait elsewhere | release twice", 3) {}
  void prepare() override {
    share(1);
    queue(3);
    make_op(3, 1);
    get(3)->set_elsewhere();
    left_over_ = 15;
  }
  void thread(int i) override {
    if (i == 1) {
      start(3);
    } else {
      release(1);
      release(1);
    }
  }
  void expect() override { model::check(b.tickets[3].done, "left asleep"); }
} offered_elsewhere_instance;

// The same, by the executor: just before the call offers the strand, or while it takes the resumption.
struct offered_elsewhere_within final : offering {
  offered_elsewhere_within(const char* name, bool before) : offering(name, 2), before_(before) {}
  void prepare() override {
    share(1);
    queue(3);
    make_op(3, 1);
    get(3)->set_elsewhere();
    left_over_ = 15;
    b.tickets[0].then = [] { release(3); };
    if (before_)
      b.tickets[1].then = [] { start(3); };
    else
      b.during_post = [] { start(3); };
  }
  void thread(int i) override {
    if (i == 0) release(1);
    if (i == 1) b.c->is_closed();
  }
  void expect() override { model::check(b.tickets[3].done, "left asleep"); }

 private:
  const bool before_;
};
offered_elsewhere_within offered_elsewhere_before_instance(
    "offered: release, wait elsewhere before the offer", true);
offered_elsewhere_within offered_elsewhere_during_instance(
    "offered: release, wait elsewhere during the offer", false);

// The executor destroys the semaphore just before the call would offer the strand: it delivers the rest.
struct offered_and_destroyed_within final : offering {
  offered_and_destroyed_within()
      : offering("offered: release, the executor destroys before the offer", 2) {}
  void prepare() override {
    share(1);
    queue(4);
    b.tickets[0].then = [] { release(3); };
    b.tickets[1].then = [] { b.c->orphan(); };
  }
  void thread(int i) override {
    if (i == 0) release(1);
    if (i == 1) b.c->is_closed();
  }
} offered_and_destroyed_within_instance;

// The semaphore goes while the strand is offered.
struct offered_and_destroyed final : lifetime {
  offered_and_destroyed() : lifetime("offered: permits come back | destroy | resumptions", 3) {
    dropped_ = true;
    left_over_ = 0;
  }
  void prepare() override {
    turnstile::detail::model_most_for_others = 1;
    make_core(max, max);
    for (int id = 0; id != 3; ++id) {
      make_op(id, 1);
      start(id);
    }
    b.tickets[0].then = [] { b.c->give_back(2); };
    b.c->add_reference();  // the permits'
  }
  void teardown() override { end_resumptions(); }
  void thread(int i) override {
    if (i == 0) {
      b.c->give_back(1);
      b.c->drop_reference();
    } else if (i == 1) {
      destroy();
      for (int id = 0; id != 3; ++id) {
        model::wait_event(id);
        if (b.tickets[id].what == outcome::granted) b.c->give_back(1);
        get(id)->destroy();
      }
    } else {
      run_resumptions();
    }
  }
} offered_and_destroyed_instance;

// A timer may request the end of a wait before that is queued, and at its end.
PROGRAM(timed_out, "wait | a timer", 2)
void timed_out::prepare() {
  make_core(max, max);
  make_op(0, 1, true);
}
void timed_out::thread(int i) {
  if (i == 0) {
    if (acquire(0) != outcome::timed_out) model::check(false, "neither granted nor timed out");
  } else {
    b.cancels[0]->request(outcome::timed_out);
    forget_cancel(0);
  }
}
void timed_out::expect() {}

PROGRAM(timed_out_or_granted, "wait | a timer | release | cancel", 4)
void timed_out_or_granted::prepare() {
  make_core(max, max);
  make_op(0, 1, true);
  make_op(1, 1);
  b.cancels[0]->add_reference();
  start(1);
  left_over_ = 2;
}
void timed_out_or_granted::thread(int i) {
  if (i == 0) {
    model::set_event(10);
    acquire(0);
  } else if (i == 1) {
    b.cancels[0]->request(outcome::timed_out);
    forget_cancel(0);
  } else if (i == 2) {
    release(2);
  } else {
    model::wait_event(10);
    b.cancels[0]->request(outcome::aborted);
    forget_cancel(0);
  }
}
void timed_out_or_granted::expect() {
  model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
}

// Refused, with another behind: shrink may take what came back, and then the word is what it was before.
struct refuse_shrink final : refusing {
  refuse_shrink() : refusing("a refusing executor | release | shrink, two wait", 2) {
    retry_ = true;
    left_over_ = 3;
  }
  void prepare() override {
    two_wait();
    b.tickets[0].refusals = 1;
  }
  void thread(int i) override {
    if (i == 0)
      release(1);
    else
      shrink(1);
  }
  void settled() override {
    release(1);
    release(1);
    base::settled();
  }
  void expect() override {
    model::check(b.tickets[0].done && b.tickets[1].done, "left asleep");
    model::check(b.tickets[0].nth < b.tickets[1].nth, "not back at the head");
  }
} refuse_shrink_instance;

// A waiter that is granted what is in hand has a reference, also if the semaphore goes meanwhile and another is
// left behind.
struct destroy_two final : destroyed_beside {
  destroy_two() : destroyed_beside("destroy | a permit comes back, two wait", 2) {
    dropped_ = true;
  }
  void prepare() override {
    two_wait();
    b.c->add_reference();  // the permit's
    left_over_ = 3;
  }
} destroy_two_instance;

// The executor that is handed the completion destroys the semaphore, and has the last permit but that.
struct destroy_within final : lifetime {
  destroy_within() : lifetime("release, the executor destroys | a permit comes back", 2) {
    dropped_ = true;
  }
  void prepare() override {
    make_core(2, 2);
    make_op(0, 1);
    make_op(1, 1);
    start(0);
    start(1);
    b.c->add_reference();  // the permit's
    b.tickets[0].then = destroy;
    left_over_ = 3;
  }
  void thread(int i) override {
    if (i == 0) {
      b.c->release(1);  // by the semaphore: without a reference
    } else {
      b.c->give_back(1);
      b.c->drop_reference();
    }
  }
} destroy_within_instance;

// The context is gone before the completion is handed over: what was in hand comes back from there.
struct abandon_two final : lifetime {
  abandon_two() : lifetime("abandon | a permit comes back, two wait", 2) { dropped_ = true; }
  void prepare() override {
    two_wait();
    b.c->add_reference();
    b.c->add_reference();
    b.tickets[0].refusals = 1;
    left_over_ = 3;
  }
  void thread(int i) override {
    if (i == 0)
      b.c->abandon();
    else
      b.c->give_back(1);
    b.c->drop_reference();
  }
  void after() override { destroy(); }
} abandon_two_instance;

model::program* const programs[] = {
    &acquire_release_instance,
    &two_by_two_instance,
    &three_by_one_instance,
    &acquirers_cancel_all_instance,
    &acquirers_cancel_one_instance,
    &weighted_head_instance,
    &weighted_head_cancel_instance,
    &close_acquire_release_instance,
    &limit_release_acquire_instance,
    &limit_release_instance,
    &raise_then_wait_instance,
    &two_limits_instance,
    &lower_limit_instance,
    &lower_before_mail_instance,
    &destroy_release_instance,
    &destroy_handlers_instance,
    &destroy_at_once_instance,
    &acquire_at_last_instance,
    &late_cancel_instance,
    &last_in_mailbox_instance,
    &abandon_release_instance,
    &abandon_acquire_instance,
    &under_release_instance,
    &under_wait_instance,
    &under_cancel_instance,
    &cancel_grant_instance,
    &cancel_grant_all_instance,
    &cancel_then_wait_instance,
    &refuse_release_instance,
    &refuse_cancel_instance,
    &refuse_destroy_instance,
    &refuse_behind_instance,
    &refuse_limit_instance,
    &release_too_many_instance,
    &same_limit_instance,
    &lower_to_used_instance,
    &offered_to_resumption_instance,
    &offered_two_runners_instance,
    &offered_beside_cancel_instance,
    &offered_beside_cancel_all_instance,
    &offered_beside_close_instance,
    &offered_in_order_instance,
    &offered_behind_instance,
    &offered_and_refused_instance,
    &offered_resumption_refused_instance,
    &offered_elsewhere_instance,
    &offered_elsewhere_before_instance,
    &offered_elsewhere_during_instance,
    &offered_and_destroyed_within_instance,
    &offered_and_destroyed_instance,
    &timed_out_instance,
    &timed_out_or_granted_instance,
    &refuse_shrink_instance,
    &destroy_two_instance,
    &destroy_within_instance,
    &abandon_two_instance,
    &release_in_hand_instance,
    &release_behind_instance,
    &release_then_try_instance,
    &shrink_release_instance,
    &shrink_release_two_instance,
    &shrink_releases_instance,
    &try_after_wait_instance,
    &try_beside_wait_instance,
    &fifo_instance,
    &release_two_waiters_instance,
    &both_seen_instance,
    &both_seen_at_once_instance,
    &both_seen_shrink_instance,
    &seen_behind_queue_instance,
    &mail_under_pending_instance,
    &raise_shrink_instance,
    &cancel_then_release_instance,
    &told_in_order_instance,
    &close_release_instance,
    &close_then_limit_instance,
    &granted_by_mail_instance,
    &bounded_two_instance,
    &bounded_release_instance,
    &bounded_arrival_instance,
    &bounded_place_instance,
    &bounded_cancel_instance,
    &bounded_close_instance,
    &bounded_none_instance,
    &bounded_reading_instance,
    &offered_own_instance,
    &offered_own_mail_instance,
    &announced_unchanged_instance,
    &limit_beside_mail_instance,
    &try_in_turn_instance,
    &permits_in_turn_instance,
    &raised_seen_instance,
    &raised_twice_seen_instance,
};

// One line of what came out. True where nothing was violated.
bool report(const model::program& p, const model::result& r, const char* form,
            const model::options& o) {
  std::printf("%-52s %9llu executions  %-24s %7.2f s%s", p.name(),
              static_cast<unsigned long long>(r.executions), form, r.seconds,
              r.violation ? "  VIOLATION" : "");
  if (o.census) std::printf("  distinct %llu", static_cast<unsigned long long>(r.distinct));
  std::puts("");
  std::fflush(stdout);
  return !r.violation;
}

// All executions where they are few enough, and otherwise those with at most three preemptions and
// few oddities of a weak memory, as many as there is time for.
bool explore_in_steps(model::program& p, const model::options& all, const model::options& bounded,
                      std::uint64_t& executions) {
  model::result r = model::explore(p, all);
  executions += r.executions;
  const bool complete = r.complete;
  if (complete || r.violation) return report(p, r, complete ? "all" : "", all);
  if (!report(p, r, "the first of them", all)) return false;
  r = model::explore(p, bounded);
  executions += r.executions;
  char form[64];
  std::snprintf(form, sizeof form, "%s <= %d preemptions", r.complete ? "all" : "of those",
                bounded.preemptions);
  return report(p, r, form, bounded);
}

int usage() {
  std::fputs(
      "usage: model_explorer [--short | --ci | --long] [--only=<program>] [--part=<k>/<n>]\n"
      "         [--seconds=<per program>] [--executions=<n>] [--preemptions=<n>] [--odd=<n>] "
      "[--spurious=<n>] [--stale=<n>]\n"
      "         [--no-reduction] [--no-sleep] [--census] [--list] [--first]\n",
      stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  model::options o;
  const char* only = nullptr;
  int part = 1, parts = 1;  // the k-th of every n programs
  bool shorter = false, ci = false, longer = false, list = false, first = false;
  for (int i = 1; i < argc; ++i) {
    const char* const a = argv[i];
    const auto value = [a](const char* name) {
      const std::size_t n = std::strlen(name);
      return std::strncmp(a, name, n) == 0 ? a + n : nullptr;
    };
    if (const char* v = value("--only="))
      only = v;
    else if (const char* v = value("--part=")) {
      if (std::sscanf(v, "%d/%d", &part, &parts) != 2 || part < 1 || part > parts) return usage();
    } else if (const char* v = value("--preemptions="))
      o.preemptions = std::atoi(v);
    else if (const char* v = value("--odd="))
      o.odd = std::atoi(v);
    else if (const char* v = value("--spurious="))
      o.spurious = std::atoi(v);
    else if (const char* v = value("--stale="))
      o.stale = std::atoi(v);
    else if (const char* v = value("--seconds="))
      o.seconds = std::atof(v);
    else if (const char* v = value("--executions="))
      o.executions = std::strtoull(v, nullptr, 10);
    else if (std::strcmp(a, "--short") == 0)
      shorter = ci = true;
    else if (std::strcmp(a, "--ci") == 0)
      ci = true;
    else if (std::strcmp(a, "--long") == 0)
      longer = true;
    else if (std::strcmp(a, "--list") == 0)
      list = true;
    else if (std::strcmp(a, "--first") == 0)
      first = true;
    else if (std::strcmp(a, "--no-reduction") == 0)
      o.reduce = false;
    else if (std::strcmp(a, "--no-sleep") == 0)
      o.reduce = o.sleep = false;
    else if (std::strcmp(a, "--census") == 0)
      o.census = true;
    else
      return usage();
  }

  // Limits of executions, so that every run of a form sees the same; of time, for slow machines.
  model::options all = o, bounded = o;
  if (ci) all.executions = 30'000, bounded.executions = 60'000, bounded.odd = 1;
  if (longer) all.executions = 1'500'000, bounded.executions = 1'500'000, bounded.odd = 2;
  if (ci && o.seconds > 1e6) all.seconds = bounded.seconds = 5;
  if (longer && o.seconds > 1e6) all.seconds = bounded.seconds = 30;
  bounded.preemptions = 3;
  // The programs with keys take more steps.
  model::options keyed_all = all, keyed_bounded = bounded;
  if (ci) keyed_all.executions = 5'000, keyed_bounded.preemptions = 2;
  if (shorter)
    for (model::options* each : {&all, &bounded, &keyed_all, &keyed_bounded})
      each->executions /= 10;

  std::vector<model::program*> all_programs(std::begin(programs), std::end(programs));
  const auto keyed = model::keyed_programs();
  all_programs.insert(all_programs.end(), keyed.begin(), keyed.end());
  const auto named = [&](const model::program* p) {
    return only && std::strcmp(p->name(), only) == 0;
  };
  const bool exact = std::any_of(all_programs.begin(), all_programs.end(), named);
  int bad = 0, count = 0, selected = 0;
  std::uint64_t executions = 0;
  for (model::program* p : all_programs) {
    if (only && !(exact ? named(p) : std::strstr(p->name(), only) != nullptr)) continue;
    if (selected++ % parts != part - 1) continue;
    if (first && bad) break;  // one violation is enough
    ++count;
    if (list) {
      std::puts(p->name());
    } else if (ci || longer) {
      const bool has_keys = std::find(keyed.begin(), keyed.end(), p) != keyed.end();
      bad += has_keys ? !explore_in_steps(*p, keyed_all, keyed_bounded, executions)
                      : !explore_in_steps(*p, all, bounded, executions);
    } else {
      const model::result r = model::explore(*p, o);
      executions += r.executions;
      bad += !report(*p, r, r.complete ? "all within the bounds" : "the first of them", o);
    }
  }
  if (count == 0) return usage();
  if (!list)
    std::printf("%d programs, %llu executions, %d violated\n", count,
                static_cast<unsigned long long>(executions), bad);
  return bad != 0;
}
