// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Keyed semaphores, at random, on several threads; and then the books must balance: those of all keys, and those of
// each key.
//
// The rounds are those of stress.cpp: a crowd at one semaphore, a tenancy of one thread that moves and replaces
// it, and a demolition of the contexts. Permits are held for moments, so keys come and go all the time.

#include "keyed_books.hpp"
#include "options.hpp"
#include "places.hpp"

#include <turnstile.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using test::books;
using test::canceller;
using test::dice;
using test::in_parallel;
using test::io_executor;
using test::key_holding;
using test::keyed_books;
using test::places;
using test::pool_executor;
using test::tally;
using test::ticket;
using turnstile::errc;
using turnstile::error_code;
using turnstile::keyed_limits;
using turnstile::permit;

namespace {

// The four kinds of keyed semaphore that there are here.
template <typename Semaphore>
struct traits;
template <>
struct traits<turnstile::basic_keyed_semaphore<int, io_executor>> {
  static constexpr bool on_io = true;
  static auto executor(places& p) { return p.io().get_executor(); }
};
template <>
struct traits<turnstile::basic_keyed_semaphore<std::string, pool_executor>> {
  static constexpr bool on_io = false;
  static auto executor(places& p) { return p.pool().get_executor(); }
};
template <>
struct traits<turnstile::keyed_semaphore<int>> {
  static constexpr bool on_io = false;
  static asio::any_io_executor executor(places& p) { return asio::make_strand(p.pool()); }
};
template <>
struct traits<turnstile::basic_keyed_semaphore<std::string, asio::strand<io_executor>>> {
  static constexpr bool on_io = true;
  static auto executor(places& p) { return asio::make_strand(p.io()); }
};

template <typename Key>
Key make_key(std::uint32_t k) {
  if constexpr (std::is_same_v<Key, int>)
    return static_cast<int>(k);
  else
    return "a key that needs a block of its own " + std::to_string(k);
}

// An executor that throws now and then.
class flaky_executor {
 public:
  struct state {
    std::atomic<std::uint32_t> calls{0};
    std::atomic<bool> throws{true};
  };
  flaky_executor(asio::thread_pool& pool, state& s) : pool_(&pool), state_(&s) {}

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *pool_; }
  static constexpr asio::execution::blocking_t::never_t query(
      asio::execution::blocking_t) noexcept {
    return {};
  }
  template <typename F>
  void execute(F&& f) const {
    if (state_->calls.fetch_add(1, test::relaxed) % 4 == 0 && state_->throws.load(test::relaxed))
      throw std::bad_alloc();
    asio::require(pool_->get_executor(), asio::execution::blocking.never)
        .execute(std::forward<F>(f));
  }
  bool operator==(const flaky_executor&) const = default;

 private:
  asio::thread_pool* pool_;
  state* state_;
};

struct terms {
  std::uint32_t keys;
  std::uint32_t largest;  // request
  bool shared = false;    // the semaphore stays where it is while there are handlers
  bool forgets = false;
  flaky_executor::state* flaky = nullptr;
};

// Acquires, in all ways.
template <typename Semaphore>
class actor {
  using key_type = typename Semaphore::key_type;

 public:
  actor(keyed_books& b, places& p, const terms& t) : books_(b), places_(p), terms_(t) {}

  // One acquire, or a few.
  void acquire(Semaphore& s, dice& d) {
    const std::uint32_t k = any_key(d);
    const auto ref = s[make_key<key_type>(k)];
    switch (d.below(terms_.shared ? 12 : 9)) {
      case 0:
      case 1:
      case 2: return ref.async_acquire_permit(size(d), handler(k, d()));
      case 3:
        return ref.async_acquire_permit(
            size(d), asio::bind_executor(asio::make_strand(places_.pool()), handler(k, d())));
      case 4:
      case 5: return cancelled_later(ref, k, d);
      case 6: return try_permit(ref, k, d);
      case 7:
        if (d.one_in(4)) return ref.async_acquire_permit(s_max() + 1, handler(k, d()));
        return try_permit(ref, k, d);
      case 8:
        if (terms_.flaky) return flaky(ref, k, d);
        return asio::co_spawn(places_.pool(), owner(ticket(books_.all())), asio::detached);
      case 9: return cancelled_on_its_strand(ref, k, d);
      default: return asio::co_spawn(places_.pool(), coroutine(s, tickets(d), d()), asio::detached);
    }
  }

