// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The handlers of a Redis engine: on which thread, in what order of destruction, and how often they are called.

#define BOOST_TEST_MODULE redis_lifetime

#include "../unit/context_executor.hpp"
#include "fake_redis.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using turnstile::redis_engine;
using turnstile::shared_engine;
using fixture = fake_redis_fixture;

// Says when it is destroyed.
struct tracker {
  explicit tracker(int& n) : destroyed(&n) {}
  tracker(const tracker&) = delete;
  ~tracker() { ++*destroyed; }
  int* destroyed;
};

// An executor that calls a function first, once.
struct calling : test::context_executor<calling> {
  template <typename F>
  void execute(F&& f) const {
    if (const auto call = std::exchange(*first, nullptr)) call();
    context->get_executor().execute(std::forward<F>(f));
  }
  std::function<void()>* first;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(handlers_are_not_called_inside_the_initiating_call, fixture) {
  redis_engine engine = make_engine();
  BOOST_TEST(wait([&] { return engine.connected(); }));
  int called = 0;
  engine.async_sync(make_request(1), [&](const shared_engine::reply&) { ++called; });
  std::this_thread::sleep_for(1ms);
  BOOST_TEST(called == 0);
  BOOST_TEST(wait([&] { return called == 1; }));
}

BOOST_FIXTURE_TEST_CASE(exception_of_a_handler_leaves_the_context_and_the_engine_goes_on, fixture) {
  redis_engine engine = make_engine();
  engine.async_sync(make_request(1), [](const shared_engine::reply&) { throw 1; });
  BOOST_CHECK_THROW(wait([] { return false; }), int);
  BOOST_TEST(sync(engine).error == "");
  BOOST_TEST(server.accepted == 1);
}

BOOST_FIXTURE_TEST_CASE(engine_that_is_destroyed_answers_with_an_error_and_lets_the_context_end,
                        fixture) {
  answer_requests("");
  std::optional<redis_engine> engine(std::in_place, io, turnstile::redis_options{server.url()});
  std::vector<std::string> errors;
  engine->async_sync(make_request(1),
                     [&](const shared_engine::reply& r) { errors.push_back(r.error); });
  BOOST_TEST(wait([&] { return server.count("EVALSHA") == 1; }));
  engine->async_sync(make_request(2),
                     [&](const shared_engine::reply& r) { errors.push_back(r.error); });
  engine->listen("c", [](std::string_view) {});
  engine.reset();
  server.stop_accepting();
  io.restart();
  io.run();
  BOOST_TEST(errors == (std::vector<std::string>(2, "the engine was destroyed")),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(context_that_is_destroyed_first_destroys_the_handlers_uncalled) {
  int destroyed = 0, called = 0;
  std::optional<fixture> f(std::in_place);
  f->answer_requests("");
  auto engine = std::make_unique<redis_engine>(f->io, turnstile::redis_options{f->server.url()});
  engine->async_sync(make_request(1), [&called, t = std::make_shared<tracker>(destroyed)](
                                          const shared_engine::reply&) { ++called; });
  engine->listen("c", [t = std::make_shared<tracker>(destroyed)](std::string_view) {});
  BOOST_TEST(f->wait([&] { return f->server.count("EVALSHA") == 1; }));
  engine->async_sync(make_request(2),
                     [t = std::make_shared<tracker>(destroyed)](const shared_engine::reply&) {});
  f.reset();
  BOOST_TEST(destroyed == 3);
  // The engine does nothing any more.
  engine->async_sync(make_request(3),
                     [t = std::make_shared<tracker>(destroyed)](const shared_engine::reply&) {});
  engine->ignore("c");
  BOOST_TEST(destroyed == 4);
  BOOST_TEST(!engine->connected());
  engine->last_error();
  engine.reset();
  BOOST_TEST(called == 0);
}

BOOST_AUTO_TEST_CASE(handler_may_own_the_engine) {
  std::optional<fixture> f(std::in_place);
  f->answer_requests("");
  const auto make = [&] {
    return std::make_shared<redis_engine>(f->io, turnstile::redis_options{f->server.url()});
  };
  auto engine = make();
  bool is_called = false;
  engine->async_sync(make_request(1),
                     [engine, &is_called](const shared_engine::reply&) { is_called = true; });
  BOOST_TEST(f->wait([&] { return f->server.count("EVALSHA") == 1; }));
  engine.reset();
  f->server.send(fake_redis::numbers);
  BOOST_TEST(f->wait([&] { return is_called; }));

  engine = make();
  engine->async_sync(make_request(2), [engine](const shared_engine::reply&) {});
  BOOST_TEST(f->wait([&] { return f->server.count("EVALSHA") == 2; }));
  engine.reset();
  f.reset();
}

BOOST_AUTO_TEST_CASE(engine_that_a_handler_makes_while_the_context_is_destroyed_does_nothing) {
  struct maker {
    explicit maker(boost::asio::io_context& c) : io(c) {}
    maker(const maker&) = delete;
    ~maker() {
      redis_engine engine(io);
      engine.async_sync(make_request(1), [](const shared_engine::reply&) {});
    }
    boost::asio::io_context& io;
  };
  std::optional<fixture> f(std::in_place);
  redis_engine engine = f->make_engine();
  engine.async_sync(make_request(1),
                    [m = std::make_shared<maker>(f->io)](const shared_engine::reply&) {});
  f.reset();
}

BOOST_FIXTURE_TEST_CASE(executor_may_call_the_engine, fixture) {
  std::function<void()> first;
  turnstile::basic_redis_engine<calling> engine(calling{{&io}, &first}, {.url = server.url()});
  BOOST_TEST(wait([&] { return engine.connected(); }));
  int called = 0;
  const auto handler = [&](const shared_engine::reply&) { ++called; };
  first = [&] { engine.async_sync(make_request(2), handler); };
  engine.async_sync(make_request(1), handler);
  BOOST_TEST(!first);
  BOOST_TEST(wait([&] { return called == 2; }));
}

BOOST_AUTO_TEST_CASE(engine_whose_executor_refuses_can_be_destroyed) {
  int destroyed = 0;
  std::function<void()> first;
  {
    fixture f;
    turnstile::basic_redis_engine<calling> engine(calling{{&f.io}, &first},
                                                  {.url = f.server.url()});
    BOOST_TEST(f.wait([&] { return engine.connected(); }));
    engine.listen("c", [t = std::make_shared<tracker>(destroyed)](std::string_view) {});
    BOOST_TEST(f.wait([&] { return f.server.count("SUBSCRIBE") == 1; }));
    first = [] { throw std::bad_alloc(); };
  }
  BOOST_TEST(!first);
  BOOST_TEST(destroyed == 1);
}

BOOST_FIXTURE_TEST_CASE(all_threads_may_call, fixture) {
  std::atomic<int> replies = 0;
  constexpr int threads = 4, requests = 500;
  {
    boost::asio::thread_pool pool(3);
    redis_engine engine(pool, {.url = server.url()});
    std::vector<std::thread> callers;
    for (int t = 0; t < threads; ++t) {
      callers.emplace_back([&engine, &replies, t] {
        for (int i = 0; i < requests; ++i) {
          engine.async_sync(make_request(i),
                            [&replies](const shared_engine::reply&) { ++replies; });
          const std::string channel = std::to_string(t) + "." + std::to_string(i % 7);
          engine.listen(channel, [](std::string_view) {});
          if (i % 3 == 0) engine.ignore(channel);
          engine.connected();
          engine.last_error();
        }
      });
    }
    BOOST_TEST(wait([&] { return replies == threads * requests; }));
    for (std::thread& t : callers) t.join();
  }
  BOOST_TEST(replies == threads * requests);
}

BOOST_AUTO_TEST_CASE(other_threads_may_call_while_the_context_is_destroyed) {
  for (int i = 0; i < 100; ++i) {
    std::optional<boost::asio::io_context> io(std::in_place);
    redis_engine engine(*io, {.url = "unix:///no/such/socket"});
    std::atomic<bool> called = false;
    std::thread caller([&] {
      for (int k = 0; k < 50; ++k) {
        engine.async_sync(make_request(k), [](const shared_engine::reply&) {});
        called = true;
      }
    });
    while (!called) std::this_thread::yield();
    io.reset();
    caller.join();
  }
}
