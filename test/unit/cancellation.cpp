// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// What cancels a wait, and when: before it, while it waits, after the grant, inside the handler, and long
// after everything is gone.

#define BOOST_TEST_MODULE cancellation
#include "journal.hpp"
#include "support.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <vector>

namespace {

// How many cores are there: each allocation begins with its size.
std::atomic<long> cores{0};
constexpr std::size_t header = alignof(std::max_align_t);

}  // namespace

void* operator new(std::size_t n) {
  void* const p = std::malloc(header + n);
  if (!p) throw std::bad_alloc();
  *static_cast<std::size_t*>(p) = n;
  if (n == sizeof(turnstile::detail::core)) ++cores;
  return static_cast<char*>(p) + header;
}
void operator delete(void* p) noexcept {
  if (!p) return;
  void* const begin = static_cast<char*>(p) - header;
  if (*static_cast<std::size_t*>(begin) == sizeof(turnstile::detail::core)) --cores;
  std::free(begin);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

using namespace test;
using asio::cancellation_signal;
using asio::cancellation_type;

namespace {

struct fixture : journal {
  semaphore sem{io, 0};
  cancellation_signal signal;

  // A handler that the signal cancels.
  auto cancellable(std::string name) {
    return asio::bind_cancellation_slot(signal.slot(), (*this)(name));
  }
  void emit(cancellation_type type = cancellation_type::total) { signal.emit(type); }
};

// A slot that counts how often it is changed.
struct watched_slot {
  asio::cancellation_slot slot;
  int* touched;

  bool is_connected() const noexcept { return slot.is_connected(); }
  template <typename Handler, typename... Args>
  Handler& emplace(Args&&... args) {
    ++*touched;
    return slot.emplace<Handler>(std::forward<Args>(args)...);
  }
  void clear() {
    ++*touched;
    slot.clear();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(one_wait, fixture)

BOOST_AUTO_TEST_CASE(every_cancellation_type_but_none_ends_a_wait) {
  using enum cancellation_type;
  for (auto type : {terminal, partial, total, all, terminal | partial}) {
    sem.async_acquire_permit(cancellable("a"));
    emit(type);
    BOOST_TEST(sem.waiting() == 0u);
    BOOST_TEST(read() == "");
    BOOST_TEST(poll() == "a!aborted");
  }
  sem.async_acquire(cancellable("b"));
  emit(none);
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(poll() == "");
  emit(terminal);
  BOOST_TEST(poll() == "b!aborted");
  BOOST_TEST(held.empty());
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_leaves_the_queue_at_once_and_takes_nothing) {
  sem.async_acquire(cancellable("a"));
  sem.async_acquire((*this)("b"));
  sem.async_acquire((*this)("c"));
  emit();
  BOOST_TEST(sem.waiting() == 2u);
  sem.release();  // a's handler was not called yet
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(poll() == "a!aborted b");
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_lets_those_behind_it_go) {
  sem.release(2);
  sem.async_acquire(3, cancellable("a"));
  sem.async_acquire(2, (*this)("b"));
  emit();
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "a!aborted b");
}

BOOST_AUTO_TEST_CASE(a_wait_is_cancelled_once) {
  sem.async_acquire(cancellable("a"));
  emit();
  emit();
  sem.cancel();
  emit();
  BOOST_TEST(poll() == "a!aborted");
  BOOST_TEST(poll() == "");
}

BOOST_AUTO_TEST_CASE(any_of_many_waits_can_be_cancelled) {
  std::vector<cancellation_signal> signals(9);
  for (std::size_t i = 0; i < signals.size(); ++i)
    sem.async_acquire(asio::bind_cancellation_slot(signals[i].slot(), (*this)(std::to_string(i))));
  for (std::size_t i : {4u, 0u, 8u, 7u, 1u}) signals[i].emit(cancellation_type::partial);
  BOOST_TEST(sem.waiting() == 4u);
  sem.release(4);
  BOOST_TEST(poll() == "4!aborted 0!aborted 8!aborted 7!aborted 1!aborted 2 3 5 6");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(emitted, fixture)

BOOST_AUTO_TEST_CASE(an_emission_before_the_wait_does_nothing) {
  emit();
  sem.async_acquire(cancellable("a"));
  BOOST_TEST(sem.waiting() == 1u);
  sem.release();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(an_emission_after_an_immediate_grant_does_nothing) {
  sem.release();
  sem.async_acquire_permit(cancellable("a"));
  emit();
  BOOST_TEST(poll() == "a");
  BOOST_TEST(held["a"].count() == 1u);
  emit();
}

BOOST_AUTO_TEST_CASE(an_emission_between_grant_and_handler_does_nothing) {
  sem.async_acquire_permit(2, cancellable("a"));
  sem.release(2);
  emit();
  sem.cancel();
  BOOST_TEST(sem.available() == 0u);
  BOOST_TEST(poll() == "a");
  BOOST_TEST(held["a"].count() == 2u);
}

BOOST_AUTO_TEST_CASE(an_emission_inside_the_handler_does_nothing) {
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) {
    emit();
    (*this)("a")(ec);
  }));
  sem.async_acquire((*this)("b"));
  sem.release();
  BOOST_TEST(poll() == "a");
  BOOST_TEST(sem.waiting() == 1u);
}

BOOST_AUTO_TEST_CASE(an_emission_inside_the_handler_cancels_the_slots_next_wait) {
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) {
    (*this)("a")(ec);
    sem.async_acquire(cancellable("b"));
    emit();
  }));
  sem.release();
  BOOST_TEST(poll() == "a b!aborted");
}

