// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_SHARED_CORE_HPP
#define TURNSTILE_DETAIL_SHARED_CORE_HPP

// The core of a shared semaphore: a core whose limit is the share of this process, and the member (src/fleet/member.hpp)
// that says how large it may be. src/fleet/README.md explains the whole.
//
// The limit of a core must not fall below what an acquire needs, since that would end its wait. So the core has a ballast:
// its limit is `ballast` and the share, and `ballast` permits are in use for good.
//
// The member is used by one thread at a time: the one that has raised `turns_` from zero (kick()). The others raise it,
// and go on. What happens to the member comes through an inbox.
//
// Memory orders. Raising `turns_` releases what the caller did before, in the inbox or the list; the thread that has the
// turn acquires it, and what the thread before it did to the member. That thread publishes the number of the lease, the
// token and the state before the deadline: a call that acquires the deadline sees the lease that it belongs to.
// When a lease ends, it first takes the deadline and what it covers away, and then changes the number: a call that acquires
// the next number does not see those of the old lease. What it covers is published by the deadline and the limit.
// `was_refused_` is released after the limit was lowered, so the turn that takes it sets the limit later. The rest is
// relaxed: numbers that nothing else depends on, or that a mutex orders.
//
// Lifetime. The core has a reference to itself until it has nothing more to say to the server: until it has left, after
// the semaphore was destroyed and its permits have come back; or until its execution context is destroyed. Timers and
// the engine refer to an inlet, which refers to the core until then.

#include <turnstile/detail/listed_core.hpp>
#include <turnstile/detail/loss_listener.hpp>
#include <turnstile/detail/time_source.hpp>
#include <turnstile/shared_engine.hpp>
#include <turnstile/shared_options.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace turnstile::inline v1::detail {

namespace fleet {
struct orders;
}

// What a permit was granted under.
struct grant_mark {
  // The number of the lease, which is odd. It is one less if the lease does not cover the permit.
  std::uint64_t lease = 0;
  std::uint64_t token = 0;
};

struct shared_setup {
  shared_options options;
  std::shared_ptr<engine_link> engine;
  std::shared_ptr<manual_time> time;  // null: the system's
  // Makes the alarm. It calls the first function when it rings, and the second one when the execution context ends: with
  // true if that has to wait until the core does not use the context any more.
  std::function<std::shared_ptr<alarm>(std::function<void()>, std::function<void(bool)>)>
      make_alarm;
};

class TURNSTILE_API shared_core final : public listed_core {
 public:
  static constexpr std::uint32_t ballast = std::uint32_t(1) << 30;
  static constexpr std::size_t most = core::max - ballast;  // permits

  // Throws std::invalid_argument if the options are wrong.
  explicit shared_core(const shared_setup& s);

  // Like core::acquire_at_once(), with references.
  outcome acquire_at_once(std::size_t n) noexcept {
    return checked(n, true, [&] { return core::acquire_at_once(n); });
  }
  outcome try_acquire(std::size_t n, bool reference = false) noexcept {
    return checked(n, reference, [&] { return core::try_acquire(n, reference); });
  }
  // Gives n permits back. Returns false, and changes nothing, if fewer are in use.
  bool release(std::size_t n) noexcept {
    if (n > most) return false;  // the sum with the ballast might not fit
    word w = word_.load(std::memory_order_acquire);
    for (;;) {
      const std::uint32_t limit = limit_under(w);
      if (w & queued) return release_to_waiters(n);
      if (n + ballast > used(w)) return false;
      if (n == 0) return true;
      const bool is_over = used(w) > limit;
      // Releases what the caller did before, as core::release(). Acquires if it fails, since limit_under() needs that.
      if (!word_.compare_exchange_weak(w, w - n, std::memory_order_release,
                                       std::memory_order_acquire))
        continue;
      if (is_over) [[unlikely]]
        kick();  // what is in use has fallen while it was above what is usable
      return true;
    }
  }

  void set_total_limit(std::size_t n) noexcept;  // completes event::limit_set
  void leave() noexcept;                         // completes event::left

  std::size_t total_limit() const noexcept { return total_limit_.load(std::memory_order_relaxed); }
  std::size_t share() const noexcept { return share_.load(std::memory_order_relaxed); }
  std::size_t in_use() const noexcept {
    return (std::max<std::size_t>)(core::in_use(), ballast) - ballast;
  }
  lease_state lease() const noexcept;
  std::int64_t valid_for() const noexcept;  // microseconds

  grant_mark mark() const noexcept {
    // In this order: if both change meanwhile, the lease is the older one.
    const std::uint64_t lease = lease_number_.load(std::memory_order_acquire);
    return {lease, token_.load(std::memory_order_acquire)};
  }
  // For permits that were granted since that mark was read, and are in use: if the lease is still the same, the share that
  // they came from has no larger token than the latest. After a loss, a larger token is not theirs. What was not confirmed
  // may have been granted without a lease.
  grant_mark mark_since(const grant_mark& m) const noexcept {
    // In this order: the token of a later lease is seen with its number.
    const std::uint64_t token = token_.load(std::memory_order_acquire);
    const bool is_same = m.lease == lease_number_.load(std::memory_order_acquire);
    return {checks_ || covers_all() ? m.lease : m.lease - 1, is_same ? token : m.token};
  }
  bool is_valid(const grant_mark& m) const noexcept {
    // In this order: the number of a lease is seen with its deadline. The clock comes first: if the thread is stopped after
    // that, the lease was valid when the call began.
    const std::int64_t now = time(), deadline = deadline_.load(std::memory_order_acquire);
    return m.lease == lease_number_.load(std::memory_order_acquire) && now < deadline;
  }
  // Whether a lease was lost since.
  bool is_lost(const grant_mark& m) const noexcept {
    return (m.lease | 1) != lease_number_.load(std::memory_order_acquire);
  }