 private:
  static std::size_t s_max() { return turnstile::semaphore::max(); }

  // By Zipf's law: the first key as often as the next two together, and so on.
  std::uint32_t any_key(dice& d) const {
    const double u = static_cast<double>(d.below(1 << 20)) / (1 << 20);
    return static_cast<std::uint32_t>(std::pow(terms_.keys + 1.0, u)) - 1;
  }
  std::size_t size(dice& d) const { return d.one_in(32) ? 0 : 1 + d.below(terms_.largest); }

  // Holds for a while, and gives back in one way or another.
  void use(key_holding h, dice d) {
    const std::size_t n = h->count();
    if (terms_.forgets && d.one_in(16)) h.forget_one();
    switch (d.below(7)) {
      case 0:
      case 1: return;
      case 2: return asio::post(places_.pool(), [h = std::move(h)] {});
      case 3:
        return asio::post(places_.io(), [h = std::move(h)]() mutable { h.release(h->count()); });
      case 4: return h.release(h->count() / 2);
      case 5: {
        key_holding half = h.split(h->count() / 2);
        return asio::post(places_.pool(), [half = std::move(half)] {});
      }
      case 6: {
        permit half = h->split(h->count() - h->count() / 2);
        permit rest;
        rest.merge(std::move(*h));
        half.merge(std::move(rest));
        *h = std::move(half);
        if (n == h->count()) h.release(n);
      }
    }
  }

  bool complete(ticket& t, error_code ec, std::uint32_t k, std::size_t n) {
    const bool full = ec == errc::queue_full;
    if (full) books_.add_full();
    if (!t.complete(full ? errc::exceeds_limit : ec, n)) return false;
    books_.enter(k, n);
    return true;
  }

  auto handler(std::uint32_t k, std::uint64_t luck) {
    return [this, k, t = ticket(books_.all()), luck](error_code ec, permit p) mutable {
      if (complete(t, ec, k, p.count())) use(key_holding(books_, k, std::move(p)), dice(luck));
    };
  }

  template <typename Reference>
  void try_permit(const Reference& ref, std::uint32_t k, dice& d) {
    permit p = ref.try_acquire_permit(size(d));
    books_.all().enter(p.count());
    books_.enter(k, p.count());
    use(key_holding(books_, k, std::move(p)), d);
  }

  // An acquire that is granted at once is refused by an exception of the initiating call.
  template <typename Reference>
  void flaky(const Reference& ref, std::uint32_t k, dice& d) {
    try {
      ref.async_acquire_permit(
          size(d),
          asio::bind_executor(flaky_executor(places_.pool(), *terms_.flaky), handler(k, d())));
    } catch (const std::bad_alloc&) {
    }
  }

