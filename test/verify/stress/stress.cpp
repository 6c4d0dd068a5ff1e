// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Everything at once, at random, on several threads; and then the books must balance.
//
// It goes in rounds, each with new semaphores and contexts, of one of three kinds:
//   a crowd      several threads at one semaphore, doing all that may be done to a shared one;
//   a tenancy    one thread, which moves, closes, destroys and replaces the semaphore while acquires
//                wait and other threads hold and give back its permits;
//   a demolition the contexts are destroyed with whatever is on them.
// After each round no permit is lost and none is too many, each acquire was completed or destroyed
// exactly once, and no acquire waits. What the sanitizers see in the meantime is half of the purpose.

#include "books.hpp"
#include "options.hpp"
#include "places.hpp"

#include <turnstile.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using test::books;
using test::canceller;
using test::dice;
using test::holding;
using test::in_parallel;
using test::io_executor;
using test::places;
using test::pool_executor;
using test::tally;
using test::ticket;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;

namespace {

// ---- Where ------------------------------------------------------------------------------------

// The four kinds of semaphore that there are here.
template <typename Semaphore>
struct traits;
template <>
struct traits<turnstile::basic_semaphore<io_executor>> {
  static constexpr bool bounded = false, on_io = true;
  static auto executor(places& p) { return p.io().get_executor(); }
};
template <>
struct traits<turnstile::basic_bounded_semaphore<pool_executor>> {
  static constexpr bool bounded = true, on_io = false;
  static auto executor(places& p) { return p.pool().get_executor(); }
};
template <>
struct traits<turnstile::semaphore> {
  static constexpr bool bounded = false, on_io = false;
  static asio::any_io_executor executor(places& p) { return asio::make_strand(p.pool()); }
};
template <>
struct traits<turnstile::basic_bounded_semaphore<asio::strand<io_executor>>> {
  static constexpr bool bounded = true, on_io = true;
  static auto executor(places& p) { return asio::make_strand(p.io()); }
};

// ---- What is done to a semaphore --------------------------------------------------------------

// Acquires, in all ways. What their handlers do with permits needs no semaphore but where `shared`:
// then the semaphore stays where it is while there are handlers.
template <typename Semaphore>
class actor {
 public:
  enum class mode { shared, exclusive };

  actor(books& r, places& p, mode m, std::size_t largest)
      : round_(r),
        places_(p),
        shared_(m == mode::shared),
        largest_(static_cast<std::uint32_t>(largest)) {}

  // One acquire, or a few.
  void acquire(Semaphore& s, dice& d) {
    switch (d.below(shared_ ? 11 : 7)) {
      case 0:
      case 1: return s.async_acquire_permit(size(d), with_permit(d()));
      case 2: return s.async_acquire_permit(size(d), on_a_strand(with_permit(d())));
      case 3: return cancelled_later(s, d);
      case 4: return s.async_acquire_permit(too_many(s), with_permit(d()));
      case 5: return try_permit(s, d);
      case 6: return asio::co_spawn(places_.pool(), owner(ticket(round_)), asio::detached);
      case 7: return bare(s, size(d), d);
      case 8: return asio::co_spawn(places_.pool(), coroutine(s, tickets(d), d()), asio::detached);
      case 9: return cancelled_on_its_strand(s, d);
      case 10: return try_bare(s, d);
    }
  }

  // Stands in the way of those behind it until it is cancelled: then they are to be looked at.
  void acquire_too_many(Semaphore& s, std::size_t n, dice& d) {
    const auto c = std::make_shared<canceller>(places_);
    s.async_acquire_permit(n, cancellable(c, with_permit(d())));
    asio::post(c->strand, [c] { c->signal.emit(asio::cancellation_type::total); });
  }

 private:
  std::size_t size(dice& d) const { return d.one_in(32) ? 0 : 1 + d.below(largest_); }
  static std::size_t too_many(Semaphore& s) { return s.max() + 1; }

  // Holds for a while, and gives back in one way or another.
  void use(holding h, dice d) {
    const std::size_t n = h->count();
    switch (d.below(6)) {
      case 0: return;
      case 1: return asio::post(places_.pool(), [h = std::move(h)] {});
      case 2:
        return asio::post(places_.io(), [h = std::move(h)]() mutable { h.release(h->count()); });
      case 3: return h.release(n / 2);
      case 4: {
        holding half(round_, h->split(n / 2));
        return asio::post(places_.pool(), [half = std::move(half)] {});
      }
      case 5: {
        permit half = h->split(n - n / 2);
        permit rest;
        rest.merge(std::move(*h));
        half.merge(std::move(rest));
        *h = std::move(half);
        h.release(n);
      }
    }
  }

