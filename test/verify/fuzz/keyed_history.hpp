// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FUZZ_KEYED_HISTORY_HPP
#define TURNSTILE_TEST_FUZZ_KEYED_HISTORY_HPP

// A keyed semaphore on a real io_context beside a naive model: histories of calls, from handlers and from outside,
// where after each call the semaphore has to look as the model does, and each handler has to be the one whose
// turn it is.

#include "keyed_model.hpp"

#include <turnstile.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace fuzz {

// Makes the calls that bytes describe. `next` returns the next byte, and `check` is told what must be true.
template <typename Semaphore, typename Next, typename Check>
class keyed_history {
  using error_code = turnstile::error_code;
  using permit = turnstile::permit;

 public:
  keyed_history(Next next, Check check) : next_(next), check_(check) {
    io_.emplace();
    replace();
    look();
  }

  // What is left is destroyed in one of several orders. The leak check finds what stays.
  ~keyed_history() {
    const unsigned order = next_();
    if (order & 1) io_->poll();
    if (order & 2) {
      abandon();
      while (!held_.empty()) use_permit(0, 0);
    }
    if (order & 4) semaphore_.reset();
    if (order & 8) held_.clear();
    io_.reset();
  }

  void step() {
    const unsigned what = next_(), more = next_();
    if (what % 32 < turns)
      turn(what % 32, more);
    else
      call(what % 32, more);
    look();
  }

 private:
  static constexpr unsigned turns = 4;

  struct holding {
    permit p;
    std::size_t key;
    bool gone;  // the semaphore is
  };

  // What is only done outside of handlers.
  void turn(unsigned what, unsigned more) {
    io_->restart();
    switch (what) {
      case 0: io_->poll(); return;
      case 1: io_->poll_one(); return;
      case 2: {
        Semaphore moved(std::move(*semaphore_));  // and back again
        *semaphore_ = std::move(moved);
        return;
      }
      // Another one in its place: what waits is aborted, and what was granted counts no more.
      case 3:
        if (more % 8 != 0) return;
        model_->cancel_all();
        for (told& t : telling_) t.gone = true;
        for (holding& h : held_) h.gone = true;
        replace();
    }
  }

  void call(unsigned what, unsigned more) {
    const std::size_t key = more % keyed_model::keys;
    const std::uint32_t n = (more / keyed_model::keys) % 4;
    switch (what) {
      case 4: {
        const lane_limits l = read_limits();
        model_->set_limits(l);
        return semaphore_->set_limits({l.per_key, l.total, l.max_waiting_per_key, l.max_waiting});
      }
      case 5:
        if (more % 16 == 0) {
          model_->close();
          return semaphore_->close();
        }
        if (more % 16 < 4) {
          model_->cancel_all();
          return semaphore_->cancel();
        }
        return acquire(key, turnstile::semaphore::max() + n);
      case 6:
      case 7:
      case 8: return cancel(more);
      case 9:
      case 10:
      case 11: return try_acquire(key, n);
      default:
        if (what < 12 + uses)
          use_permit(what - 12, more);
        else
          acquire(key, n);
    }
  }

  void acquire(std::size_t key, std::size_t n) {
    const int id = static_cast<int>(signals_.size());
    const auto slot =
        signals_.emplace_back(std::make_unique<boost::asio::cancellation_signal>())->slot();
    model_->acquire({id, key, n});
    (*semaphore_)[static_cast<int>(key)].async_acquire_permit(
        n, boost::asio::bind_cancellation_slot(slot, [this, id, key](error_code ec, permit p) {
          handle(id, key, ec, std::move(p));
        }));
  }

  void try_acquire(std::size_t key, std::uint32_t n) {
    permit p = (*semaphore_)[static_cast<int>(key)].try_acquire_permit(n);
    check_(p.count() == (model_->try_acquire(key, n) ? n : 0), "try_acquire_permit");
    hold(std::move(p), key, false);
  }

  // The newest or an older one. It may have been decided, and its handler may have been called.
  void cancel(unsigned age) {
    age %= 32;
    if (age >= signals_.size()) return;
    const std::size_t id = signals_.size() - 1 - age;
    model_->cancel(static_cast<int>(id));
    signals_[id]->emit(boost::asio::cancellation_type::total);
  }

  static constexpr unsigned uses = 9;

  void use_permit(unsigned what, unsigned which) {
    if (held_.empty()) return;
    const std::size_t i = which % held_.size(), j = (which / 16) % held_.size();
    holding& h = held_[i];
    const std::size_t n = h.p.count();
    switch (what) {
      case 5: {
        const std::size_t part = 1 + which % n;
        give_back(h, part);
        h.p.release(part);
        if (!h.p) drop(i);
        return;
      }
      case 6:
        if (n > 1) hold(h.p.split(1 + which % (n - 1)), h.key, h.gone);
        return;
      case 7: return merge(i, j);
      case 8:  // rarely: these permits never come back
        if (which % 8 != 0) return;
        check_(h.p.forget() == n, "forget");
        return drop(i);
      default:
        give_back(h, n);
        const permit last = std::move(h.p);
        drop(i);
    }
  }

