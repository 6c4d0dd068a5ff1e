// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_FAKE_WAITER_HPP
#define TURNSTILE_TEST_UNIT_FAKE_WAITER_HPP

// The core without Asio: waiters that record what becomes of them.

#include "support.hpp"

#include <turnstile/detail/core.hpp>

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <ostream>
#include <string>
#include <utility>

namespace turnstile::inline v1::detail {

inline std::ostream& operator<<(std::ostream& s, outcome o) {
  constexpr const char* names[] = {"waiting",       "granted",    "aborted",  "closed",
                                   "exceeds_limit", "queue_full", "timed_out"};
  return s << names[static_cast<int>(o)];
}

}  // namespace turnstile::inline v1::detail

namespace test {

using turnstile::detail::cancellation;
using turnstile::detail::core;
using turnstile::detail::outcome;
using turnstile::detail::waiter;

class fake;

// read() is what was delivered: "a b!aborted" says that a was granted, and then b was aborted.
struct fixture : transcript {
  // With `free` permits of `limit`.
  core* make(std::uint32_t free, std::uint32_t limit = core::max) {
    return c = new core(limit - free, limit);
  }
  ~fixture() {
    drop();
    BOOST_TEST(nested == 0);
  }
  void drop() {
    if (!c) return;
    c->orphan();
    run();
    std::exchange(c, nullptr)->drop_reference();
  }
  // What executors do with what deliver() handed over, until nothing is left.
  void run();
  void run_resumption() {
    if (resumptions.empty()) return;
    core* const resumed = resumptions.front();
    resumptions.pop_front();
    resumed->resume(false);
  }
  // A waiter that lives as long as the test.
  fake& operator()(std::string name, std::uint32_t permits = 1);
  fake& queued(std::string name, std::uint32_t permits = 1);

  core* c = nullptr;
  std::list<fake> fakes;                   // which takes a type that is not complete yet
  std::deque<fake*> posted;                // delivered, and not run yet
  std::deque<core*> resumptions;           // likewise
  int refused_resumptions = 0;             // so many are refused
  std::function<bool(core*)> during_post;  // whether to keep the resumption
  int depth = 0;                           // how many deliver() and discard() are running
  int nested = 0;                          // how often one was called inside another
};

// A waiter whose deliver() does what the test tells it to.
class fake final : public waiter {
 public:
  fake(fixture& f, std::string name, std::uint32_t permits)
      : waiter(permits), f_(f), name_(std::move(name)) {}
  ~fake() {
    finish();
    if (slot_) slot_->drop_reference();
  }

  // What its executor does at some time after deliver(): the completion is called, or destroyed.
  void finish() {
    if (cancellation_) std::exchange(cancellation_, nullptr)->finish();
    if (core* const c = std::exchange(granted_by_, nullptr)) c->drop_reference();
  }

  // What wait() does first.
  fake& make_cancellable() {
    if (!slot_) {
      slot_ = cancellation_ = new cancellation(*f_.c);
      slot_->add_reference();
    }
    return *this;
  }
  outcome wait() {
    make_cancellable();
    const outcome o = f_.c->wait(*this);
    if (o == outcome::granted) granted_by_ = f_.c;
    return o;
  }
  void cancel(outcome o = outcome::aborted) { slot_->request(o); }

  // Calls once back, from inside the next deliver().
  fake& then(std::function<void()> f) {
    during_ = std::move(f);
    return *this;
  }
  // Has deliver() refuse so often.
  fake& refuse(int times = 1) {
    refusals_ = times;
    return *this;
  }

  bool deliver() noexcept override {
    const scope in(f_);
    const bool refused = refusals_ > 0;
    if (refused) --refusals_;
    constexpr const char* what[] = {"!waiting", "",      "!aborted",  "!closed",
                                    "!exceeds", "!full", "!timed out"};
    f_.write(name_ + (refused ? "?" : "") + what[static_cast<int>(get_outcome())]);
    if (!refused && get_outcome() == outcome::granted) granted_by_ = f_.c;
    if (!refused) f_.posted.push_back(this);
    if (during_) std::exchange(during_, nullptr)();
    return !refused;
  }

  void post_resumption() noexcept override {
    if (f_.refused_resumptions > 0) {
      --f_.refused_resumptions;
      f_.c->resume(false);
    } else if (!f_.during_post || f_.during_post(f_.c)) {
      f_.resumptions.push_back(f_.c);
    }
  }

  void discard() noexcept override {
    const scope in(f_);
    f_.write(name_ + "!discarded");
    if (get_outcome() != outcome::granted) return;
    granted_by_ = f_.c;
    f_.c->give_back(permits());
  }

 private:
  struct scope {
    explicit scope(fixture& s) : f(s) {
      if (f.depth++ != 0) ++f.nested;
    }
    ~scope() { --f.depth; }
    fixture& f;
  };

  fixture& f_;
  std::string name_;
  std::function<void()> during_;
  int refusals_ = 0;
  cancellation* slot_ = nullptr;
  core* granted_by_ = nullptr;  // the reference that came with the permits
};

inline void fixture::run() {
  while (!posted.empty() || !resumptions.empty()) {
    for (; !posted.empty(); posted.pop_front()) posted.front()->finish();
    run_resumption();
  }
}

inline fake& fixture::operator()(std::string name, std::uint32_t permits) {
  return fakes.emplace_back(*this, std::move(name), permits);
}

inline fake& fixture::queued(std::string name, std::uint32_t permits) {
  fake& x = (*this)(std::move(name), permits);
  BOOST_TEST(x.wait() == outcome::waiting);
  return x;
}

}  // namespace test

#endif