  // What can be waited for. The waiters are those of another core, and want this number of permits, which are never
  // granted.
  enum event : std::uint32_t { lease_lost = 1, left, limit_set };
  listed_core& events() noexcept { return *events_; }
  loss_listeners& listeners() noexcept { return listeners_; }
  // Before an acquire of `limit_set` is initiated: until set_total_limit() is called, none has been confirmed.
  void announce_limit() noexcept { announced_limits_.fetch_add(1, std::memory_order_relaxed); }
  void withdraw_limit() noexcept { announced_limits_.fetch_sub(1, std::memory_order_relaxed); }

  void cancel_all() noexcept {
    add_reference();  // the semaphore may be destroyed meanwhile, and with it all waiters
    cancel_listed();
    events_->cancel();
    drop_reference();
  }
  void orphan() noexcept override;
  void abandon() noexcept override;
  // Nothing is granted, and no operation started, after the deadline.
  bool is_in_time() noexcept {
    return !checks_ || time() < deadline_.load(std::memory_order_acquire) || expire();
  }
  bool confirm() noexcept override {
    if (stands()) return true;
    is_in_time();  // if it is not, others are refused, too
    return false;
  }

 private:
  class inlet;
  struct contents;

  ~shared_core() override;

  template <typename Function>
  outcome checked(std::size_t n, bool reference, Function acquire) noexcept {
    const std::size_t limit = total_limit();
    if (n > most || (limit != 0 && n > limit))
      return is_closed() ? outcome::closed : outcome::exceeds_limit;
    const outcome o = acquire();
    if (o == outcome::waiting && lacks_alarm_.load(std::memory_order_relaxed)) kick();
    if (o != outcome::granted || n == 0 || stands()) return o;
    // Quietly: an acquire that waits now says that the lease is over, and otherwise the alarm does. The end of a wait for the
    // loss may destroy the semaphore, which the caller still uses.
    if (reference)
      take_back(n);
    else
      take_permits(n);
    return outcome::waiting;
  }

  std::int64_t time() const noexcept override { return manual_ ? manual_->now() : boot_time(); }
  void begin_or_end_of_waits() noexcept override { kick(); }
  void take_permits(std::size_t n) noexcept override;
  bool release_to_waiters(std::size_t n) noexcept;
  std::uint32_t ballast_permits() const noexcept override { return ballast; }

  // Whether a grant stands. The lease may have been lost since the strand granted the permits, and the next one may have
  // begun. They belong to that one if it covers all that is in use.
  bool stands() const noexcept {
    return !checks_ || (time() < deadline_.load(std::memory_order_acquire) && covers_all());
  }
  bool covers_all() const noexcept {
    // In this order: what the lease covers is seen with the permits that were granted under it. If it covers less now,
    // permits have come back.
    const std::size_t n = in_use(), covered = covered_.load(std::memory_order_relaxed);
    return n <= covered || in_use() <= covered;
  }
  bool expire() noexcept;
  void kick() noexcept;
  void take_turns() noexcept;
  bool work() noexcept;
  bool read_mail() noexcept;
  void read_answer(std::int64_t serial, std::string_view error,
                   const std::vector<std::int64_t>& numbers) noexcept;
  void note_loss() noexcept;
  void publish(const fleet::orders& o, std::int64_t now, bool fits) noexcept;
  bool end_of_leaving(bool is_quiet) noexcept;
  bool finish() noexcept;

  const std::shared_ptr<manual_time> manual_;
  const bool checks_;
  std::atomic<std::int64_t> deadline_{0};  // of the lease; 0 is none
  std::atomic<bool> was_refused_{false};   // a grant was: the limit has to be set anew
  std::atomic<bool> lacks_alarm_{
      false};  // memory was short: the next acquire that has to wait tries again
  std::atomic<std::uint32_t> turns_{1};  // the constructor has the first one

  // As the member knows them.
  std::atomic<std::size_t> total_limit_{0}, share_{0};  // a limit of 0 is not known
  std::atomic<std::size_t> covered_{0};  // so many permits in use are no debt under the lease
  std::atomic<std::uint64_t> token_{0}, lease_number_{1};  // the number is odd
  std::atomic<std::int64_t> learning_until_{0};
  std::atomic<lease_state> state_{lease_state::joining};

  std::atomic<int> announced_limits_{0};
  loss_listeners listeners_;
  struct drop_events {
    void operator()(listed_core* c) const noexcept;
  };
  const std::unique_ptr<listed_core, drop_events> events_;
  const std::unique_ptr<contents> contents_;
};

}  // namespace turnstile::inline v1::detail

#endif
