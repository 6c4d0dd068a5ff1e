// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// async_with_permit keeps the operation until it has ended, and destroys it before the handler is called,
// whatever ends it, wherever, and whenever a cancellation comes.

#define BOOST_TEST_MODULE with_permit_lifetime

#include "recorder.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/test/unit_test.hpp>
#include <boost/version.hpp>
#if BOOST_VERSION >= 108600
#include <boost/asio/bind_immediate_executor.hpp>
#include <boost/asio/cancel_after.hpp>
#endif

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

namespace asio = boost::asio;
namespace experimental = boost::asio::experimental;
using namespace std::chrono_literals;
using asio::cancellation_type;
using turnstile::async_with_permit;
using turnstile::bounded_semaphore;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;

namespace {

const auto never = asio::steady_timer::time_point::max();
constexpr std::size_t none = 100;

// More than a short string holds, so that AddressSanitizer sees a read that comes too late.
const std::string long_text = "a text that does not fit into the string object itself";

struct fixture : test::recorder {
  asio::io_context context;
  bounded_semaphore sem{context, 2};
  asio::cancellation_signal signal;
  std::size_t available_in_handler = none;

  // Of the operation below.
  std::function<void(error_code)> pending;
  const void* started_at = nullptr;
  const void* alive_at = nullptr;
  std::size_t available_when_destroyed = none;

  template <typename Handler>
  void keep(Handler h) {
    pending = [kept = std::make_shared<Handler>(std::move(h))](error_code ec) {
      std::move (*kept)(ec);
    };
  }

  auto handler() {
    return [this](error_code ec) {
      (*this)("done")(ec);
      available_in_handler = sem.available();
      BOOST_TEST(alive_at == nullptr);
    };
  }
  auto cancellable() { return asio::bind_cancellation_slot(signal.slot(), handler()); }

  void poll() {
    context.restart();
    context.poll();
  }
};

// What an operation may own: it knows where it is.
class owned {
 public:
  explicit owned(fixture& f) : fixture_(&f) { f.alive_at = this; }
  owned(owned&& other) noexcept : fixture_(std::exchange(other.fixture_, nullptr)) {
    fixture_->alive_at = this;
  }
  owned& operator=(owned&&) = delete;
  ~owned() {
    if (!fixture_) return;
    fixture_->alive_at = nullptr;
    fixture_->available_when_destroyed = fixture_->sem.available();
  }

  const std::string text = long_text;

 private:
  fixture* fixture_;
};

// An operation that the test ends.
auto by_hand(fixture& f) {
  return [&f, o = owned(f)](auto token) {
    f.started_at = &o;
    return asio::async_initiate<decltype(token), void(error_code)>(
        [&f](auto h) { f.keep(std::move(h)); }, token);
  };
}

// An operation that owns the timer it waits for.
template <typename Context, typename Time>
auto waiting(Context& context, Time time) {
  return [t = asio::steady_timer(context, time)](auto token) mutable {
    return t.async_wait(std::move(token));
  };
}

// Counts what is allocated. Owned by a handler, as that may.
struct arena {
  std::size_t live = 0, total = 0;
};

template <typename T>
struct arena_allocator {
  using value_type = T;

  explicit arena_allocator(arena& a) noexcept : arena_(&a) {}
  template <typename U>
  arena_allocator(const arena_allocator<U>& other) noexcept : arena_(other.arena_) {}

  T* allocate(std::size_t n) {
    T* const p = std::allocator<T>().allocate(n);
    ++arena_->live;
    ++arena_->total;
    return p;
  }
  void deallocate(T* p, std::size_t n) {
    --arena_->live;
    std::allocator<T>().deallocate(p, n);
  }
  bool operator==(const arena_allocator&) const = default;