  auto with_permit(std::uint64_t luck) {
    return [this, t = ticket(round_), luck](error_code ec, permit p) mutable {
      if (t.complete(ec, p.count())) use(holding(round_, std::move(p)), dice(luck));
    };
  }

  template <typename Handler>
  auto on_a_strand(Handler h) {
    return asio::bind_executor(asio::make_strand(places_.pool()), std::move(h));
  }

  void try_permit(Semaphore& s, dice& d) {
    permit p = s.try_acquire_permit(size(d));
    round_.enter(p.count());
    use(holding(round_, std::move(p)), d);
  }

  // The emission follows the acquire sooner or later, or comes too late.
  static void cancel_later(const std::shared_ptr<canceller>& c, dice d) {
    static constexpr asio::cancellation_type types[] = {
        asio::cancellation_type::terminal, asio::cancellation_type::partial,
        asio::cancellation_type::total, asio::cancellation_type::none};
    const auto type = types[d.below(4)];
    if (d.one_in(8)) return;
    asio::post(c->strand, [c, type, hops = d.below(3)] {
      if (hops == 0) return c->signal.emit(type);
      asio::post(c->strand, [c, type] {
        c->signal.emit(type);
        c->signal.emit(asio::cancellation_type::total);
      });
    });
  }

  template <typename Handler>
  static auto cancellable(const std::shared_ptr<canceller>& c, Handler h) {
    return asio::bind_cancellation_slot(
        c->signal.slot(),
        asio::bind_executor(c->strand, [c, h = std::move(h)](error_code ec, permit p) mutable {
          h(ec, std::move(p));
        }));
  }

  // Initiated here, cancelled on its strand.
  void cancelled_later(Semaphore& s, dice& d) {
    const auto c = std::make_shared<canceller>(places_);
    s.async_acquire_permit(size(d), cancellable(c, with_permit(d())));
    cancel_later(c, d);
  }

  // Its semaphore is gone as soon as it has what it waited for: perhaps while the thread that waited
  // for it, or the one that gave back the permit, is still busy with that.
  asio::awaitable<void> owner(ticket t) {
    Semaphore own(traits<Semaphore>::executor(places_), 1);
    asio::post(places_.io(), [p = own.try_acquire_permit()] {});
    error_code ec;
    const permit p =
        co_await own.async_acquire_permit(asio::redirect_error(asio::use_awaitable, ec));
    t.complete(ec, 0);
  }

  // ---- With a semaphore that stays where it is

  void give_back(Semaphore& s, std::size_t n, dice d) {
    switch (d.below(3)) {
      case 0: round_.leave(n); return s.release(n);
      case 1:
        for (; n != 0; --n) {
          round_.leave(1);
          error_code ec;
          s.release(ec);
          round_.check(!ec, "a permit cannot be given back");
        }
        return;
      case 2: {
        // Where it is destroyed instead, the permits must not be lost.
        struct debt {
          books* r;
          Semaphore* s;
          std::size_t n;
          debt(books& r1, Semaphore& s1, std::size_t n1) : r(&r1), s(&s1), n(n1) {}
          debt(debt&& other) noexcept : r(other.r), s(other.s), n(std::exchange(other.n, 0)) {}
          ~debt() {
            r->leave(n);
            error_code ec;
            if (n != 0) s->release(n, ec);
          }
        };
        return asio::post(places_.pool(), [x = debt(round_, s, n)] {});
      }
    }
  }

  void bare(Semaphore& s, std::size_t n, dice& d) {
    s.async_acquire(n, [this, &s, n, t = ticket(round_), luck = d()](error_code ec) mutable {
      if (t.complete(ec, n)) give_back(s, n, dice(luck));
    });
  }

  void try_bare(Semaphore& s, dice& d) {
    const std::size_t n = size(d);
    if (!s.try_acquire(n)) return;
    round_.enter(n);
    give_back(s, n, d);
  }

  void cancelled_on_its_strand(Semaphore& s, dice& d) {
    const auto c = std::make_shared<canceller>(places_);
    asio::post(c->strand, [&s, c, n = size(d), h = with_permit(d()), d]() mutable {
      s.async_acquire_permit(n, cancellable(c, std::move(h)));
      if (d.one_in(2)) return c->signal.emit(asio::cancellation_type::terminal);
      cancel_later(c, d);
    });
  }

