// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Parallel groups of two to five operations: acquires beside timers and channels. A group completes and
// cancels its operations on whatever threads they complete on, so here the emission of a cancellation
// meets the completion on another thread.

#include "shell.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>

#include <array>
#include <tuple>
#include <type_traits>

namespace shell {
namespace {

// The conditions of Asio that end a group, as one type, so that there are fewer groups to compile.
struct condition {
  enum { one, one_success, one_error, all };

  template <typename... Args>
  asio::cancellation_type_t operator()(const Args&... args) const noexcept {
    using namespace asio::experimental;
    switch (which) {
      case one: return wait_for_one(type)(args...);
      case one_success: return wait_for_one_success(type)(args...);
      case one_error: return wait_for_one_error(type)(args...);
      default: return wait_for_all()(args...);
    }
  }

  int which;
  asio::cancellation_type_t type;
};

asio::cancellation_type_t some_type(dice& d) {
  static constexpr asio::cancellation_type_t types[] = {asio::cancellation_type::terminal,
                                                        asio::cancellation_type::partial,
                                                        asio::cancellation_type::total};
  return types[d.below(3)];
}

// ---- One operation of a group ----------------------------------------------------------------------

template <typename Resource>
class acquire_leg {
 public:
  static constexpr bool gets_permit = false;

  acquire_leg(stage&, Resource& r, dice& d)
      : resource_(r), permits_(r.size(d)), ticket_(r.account) {}
  auto operation() { return resource_.semaphore.async_acquire(permits_, asio::deferred); }
  void done(error_code ec) {
    if (ticket_.complete(ec, permits_)) resource_.give_back(permits_);
  }

 protected:
  Resource& resource_;
  const std::size_t permits_;

 private:
  ticket ticket_;
};

template <typename Resource>
class timed_acquire_leg : public acquire_leg<Resource> {
 public:
  timed_acquire_leg(stage& s, Resource& r, dice& d)
      : acquire_leg<Resource>(s, r, d), patience_(stage::moment(d)) {}
  auto operation() {
    return this->resource_.semaphore.async_acquire_for(patience_, this->permits_, asio::deferred);
  }

 private:
  const std::chrono::microseconds patience_;
};

template <typename Resource>
class permit_leg {
 public:
  static constexpr bool gets_permit = true;

  permit_leg(stage& s, Resource& r, dice& d)
      : resource_(r), permits_(r.size(d)), stage_(s), ticket_(r.account), luck_(d()) {}
  auto operation() { return resource_.semaphore.async_acquire_permit(permits_, asio::deferred); }
  void done(error_code ec, permit p) {
    resource_.account.check(p.count() == (ec ? 0 : permits_),
                            "not the permits that were asked for");
    if (ticket_.complete(ec, p.count())) stage_.use(resource_.account, std::move(p), dice(luck_));
  }

 protected:
  Resource& resource_;
  const std::size_t permits_;

 private:
  stage& stage_;
  ticket ticket_;
  const std::uint64_t luck_;
};

template <typename Resource>
class timed_permit_leg : public permit_leg<Resource> {
 public:
  timed_permit_leg(stage& s, Resource& r, dice& d)
      : permit_leg<Resource>(s, r, d), patience_(stage::moment(d)) {}
  auto operation() {
    return this->resource_.semaphore.async_acquire_permit_for(patience_, this->permits_,
                                                              asio::deferred);
  }

 private:
  const std::chrono::microseconds patience_;
};

// A composed operation. It is cancelled, so it has to be on a strand, which is the operation's executor: then
// the group emits the cancellation there. (With Boost 1.81, bind_executor copies the operation, which cannot
// be copied.)
template <typename Resource>
class with_permit_leg {
  struct on_strand {
    using executor_type = pool_strand;

    executor_type get_executor() const noexcept { return leg->strand_; }
    template <typename Token>
    auto operator()(Token&& token) {
      return turnstile::async_with_permit(leg->resource_.semaphore, leg->permits_,
                                          leg->timer_.async_wait(asio::deferred),
                                          std::forward<Token>(token));
    }

    with_permit_leg* leg;
  };

 public:
  static constexpr bool gets_permit = false;

  with_permit_leg(stage& s, Resource& r, dice& d)
      : resource_(r),
        permits_(r.size(d)),
        ticket_(r.account),
        strand_(s.at.strand()),
        timer_(s.at.pool(), stage::moment(d)) {}
  auto operation() { return on_strand{this}; }
  void done(error_code ec) { ticket_.complete(ec, 0); }

 private:
  Resource& resource_;
  const std::size_t permits_;
  ticket ticket_;
  pool_strand strand_;
  asio::steady_timer timer_;
};

class timer_leg {
 public:
  static constexpr bool gets_permit = false;

  timer_leg(stage& s, dice& d) : stage_(s), timer_(s.at.pool(), stage::moment(d)) {}
  auto operation() { return timer_.async_wait(asio::deferred); }
  void done(error_code ec) {
    stage_.all.pool.account.check(!ec || ec == asio::error::operation_aborted, "a timer failed");
  }

 private:
  stage& stage_;
  asio::steady_timer timer_;
};

class channel_leg {
 public:
  static constexpr bool gets_permit = false;

  channel_leg(stage& s, dice&) : stage_(s) {
    // Each receiver has its message.
    asio::post(s.at.pool(), [&s] { s.messages->try_send(error_code()); });
  }
  auto operation() { return stage_.messages->async_receive(asio::deferred); }
  void done(error_code) {}

 private:
  stage& stage_;
};

// ---- A group -----------------------------------------------------------------------------------------

// Cancels a group after a while. All of it happens on the strand.
struct breaker {
  explicit breaker(stage& s) : strand(s.at.strand()), timer(s.at.pool()) {}

