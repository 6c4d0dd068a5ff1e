// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// async_with_permit: one operation while permits are held, which are given back before the handler.

#define BOOST_TEST_MODULE with_permit

#include "recorder.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/test/unit_test.hpp>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace asio = boost::asio;
using asio::cancellation_type;
using turnstile::async_with_permit;
using turnstile::error_code;
using turnstile::permit;
using io_executor = asio::io_context::executor_type;
using semaphore = turnstile::basic_semaphore<io_executor>;
using bounded_semaphore = turnstile::basic_bounded_semaphore<io_executor>;

namespace {

// An operation that the test finishes.
class by_hand {
 public:
  explicit by_hand(asio::io_context& context) : context_(context) {}

  template <typename Token>
  auto async_run(Token&& token) {
    return asio::async_initiate<Token, void(error_code, int, std::string)>(
        [this](auto handler) {
          ++started;
          auto slot = asio::get_associated_cancellation_slot(handler);
          if (slot.is_connected())
            slot.assign([this](cancellation_type type) { cancelled = type; });
          finish_ = [this, shared = std::make_shared<decltype(handler)>(std::move(handler))](
                        error_code ec) {
            const auto ex = asio::get_associated_executor(*shared, context_.get_executor());
            asio::post(ex, [h = std::move(*shared), ec]() mutable {
              asio::get_associated_cancellation_slot(h).clear();
              std::move(h)(ec, ec ? 0 : 7, ec ? "" : "seven");
            });
          };
        },
        token);
  }
  // The same as a function of a token.
  auto as_callable() {
    return [this](auto token) { return async_run(std::move(token)); };
  }

  void finish(error_code ec = {}) { std::exchange(finish_, {})(ec); }

  int started = 0;
  cancellation_type cancelled = cancellation_type::none;

 private:
  asio::io_context& context_;
  std::function<void(error_code)> finish_;
};

// An operation that could be taken for a number.
struct convertible_to_bool {
  asio::io_context* context;

  explicit(false) operator bool() const { return true; }
  auto operator()(auto&& token) const {
    return asio::post(*context, asio::append(std::forward<decltype(token)>(token), error_code()));
  }
};

struct fixture : test::recorder {
  asio::io_context context;
  bounded_semaphore sem{context, 2};
  by_hand operation{context};
  asio::cancellation_signal signal;

  std::size_t available_in_handler = 0;

  auto handler() {
    return [this](error_code ec, int n, const std::string& s) {
      (*this)("done")(ec, n, s);
      available_in_handler = sem.available();
    };
  }
  auto cancellable() { return asio::bind_cancellation_slot(signal.slot(), handler()); }