  // All at once, so that none is forgotten before the coroutine has come to it.
  std::vector<ticket> tickets(dice& d) {
    std::vector<ticket> result;
    for (auto left = 1 + d.below(4); left != 0; --left) result.emplace_back(round_);
    return result;
  }

  asio::awaitable<void> coroutine(Semaphore& s, std::vector<ticket> tickets, std::uint64_t luck) {
    dice d(luck);
    for (ticket& t : tickets) {
      const std::size_t n = size(d);
      error_code ec;
      if (d.one_in(2)) {
        co_await s.async_acquire(n, asio::redirect_error(asio::use_awaitable, ec));
        if (t.complete(ec, n)) give_back(s, n, d);
      } else {
        permit p =
            co_await s.async_acquire_permit(n, asio::redirect_error(asio::use_awaitable, ec));
        if (!t.complete(ec, p.count())) continue;
        if (d.one_in(2))
          give_back(s, p.forget(), d);
        else
          use(holding(round_, std::move(p)), d);
      }
    }
  }

  books& round_;
  places& places_;
  const bool shared_;
  const std::uint32_t largest_;
};

// ---- The rounds -------------------------------------------------------------------------------

template <typename Semaphore>
void check_books(books& r, Semaphore& s, std::size_t permits) {
  r.check(s.waiting() == 0, "an acquire waits at the end");
  r.check(s.available() == permits, "the permits available are not those that there are");
  if constexpr (traits<Semaphore>::bounded) r.check(s.in_use() == 0, "permits in use at the end");
}

template <typename Semaphore>
void crowd(books& r, dice d, std::uint64_t acquires) {
  places p;
  std::size_t permits = 1 + (d.one_in(2) ? 0 : d.below(6));
  const std::size_t largest =
      1 + d.below(static_cast<std::uint32_t>(std::min<std::size_t>(permits, 4)));
  const bool changes = permits != 1 && d.one_in(2);
  const std::uint64_t closes_at =
      d.one_in(8) ? d.below(static_cast<std::uint32_t>(acquires)) : ~0ull;
  const std::uint64_t waiting = d.one_in(2) ? 8 : 100;
  // What is held all the time, so that a request for all can only be cancelled.
  const std::size_t ballast = !changes && d.one_in(2);
  r.ceiling(permits + (changes && traits<Semaphore>::bounded ? 2 : 0));
  if (permits == 1) r.keeps_apart();

  Semaphore s(traits<Semaphore>::executor(p), permits + ballast);
  permit held = s.try_acquire_permit(ballast);
  actor<Semaphore> a(r, p, actor<Semaphore>::mode::shared, largest);
  const std::uint64_t luck = d();
  in_parallel(2, [&](int thread) {
    dice mine(luck + static_cast<unsigned>(thread));
    while (r.started() < acquires) {
      r.not_more_than(waiting);
      a.acquire(s, mine);
      if (ballast && mine.one_in(20)) a.acquire_too_many(s, permits + ballast, mine);
      if (mine.one_in(200)) s.cancel();
      if (thread != 0) {
        if (r.started() >= closes_at) s.close();
        continue;
      }
      // Only this thread knows how many there are.
      if constexpr (traits<Semaphore>::bounded) {
        if (changes && mine.one_in(8))
          s.set_limit(mine.below(static_cast<std::uint32_t>(permits) + 3));
        if (mine.one_in(50)) {
          error_code ec;
          s.release(s.max(), ec);
          r.check(ec == errc::over_release, "more were released than are in use");
        }
      } else if (changes && mine.one_in(8)) {
        // Never fewer than the largest request.
        if (permits != largest && mine.one_in(2)) {
          permits -= s.shrink(1 + mine.below(static_cast<std::uint32_t>(permits - largest)));
        } else if (permits < 12) {
          const std::size_t n = 1 + mine.below(3);
          r.raise_ceiling(n);
          s.release(n);
          permits += n;
        }
      }
    }
  });
  if constexpr (traits<Semaphore>::bounded)
    if (changes) s.set_limit(permits);
  r.all_done();
  p.join();
  held.release();
  check_books(r, s, permits + ballast);
}

template <typename Semaphore>
void tenancy(books& r, dice d, std::uint64_t acquires) {
  places p;
  const std::size_t permits = 1 + d.below(4);
  const std::size_t largest = 1 + d.below(static_cast<std::uint32_t>(permits));
  // Permits of semaphores that are gone are held beside those of the present one.
  r.ceiling(~std::size_t(0));

  auto make = [&] { return Semaphore(traits<Semaphore>::executor(p), permits); };
  auto s = std::make_unique<Semaphore>(make());
  actor<Semaphore> a(r, p, actor<Semaphore>::mode::exclusive, largest);
  while (r.started() < acquires) {
    r.not_more_than(30);
    a.acquire(*s, d);
    switch (d.below(50)) {
      case 0: s->cancel(); break;
      case 1: s = std::make_unique<Semaphore>(make()); break;
      case 2: *s = make(); break;
      case 3: {
        s->close();
        a.acquire(*s, d);
        s.reset();
        s = std::make_unique<Semaphore>(make());
        break;
      }
      case 4:
      case 5: s = std::make_unique<Semaphore>(std::move(*s)); break;
      case 6: {
        Semaphore elsewhere = make();
        elsewhere = std::move(*s);
        *s = std::move(elsewhere);
        break;
      }
    }
  }
  r.all_done();
  p.join();
  check_books(r, *s, permits);
}

template <typename Semaphore>
void demolition(books& r, dice d, std::uint64_t acquires) {
  std::optional<Semaphore> s, other;  // they outlive their context
  permit mine;
  places p;
  const std::size_t permits = 2 + d.below(4);
  r.ceiling(permits);
  s.emplace(traits<Semaphore>::executor(p), permits);
  other.emplace(traits<Semaphore>::executor(p), 0);
  actor<Semaphore> a(r, p, actor<Semaphore>::mode::shared, permits);
  const std::uint64_t luck = d();
  if (d.one_in(2)) mine = s->try_acquire_permit();
  // Handlers that own permits of another semaphore, and are never called.
  for (auto i = d.below(5); i != 0; --i) {
    other->async_acquire_permit([t = ticket(r), q = s->try_acquire_permit()](
                                    error_code ec, permit) mutable { t.complete(ec, 0); });
  }
  in_parallel(2, [&](int thread) {
    dice each(luck + static_cast<unsigned>(thread));
    while (r.started() < acquires) a.acquire(*s, each);
  });
  p.demolish(traits<Semaphore>::on_io);
  mine.release();
  r.all_done();
  check_books(r, *s, permits);
}

template <typename Semaphore>
void play(std::uint64_t seed, std::uint64_t most, tally& sum) {
  dice d(seed);
  const auto kind = d.below(10);
  const auto budget = [&](std::uint64_t n) { return std::min(most, n); };
  books r(seed, kind < 6 ? "crowd" : kind < 8 ? "tenancy" : "demolition");
  if (kind < 6)
    crowd<Semaphore>(r, d, budget(4000));
  else if (kind < 8)
    tenancy<Semaphore>(r, d, budget(2000));
  else
    demolition<Semaphore>(r, d, budget(100 + d.below(400)));
  r.add_to(sum);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t acquires = 20'000, seed = test::any_seed();
  test::read_options(
      argc, argv, {{"--acquires", &acquires}, {"--seed", &seed}, {"--patience", &test::patience}});

  const std::uint64_t first_seed = seed;
  tally sum = {};
  std::uint64_t done = 0;
  const auto start = std::chrono::steady_clock::now();
  while (done < acquires) {
    const std::uint64_t most = acquires - done;
    switch (seed % 4) {
      case 0: play<turnstile::basic_semaphore<io_executor>>(seed, most, sum); break;
      case 1: play<turnstile::basic_bounded_semaphore<pool_executor>>(seed, most, sum); break;
      case 2: play<turnstile::semaphore>(seed, most, sum); break;
      case 3:
        play<turnstile::basic_bounded_semaphore<asio::strand<io_executor>>>(seed, most, sum);
        break;
    }
    ++seed;
    done = 0;
    for (auto n : sum) done += n;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;

  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "%llu acquires: %llu granted, %llu cancelled, %llu closed, %llu exceeds, %llu destroyed; "
      "%llu rounds from seed %llu, %.1f s, %.0f a second\n",
      number(done), number(sum[test::granted]), number(sum[test::cancelled]),
      number(sum[test::closed]), number(sum[test::exceeds]), number(sum[test::destroyed]),
      number(seed - first_seed), number(first_seed), took.count(),
      static_cast<double>(done) / took.count());
  for (auto f : {test::granted, test::cancelled, test::closed, test::exceeds, test::destroyed}) {
    if (acquires < 500'000 || sum[f] != 0) continue;
    std::fputs("stress: one of these never happened\n", stderr);
    return 1;
  }
}