  // The emission follows the acquire sooner or later, or comes too late.
  static void cancel_later(const std::shared_ptr<canceller>& c, dice d) {
    static constexpr asio::cancellation_type types[] = {
        asio::cancellation_type::terminal, asio::cancellation_type::partial,
        asio::cancellation_type::total, asio::cancellation_type::none};
    const auto type = types[d.below(4)];
    if (d.one_in(8)) return;
    if (d.one_in(2)) return asio::post(c->strand, [c, type] { c->signal.emit(type); });
    const auto timer =
        std::make_shared<asio::steady_timer>(c->strand, std::chrono::microseconds(d.below(300)));
    timer->async_wait([c, timer, type](error_code) { c->signal.emit(type); });
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
  template <typename Reference>
  void cancelled_later(const Reference& ref, std::uint32_t k, dice& d) {
    const auto c = std::make_shared<canceller>(places_);
    ref.async_acquire_permit(size(d), cancellable(c, handler(k, d())));
    cancel_later(c, d);
  }

  // Its semaphore is gone as soon as it has what it waited for: perhaps while the thread that waited
  // for it, or the one that gave back the permit, is still busy with that.
  asio::awaitable<void> owner(ticket t) {
    Semaphore own(traits<Semaphore>::executor(places_), keyed_limits{.per_key = 1, .total = 1});
    asio::post(places_.io(), [p = own[make_key<key_type>(0)].try_acquire_permit()] {});
    error_code ec;
    const permit p = co_await own[make_key<key_type>(1)].async_acquire_permit(
        asio::redirect_error(asio::use_awaitable, ec));
    t.complete(ec, 0);
  }

  // ---- With a semaphore that stays where it is

  template <typename Reference>
  void cancelled_on_its_strand(const Reference& ref, std::uint32_t k, dice& d) {
    const auto c = std::make_shared<canceller>(places_);
    asio::post(c->strand, [ref, c, n = size(d), h = handler(k, d()), d]() mutable {
      ref.async_acquire_permit(n, cancellable(c, std::move(h)));
      if (d.one_in(2)) return c->signal.emit(asio::cancellation_type::terminal);
      cancel_later(c, d);
    });
  }

  // All at once, so that none is forgotten before the coroutine has come to it.
  std::vector<ticket> tickets(dice& d) {
    std::vector<ticket> result;
    for (auto left = 1 + d.below(4); left != 0; --left) result.emplace_back(books_.all());
    return result;
  }

  asio::awaitable<void> coroutine(Semaphore& s, std::vector<ticket> tickets, std::uint64_t luck) {
    dice d(luck);
    for (ticket& t : tickets) {
      const std::uint32_t k = any_key(d);
      error_code ec;
      permit p = co_await s[make_key<key_type>(k)].async_acquire_permit(
          size(d), asio::redirect_error(asio::use_awaitable, ec));
      if (complete(t, ec, k, p.count())) use(key_holding(books_, k, std::move(p)), d);
    }
  }

  keyed_books& books_;
  places& places_;
  const terms terms_;
};

// ---- The rounds -------------------------------------------------------------------------------

template <typename Semaphore>
void check_books(books& r, Semaphore& s, std::size_t forgotten) {
  r.check(s.waiting() == 0, "an acquire waits at the end");
  r.check(s.in_use() == forgotten, "permits in use at the end");
  r.check(s.size() == forgotten, "keys at the end that hold nothing");
}

std::uint32_t any_keys(dice& d) {
  static constexpr std::uint32_t some[] = {1, 2, 3, 8, 64};
  return some[d.below(5)];
}

template <typename Semaphore>
std::uint64_t crowd(books& r, dice d, std::uint64_t acquires) {
  flaky_executor::state flakiness;  // outlives the pool
  places p;
  terms t{.keys = any_keys(d), .largest = 1, .shared = true};
  keyed_limits limits;
  limits.per_key = 1 + (d.one_in(2) ? 0 : d.below(4));
  t.largest = 1 + d.below(static_cast<std::uint32_t>(limits.per_key));
  const bool changes = d.one_in(3);
  t.forgets = !changes && d.one_in(6) && limits.per_key > t.largest;
  if (t.forgets || d.one_in(2))  // of each key one permit may be forgotten
    limits.total = t.largest + (t.forgets ? t.keys : 0) + d.below(6);
  const bool is_flaky = d.one_in(4);
  if (is_flaky) t.flaky = &flakiness;
  if (d.one_in(3)) limits.max_waiting = d.below(8);
  if (d.one_in(3)) limits.max_waiting_per_key = d.below(4);
  const std::uint64_t closes_at =
      d.one_in(8) ? d.below(static_cast<std::uint32_t>(acquires)) : ~0ull;
  const std::uint64_t waiting = d.one_in(2) ? 8 : 100;

  keyed_books b(r, t.keys, limits.per_key);
  r.ceiling(limits.total);
  if (limits.per_key == 1) b.keeps_apart();
  if (limits.total == 1) r.keeps_apart();

  Semaphore s(traits<Semaphore>::executor(p), limits);
  actor<Semaphore> a(b, p, t);
  const std::uint64_t luck = d();
  std::atomic<int> busy = 2;
  in_parallel(is_flaky ? 3 : 2, [&](int thread) {
    // What an executor has refused is tried again by the next call, whatever it is.
    if (thread == 2) {
      while (busy.load(test::relaxed) != 0) s.set_limits(s.limits());
      return;
    }
    dice mine(luck + static_cast<unsigned>(thread));
    while (r.started() < acquires) {
      r.not_more_than(waiting);
      a.acquire(s, mine);
      if (mine.one_in(300)) s.cancel();
      if (thread != 0) {
        if (r.started() >= closes_at) s.close();
        continue;
      }
      // What executors have refused may exceed the bounds, and so may what waited before they were lowered.
      if (!is_flaky && !changes) {
        r.check(s.waiting() <= limits.max_waiting, "more acquires wait than may");
        r.check(
            s[make_key<typename Semaphore::key_type>(0)].waiting() <= limits.max_waiting_per_key,
            "more acquires of a key wait than may");
      }
      // In a round with a third thread that sets the limits, this one does not.
      if (!changes || is_flaky || !mine.one_in(8)) continue;
      keyed_limits other = limits;
      other.per_key = mine.below(static_cast<std::uint32_t>(limits.per_key) + 1);
      if (mine.one_in(3)) other.total = std::min<std::size_t>(limits.total, mine.below(3));
      if (mine.one_in(3)) other.max_waiting = mine.below(8);
      s.set_limits(other);
      if (other.total == limits.total) continue;
      // As soon as the permits past a lower limit are back, no more are ever held.
      r.until("permits are granted past a lowered limit",
              [&] { return s.in_use() <= other.total; });
      b.lower_ceiling(static_cast<std::uint32_t>(other.total));
      for (auto more = mine.below(20); more != 0; --more) {
        r.not_more_than(waiting);
        a.acquire(s, mine);
      }
      b.lift_ceiling();
      s.set_limits(limits);
    }
    busy.fetch_sub(1, test::relaxed);
  });
  flakiness.throws = false;
  s.set_limits(limits);
  r.all_done();
  p.join();
  check_books(r, s, b.forgotten());
  return b.full();
}

template <typename Semaphore>
std::uint64_t tenancy(books& r, dice d, std::uint64_t acquires) {
  places p;
  const keyed_limits limits{.per_key = 1u + d.below(2), .total = 2u + d.below(4)};
  const terms t{.keys = any_keys(d), .largest = static_cast<std::uint32_t>(limits.per_key)};
  // Permits of semaphores that are gone are held beside those of the present one.
  r.ceiling(~std::size_t(0));
  keyed_books b(r, t.keys, ~std::size_t(0));

  auto make = [&] { return Semaphore(traits<Semaphore>::executor(p), limits); };
  auto s = std::make_unique<Semaphore>(make());
  actor<Semaphore> a(b, p, t);
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
        const auto elsewhere = std::make_unique<Semaphore>(make());
        *elsewhere = std::move(*s);
        *s = std::move(*elsewhere);
        break;
      }
      // A permit that is forgotten keeps its key until the semaphore is gone, and no longer.
      case 7:
        (*s)[make_key<typename Semaphore::key_type>(0)].try_acquire_permit().forget();
        s = std::make_unique<Semaphore>(make());
        break;
    }
  }
  r.all_done();
  p.join();
  check_books(r, *s, 0);
  return b.full();
}