BOOST_AUTO_TEST_CASE(an_emission_after_the_handler_cancels_the_wait_that_it_began) {
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec) {
    (*this)("a")(ec);
    sem.async_acquire(cancellable("b"));
  }));
  sem.release();
  BOOST_TEST(poll() == "a");
  emit();
  BOOST_TEST(poll() == "b!aborted");
}

// H6, S1: a slot is not thread-safe. A completion may come on another thread than an emission.
BOOST_AUTO_TEST_CASE(the_slot_is_touched_in_the_initiating_call_only) {
  int touched = 0;
  auto wait = [&](turnstile::semaphore& s) {
    s.async_acquire(asio::bind_cancellation_slot(watched_slot{signal.slot(), &touched},
                                                 [&](error_code) { BOOST_TEST(touched == 0); }));
    BOOST_TEST(std::exchange(touched, 0) == 1);
  };
  for (bool granted : {true, false}) {
    wait(sem);
    granted ? sem.release() : sem.cancel();
    poll();
    BOOST_TEST(touched == 0);
  }
  {
    asio::io_context context;
    turnstile::semaphore on_context(context, 0);
    wait(on_context);
    wait(on_context);
    on_context.release();
  }
  BOOST_TEST(touched == 0);
  emit();
}

BOOST_AUTO_TEST_CASE(the_signal_may_be_destroyed_between_the_emission_and_the_handler) {
  auto gone = std::make_unique<cancellation_signal>();
  sem.async_acquire(asio::bind_cancellation_slot(gone->slot(), (*this)("a")));
  gone->emit(cancellation_type::total);
  gone.reset();
  BOOST_TEST(poll() == "a!aborted");
}

