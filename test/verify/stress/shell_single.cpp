// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Acquires one by one, with callbacks and futures: cancelled by a signal on a strand, which is destroyed
// right after, or used again; by a timer whose handler owns the signal; by cancel_after; or timed.

#include "shell.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 108600
#include <boost/asio/cancel_after.hpp>
#endif

#include <future>
#include <type_traits>

namespace shell {
namespace {

// A handler of either signature, for one acquire of n permits.
template <typename Resource>
class handler {
 public:
  handler(stage& s, Resource& r, std::size_t n, dice& d)
      : turn_(s.begin()), stage_(&s), resource_(&r), permits_(n), luck_(d()), ticket_(r.account) {}

  void operator()(error_code ec) {
    if (ticket_.complete(ec, permits_)) resource_->give_back(permits_);
  }
  void operator()(error_code ec, permit p) {
    resource_->account.check(p.count() == (ec ? 0 : permits_),
                             "not the permits that were asked for");
    if (ticket_.complete(ec, p.count())) stage_->use(resource_->account, std::move(p), dice(luck_));
  }

 private:
  turn turn_;
  stage* stage_;
  Resource* resource_;
  std::size_t permits_;
  std::uint64_t luck_;
  ticket ticket_;
};

// Initiates one acquire, of one kind or another. `bind` adds to the handler.
template <typename Resource, typename Bind>
void acquire(stage& s, Resource& r, dice& d, Bind bind) {
  auto& semaphore = r.semaphore;
  const std::size_t n = r.size(d);
  switch (d.below(6)) {
    case 0: return semaphore.async_acquire_for(stage::moment(d), n, bind(handler(s, r, n, d)));
    case 1:
      return semaphore.async_acquire_permit_for(stage::moment(d), n, bind(handler(s, r, n, d)));
    case 2: return semaphore.async_acquire(n, bind(handler(s, r, n, d)));
    default: return semaphore.async_acquire_permit(n, bind(handler(s, r, n, d)));
  }
}

// ---- Without a strand ----------------------------------------------------------------------------

template <typename Resource>
void plain(stage& s, Resource& r, dice& d) {
  switch (d.below(3)) {
    case 0: return acquire(s, r, d, [](auto h) { return h; });
    case 1:
      return acquire(s, r, d,
                     [&](auto h) { return asio::bind_executor(s.at.pool(), std::move(h)); });
    case 2:
      return acquire(s, r, d,
                     [&](auto h) { return asio::bind_executor(s.at.strand(), std::move(h)); });
  }
}

// A timeout by hand. The handler of the timer owns the signal, emits it, and is destroyed, while the
// acquire completes on another thread. The acquire's executor is the emission's, but no strand.
template <typename Resource>
void timer_owns_signal(stage& s, Resource& r, dice& d) {
  const auto timer = std::make_shared<asio::steady_timer>(s.at.pool(), stage::moment(d));
  auto signal = std::make_unique<asio::cancellation_signal>();
  acquire(s, r, d, [&](auto h) {
    return asio::bind_cancellation_slot(signal->slot(),
                                        asio::bind_executor(s.at.pool(), std::move(h)));
  });
  timer->async_wait([timer, signal = std::move(signal)](error_code) {
    signal->emit(asio::cancellation_type::total);
  });
}

// ---- On a strand -----------------------------------------------------------------------------------

// Acquires one after the other, each from the handler of the one before, cancelled by signals that are
// used again or replaced. All of it happens on one strand.
template <typename Resource>
class chain : public std::enable_shared_from_this<chain<Resource>> {
 public:
  chain(stage& s, Resource& r, dice d)
      : turn_(s.begin()), stage_(s), resource_(r), dice_(d), strand_(s.at.strand()) {}

  void start() {
    asio::post(strand_, [self = this->shared_from_this()] { self->next(); });
  }

 private:
  void next() {
    if (steps_-- == 0) return;
    if (!signal_ || dice_.one_in(3)) signal_ = std::make_unique<asio::cancellation_signal>();
    acquire_with_signal([this] {
      if (dice_.one_in(4)) emit();  // too late
      next();
    });
    // A second one in the same slot: then the first cannot be cancelled any more.
    if (dice_.one_in(8)) acquire_with_signal([] {});
    switch (dice_.below(7)) {
      case 0: return emit();
      case 1: return emit_and_destroy();
      case 2: return later([this] { emit(); });
      case 3: return later([this] { emit_and_destroy(); });
      case 4: return signal_.reset();
      case 5: {
        later([this] {
          emit();
          emit();  // the slot is still in use, or in use again
        });
        return later([this] { emit_and_destroy(); });
      }
    }
  }

  // `then` is called after the handler.
  template <typename Then>
  void acquire_with_signal(Then then) {
    acquire(stage_, resource_, dice_, [&](auto h) {
      return asio::bind_cancellation_slot(
          signal_->slot(),
          asio::bind_executor(strand_, [self = this->shared_from_this(), h = std::move(h),
                                        then](auto... results) mutable {
            self->check();
            h(std::move(results)...);
            then();
          }));
    });
  }

  template <typename F>
  void later(F f) {
    asio::post(strand_, [self = this->shared_from_this(), f] {
      self->check();
      f();
    });
  }