template <typename Semaphore>
std::uint64_t demolition(books& r, dice d, std::uint64_t acquires) {
  std::optional<Semaphore> s, other;  // they outlive their context
  permit mine;
  places p;
  const keyed_limits limits{.per_key = 1u + d.below(3), .total = 2u + d.below(4)};
  const terms t{.keys = any_keys(d),
                .largest = static_cast<std::uint32_t>(std::min(limits.per_key, limits.total)),
                .shared = true};
  r.ceiling(limits.total);
  keyed_books b(r, t.keys, limits.per_key);
  s.emplace(traits<Semaphore>::executor(p), limits);
  other.emplace(traits<Semaphore>::executor(p), keyed_limits{.per_key = 1, .total = 1});
  actor<Semaphore> a(b, p, t);
  const std::uint64_t luck = d();
  const auto key = [](std::uint32_t k) { return make_key<typename Semaphore::key_type>(k); };
  if (d.one_in(2)) mine = (*s)[key(0)].try_acquire_permit();
  // Handlers that own permits of another semaphore, and are never called.
  const permit all = (*other)[key(0)].try_acquire_permit();
  for (auto i = d.below(5); i != 0; --i) {
    (*other)[key(i)].async_acquire_permit(
        [t1 = ticket(r), q = (*s)[key(i % t.keys)].try_acquire_permit()](
            error_code ec, permit) mutable { t1.complete(ec, 0); });
  }
  in_parallel(2, [&](int thread) {
    dice each(luck + static_cast<unsigned>(thread));
    while (r.started() < acquires) a.acquire(*s, each);
  });
  p.demolish(traits<Semaphore>::on_io);
  mine.release();
  r.all_done();
  check_books(r, *s, 0);
  return b.full();
}