  // Two permits merge if they are of one key of one semaphore. There may have been several semaphores, so of two
  // that are gone nothing is said.
  void merge(std::size_t i, std::size_t j) {
    holding &into = held_[i], &from = held_[j];
    if (i == j || (into.gone && from.gone)) return;
    const std::size_t n = into.p.count(), m = from.p.count();
    const bool may = into.key == from.key && into.gone == from.gone;
    try {
      into.p.merge(std::move(from.p));
      check_(may, "permits of different keys merge");
      check_(into.p.count() == n + m && !from.p, "merge");
      drop(j);
    } catch (const std::invalid_argument&) {
      check_(!may, "permits of one key do not merge");
      check_(into.p.count() == n && from.p.count() == m, "a merge that fails");
    }
  }

  void hold(permit p, std::size_t key, bool gone) {
    if (p) held_.push_back({std::move(p), key, gone});
  }
  void give_back(const holding& h, std::size_t n) {
    if (!h.gone) model_->give_back(h.key, n);
  }
  void drop(std::size_t i) { held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(i)); }

  void handle(int id, std::size_t key, error_code ec, permit p) {
    check_(!telling_.empty(), "a handler is called that is not to be called");
    const auto at = next_told(telling_, key);
    check_(at != telling_.end() && at->id == id, "the order of the handlers");
    const told t = *at;
    telling_.erase(at);
    check_(ec == code(t.what), "the error that a handler gets");
    check_(p.count() == t.permits, "the permits that a handler gets");
    hold(std::move(p), key, t.gone);
    look();
    // What a handler does is said by the next bytes.
    if (const unsigned what = next_() % 64; what >= turns && what < 32) call(what, next_());
    look();
  }

  static error_code code(result r) {
    switch (r) {
      case result::granted: return {};
      case result::aborted: return boost::asio::error::operation_aborted;
      case result::closed: return turnstile::errc::closed;
      case result::exceeds: return turnstile::errc::exceeds_limit;
      case result::full: break;
    }
    return turnstile::errc::queue_full;
  }

  // Everything that a call can see.
  void look() {
    Semaphore& s = *semaphore_;
    const lane_limits& l = model_->limits();
    check_(s.in_use() == model_->in_use(), "in_use");
    check_(s.waiting() == model_->waiting(), "waiting");
    check_(s.size() >= model_->size() && s.size() <= most_keys(), "size");
    check_(s.is_closed() == model_->is_closed(), "is_closed");
    check_(s.limits().per_key == l.per_key && s.limits().total == l.total &&
               s.limits().max_waiting_per_key == l.max_waiting_per_key &&
               s.limits().max_waiting == l.max_waiting,
           "limits");
    for (std::size_t k = 0; k != keyed_model::keys; ++k) {
      const auto key = s[static_cast<int>(k)];
      check_(key.in_use() == model_->held(k), "in_use of a key");
      check_(key.waiting() == model_->waiting(k), "waiting of a key");
      check_(key.available() == model_->available(k), "available of a key");
    }
  }

  // A key may exist until the handlers of its acquires that were ended in vain have been called.
  std::size_t most_keys() const {
    std::size_t n = 0;
    for (std::size_t k = 0; k != keyed_model::keys; ++k)
      n += model_->exists(k) || std::any_of(telling_.begin(), telling_.end(),
                                            [&](const told& t) { return t.key == k && !t.gone; });
    return n;
  }

  // The context's end: the handlers of what waits, or was decided, are destroyed uncalled, and the permits come back.
  void abandon() {
    model_->cancel_all();
    for (const told& t : telling_)
      if (!t.gone && t.what == result::granted) model_->give_back(t.key, t.permits);
    telling_.clear();
    io_.reset();
    look();
  }

  void replace() {
    const lane_limits l = read_limits();
    semaphore_.emplace(
        *io_, turnstile::keyed_limits{l.per_key, l.total, l.max_waiting_per_key, l.max_waiting});
    model_.emplace(l, telling_);
  }

  lane_limits read_limits() {
    const unsigned a = next_(), b = next_();
    lane_limits l;
    l.per_key = a % 5;
    l.total = (a / 5) % 10;
    if (b % 16 < 8) l.max_waiting_per_key = b % 8;
    if (b / 16 < 8) l.max_waiting = b / 16;
    return l;
  }

  Next next_;
  Check check_;
  std::optional<boost::asio::io_context> io_;
  std::deque<told> telling_;
  std::optional<keyed_model> model_;
  std::vector<std::unique_ptr<boost::asio::cancellation_signal>> signals_;  // one for each acquire
  std::vector<holding> held_;
  std::optional<Semaphore> semaphore_;
};

}  // namespace fuzz

#endif