  arena* arena_;
};

template <typename Handler>
auto in_an_arena_of_its_own(Handler handler, arena** where = nullptr) {
  auto a = std::make_unique<arena>();
  if (where) *where = a.get();
  const arena_allocator<void> allocator(*a);
  return asio::bind_allocator(
      allocator, [a = std::move(a), handler = std::move(handler)](error_code ec) mutable {
        BOOST_TEST(a->live == 0u);
        BOOST_TEST(a->total > 0u);
        a.reset();
        handler(ec);
      });
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(operations, fixture)

BOOST_AUTO_TEST_CASE(operations_may_own_the_timer_they_wait_for) {
  async_with_permit(sem, waiting(context, 1ms), handler());
  context.run();
  BOOST_TEST(read() == "done");
}

BOOST_AUTO_TEST_CASE(operations_stay_where_they_were_started_until_they_end) {
  async_with_permit(sem, by_hand(*this), handler());
  BOOST_TEST(alive_at != nullptr);
  poll();
  BOOST_TEST(started_at != nullptr);
  BOOST_TEST(alive_at == started_at);
  pending(error_code());
  BOOST_TEST(read() == "done");
  BOOST_TEST(alive_at == nullptr);
}

BOOST_AUTO_TEST_CASE(
    operations_are_destroyed_then_the_permits_are_released_then_the_handler_is_called) {
  async_with_permit(sem, by_hand(*this), handler());
  poll();
  pending(error_code());
  BOOST_TEST(read() == "done");
  BOOST_TEST(available_when_destroyed == 1u);
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(
    operations_are_destroyed_before_the_handler_gets_the_error_of_a_failed_acquire) {
  sem.close();
  async_with_permit(sem, by_hand(*this), handler());
  BOOST_TEST(alive_at != nullptr);
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(started_at == nullptr);
}

BOOST_AUTO_TEST_CASE(operations_are_work_for_the_executors_of_the_semaphore_and_of_the_handler) {
  asio::io_context other;
  async_with_permit(sem, by_hand(*this), asio::bind_executor(other, handler()));
  other.poll();
  BOOST_TEST(started_at != nullptr);
  BOOST_TEST(other.poll() == 0u);
  BOOST_TEST(!other.stopped());
  BOOST_TEST(context.poll() == 0u);
  BOOST_TEST(!context.stopped());
  pending(error_code());
  other.poll();
  BOOST_TEST(other.stopped());
  context.poll();
  BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_CASE(operations_may_be_referred_to) {
  auto operation = by_hand(*this);
  const void* const before = alive_at;
  async_with_permit(sem, std::ref(operation), (*this)("done"));
  poll();
  BOOST_TEST(started_at == before);
  pending(error_code());
  BOOST_TEST(read() == "done");
  BOOST_TEST(alive_at == before);
}

BOOST_AUTO_TEST_CASE(operations_may_be_started_again_and_again) {
  asio::steady_timer timer(context, asio::steady_timer::time_point::min());
  const auto operation = async_with_permit(sem, timer.async_wait(asio::deferred), asio::deferred);
  for (int i = 1; i <= 3; ++i) {
    operation(handler());
    BOOST_TEST(sem.available() == 1u);
    poll();
    BOOST_TEST(read() == "done");
    BOOST_TEST(sem.available() == 2u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(memory, fixture)

BOOST_AUTO_TEST_CASE(memory_is_of_the_handlers_allocator_and_free_before_the_handler_is_called) {
  arena* used = nullptr;
  async_with_permit(sem, by_hand(*this), in_an_arena_of_its_own(handler(), &used));
  poll();
  BOOST_TEST(used->live == 1u);
  pending(error_code());
  BOOST_TEST(read() == "done");
}

BOOST_AUTO_TEST_CASE(memory_is_free_before_the_handler_gets_the_error_of_a_failed_acquire) {
  const permit taken = sem.try_acquire_permit(2);
  async_with_permit(sem, by_hand(*this), in_an_arena_of_its_own(handler()));
  sem.cancel();
  poll();
  BOOST_TEST(read() == "done!aborted");
}

BOOST_AUTO_TEST_CASE(memory_is_free_before_an_uncalled_handler_is_destroyed) {
  async_with_permit(sem, by_hand(*this), in_an_arena_of_its_own(handler()));
  poll();
  pending = nullptr;
  BOOST_TEST(alive_at == nullptr);
  BOOST_TEST(read() == "");
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(memory_is_free_before_the_handler_is_called_if_the_operation_ends_at_once) {
  async_with_permit(
      sem,
      [](auto token) {
        return asio::async_initiate<decltype(token), void(error_code)>(
            [](auto h) { std::move(h)(error_code()); }, token);
      },
      in_an_arena_of_its_own(handler()));
  poll();
  BOOST_TEST(read() == "done");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(operations_that_end_while_they_are_being_started, fixture)

// Calls the handler as `call` does, inside the initiation, and then goes on in the operation.
template <typename Signature = void(error_code), typename Call>
auto ending_early(fixture& f, Call call) {
  return [&f, o = owned(f), call](auto token) {
    return asio::async_initiate<decltype(token), Signature>(
        [&](auto h) {
          call(std::move(h));
          BOOST_TEST(f.read() == "");
          BOOST_TEST(f.alive_at == &o);
          BOOST_TEST(o.text == long_text);
        },
        token);
  };
}

BOOST_AUTO_TEST_CASE(operations_that_end_early_are_kept_until_the_initiation_returns) {
  async_with_permit(sem, ending_early(*this, [](auto h) { std::move(h)(asio::error::eof); }),
                    handler());
  BOOST_TEST(read() == "");
  poll();
  BOOST_TEST(read() == "done!eof");
  BOOST_TEST(available_when_destroyed == 1u);
  BOOST_TEST(available_in_handler == 2u);
  BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_CASE(operations_that_end_early_are_kept_if_they_end_on_another_thread) {
  std::thread::id where;
  async_with_permit(
      sem,
      ending_early(*this,
                   [](auto h) { std::thread([&h] { std::move(h)(asio::error::eof); }).join(); }),
      [&, h = handler()](error_code ec) mutable {
        where = std::this_thread::get_id();
        h(ec);
      });
  poll();
  BOOST_TEST(read() == "done!eof");
  BOOST_TEST((where == std::this_thread::get_id()));
}

namespace {

// A value whose copy, by which it is kept, lets the initiation return, and waits until it has.
struct slow {
  slow() = default;
  slow(test::barrier& b, test::barrier& e) : begins(&b), ends(&e) {}
  slow(slow&&) = default;
  slow(const slow& other) : begins(other.begins), ends(other.ends) {
    begins->arrive_and_wait();
    ends->arrive_and_wait();
  }
  test::barrier *begins = nullptr, *ends = nullptr;
};

}  // namespace

BOOST_AUTO_TEST_CASE(operations_that_end_while_the_initiation_returns_call_the_handler_once) {
  test::barrier keeps(2), returned(2);
  std::thread other;
  const auto operation = [&](auto token) {
    return asio::async_initiate<decltype(token), void(error_code, const slow&)>(
        [&](auto h) {
          other = std::thread([&, h = std::move(h)]() mutable {
            std::move(h)(asio::error::eof, slow(keeps, returned));
          });
          keeps.arrive_and_wait();
        },
        token);
  };
  async_with_permit(sem, operation, [h = handler()](error_code ec, const slow&) { h(ec); });
  poll();
  BOOST_TEST(read() == "");
  returned.arrive_and_wait();
  other.join();
  BOOST_TEST(read() == "done!eof");
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(operations_that_end_early_have_their_values_kept) {
  std::string referred = "referred";
  std::string* address = nullptr;
  std::unique_ptr<int> pointer;
  std::string texts;
  async_with_permit(sem,
                    ending_early<void(error_code, std::unique_ptr<int>, const std::string&,
                                      std::string&, std::string&&)>(
                        *this,
                        [&](auto h) {
                          std::move(h)(error_code(), std::make_unique<int>(5),
                                       std::string(long_text), referred, std::string(long_text));
                        }),
                    [&](error_code ec, std::unique_ptr<int> p, const std::string& c, std::string& r,
                        std::string&& t) {
                      handler()(ec);
                      pointer = std::move(p);
                      address = &r;
                      texts = c + std::move(t);
                    });
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(*pointer == 5);
  BOOST_TEST((address == &referred));
  BOOST_TEST(texts == long_text + long_text);
}

// There is no copy of it.
BOOST_AUTO_TEST_CASE(
    operations_that_end_early_may_complete_with_a_reference_to_what_is_not_copyable) {
  const std::atomic<int> number = 5;
  int value = 0;
  async_with_permit(sem,
                    ending_early<void(error_code, const std::atomic<int>&)>(
                        *this, [&](auto h) { std::move(h)(error_code(), number); }),
                    [&](error_code ec, const std::atomic<int>& n) {
                      handler()(ec);
                      value = n;
                    });
  poll();
  BOOST_TEST(value == 5);
}

BOOST_AUTO_TEST_CASE(operations_that_end_early_may_have_several_signatures) {
  struct {
    fixture* f;
    void operator()(error_code ec) const { f->handler()(ec); }
    void operator()(error_code ec, int n) const { f->handler()(n == 5 ? ec : errc::over_release); }
  } const either{this};
  const auto run = [&](auto... values) {
    async_with_permit(
        sem,
        [this, o = owned(*this), values...](auto token) {
          return asio::async_initiate<decltype(token), void(error_code), void(error_code, int)>(
              [&](auto h) {
                std::move(h)(error_code(asio::error::eof), values...);
                BOOST_TEST(o.text == long_text);
                BOOST_TEST(read() == "");
              },
              token);
        },
        either);
    poll();
    BOOST_TEST(read() == "done!eof");
  };
  run();
  run(5);
}

BOOST_AUTO_TEST_CASE(operations_that_end_early_may_drop_their_handler) {
  async_with_permit(sem, ending_early(*this, [](auto h) { const auto dropped = std::move(h); }),
                    handler());
  poll();
  BOOST_TEST(read() == "");
  BOOST_TEST(alive_at == nullptr);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(context.stopped());
}

BOOST_AUTO_TEST_CASE(operations_that_end_early_give_the_permits_back_if_the_initiation_throws) {
  for (bool ends : {true, false}) {
    async_with_permit(sem,
                      ending_early(*this,
                                   [ends](auto h) {
                                     if (ends) std::move(h)(error_code());
                                     throw std::runtime_error("from an initiation");
                                   }),
                      handler());
    context.restart();
    BOOST_CHECK_THROW(context.run(), std::runtime_error);
    BOOST_TEST(read() == "");
    BOOST_TEST(alive_at == nullptr);
    BOOST_TEST(available_when_destroyed == 1u);
    BOOST_TEST(sem.available() == 2u);
    BOOST_TEST(context.run() == 0u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(cancellation, fixture)

// An operation that owns a timer, and emits before it starts it, or after.
auto emitting(fixture& f, std::optional<cancellation_type> before,
              std::optional<cancellation_type> after) {
  return [&f, before, after, t = asio::steady_timer(f.context, never)](auto token) mutable {
    return asio::async_initiate<decltype(token), void(error_code)>(
        [&](auto h) {
          if (before) f.signal.emit(*before);
          t.async_wait(std::move(h));
          if (after) f.signal.emit(*after);
        },
        token);
  };
}

BOOST_AUTO_TEST_CASE(a_cancellation_while_the_operation_is_being_started_is_passed_on) {
  constexpr std::optional<cancellation_type> no_emission;
  async_with_permit(sem, emitting(*this, cancellation_type::total, no_emission), cancellable());
  poll();
  BOOST_TEST(read() == "done!aborted");
  async_with_permit(sem, emitting(*this, no_emission, cancellation_type::partial), cancellable());
  poll();
  BOOST_TEST(read() == "done!aborted");
  async_with_permit(sem, emitting(*this, cancellation_type::none, cancellation_type::none),
                    cancellable());
  poll();
  BOOST_TEST(read() == "");
  signal.emit(cancellation_type::terminal);
  poll();
  BOOST_TEST(read() == "done!aborted");
}

// Which types arrive, in one emission or several.
BOOST_AUTO_TEST_CASE(a_cancellation_keeps_its_types) {
  auto seen = cancellation_type::none;
  const auto operation = [&](auto emission) {
    return [this, &seen, emission](auto token) {
      return asio::async_initiate<decltype(token), void(error_code)>(
          [this, &seen, emission](auto h) {
            asio::get_associated_cancellation_slot(h).assign(
                [&seen](cancellation_type type) { seen |= type; });
            emission();
            this->keep(std::move(h));
          },
          token);
    };
  };
  async_with_permit(sem, operation([&] {
                      signal.emit(cancellation_type::total);
                      signal.emit(cancellation_type::partial);
                    }),
                    cancellable());
  poll();
  BOOST_TEST((seen == (cancellation_type::total | cancellation_type::partial)));
  signal.emit(cancellation_type::all);
  BOOST_TEST((seen == (cancellation_type::total | cancellation_type::partial |
                       cancellation_type::terminal)));
  seen = cancellation_type::none;
  signal.emit(cancellation_type::none);
  BOOST_TEST((seen == cancellation_type::none));
  pending(error_code());
  BOOST_TEST(read() == "done");
  signal.emit(cancellation_type::terminal);
  BOOST_TEST((seen == cancellation_type::none));
}

// An operation that ends, or drops its handler, inside the emission that cancels it, and goes on.
auto ending_when_cancelled(fixture& f, bool drops) {
  return [&f, drops, o = owned(f)](auto token) {
    return asio::async_initiate<decltype(token), void(error_code)>(
        [&f, drops, &o](auto h) {
          auto slot = asio::get_associated_cancellation_slot(h);
          f.keep(std::move(h));
          slot.assign([&f, drops, &o](cancellation_type) {
            if (drops)
              f.pending = nullptr;
            else
              f.pending(asio::error::eof);
            BOOST_TEST(o.text == long_text);
            BOOST_TEST(f.read() == "");
            BOOST_TEST(f.alive_at == &o);
          });
        },
        token);
  };
}

BOOST_AUTO_TEST_CASE(a_cancellation_may_end_the_operation_at_once) {
  async_with_permit(sem, ending_when_cancelled(*this, false), cancellable());
  poll();
  asio::post(context, [&] {
    signal.emit(cancellation_type::terminal);
    BOOST_TEST(read() == "");
  });
  context.restart();
  context.run();
  BOOST_TEST(read() == "done!eof");
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(a_cancellation_may_make_the_operation_drop_its_handler) {
  async_with_permit(sem, ending_when_cancelled(*this, true), cancellable());
  poll();
  signal.emit(cancellation_type::terminal);
  BOOST_TEST(alive_at == nullptr);
  BOOST_TEST(sem.available() == 2u);
  poll();
  BOOST_TEST(read() == "");
}

BOOST_AUTO_TEST_CASE(
    a_cancellation_that_ends_the_operation_frees_its_memory_before_the_handler_is_called) {
  async_with_permit(sem, ending_when_cancelled(*this, false),
                    asio::bind_cancellation_slot(signal.slot(), in_an_arena_of_its_own(handler())));
  poll();
  signal.emit(cancellation_type::terminal);
  poll();
  BOOST_TEST(read() == "done!eof");
}

BOOST_AUTO_TEST_CASE(a_cancellation_may_throw) {
  async_with_permit(
      sem,
      [this](auto token) {
        return asio::async_initiate<decltype(token), void(error_code)>(
            [this](auto h) {
              asio::get_associated_cancellation_slot(h).assign(
                  [](cancellation_type) { throw std::runtime_error("from a cancellation"); });
              this->keep(std::move(h));
            },
            token);
      },
      cancellable());
  poll();
  BOOST_CHECK_THROW(signal.emit(cancellation_type::terminal), std::runtime_error);
  pending(error_code());
  BOOST_TEST(read() == "done");
}

BOOST_AUTO_TEST_CASE(a_cancellation_after_the_end_meets_no_operation) {
  async_with_permit(sem, emitting(*this, {}, cancellation_type::total), cancellable());
  poll();
  BOOST_TEST(read() == "done!aborted");
  signal.emit(cancellation_type::terminal);
  async_with_permit(sem, by_hand(*this), cancellable());
  poll();
  pending = nullptr;
  signal.emit(cancellation_type::terminal);
  BOOST_TEST(read() == "");
}

BOOST_AUTO_TEST_CASE(a_cancellation_leaves_the_slot_alone_from_then_on) {
  async_with_permit(sem, by_hand(*this), cancellable());
  poll();
  bool mine = false;
  signal.slot().assign([&](cancellation_type) { mine = true; });
  pending(error_code());
  BOOST_TEST(read() == "done");
  signal.emit(cancellation_type::terminal);
  BOOST_TEST(mine);
}

BOOST_AUTO_TEST_CASE(a_cancellation_may_be_the_last_use_of_the_signal) {
  for (bool running : {false, true}) {
    std::optional<asio::cancellation_signal> own(std::in_place);
    const permit taken = running ? permit() : sem.try_acquire_permit(2);
    async_with_permit(sem, waiting(context, never),
                      asio::bind_cancellation_slot(own->slot(), handler()));
    poll();
    own->emit(cancellation_type::terminal);
    own.reset();
    poll();
    BOOST_TEST(read() == "done!aborted");
  }
}

BOOST_AUTO_TEST_CASE(a_cancellation_has_the_slot_ready_for_the_next_in_the_handler) {
  int left = 100;
  struct again {
    fixture* f;
    int* left;

    void operator()(error_code ec) {
      BOOST_TEST(ec == asio::error::operation_aborted);
      if (--*left == 0) return;
      fixture& here = *f;
      async_with_permit(here.sem, emitting(here, cancellation_type::terminal, {}),
                        asio::bind_cancellation_slot(here.signal.slot(), std::move(*this)));
    }
  };
  again{this, &left}(asio::error::operation_aborted);
  context.run();
  BOOST_TEST(left == 0);
}

BOOST_AUTO_TEST_SUITE_END()

#if BOOST_VERSION >= 108600

BOOST_FIXTURE_TEST_SUITE(newer_tokens, fixture)

BOOST_AUTO_TEST_CASE(cancel_after_limits_the_time_of_the_whole_or_of_the_operation) {
  async_with_permit(sem, waiting(context, never), asio::cancel_after(1ms, handler()));
  context.run();
  BOOST_TEST(read() == "done!aborted");
  async_with_permit(
      sem,
      [t = asio::steady_timer(context, never)](auto token) mutable {
        return t.async_wait(asio::cancel_after(1ms, std::move(token)));
      },
      handler());
  context.restart();
  context.run();
  BOOST_TEST(read() == "done!aborted");
}

// On the handler's executor, as with Asio's composed operations.
BOOST_AUTO_TEST_CASE(an_immediate_executor_may_start_the_operation_inside_the_call) {
  const auto immediately = [this] {
    return asio::bind_immediate_executor(asio::system_executor(), handler());
  };
  asio::post(context, [&] {
    async_with_permit(sem, by_hand(*this), immediately());
    BOOST_TEST(started_at != nullptr);
    pending(error_code());
    BOOST_TEST(read() == "done");
    async_with_permit(
        sem,
        [o = owned(*this)](auto token) {
          return asio::async_initiate<decltype(token), void(error_code)>(
              [&o](auto h) {
                std::move(h)(asio::error::eof);
                BOOST_TEST(o.text == long_text);
              },
              token);
        },
        immediately());
    BOOST_TEST(read() == "done!eof");
  });
  poll();
  BOOST_TEST(read() == "");
}

BOOST_AUTO_TEST_SUITE_END()

#endif

BOOST_FIXTURE_TEST_SUITE(destruction, fixture)

// Of the context, in each phase, with and without a slot.
BOOST_AUTO_TEST_CASE(destruction_of_the_context_destroys_all_and_gives_the_permits_back) {
  for (const bool with_slot : {false, true})
    for (int phase = 0; phase != 4; ++phase) {
      std::optional<asio::io_context> own(std::in_place);
      bounded_semaphore on_own(*own, 1);
      const auto alive = std::make_shared<int>();
      permit taken;
      if (phase == 0) taken = on_own.try_acquire_permit();
      auto expiry = phase == 3 ? asio::steady_timer::time_point::min() : never;
      async_with_permit(
          on_own,
          [alive, t = asio::steady_timer(*own, expiry)](auto token) mutable {
            return t.async_wait(std::move(token));
          },
          asio::bind_cancellation_slot(with_slot ? signal.slot() : asio::cancellation_slot(),
                                       [alive](error_code) { BOOST_ERROR("called"); }));
      if (phase >= 2) own->run_one();
      BOOST_TEST(alive.use_count() == 3);
      own.reset();
      BOOST_TEST(alive.use_count() == 1);
      signal.emit(cancellation_type::terminal);
      taken.release();
      BOOST_TEST(on_own.available() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(destruction_of_the_context_may_destroy_the_semaphore_with_the_operation) {
  std::optional<asio::io_context> own(std::in_place);
  const auto on_own = std::make_shared<bounded_semaphore>(*own, 1);
  std::weak_ptr<bounded_semaphore> observer = on_own;
  async_with_permit(
      *on_own,
      [on_own, t = asio::steady_timer(*own, never)](auto token) mutable {
        return t.async_wait(std::move(token));
      },
      [on_own](error_code) {});
  own->poll();
  const_cast<std::shared_ptr<bounded_semaphore>&>(on_own).reset();
  BOOST_TEST(!observer.expired());
  own.reset();
  BOOST_TEST(observer.expired());
}

BOOST_AUTO_TEST_SUITE_END()

// On several threads: no strand anywhere, a timer that the operation owns, and cancellations that arrive
// at any time.
BOOST_AUTO_TEST_SUITE(threads)

BOOST_AUTO_TEST_CASE(emissions_may_come_from_other_threads) {
  asio::thread_pool pool(2);
  bounded_semaphore sem(pool, 1);
  int ended = 0, cancelled = 0;
  for (int i = 0; i != 2000; ++i) {
    asio::cancellation_signal signal;
    permit taken;
    if (i % 4 == 0) taken = sem.try_acquire_permit();
    std::promise<error_code> promise;
    auto future = promise.get_future();
    async_with_permit(sem, waiting(pool, std::chrono::microseconds(i % 50)),
                      asio::bind_cancellation_slot(
                          signal.slot(), [promise = std::move(promise)](error_code ec) mutable {
                            promise.set_value(ec);
                          }));
    for (int spin = 0; spin != i % 64 * 16; ++spin)
      std::atomic_signal_fence(std::memory_order_seq_cst);
    if (i % 8 == 0) taken.release();
    signal.emit(cancellation_type::terminal);
    taken.release();
    signal.emit(cancellation_type::total);
    ++(future.get() ? cancelled : ended);
  }
  pool.join();
  BOOST_TEST(ended + cancelled == 2000);
  BOOST_TEST(cancelled > 0);
  BOOST_TEST(sem.available() == 1u);
}

BOOST_AUTO_TEST_CASE(parallel_groups_need_no_strand) {
  asio::thread_pool pool(4);
  bounded_semaphore sem(pool, 2);
  experimental::concurrent_channel<void(error_code, int)> channel(pool, 1000);
  std::atomic<int> completed = 0, granted = 0;
  constexpr int groups = 2000;
  for (int i = 0; i != groups; ++i)
    asio::post(pool, [&, i] {
      // Every fifth group ends only by an operation. There is no deadlock: the first operation of a group
      // is granted its permit before the second.
      const auto timer = std::make_shared<asio::steady_timer>(pool, never);
      if (i % 5 != 0) timer->expires_after(std::chrono::microseconds(i % 5 * 10));
      experimental::make_parallel_group(
          async_with_permit(sem, waiting(pool, std::chrono::microseconds(i % 7 * 10)),
                            asio::deferred),
          async_with_permit(sem, channel.async_receive(asio::deferred), asio::deferred),
          timer->async_wait(asio::deferred))
          .async_wait(
              experimental::wait_for_one(),
              [&, timer](std::array<std::size_t, 3>, error_code a, error_code b, int, error_code) {
                granted += !a + !b;
                ++completed;
              });
      if (i % 3 == 0) channel.try_send(error_code(), i);
    });
  pool.join();
  BOOST_TEST(completed == groups);
  BOOST_TEST(granted >= groups / 5);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(sem.waiting() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