  void emit() {
    static constexpr asio::cancellation_type types[] = {
        asio::cancellation_type::terminal, asio::cancellation_type::partial,
        asio::cancellation_type::total, asio::cancellation_type::none};
    if (signal_) signal_->emit(types[dice_.below(4)]);
  }
  void emit_and_destroy() {
    emit();
    signal_.reset();
  }

  void check() {
    resource_.account.check(strand_.running_in_this_thread(), "a handler is not on its strand");
  }

  turn turn_;
  stage& stage_;
  Resource& resource_;
  dice dice_;
  pool_strand strand_;
  std::unique_ptr<asio::cancellation_signal> signal_;
  int steps_ = 3;
};

template <typename Resource>
void cancelled_on_strand(stage& s, Resource& r, dice& d) {
  std::make_shared<chain<Resource>>(s, r, dice(d()))->start();
}

// cancel_after wants a strand: its timer emits on the handler's executor.
template <typename Resource>
void cancelled_after(stage& s, Resource& r, dice& d) {
#if BOOST_VERSION >= 108600
  const auto strand = s.at.strand();
  asio::post(strand, [&s, &r, strand, t = s.begin(), d = dice(d())]() mutable {
    const auto after = stage::moment(d);
    acquire(s, r, d, [&](auto h) {
      return asio::cancel_after(after, asio::bind_executor(strand, std::move(h)));
    });
  });
#else
  plain(s, r, d);
#endif
}

// The operation owns its timer, and is cancelled by a signal on the strand.
template <typename Resource>
void with_permit(stage& s, Resource& r, dice& d) {
  struct cancelled {
    cancelled(stage& at, std::chrono::microseconds time)
        : strand(at.at.strand()), timer(at.at.pool(), time) {}

    pool_strand strand;
    asio::steady_timer timer;
    asio::cancellation_signal signal;
  };
  const auto c = std::make_shared<cancelled>(s, stage::moment(d));
  asio::post(c->strand, [&r, c, u = s.begin(), d = dice(d())]() mutable {
    const std::size_t n = r.size(d);
    turnstile::async_with_permit(
        r.semaphore, n, c->timer.async_wait(asio::deferred),
        asio::bind_cancellation_slot(
            c->signal.slot(),
            asio::bind_executor(c->strand, [c, t = ticket(r.account), u = std::move(u)](
                                               error_code ec) mutable { t.complete(ec, 0); })));
    if (d.one_in(2)) asio::post(c->strand, [c] { c->signal.emit(asio::cancellation_type::total); });
  });
}

template <typename Resource>
void begin_at(stage& s, Resource& r, dice& d) {
  switch (d.below(6)) {
    case 0: return plain(s, r, d);
    case 1: return timer_owns_signal(s, r, d);
    case 2: return cancelled_after(s, r, d);
    // A composed operation of Asio needs the contexts of both executors until it is destroyed.
    case 3: return s.demolished ? plain(s, r, d) : with_permit(s, r, d);
    default: return cancelled_on_strand(s, r, d);
  }
}

// ---- From a thread that is not of the contexts -----------------------------------------------------

// Waits for the future, and passes on what it holds, or the error.
template <typename T, typename F>
void receive(books& b, std::future<T> f, F then) {
  if (f.wait_for(std::chrono::seconds(test::patience)) != std::future_status::ready)
    b.fail("a future is never ready");
  try {
    if constexpr (std::is_void_v<T>) {
      f.get();
      then(error_code());
    } else {
      then(error_code(), f.get());
    }
  } catch (const boost::system::system_error& e) {
    if constexpr (std::is_void_v<T>)
      then(e.code());
    else
      then(e.code(), T());
  }
}

template <typename Resource>
void wait_at(stage& s, Resource& r, dice& d) {
  auto& semaphore = r.semaphore;
  const std::size_t n = r.size(d);
  switch (d.below(5)) {
    case 0:
      return receive(r.account, semaphore.async_acquire_permit(n, asio::use_future),
                     handler(s, r, n, d));
    case 1:
      return receive(r.account, semaphore.async_acquire(n, asio::use_future), handler(s, r, n, d));
    case 2: return void(semaphore.async_acquire_permit(n, asio::use_future));  // dropped
    case 3:
      return receive(r.account,
                     semaphore.async_acquire_permit_for(stage::moment(d), n, asio::use_future),
                     handler(s, r, n, d));
    case 4: {
      asio::steady_timer timer(s.at.pool(), stage::moment(d));
      auto group = asio::experimental::make_parallel_group(
          semaphore.async_acquire_permit(n, asio::deferred), timer.async_wait(asio::deferred));
      return receive(r.account,
                     group.async_wait(asio::experimental::wait_for_one(), asio::use_future),
                     [h = handler(s, r, n, d)](error_code, auto results) mutable {
                       auto& [order, ec, p, timer_ec] = results;
                       h(ec, std::move(p));
                     });
    }
  }
}

template <typename F>
void at_any(stage& s, dice& d, F f) {
  switch (d.below(4)) {
    case 0: return f(s.all.io);
    case 1: return f(s.all.pool);
    case 2: return f(s.all.strand);
    case 3: return f(s.all.any[d.below(3)]);
  }
}

}  // namespace

void begin_single(stage& s, dice& d) {
  at_any(s, d, [&](auto& r) { begin_at(s, r, d); });
}

void wait_for_future(stage& s, dice& d) {
  at_any(s, d, [&](auto& r) { wait_at(s, r, d); });
}

}  // namespace shell
