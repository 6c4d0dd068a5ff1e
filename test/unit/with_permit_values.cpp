// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// async_with_permit passes on whatever an operation completes with, and finds values for it if the
// acquire fails.

#define BOOST_TEST_MODULE with_permit_values

#include "recorder.hpp"

#include <turnstile.hpp>

#include <boost/asio.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/test/unit_test.hpp>

#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using turnstile::async_with_permit;
using turnstile::errc;
using turnstile::error_code;
using turnstile::permit;

namespace {

struct fixture : test::recorder {
  asio::io_context context;
  turnstile::bounded_semaphore sem{context, 2};

  void poll() {
    context.restart();
    context.poll();
  }
};

// An operation that posts its completion with one value of each type.
template <typename Signature, typename... Values>
auto operation(asio::io_context& context, Values... values) {
  return [&context, values = std::make_tuple(std::move(values)...)](auto token) mutable {
    return asio::async_initiate<decltype(token), Signature>(
        [&context](auto handler, auto kept) {
          asio::post(context, [h = std::move(handler), kept = std::move(kept)]() mutable {
            std::apply([&](auto&... v) { std::move(h)(error_code(), std::move(v)...); }, kept);
          });
        },
        token, std::move(values));
  };
}

// The error of an exception.
error_code code_of(const std::exception_ptr& e) {
  if (!e) return {};
  try {
    std::rethrow_exception(e);
  } catch (const boost::system::system_error& error) {
    return error.code();
  }
}

struct without_default {
  explicit without_default(int i) : number(i) {}
  explicit without_default(const asio::any_io_executor&) : number(-1) {}
  int number;
};

// No executor converts to it but itself.
using io_executor = asio::io_context::executor_type;
using io_socket = asio::basic_stream_socket<tcp, io_executor>;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(values, fixture)

BOOST_AUTO_TEST_CASE(values_may_be_a_bool) {
  std::optional<bool> value;
  const auto store = [&](error_code ec, bool b) {
    (*this)("done")(ec);
    value = b;
  };
  async_with_permit(sem, operation<void(error_code, bool)>(context, true), store);
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(value.value());
  sem.close();
  async_with_permit(sem, operation<void(error_code, bool)>(context, true), store);
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(!value.value());
}

BOOST_AUTO_TEST_CASE(values_may_be_movable_only) {
  std::unique_ptr<int> value;
  const auto store = [&](error_code ec, std::unique_ptr<int> p) {
    (*this)("done")(ec);
    value = std::move(p);
  };
  using signature = void(error_code, std::unique_ptr<int>);
  async_with_permit(sem, operation<signature>(context, std::make_unique<int>(5)), store);
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(*value == 5);
  sem.close();
  async_with_permit(sem, operation<signature>(context, std::make_unique<int>(5)), store);
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(!value);
}

// The acquire that comes first completes with a permit, which converts to bool.
BOOST_AUTO_TEST_CASE(values_may_be_permits) {
  turnstile::semaphore other(context, 3);
  permit value;
  std::optional<bool> more;
  const auto store = [&](error_code ec, permit p, bool b) {
    (*this)("done")(ec);
    value = std::move(p);
    more = b;
  };
  using signature = void(error_code, permit, bool);
  async_with_permit(sem, operation<signature>(context, other.try_acquire_permit(3), true), store);
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(value.count() == 3u);
  BOOST_TEST(more.value());
  BOOST_TEST(sem.available() == 2u);
  value.release();
  sem.close();
  async_with_permit(sem, operation<signature>(context, other.try_acquire_permit(3), true), store);
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(!value);
  BOOST_TEST(!more.value());
  BOOST_TEST(other.available() == 3u);
}

BOOST_AUTO_TEST_CASE(values_may_be_sockets_of_an_acceptor) {
  tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
  tcp::socket client(context), accepted(context);
  const auto store = [&](error_code ec, tcp::socket s) {
    (*this)("done")(ec);
    accepted = std::move(s);
  };
  async_with_permit(sem, acceptor.async_accept(asio::deferred), store);
  client.connect(acceptor.local_endpoint());
  context.run();
  BOOST_TEST(read() == "done");
  BOOST_TEST(accepted.is_open());
  BOOST_TEST(accepted.remote_endpoint() == client.local_endpoint());
  BOOST_TEST(sem.available() == 2u);

  const permit taken = sem.try_acquire_permit(2);
  async_with_permit(sem, acceptor.async_accept(asio::deferred), store);
  sem.cancel();
  poll();
  BOOST_TEST(read() == "done!aborted");
  BOOST_TEST(!accepted.is_open());
  BOOST_TEST((accepted.get_executor() == sem.get_executor()));
  BOOST_TEST(context.stopped());  // no work is left, and nothing accepts
}

BOOST_AUTO_TEST_CASE(values_are_made_from_the_executor_of_the_semaphore_first) {
  asio::io_context other;
  std::optional<asio::any_io_executor> made_from;
  sem.close();
  async_with_permit(sem, operation<void(error_code, tcp::socket)>(context, tcp::socket(context)),
                    asio::bind_executor(other, [&](error_code ec, tcp::socket s) {
                      (*this)("done")(ec);
                      made_from = s.get_executor();
                    }));
  other.run();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST((made_from == sem.get_executor()));
}

BOOST_AUTO_TEST_CASE(values_are_made_from_the_executor_of_the_handler_otherwise) {
  static_assert(!std::is_constructible_v<io_socket, asio::any_io_executor>);
  int called = 0;
  sem.close();
  async_with_permit(sem,
                    operation<void(error_code, io_socket, int)>(context, io_socket(context), 1),
                    asio::bind_executor(context, [&](error_code ec, io_socket s, int n) {
                      ++called;
                      BOOST_TEST((ec == errc::closed));
                      BOOST_TEST(!s.is_open());
                      BOOST_TEST(n == 0);
                    }));
  poll();
  BOOST_TEST(called == 1);
}

BOOST_AUTO_TEST_CASE(values_need_no_default_constructor_if_one_from_an_executor_exists) {
  int number = 0;
  const auto store = [&](error_code ec, const without_default& w) {
    (*this)("done")(ec);
    number = w.number;
  };
  const auto run = operation<void(error_code, without_default)>(context, without_default(7));
  async_with_permit(sem, run, store);
  poll();
  BOOST_TEST(number == 7);
  sem.close();
  async_with_permit(sem, run, store);
  poll();
  BOOST_TEST(number == -1);
}

BOOST_AUTO_TEST_CASE(values_may_be_references_of_every_kind) {
  std::string text = "text";
  const std::string constant = "constant";
  using signature =
      void(error_code, std::string&, const std::string&, std::string&&, const without_default&);
  const without_default seven(7);
  const auto refers = [&](auto token) {
    return asio::async_initiate<decltype(token), signature>(
        [&](auto h) {
          asio::post(context, [&, h = std::move(h)]() mutable {
            std::move(h)(error_code(), text, constant, std::string("temporary"), seven);
          });
        },
        token);
  };
  std::string others;
  int number = 0;
  std::string* address = nullptr;
  const auto store = [&](error_code ec, std::string& s, const std::string& c, std::string&& t,
                         const without_default& w) {
    (*this)("done")(ec);
    address = &s;
    BOOST_TEST((ec || &c == &constant));
    BOOST_TEST((ec || &w == &seven));
    others = s + c + std::move(t);
    number = w.number;
  };
  async_with_permit(sem, refers, store);
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST((address == &text));
  BOOST_TEST(others == "textconstanttemporary");
  BOOST_TEST(number == 7);
  sem.close();
  async_with_permit(sem, refers, store);
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST((address != &text));
  BOOST_TEST(others == "");
  BOOST_TEST(number == -1);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(signatures, fixture)

BOOST_AUTO_TEST_CASE(signatures_may_have_qualifiers) {
  int called = 0;
  const auto count = [&](error_code, bool) { ++called; };
  async_with_permit(sem, operation<void(error_code, bool) noexcept>(context, true), count);
  poll();
  async_with_permit(sem, operation<void(error_code, bool) &&>(context, true), count);
  async_with_permit(sem, operation<void(error_code, bool)&>(context, true), count);
  poll();
  async_with_permit(sem, operation < void(error_code, bool) && noexcept > (context, true), count);
  auto future = async_with_permit(sem, operation<void(error_code, bool) noexcept>(context, true),
                                  asio::use_future);
  poll();
  BOOST_TEST(called == 4);
  BOOST_TEST(future.get());
}

// A handler for each of two signatures.
struct either {
  fixture* f;
  std::string* text;

  void operator()(error_code ec) const {
    (*f)("done")(ec);
    *text = "none";
  }
  void operator()(error_code ec, std::string s) const {
    (*f)("done")(ec);
    *text = std::move(s);
  }
};

template <typename... Signatures>
auto several(asio::io_context& context, bool with_text) {
  return [&context, with_text](auto token) {
    return asio::async_initiate<decltype(token), Signatures...>(
        [&context, with_text](auto handler) {
          asio::post(context, [h = std::move(handler), with_text]() mutable {
            if (with_text)
              std::move(h)(error_code(), "text");
            else
              std::move(h)(error_code());
          });
        },
        token);
  };
}

BOOST_AUTO_TEST_CASE(signatures_may_be_several) {
  std::string text;
  const auto run = [&](bool with_text) {
    async_with_permit(sem,
                      several<void(error_code), void(error_code, std::string)>(context, with_text),
                      either{this, &text});
    poll();
  };
  run(true);
  BOOST_TEST(read() == "done");
  BOOST_TEST(text == "text");
  run(false);
  BOOST_TEST(read() == "done");
  BOOST_TEST(text == "none");
  BOOST_TEST(sem.available() == 2u);
  sem.close();
  run(true);
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(text == "none");  // by the first
}

// Neither the first nor the second can tell of it.
struct either_of_three : either {
  using either::operator();
  void operator()(int) const { *text = "int"; }
  void operator()(error_code, std::reference_wrapper<int>) const { *text = "reference"; }
};

BOOST_AUTO_TEST_CASE(the_first_signature_that_can_reports_a_failed_acquire) {
  std::string text;
  sem.close();
  async_with_permit(sem,
                    several<void(int), void(error_code, std::reference_wrapper<int>),
                            void(error_code, std::string), void(error_code)>(context, false),
                    either_of_three{{this, &text}});
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(text == "");
}

BOOST_AUTO_TEST_CASE(signatures_may_take_the_error_by_reference) {
  async_with_permit(sem, operation<void(const error_code&)>(context),
                    [this](const error_code& ec) { (*this)("done")(ec); });
  poll();
  BOOST_TEST(read() == "done");
  sem.close();
  async_with_permit(sem, operation<void(const error_code&)>(context),
                    [this](const error_code& ec) { (*this)("done")(ec); });
  poll();
  BOOST_TEST(read() == "done!closed");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(coroutines, fixture)

BOOST_AUTO_TEST_CASE(coroutines_may_be_run) {
  bool inside = false;
  asio::steady_timer timer(context, asio::steady_timer::time_point::max());
  const auto coroutine = [&]() -> asio::awaitable<void> {
    inside = true;
    co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  };
  async_with_permit(sem, asio::co_spawn(context, coroutine, asio::deferred),
                    [&](std::exception_ptr e) { (*this)("done")(code_of(e)); });
  BOOST_TEST(!inside);
  poll();
  BOOST_TEST(inside);
  BOOST_TEST(sem.available() == 1u);
  BOOST_TEST(read() == "");
  timer.cancel();
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(coroutines_may_return_a_value_or_throw) {
  int value = 0;
  const auto store = [&](std::exception_ptr e, int n) {
    (*this)("done")(code_of(e));
    value = n;
  };
  async_with_permit(sem,
                    asio::co_spawn(
                        context, []() -> asio::awaitable<int> { co_return 5; }, asio::deferred),
                    store);
  poll();
  BOOST_TEST(read() == "done");
  BOOST_TEST(value == 5);
  async_with_permit(sem,
                    asio::co_spawn(
                        context,
                        []() -> asio::awaitable<int> {
                          throw boost::system::system_error(asio::error::eof);
                          co_return 5;
                        },
                        asio::deferred),
                    store);
  poll();
  BOOST_TEST(read() == "done!eof");
  BOOST_TEST(value == 0);
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_CASE(coroutines_may_be_spawned_by_a_function_object) {
  async_with_permit(
      sem,
      [&](auto token) {
        return asio::co_spawn(
            context, []() -> asio::awaitable<void> { co_return; }, std::move(token));
      },
      [&](std::exception_ptr e) { (*this)("done")(code_of(e)); });
  poll();
  BOOST_TEST(read() == "done");
}

BOOST_AUTO_TEST_CASE(coroutines_are_destroyed_before_they_start_if_the_acquire_fails) {
  const auto alive = std::make_shared<int>();
  bool started = false;
  int value = -1;
  const permit taken = sem.try_acquire_permit(2);
  async_with_permit(sem,
                    asio::co_spawn(
                        context,
                        [&started, alive]() -> asio::awaitable<int> {
                          started = true;
                          co_return 5;
                        },
                        asio::deferred),
                    [&](std::exception_ptr e, int n) {
                      BOOST_TEST(alive.use_count() == 1);
                      (*this)("done")(code_of(e));
                      value = n;
                    });
  BOOST_TEST(alive.use_count() == 2);
  sem.close();
  poll();
  BOOST_TEST(read() == "done!closed");
  BOOST_TEST(value == 0);
  BOOST_TEST(!started);
}

BOOST_AUTO_TEST_CASE(coroutines_are_cancelled) {
  asio::steady_timer timer(context, asio::steady_timer::time_point::max());
  asio::cancellation_signal signal;
  async_with_permit(
      sem,
      asio::co_spawn(
          context,
          [&]() -> asio::awaitable<void> { co_await timer.async_wait(asio::use_awaitable); },
          asio::deferred),
      asio::bind_cancellation_slot(signal.slot(),
                                   [&](std::exception_ptr e) { (*this)("done")(code_of(e)); }));
  poll();
  BOOST_TEST(read() == "");
  signal.emit(asio::cancellation_type::terminal);
  poll();
  BOOST_TEST(read() == "done!aborted");
  BOOST_TEST(sem.available() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(tokens, fixture)

BOOST_AUTO_TEST_CASE(tokens_of_every_kind_take_values) {
  const auto exists = [this] { return operation<void(error_code, bool)>(context, true); };
  const auto connection = [this] {
    return operation<void(error_code, tcp::socket)>(context, tcp::socket(context));
  };
  const auto work = [this] {
    return asio::co_spawn(context, []() -> asio::awaitable<int> { co_return 5; }, asio::deferred);
  };
  std::future<bool> yes = async_with_permit(sem, exists(), asio::use_future);
  std::future<tcp::socket> socket = async_with_permit(sem, connection(), asio::use_future);
  std::future<int> number = async_with_permit(sem, work(), asio::use_future);
  async_with_permit(sem, work(), asio::detached);
  int done = 0;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        BOOST_TEST(co_await async_with_permit(sem, exists(), asio::use_awaitable));
        BOOST_TEST(co_await async_with_permit(sem, exists()));  // deferred
        tcp::socket s = co_await async_with_permit(sem, connection(), asio::use_awaitable);
        BOOST_TEST(!s.is_open());
        const int n = co_await async_with_permit(sem, 2, work(), asio::use_awaitable);
        BOOST_TEST(n == 5);
        auto [ec, b] =
            co_await async_with_permit(sem, exists(), asio::as_tuple(asio::use_awaitable));
        BOOST_TEST((!ec && b));
        auto deferred = async_with_permit(sem, connection(), asio::deferred);
        tcp::socket t = co_await std::move(deferred)(asio::use_awaitable);
        BOOST_TEST(!t.is_open());
        ++done;
      },
      [&](std::exception_ptr e) { (*this)("done")(code_of(e)); });
  context.run();
  BOOST_TEST(read() == "done");
  BOOST_TEST(done == 1);
  BOOST_TEST(yes.get());
  BOOST_TEST(!socket.get().is_open());
  BOOST_TEST(number.get() == 5);
}

BOOST_AUTO_TEST_CASE(tokens_of_every_kind_report_a_failed_acquire) {
  sem.close();
  const auto connection = [this] {
    return operation<void(error_code, tcp::socket)>(context, tcp::socket(context));
  };
  const auto work = [this] {
    return asio::co_spawn(context, []() -> asio::awaitable<int> { co_return 5; }, asio::deferred);
  };
  const auto is_closed = [](const boost::system::system_error& e) {
    return e.code() == errc::closed;
  };
  std::future<tcp::socket> socket = async_with_permit(sem, connection(), asio::use_future);
  std::future<int> number = async_with_permit(sem, work(), asio::use_future);
  int done = 0;
  asio::co_spawn(
      context,
      [&]() -> asio::awaitable<void> {
        auto [ec, s] =
            co_await async_with_permit(sem, connection(), asio::as_tuple(asio::use_awaitable));
        BOOST_TEST((ec == errc::closed));
        try {
          co_await async_with_permit(sem, work(), asio::use_awaitable);
        } catch (const boost::system::system_error& e) {
          BOOST_TEST((e.code() == errc::closed));
          ++done;
        }
      },
      asio::detached);
  context.run();
  BOOST_TEST(done == 1);
  BOOST_CHECK_EXCEPTION(socket.get(), boost::system::system_error, is_closed);
  BOOST_CHECK_EXCEPTION(number.get(), boost::system::system_error, is_closed);
}

BOOST_AUTO_TEST_SUITE_END()