template <typename Semaphore>
void play(std::uint64_t seed, std::uint64_t most, tally& sum, std::uint64_t& full) {
  dice d(seed);
  const auto kind = d.below(10);
  const auto budget = [&](std::uint64_t n) { return std::min(most, n); };
  books r(seed, kind < 6 ? "keyed crowd" : kind < 8 ? "keyed tenancy" : "keyed demolition");
  if (kind < 6)
    full += crowd<Semaphore>(r, d, budget(2000));
  else if (kind < 8)
    full += tenancy<Semaphore>(r, d, budget(1000));
  else
    full += demolition<Semaphore>(r, d, budget(100 + d.below(400)));
  r.add_to(sum);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t acquires = 20'000, seed = test::any_seed();
  test::read_options(
      argc, argv, {{"--acquires", &acquires}, {"--seed", &seed}, {"--patience", &test::patience}});

  const std::uint64_t first_seed = seed;
  tally sum = {};
  std::uint64_t done = 0, full = 0;
  const auto start = std::chrono::steady_clock::now();
  while (done < acquires) {
    const std::uint64_t most = acquires - done;
    switch (seed % 4) {
      case 0:
        play<turnstile::basic_keyed_semaphore<int, io_executor>>(seed, most, sum, full);
        break;
      case 1:
        play<turnstile::basic_keyed_semaphore<std::string, pool_executor>>(seed, most, sum, full);
        break;
      case 2: play<turnstile::keyed_semaphore<int>>(seed, most, sum, full); break;
      case 3:
        play<turnstile::basic_keyed_semaphore<std::string, asio::strand<io_executor>>>(seed, most,
                                                                                       sum, full);
        break;
    }
    ++seed;
    done = 0;
    for (auto n : sum) done += n;
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  sum[test::exceeds] -= full;

  const auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  std::printf(
      "%llu acquires: %llu granted, %llu cancelled, %llu closed, %llu exceeds, %llu full, %llu "
      "destroyed; %llu rounds from seed %llu, %.1f s, %.0f a second\n",
      number(done), number(sum[test::granted]), number(sum[test::cancelled]),
      number(sum[test::closed]), number(sum[test::exceeds]), number(full),
      number(sum[test::destroyed]), number(seed - first_seed), number(first_seed), took.count(),
      static_cast<double>(done) / took.count());
  for (auto n : {sum[test::granted], sum[test::cancelled], sum[test::closed], sum[test::exceeds],
                 sum[test::destroyed], full}) {
    if (acquires < 100'000 || n != 0) continue;
    std::fputs("stress: one of these never happened\n", stderr);
    return 1;
  }
}