  void poll() {
    context.restart();
    context.poll();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(operations, fixture)

BOOST_AUTO_TEST_CASE(operations_run_while_the_permit_is_held) {
  async_with_permit(sem, operation.as_callable(), handler());
  BOOST_TEST(sem.available() == 1u);  // taken in the call
  BOOST_TEST(operation.started == 0);
  poll();
  BOOST_TEST(operation.started == 1);
  BOOST_TEST(sem.available() == 1u);
  operation.finish();
  BOOST_TEST(read() == "");
  poll();
  BOOST_TEST(read() == "done(7 seven)");
  BOOST_TEST(available_in_handler == 2u);
  BOOST_TEST(context.stopped());  // no work is left
}

BOOST_AUTO_TEST_CASE(operations_may_be_deferred) {
  async_with_permit(sem, operation.async_run(asio::deferred), handler());
  poll();
  BOOST_TEST(operation.started == 1);
  operation.finish();
  poll();
  BOOST_TEST(read() == "done(7 seven)");
}

BOOST_AUTO_TEST_CASE(operations_may_be_lvalues_and_are_copied) {
  auto callable = operation.as_callable();
  auto deferred = operation.async_run(asio::deferred);
  async_with_permit(sem, callable, handler());
  poll();
  operation.finish();
  poll();
  async_with_permit(sem, deferred, handler());
  poll();
  operation.finish();
  poll();
  BOOST_TEST(read() == "done(7 seven) done(7 seven)");
}

BOOST_AUTO_TEST_CASE(operations_may_be_movable_only) {
  async_with_permit(
      sem,
      [this, unique = std::make_unique<int>()](auto token) {
        return operation.async_run(std::move(token));
      },
      handler());
  poll();
  operation.finish();
  poll();
  BOOST_TEST(read() == "done(7 seven)");
}

BOOST_AUTO_TEST_CASE(operations_hold_as_many_permits_as_they_ask_for) {
  async_with_permit(sem, 2, operation.as_callable(), handler());
  BOOST_TEST(sem.available() == 0u);
  poll();
  operation.finish();
  poll();
  BOOST_TEST(available_in_handler == 2u);
  async_with_permit(sem, 0, operation.as_callable(), handler());
  BOOST_TEST(sem.available() == 2u);
  poll();
  operation.finish();
  poll();
  BOOST_TEST(read() == "done(7 seven) done(7 seven)");
}

BOOST_AUTO_TEST_CASE(operations_wait_for_their_turn) {
  permit taken = sem.try_acquire_permit(2);
  async_with_permit(sem, 2, operation.as_callable(), handler());
  taken.release(1);
  poll();
  BOOST_TEST(sem.waiting() == 1u);
  BOOST_TEST(operation.started == 0);
  taken.release();
  poll();
  BOOST_TEST(operation.started == 1);
  operation.finish();
  poll();
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(operations_may_fail) {
  async_with_permit(sem, operation.as_callable(), handler());
  poll();
  operation.finish(asio::error::eof);
  poll();
  BOOST_TEST(read() == "done!eof(0 )");
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(operations_may_have_no_result) {
  asio::steady_timer timer(context, asio::steady_timer::time_point::min());
  async_with_permit(sem, timer.async_wait(asio::deferred), (*this)("deferred"));
  async_with_permit(
      sem, [&](auto token) { return timer.async_wait(std::move(token)); }, (*this)("callable"));
  async_with_permit(sem, asio::post(context, asio::append(asio::deferred, error_code())),
                    (*this)("posted"));
  context.run();
  BOOST_TEST(read() == "deferred callable posted");
  BOOST_TEST(sem.available() == 2u);
}

// As Asio allows it.
BOOST_AUTO_TEST_CASE(operations_may_complete_with_references) {
  const std::string seven = "seven";
  const auto refers = [&](auto&& token) {
    return asio::async_initiate<decltype(token), void(error_code, const std::string&)>(
        [&](auto h) {
          asio::post(context, [&, h = std::move(h)]() mutable { h(error_code(), seven); });
        },
        token);
  };
  const auto store = [this](error_code ec, const std::string& s) { (*this)("done")(ec, s); };
  async_with_permit(sem, refers, store);
  poll();
  BOOST_TEST(read() == "done(seven)");
  sem.close();
  async_with_permit(sem, refers, store);
  poll();
  BOOST_TEST(read() == "done!closed");
}

BOOST_AUTO_TEST_CASE(operations_may_promise_not_to_throw) {
  const auto harmless = [&](auto&& token) {
    return asio::async_initiate<decltype(token), void(error_code) noexcept>(
        [&](auto h) { asio::post(context, [h = std::move(h)]() mutable { h(error_code()); }); },
        token);
  };
  async_with_permit(sem, harmless, [&](error_code ec) noexcept { (*this)("done")(ec); });
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(operations_may_be_convertible_to_bool) {
  async_with_permit(sem, convertible_to_bool{&context}, (*this)("done"));
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(sem.available() == 2u);
}

// It has the signature of the acquire that comes first.
BOOST_AUTO_TEST_CASE(operations_may_be_acquires_themselves) {
  semaphore other(context, 0);
  async_with_permit(sem, other.async_acquire_permit(asio::deferred), [&](error_code ec, permit p) {
    (*this)("done")(ec, std::move(p));
    available_in_handler = sem.available();
  });
  poll();
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(other.waiting() == 1u);
  other.release();
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(available_in_handler == 2u);
  BOOST_TEST(held["done"].count() == 1u);
  sem.close();
  async_with_permit(sem, other.async_acquire_permit(asio::deferred), (*this)("refused"));
  poll();
  BOOST_TEST(read() == "refused!closed");
  BOOST_TEST(!held["refused"]);
  held.clear();
  BOOST_TEST(other.available() == 1u);
}

BOOST_AUTO_TEST_CASE(operations_may_use_a_permit_within_a_permit) {
  async_with_permit(
      sem,
      [this](auto token) {
        return async_with_permit(sem, operation.as_callable(), std::move(token));
      },
      handler());
  poll();
  BOOST_TEST(sem.available() == 0u);
  operation.finish();
  poll();
  BOOST_TEST(read() == "done(7 seven)");
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(operations_whose_initiation_throws_give_the_permits_back) {
  async_with_permit(
      sem,
      [this](auto token) {
        if (sem.available() == 1) throw std::runtime_error("from an initiation");
        return operation.async_run(std::move(token));
      },
      handler());
  BOOST_CHECK_THROW(context.run(), std::runtime_error);
  BOOST_TEST(sem.available() == 2u);
  BOOST_TEST(read() == "");
  BOOST_TEST(context.run() == 0u);  // no work is left
}

BOOST_AUTO_TEST_CASE(operations_are_never_more_than_there_are_permits) {
  int inside = 0, most = 0, done = 0;
  for (int i = 0; i != 100; ++i)
    async_with_permit(
        sem,
        [&](auto token) {
          most = std::max(most, ++inside);
          return asio::post(context, asio::append(std::move(token), error_code()));
        },
        [&](error_code) {
          --inside;
          ++done;
        });
  context.run();
  BOOST_TEST(done == 100);
  BOOST_TEST(most == 2);
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(failed_acquires, fixture)

void expect_not_started(fixture& f, const std::string& error) {
  f.poll();
  BOOST_TEST(f.read() == "done!" + error + "(0 )");
  BOOST_TEST(f.operation.started == 0);
  BOOST_TEST(f.context.stopped());
}

BOOST_AUTO_TEST_CASE(operations_are_not_started_on_a_closed_semaphore) {
  sem.close();
  async_with_permit(sem, operation.as_callable(), handler());
  BOOST_TEST(read() == "");
  expect_not_started(*this, "closed");
}

BOOST_AUTO_TEST_CASE(operations_are_not_started_past_the_limit) {
  async_with_permit(sem, 3, operation.as_callable(), handler());
  expect_not_started(*this, "exceeds");
}

BOOST_AUTO_TEST_CASE(operations_are_not_started_if_closed_while_they_wait) {
  const permit taken = sem.try_acquire_permit(2);
  async_with_permit(sem, operation.as_callable(), handler());
  sem.close();
  expect_not_started(*this, "closed");
}

BOOST_AUTO_TEST_CASE(operations_are_not_started_if_all_waits_are_cancelled) {
  const permit taken = sem.try_acquire_permit(2);
  async_with_permit(sem, operation.as_callable(), handler());
  sem.cancel();
  expect_not_started(*this, "aborted");
}

BOOST_AUTO_TEST_CASE(operations_are_not_started_if_cancelled_by_their_slot) {
  for (auto type :
       {cancellation_type::terminal, cancellation_type::partial, cancellation_type::total}) {
    const permit taken = sem.try_acquire_permit(2);
    async_with_permit(sem, operation.as_callable(), cancellable());
    poll();
    signal.emit(type);
    BOOST_TEST(sem.waiting() == 0u);
    expect_not_started(*this, "aborted");
  }
}

BOOST_AUTO_TEST_CASE(operations_are_not_started_if_the_semaphore_is_destroyed) {
  std::optional<bounded_semaphore> gone(std::in_place, context, 0);
  async_with_permit(*gone, operation.as_callable(), handler());
  expect_not_started(*this, "exceeds");
  gone.emplace(context, 0, 1);
  async_with_permit(*gone, operation.as_callable(), handler());
  gone.reset();
  expect_not_started(*this, "aborted");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(cancellation, fixture)

BOOST_AUTO_TEST_CASE(a_cancellation_while_the_operation_runs_reaches_the_operation) {
  async_with_permit(sem, operation.as_callable(), cancellable());
  poll();
  signal.emit(cancellation_type::total);
  BOOST_TEST((operation.cancelled == cancellation_type::total));
  signal.emit(cancellation_type::partial);
  BOOST_TEST((operation.cancelled == cancellation_type::partial));
  signal.emit(cancellation_type::terminal);
  BOOST_TEST((operation.cancelled == cancellation_type::terminal));
  BOOST_TEST(sem.available() == 1u);
  operation.finish(asio::error::operation_aborted);
  poll();
  BOOST_TEST(read() == "done!aborted(0 )");
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(a_cancellation_between_an_immediate_grant_and_the_start_is_kept) {
  async_with_permit(sem, operation.as_callable(), cancellable());
  signal.emit(cancellation_type::terminal);
  poll();
  BOOST_TEST(operation.started == 0);
  BOOST_TEST(read() == "done!aborted(0 )");
  BOOST_TEST(available_in_handler == 2u);
}

BOOST_AUTO_TEST_CASE(a_cancellation_between_a_later_grant_and_the_start_is_kept) {
  for (auto type :
       {cancellation_type::terminal, cancellation_type::partial, cancellation_type::total}) {
    permit taken = sem.try_acquire_permit(2);
    async_with_permit(sem, 2, operation.as_callable(), cancellable());
    taken.release();
    signal.emit(type);
    poll();
    BOOST_TEST(operation.started == 0);
    BOOST_TEST(read() == "done!aborted(0 )");
    BOOST_TEST(available_in_handler == 2u);
  }
}

BOOST_AUTO_TEST_CASE(a_cancellation_after_the_end_does_nothing) {
  async_with_permit(sem, operation.as_callable(), cancellable());
  poll();
  operation.finish();
  signal.emit(cancellation_type::terminal);
  poll();
  signal.emit(cancellation_type::terminal);
  BOOST_TEST(read() == "done(7 seven)");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(surroundings, fixture)

BOOST_AUTO_TEST_CASE(every_step_is_on_the_handlers_executor) {
  asio::io_context other;
  const auto ex = other.get_executor();
  bool started_there = false;
  async_with_permit(
      sem,
      [&](auto token) {
        started_there = ex.running_in_this_thread();
        return operation.async_run(std::move(token));
      },
      asio::bind_executor(ex, handler()));
  poll();
  BOOST_TEST(operation.started == 0);
  other.poll();
  BOOST_TEST(started_there);
  operation.finish();
  poll();
  BOOST_TEST(read() == "");
  other.restart();
  other.run();
  BOOST_TEST(read() == "done(7 seven)");
}

BOOST_AUTO_TEST_CASE(the_handler_may_go_on) {
  int left = 1000;
  struct again {
    fixture* f;
    int* left;
    void operator()(error_code) {
      BOOST_TEST(f->sem.available() == 2u);
      if (--*left == 0) return;
      fixture& here = *f;
      async_with_permit(here.sem, 2,
                        asio::post(here.context, asio::append(asio::deferred, error_code())),
                        std::move(*this));
    }
  };
  again{this, &left}(error_code());
  context.run();
  BOOST_TEST(left == 0);
}

BOOST_AUTO_TEST_CASE(the_semaphore_may_be_destroyed_while_the_operation_runs) {
  std::optional<semaphore> gone(std::in_place, context, 1);
  async_with_permit(*gone, operation.as_callable(), handler());
  poll();
  gone.reset();
  operation.finish();
  poll();
  BOOST_TEST(read() == "done(7 seven)");
}

BOOST_AUTO_TEST_CASE(a_context_destroyed_in_any_phase_gives_the_permits_back) {
  for (int phase = 0; phase != 4; ++phase) {
    std::optional<asio::io_context> own(std::in_place);
    bounded_semaphore on_own(*own, 1);
    auto alive = std::make_shared<int>();
    permit taken;
    {
      by_hand op(*own);
      if (phase == 0) taken = on_own.try_acquire_permit();
      async_with_permit(on_own, op.as_callable(),
                        [alive](error_code, int, const std::string&) { BOOST_ERROR("called"); });
      if (phase >= 2) own->poll();
      if (phase == 3) op.finish();
      BOOST_TEST(alive.use_count() == 2);
    }
    own.reset();
    BOOST_TEST(alive.use_count() == 1);
    taken.release();
    BOOST_TEST(on_own.available() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(async_with_permit_takes_every_kind_of_token) {
  auto ready = [this] {
    return asio::post(context, asio::append(asio::deferred, error_code(), 5));
  };
  std::future<int> future = async_with_permit(sem, ready(), asio::use_future);
  auto deferred = async_with_permit(sem, ready(), asio::deferred);
  BOOST_TEST(sem.available() == 1u);
  int sum = 0;
  std::move(deferred)([&](error_code, int n) { sum += n; });
  async_with_permit(sem, ready(), asio::detached);
  async_with_permit(
      sem, 1, ready(),
      asio::any_completion_handler<void(error_code, int)>([&](error_code, int n) { sum += n; }));
  auto coroutine = [&]() -> asio::awaitable<void> {
    sum += co_await async_with_permit(sem, ready(), asio::use_awaitable);
    auto [ec, n] = co_await async_with_permit(sem, 2, ready(), asio::as_tuple(asio::use_awaitable));
    sum += n;
  };
  asio::co_spawn(context, coroutine, asio::detached);
  context.run();
  BOOST_TEST(future.get() == 5);
  BOOST_TEST(sum == 20);
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(async_with_permit_has_a_default_token) {
  asio::use_awaitable_t<>::as_default_on_t<turnstile::semaphore> own(context, 2);
  int sum = 0;
  auto coroutine = [&]() -> asio::awaitable<void> {
    auto ready = asio::post(context, asio::append(asio::deferred, error_code(), 5));
    sum += co_await async_with_permit(own, ready);
    sum += co_await async_with_permit(own, 2, std::move(ready));
  };
  asio::co_spawn(context, coroutine, asio::detached);
  context.run();
  BOOST_TEST(sum == 10);
}

BOOST_AUTO_TEST_CASE(a_coroutine_in_async_with_permit_is_cancelled) {
  const permit taken = sem.try_acquire_permit(2);
  error_code seen;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        co_await async_with_permit(sem, operation.as_callable(), asio::use_awaitable);
      },
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e) {
        try {
          if (e) std::rethrow_exception(e);
        } catch (const boost::system::system_error& error) {
          seen = error.code();
        }
      }));
  poll();
  signal.emit(cancellation_type::terminal);
  poll();
  BOOST_TEST(seen == asio::error::operation_aborted);
  BOOST_TEST(operation.started == 0);
  BOOST_TEST(sem.waiting() == 0u);
}

#if !defined(BOOST_ASIO_DISABLE_THREADS)
BOOST_AUTO_TEST_CASE(async_with_permit_on_several_threads) {
  asio::thread_pool pool(3);
  turnstile::basic_semaphore<asio::thread_pool::executor_type> one(pool.get_executor(), 1);
  int inside = 0;  // not atomic
  std::atomic<int> done = 0;
  for (int i = 0; i != 1000; ++i)
    async_with_permit(
        one,
        [&](auto token) {
          ++inside;
          return asio::post(pool, asio::append(std::move(token), error_code()));
        },
        [&](error_code) { ++done; });
  pool.join();
  BOOST_TEST(inside == 1000);
  BOOST_TEST(done == 1000);
  BOOST_TEST(one.available() == 1u);
}
#endif

BOOST_AUTO_TEST_SUITE_END()