BOOST_AUTO_TEST_CASE(the_signal_may_be_destroyed_while_its_acquire_waits) {
  auto gone = std::make_unique<cancellation_signal>();
  sem.async_acquire(asio::bind_cancellation_slot(gone->slot(), (*this)("a")));
  gone.reset();
  sem.release();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(the_slot_may_serve_another_wait_before_the_handler_is_called) {
  sem.async_acquire(cancellable("a"));
  sem.release();
  sem.async_acquire(cancellable("b"));  // a is granted, and not told yet
  BOOST_TEST(poll() == "a");
  emit();
  BOOST_TEST(poll() == "b!aborted");
}

BOOST_AUTO_TEST_CASE(what_stays_in_the_slot_keeps_no_memory_of_the_semaphore) {
  const long before = cores;
  {
    semaphore gone(io, 0);
    BOOST_TEST(cores == before + 1);
    gone.async_acquire(cancellable("a"));
    gone.release();
  }
  BOOST_TEST(poll() == "a");
  BOOST_TEST(signal.slot().has_handler());
  BOOST_TEST(cores == before);
  emit();
  {
    semaphore gone(io, 0);
    gone.async_acquire(cancellable("b"));
    emit();
  }
  BOOST_TEST(poll() == "b!aborted");
  BOOST_TEST(cores == before);
}

BOOST_AUTO_TEST_CASE(an_emission_after_the_completion_does_nothing) {
  sem.async_acquire(cancellable("a"));
  sem.release();
  BOOST_TEST(poll() == "a");
  sem.async_acquire((*this)("b"));
  emit();
  BOOST_TEST(poll() == "");
}

BOOST_AUTO_TEST_CASE(an_emission_after_the_destruction_of_the_semaphore_does_nothing) {
  std::optional<semaphore> gone(std::in_place, io, 0);
  gone->async_acquire(cancellable("a"));
  gone.reset();
  emit();
  BOOST_TEST(poll() == "a!aborted");
  emit();

  gone.emplace(io, 0);
  gone->async_acquire_permit(cancellable("b"));
  gone->release();
  gone.reset();
  emit();
  BOOST_TEST(poll() == "b");
  emit();
}

BOOST_AUTO_TEST_CASE(an_emission_after_the_destruction_of_the_context_does_nothing) {
  cancellation_signal granted;
  for (bool semaphore_first : {true, false}) {
    std::optional<asio::io_context> context(std::in_place);
    std::optional<semaphore> gone(std::in_place, *context, 0);
    gone->async_acquire(asio::bind_cancellation_slot(granted.slot(), (*this)("a")));
    gone->async_acquire(cancellable("b"));
    gone->release();
    if (semaphore_first) gone.reset();
    context.reset();
    granted.emit(cancellation_type::all);
    emit();
    gone.reset();
    granted.emit(cancellation_type::all);
    emit();
    BOOST_TEST(poll() == "");
  }
}

BOOST_AUTO_TEST_CASE(an_emission_after_a_closed_or_excluded_wait_does_nothing) {
  bounded_semaphore bounded(io, 0, 3);
  bounded.async_acquire(3, cancellable("a"));
  bounded.set_limit(2);
  emit();
  BOOST_TEST(poll() == "a!exceeds");
  emit();
  bounded.async_acquire(cancellable("b"));
  bounded.close();
  emit();
  BOOST_TEST(poll() == "b!closed");
  emit();
  bounded.async_acquire(cancellable("c"));
  emit();
  BOOST_TEST(poll() == "c!closed");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(after_a_move, fixture)

BOOST_AUTO_TEST_CASE(a_wait_can_be_cancelled_after_a_move) {
  sem.async_acquire(cancellable("a"));
  sem.async_acquire((*this)("b"));
  semaphore moved = std::move(sem);
  BOOST_TEST(moved.waiting() == 2u);
  emit();
  BOOST_TEST(moved.waiting() == 1u);
  BOOST_TEST(poll() == "a!aborted");
  moved.cancel();
  BOOST_TEST(poll() == "b!aborted");
  sem = std::move(moved);
  sem.async_acquire(cancellable("c"));
  emit();
  BOOST_TEST(poll() == "c!aborted");
}

BOOST_AUTO_TEST_CASE(nothing_points_to_a_semaphore_that_was_moved) {
  auto from = std::make_unique<bounded_semaphore>(io, 0, 1);
  from->async_acquire(cancellable("a"));
  bounded_semaphore to = std::move(*from);
  from.reset();
  emit();
  BOOST_TEST(to.waiting() == 0u);
  BOOST_TEST(poll() == "a!aborted");
}

BOOST_AUTO_TEST_CASE(a_move_aborts_the_waits_of_its_target_and_keeps_the_others) {
  semaphore target(io, 0);
  target.async_acquire((*this)("target"));
  sem.async_acquire(cancellable("source"));
  target = std::move(sem);
  BOOST_TEST(poll() == "target!aborted");
  emit();
  BOOST_TEST(poll() == "source!aborted");
  BOOST_TEST(target.waiting() == 0u);
  target = [&] { return semaphore(io, 4); }();
  BOOST_TEST(target.available() == 4u);
}

BOOST_AUTO_TEST_CASE(a_wait_can_be_cancelled_after_a_move_to_another_executor_type) {
  turnstile::basic_semaphore<asio::io_context::executor_type> from(io, 0);
  from.async_acquire(cancellable("a"));
  semaphore to(std::move(from));
  emit();
  BOOST_TEST(to.waiting() == 0u);
  BOOST_TEST(poll() == "a!aborted");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(cancel, fixture)

BOOST_AUTO_TEST_CASE(cancel_aborts_all_waiters_in_order) {
  sem.release();
  sem.async_acquire(2, (*this)("a"));
  sem.async_acquire_permit((*this)("b"));
  sem.async_acquire(cancellable("c"));
  sem.cancel();
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(read() == "");
  BOOST_TEST(poll() == "a!aborted b!aborted c!aborted");
  BOOST_TEST(sem.try_acquire());
}

BOOST_AUTO_TEST_CASE(cancel_spares_later_acquires) {
  sem.async_acquire((*this)("a"));
  sem.cancel();
  sem.async_acquire((*this)("b"));
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(poll() == "a!aborted");
  sem.release();
  BOOST_TEST(poll() == "b");
}

BOOST_AUTO_TEST_CASE(cancel_spares_grants) {
  sem.async_acquire((*this)("a"));
  sem.async_acquire((*this)("b"));
  sem.release();
  sem.cancel();
  BOOST_TEST(poll() == "a b!aborted");
  BOOST_TEST(sem.available() == 0u);
}

BOOST_AUTO_TEST_CASE(cancel_without_waiters_does_nothing) {
  sem.cancel();
  sem.async_acquire((*this)("a"));
  sem.release();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_CASE(cancel_in_a_handler_spares_what_it_starts_afterwards) {
  sem.async_acquire([&](error_code) {
    sem.async_acquire((*this)("b"));
    sem.cancel();
    sem.async_acquire((*this)("c"));
  });
  sem.async_acquire((*this)("a"));
  sem.release();
  BOOST_TEST(poll() == "a!aborted b!aborted");
  BOOST_TEST(sem.waiting() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

// H13: a cancelled co_await throws.
BOOST_FIXTURE_TEST_CASE(a_cancelled_co_await_throws, fixture) {
  auto coroutine = [](semaphore& s, journal& j, bool with_permit) -> asio::awaitable<void> {
    try {
      if (with_permit)
        static_cast<void>(co_await s.async_acquire_permit(asio::use_awaitable));
      else
        co_await s.async_acquire(asio::use_awaitable);
      j.write("granted");
    } catch (const boost::system::system_error& e) {
      j.write(e.code() == asio::error::operation_aborted ? "aborted" : e.what());
    }
  };
  for (bool with_permit : {true, false}) {
    auto spawn = [&] {
      asio::co_spawn(io, coroutine(sem, *this, with_permit),
                     asio::bind_cancellation_slot(signal.slot(), [](std::exception_ptr) {}));
      BOOST_TEST(poll() == "");
      BOOST_TEST(sem.waiting() == 1u);
    };
    spawn();
    emit(cancellation_type::terminal);
    BOOST_TEST(poll() == "aborted");
    spawn();
    sem.cancel();
    BOOST_TEST(poll() == "aborted");
    spawn();
    sem.release();
    emit(cancellation_type::terminal);  // too late
    BOOST_TEST(poll() == "granted");
    BOOST_TEST(sem.available() == (with_permit ? 1u : 0u));
    if (with_permit) BOOST_TEST(sem.try_acquire());
  }
}

namespace {

// Counts the bytes that are out.
template <typename T>
struct counting_allocator {
  using value_type = T;

  std::size_t* out;

  explicit counting_allocator(std::size_t& count) : out(&count) {}
  template <typename U>
  counting_allocator(const counting_allocator<U>& other) noexcept : out(other.out) {}
  T* allocate(std::size_t n) {
    *out += n * sizeof(T);
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, std::size_t n) noexcept {
    *out -= n * sizeof(T);
    std::allocator<T>().deallocate(p, n);
  }
  template <typename U>
  bool operator==(const counting_allocator<U>& other) const noexcept {
    return out == other.out;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(a_storm, fixture)

// The newest first, so that a search from the front would take for ever.
BOOST_AUTO_TEST_CASE(a_cancellation_takes_no_longer_the_more_waits_there_are) {
  const watchdog dog;
  std::vector<cancellation_signal> signals(200'000);
  std::size_t aborted = 0;
  for (auto& s : signals)
    sem.async_acquire(asio::bind_cancellation_slot(
        s.slot(), [&](error_code ec) { aborted += ec == asio::error::operation_aborted; }));
  for (std::size_t i = signals.size(); i-- > 1;) signals[i].emit(cancellation_type::total);
  BOOST_TEST(sem.waiting() == 1u);
  poll();
  BOOST_TEST(aborted == signals.size() - 1);
  for (auto& s : signals) s.emit(cancellation_type::total);
  poll();
  BOOST_TEST(aborted == signals.size());
}

// A waiter that stays does not keep the memory of those that gave up.
BOOST_AUTO_TEST_CASE(many_timeouts_leave_no_memory_behind) {
  sem.async_acquire((*this)("a"));
  std::size_t out = 0, most = 0;
  for (int round = 0; round < 100; ++round) {
    std::vector<cancellation_signal> signals(10);
    for (auto& s : signals)
      sem.async_acquire(asio::bind_cancellation_slot(
          s.slot(), asio::bind_allocator(counting_allocator<char>(out), (*this)("x"))));
    most = std::max(most, out);
    for (auto& s : signals) s.emit(cancellation_type::terminal);
    BOOST_TEST(sem.waiting() == 1u);
    poll();
    BOOST_TEST_REQUIRE(out == 0u);
  }
  BOOST_TEST(most > 0u);
  sem.release();
  BOOST_TEST(poll() == "a");
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

// Takes a function and does with it, later or at once, what the test tells it to.
struct told {
  asio::io_context* io;
  std::function<void(std::function<void()> run)>* take;

  template <typename Function>
  void execute(Function f) const {
    auto kept = std::make_shared<std::optional<Function>>(std::in_place, std::move(f));
    (*take)([kept] { std::move (**kept)(), kept->reset(); });
  }
  asio::execution_context& query(asio::execution::context_t) const noexcept { return *io; }
  static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept {
    return asio::execution::blocking.never;
  }
  bool operator==(const told&) const = default;
};

}  // namespace

// H6: what the emission brings about may destroy the slot's handler, which is running.
BOOST_FIXTURE_TEST_SUITE(during_the_emission, journal)

BOOST_AUTO_TEST_CASE(the_slot_may_be_cleared_during_the_emission) {
  std::function<void(std::function<void()>)> take;
  turnstile::basic_semaphore<told> sem({&io, &take}, 0);
  cancellation_signal signal;
  std::function<void()> later;
  take = [&](std::function<void()> run) {
    signal.slot().clear();
    later = std::move(run);
  };
  sem.async_acquire(asio::bind_cancellation_slot(signal.slot(), (*this)("a")));
  signal.emit(cancellation_type::total);
  BOOST_TEST(sem.waiting() == 0u);
  later();
  BOOST_TEST(read() == "a!aborted");
}

// The executor destroys the function, that the handler, and that the session.
BOOST_AUTO_TEST_CASE(everything_may_be_destroyed_during_the_emission) {
  std::function<void(std::function<void()>)> take = [](auto) {};
  struct session {
    explicit session(const told& ex) : sem(ex, 0) {}
    turnstile::basic_semaphore<told> sem;
    cancellation_signal signal;
  };
  for (bool another_waits : {true, false}) {
    auto s = std::make_shared<session>(told{&io, &take});
    s->sem.async_acquire(asio::bind_cancellation_slot(s->signal.slot(), [s](error_code) {}));
    if (another_waits) s->sem.async_acquire([s](error_code) {});
    const std::weak_ptr<session> watch = s;
    cancellation_signal& signal = std::exchange(s, nullptr)->signal;
    signal.emit(cancellation_type::total);
    BOOST_TEST(watch.expired() != another_waits);
    if (another_waits) watch.lock()->sem.cancel();
    BOOST_TEST(watch.expired());
  }
}

BOOST_AUTO_TEST_SUITE_END()

// Rule 16: emissions on the handler's executor while another thread does everything else.
BOOST_AUTO_TEST_CASE(an_emission_races_with_release_cancel_and_acquire) {
  const watchdog dog;
  asio::io_context io;
  turnstile::basic_semaphore<asio::io_context::executor_type> sem(io.get_executor(), 0);
  std::atomic<bool> stop = false;
  std::size_t granted = 0, aborted = 0;
  std::atomic<std::size_t> released = 0;
  std::thread other([&] {
    for (unsigned i = 0; !stop; ++i) {
      if (sem.try_acquire()) --released;
      sem.release();
      ++released;
      if (i % 8 == 0) sem.cancel();
      if (i % 16 == 0) sem.async_acquire([&](error_code ec) { released -= !ec; });
      std::this_thread::yield();
    }
  });
  constexpr int rounds = 20'000;
  for (int i = 0; i < rounds; ++i) {
    cancellation_signal first, second;
    int left = 2;
    auto done = [&](error_code ec) { --left, ++(ec ? aborted : granted); };
    sem.async_acquire(asio::bind_cancellation_slot(first.slot(), done));
    sem.async_acquire(asio::bind_cancellation_slot(second.slot(), done));
    asio::post(io, [&] { second.emit(cancellation_type::partial); });
    asio::post(io, [&] { first.emit(cancellation_type::terminal); });
    while (left != 0) {
      io.restart();
      io.poll();
    }
  }
  stop = true;
  other.join();
  sem.cancel();
  io.restart();
  io.poll();
  BOOST_TEST(granted + aborted == 2u * rounds);
  BOOST_TEST(granted > 0u);
  BOOST_TEST(aborted > 0u);
  BOOST_TEST(sem.waiting() == 0u);
  BOOST_TEST(sem.available() == released - granted);
}