  static void start(const std::shared_ptr<breaker>& b, dice& d) {
    b->timer.expires_after(stage::moment(d));
    b->timer.async_wait(asio::bind_executor(b->strand, [b, type = some_type(d)](error_code ec) {
      if (!ec) b->signal.emit(type);
    }));
  }

  pool_strand strand;
  asio::steady_timer timer;
  asio::cancellation_signal signal;
};

// Launches what it is given, with a handler that ends in g->done(), in one of several ways. The thread
// that launches a group may emit the cancellation of its operations after the group's handler was
// called. So that thread, too, keeps alive what they belong to.
template <typename Group>
void launch(stage& s, const std::shared_ptr<Group>& g, dice d) {
  // A group that holds what others wait for does not wait for more: only with a time limit for all.
  const auto type = some_type(d);
  const condition early{d.one_in(2) ? condition::one : condition::one_success, type};
  const condition any{static_cast<int>(d.below(4)), type};
  const auto done = [g](auto&&, auto... results) { g->done(std::move(results)...); };
  switch (d.below(5)) {
    case 0: return g->operations().async_wait(early, done);
    case 1:
      return asio::post(s.at.pool(), [g, done, early] { g->operations().async_wait(early, done); });
    case 2: return g->operations().async_wait(early, asio::bind_executor(s.at.pool(), done));
    default: {
      const auto b = std::make_shared<breaker>(s);
      return asio::post(b->strand, [g, b, done, any, d]() mutable {
        g->operations().async_wait(
            any, asio::bind_cancellation_slot(
                     b->signal.slot(), asio::bind_executor(b->strand, [b, done](auto&&... results) {
                       b->timer.cancel();
                       done(std::move(results)...);
                     })));
        breaker::start(b, d);
      });
    }
  }
}

template <typename... Legs>
class group {
 public:
  explicit group(stage& s, Legs... legs) : turn_(s.begin()), legs_(std::move(legs)...) {}

  auto operations() {
    return std::apply(
        [](auto&... legs) { return asio::experimental::make_parallel_group(legs.operation()...); },
        legs_);
  }
  template <typename... Results>
  void done(Results... results) {
    hand_out<0>(std::move(results)...);
  }

 private:
  template <std::size_t I>
  void hand_out() {
    static_assert(I == sizeof...(Legs));
  }
  template <std::size_t I, typename... Results>
  void hand_out(error_code ec, Results... results) {
    auto& leg = std::get<I>(legs_);
    if constexpr (std::decay_t<decltype(leg)>::gets_permit) {
      [&](permit p, auto... others) {
        leg.done(ec, std::move(p));
        this->template hand_out<I + 1>(std::move(others)...);
      }(std::move(results)...);
    } else {
      leg.done(ec);
      hand_out<I + 1>(std::move(results)...);
    }
  }

  turn turn_;
  std::tuple<Legs...> legs_;
};

// A group of any number of operations of one type.
template <typename Leg>
class ranged_group {
 public:
  ranged_group(stage& s, std::vector<Leg> legs) : turn_(s.begin()), legs_(std::move(legs)) {}

  auto operations() {
    std::vector<decltype(legs_.front().operation())> result;
    for (auto& leg : legs_) result.push_back(leg.operation());
    return asio::experimental::make_parallel_group(std::move(result));
  }
  template <typename... Permits>
  void done(std::vector<error_code> errors, std::vector<Permits>... permits) {
    for (std::size_t i = 0; i != legs_.size(); ++i)
      legs_[i].done(errors[i], std::move(permits[i])...);
  }

 private:
  turn turn_;
  std::vector<Leg> legs_;
};

template <typename... Legs>
void begin(stage& s, dice& d, Legs... legs) {
  launch(s, std::make_shared<group<Legs...>>(s, std::move(legs)...), dice(d()));
}

template <typename F>
void begin_ranged(stage& s, dice& d, F make_leg) {
  std::vector<decltype(make_leg())> legs;
  for (auto n = 2 + d.below(4); n != 0; --n) legs.push_back(make_leg());
  launch(s, std::make_shared<ranged_group<decltype(make_leg())>>(s, std::move(legs)), dice(d()));
}

}  // namespace

void begin_group(stage& s, dice& d) {
  auto& all = s.all;
  auto& any = all.any[d.below(3)];
  const bool one_loses_permits = s.demolished;  // async_acquire in a group that is destroyed
  switch (d.below(one_loses_permits ? 5 : 9)) {
    case 0: return begin(s, d, permit_leg(s, any, d), timer_leg(s, d));
    case 1: return begin(s, d, permit_leg(s, all.io, d), channel_leg(s, d));
    case 2:
      return begin(s, d, timed_permit_leg(s, any, d), permit_leg(s, all.pool, d), timer_leg(s, d));
    case 3:
      return begin(s, d, with_permit_leg(s, all.strand, d), channel_leg(s, d),
                   permit_leg(s, any, d));
    case 4: return begin_ranged(s, d, [&] { return permit_leg(s, all.any[d.below(3)], d); });
    case 5: return begin(s, d, acquire_leg(s, all.pool, d), acquire_leg(s, all.pool, d));
    case 6:
      return begin(s, d, permit_leg(s, all.strand, d), acquire_leg(s, any, d), timer_leg(s, d),
                   channel_leg(s, d));
    case 7:
      return begin(s, d, permit_leg(s, any, d), timed_acquire_leg(s, all.pool, d),
                   permit_leg(s, all.io, d), timer_leg(s, d), channel_leg(s, d));
    case 8: return begin_ranged(s, d, [&] { return acquire_leg(s, all.io, d); });
  }
}

}  // namespace shell
