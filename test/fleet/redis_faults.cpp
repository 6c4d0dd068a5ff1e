// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The Redis engine, and a server that answers strangely, late or not at all.

#define BOOST_TEST_MODULE redis_faults

#include "engine_fixture.hpp"
#include "fake_redis.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using turnstile::redis_engine;
using turnstile::shared_engine;

struct fixture : engine_fixture {
  // Answers this to the requests.
  void answer_requests(const std::string& bytes) {
    server.answer = [bytes](const fake_redis::command& c) {
      return c[0] == "EVALSHA" || c[0] == "EVAL" ? bytes : fake_redis::usual(c);
    };
  }
  redis_engine make_engine(std::chrono::milliseconds timeout = 10s) {
    return redis_engine(io, {server.url(), timeout});
  }

  fake_redis server{io};
};

// Says when it is destroyed.
struct tracker {
  explicit tracker(int& n) : destroyed(&n) {}
  tracker(const tracker&) = delete;
  ~tracker() { ++*destroyed; }
  int* destroyed;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(answers_in_single_bytes_are_put_together, fixture) {
  server.is_bytewise = true;
  redis_engine engine = make_engine();
  for (int i = 0; i < 3; ++i) {
    const auto r = sync(engine);
    BOOST_TEST(r.error == "");
    BOOST_TEST(r.numbers.size() == 13U);
  }
  BOOST_TEST(server.accepted == 1);
}

BOOST_FIXTURE_TEST_CASE(answer_that_is_cut_off_is_an_error_and_nothing_is_sent_twice, fixture) {
  answer_requests(std::string("*13\r\n:1\r\n:0") + fake_redis::cut);
  redis_engine engine = make_engine();
  BOOST_TEST(sync(engine).error != "");
  BOOST_TEST(engine.last_error() != "");
  answer_requests(fake_redis::numbers);
  BOOST_TEST(wait([&] { return engine.connected(); }));
  BOOST_TEST(server.count("EVALSHA") == 1);
  BOOST_TEST(server.accepted == 2);
  BOOST_TEST(sync(engine).error == "");
}

BOOST_FIXTURE_TEST_CASE(answer_that_does_not_come_is_an_error_after_the_time_out, fixture) {
  answer_requests("");
  redis_engine engine = make_engine(100ms);
  const auto begin = std::chrono::steady_clock::now();
  BOOST_TEST(sync(engine).error == "the server does not answer");
  BOOST_TEST((std::chrono::steady_clock::now() - begin >= 100ms));
  answer_requests(fake_redis::numbers);
  BOOST_TEST(wait([&] { return sync(engine).error.empty(); }));
}

BOOST_FIXTURE_TEST_CASE(server_that_accepts_and_is_silent_is_tried_again, fixture) {
  server.answer = [](const fake_redis::command&) { return std::string(); };
  redis_engine engine = make_engine(50ms);
  BOOST_TEST(sync(engine).error == "the server does not answer");
  BOOST_TEST(!engine.connected());
  BOOST_TEST(wait([&] { return server.accepted >= 3; }));
  server.answer = fake_redis::usual;
  BOOST_TEST(wait([&] { return engine.connected(); }));
}

BOOST_FIXTURE_TEST_CASE(error_of_a_server_that_loads_or_is_a_replica_makes_a_new_connection,
                        fixture) {
  redis_engine engine = make_engine();
  int connections = 1;
  for (const std::string e :
       {"LOADING Redis is loading the dataset in memory", "READONLY You can't write",
        "MASTERDOWN Link", "CLUSTERDOWN down", "MOVED 1 127.0.0.1:1"}) {
    answer_requests("-" + e + "\r\n");
    BOOST_TEST(wait([&] { return engine.connected(); }));
    BOOST_TEST(sync(engine).error == e);
    BOOST_TEST(engine.last_error() == e);
    BOOST_TEST(wait([&] { return server.accepted == connections + 1; }));
    ++connections;
  }
}

BOOST_FIXTURE_TEST_CASE(error_of_a_busy_or_full_server_keeps_the_connection, fixture) {
  redis_engine engine = make_engine();
  for (const std::string e :
       {"BUSY Redis is busy running a script", "MISCONF Redis is configured to save",
        "OOM command not allowed", "NOREPLICAS Not enough good replicas", "NOPERM no"}) {
    answer_requests("-" + e + "\r\n");
    BOOST_TEST(sync(engine).error == e);
    BOOST_TEST(engine.last_error() == e);
  }
  answer_requests(fake_redis::numbers);
  BOOST_TEST(sync(engine).error == "");
  BOOST_TEST(server.accepted == 1);
}

BOOST_FIXTURE_TEST_CASE(server_before_6_0_is_not_asked, fixture) {
  server.answer = [](const fake_redis::command& c) {
    return c[0] == "INFO" ? fake_redis::bulk("redis_version:5.0.14\r\n") : fake_redis::usual(c);
  };
  redis_engine engine = make_engine();
  BOOST_TEST(sync(engine).error.starts_with("TURNSTILE the server is Redis 5.0.14"));
  BOOST_TEST(engine.last_error().starts_with("TURNSTILE the server is Redis 5.0.14"));
  BOOST_TEST(server.count("EVALSHA") == 0);
}

BOOST_FIXTURE_TEST_CASE(server_that_speaks_something_else_is_tried_again, fixture) {
  for (const std::string bytes :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "+OK\r\n+OK\r\n+OK\r\n+OK\r\n", "*-5\r\n",
        "$99999999999999999999\r\n"}) {
    server.answer = [bytes](const fake_redis::command&) { return bytes; };
    redis_engine engine = make_engine();
    const int before = server.accepted;
    BOOST_TEST(sync(engine).error != "");
    BOOST_TEST(wait([&] { return server.accepted >= before + 2; }));
    BOOST_TEST(engine.last_error() != "");
    server.answer = fake_redis::usual;
    BOOST_TEST(wait([&] { return engine.connected(); }));
  }
}

BOOST_FIXTURE_TEST_CASE(server_that_closes_at_once_does_not_end_the_program, fixture) {
  server.answer = [](const fake_redis::command&) { return std::string(1, fake_redis::cut); };
  redis_engine engine = make_engine();
  std::vector<std::string> errors;
  for (int i = 0; i < 100; ++i)
    engine.async_sync(make_request(i),
                      [&](const shared_engine::reply& r) { errors.push_back(r.error); });
  BOOST_TEST(wait([&] { return server.accepted >= 5 && errors.size() == 100; }));
  for (const std::string& e : errors) BOOST_TEST(e != "");
}

BOOST_FIXTURE_TEST_CASE(large_request_to_a_slow_server_arrives_whole, fixture) {
  redis_engine engine = make_engine();
  shared_engine::request r = make_request(1);
  r.arguments.push_back(std::string(20'000'000, 'x'));
  std::optional<shared_engine::reply> reply;
  engine.async_sync(r, [&](shared_engine::reply x) { reply = std::move(x); });
  BOOST_TEST(wait([&] { return reply.has_value(); }));
  BOOST_TEST(reply->error == "");
  BOOST_TEST((server.commands.back().back() == r.arguments.back()));
}

BOOST_FIXTURE_TEST_CASE(messages_come_and_the_subscription_is_made_again, fixture) {
  redis_engine engine = make_engine();
  std::vector<std::string> messages;
  engine.listen("c", [&](std::string_view m) { messages.emplace_back(m); });
  BOOST_TEST(wait([&] { return server.count("SUBSCRIBE") == 1; }));
  const std::string message =
      "*3\r\n" + fake_redis::bulk("message") + fake_redis::bulk("c") + fake_redis::bulk("1 2");
  server.answer = [&](const fake_redis::command& c) {
    return fake_redis::usual(c) + (c[0] == "SUBSCRIBE" ? message : "");
  };
  server.send(std::string(1, fake_redis::cut));  // to both
  BOOST_TEST(wait([&] { return messages.size() == 1; }));
  BOOST_TEST(messages[0] == "1 2");
  engine.ignore("c");
  BOOST_TEST(wait([&] { return server.count("UNSUBSCRIBE") == 1; }));
}

BOOST_FIXTURE_TEST_CASE(dead_subscription_is_noticed_and_made_again, fixture) {
  bool is_dead = false;
  server.answer = [&](const fake_redis::command& c) {
    return is_dead ? std::string() : fake_redis::usual(c);
  };
  redis_engine engine = make_engine(20ms);
  engine.listen("c", [](std::string_view) {});
  BOOST_TEST(wait([&] { return server.count("SUBSCRIBE") == 1; }));
  is_dead = true;
  BOOST_TEST(wait([&] { return server.count("PING") >= 2 && !engine.connected(); }));
  is_dead = false;
  BOOST_TEST(wait([&] { return server.count("SUBSCRIBE") >= 2; }));
  BOOST_TEST(wait([&] { return engine.connected(); }));
}

BOOST_FIXTURE_TEST_CASE(server_that_is_not_there_is_an_error_until_it_is, engine_fixture) {
  std::string url;
  {
    fake_redis server(io);
    url = server.url();
  }
  redis_engine engine(io, {.url = url});
  const std::string error = sync(engine).error;
  BOOST_TEST(error.starts_with("cannot connect to 127.0.0.1:"));
  BOOST_TEST(!engine.connected());
  BOOST_TEST(engine.last_error() == error);
}

BOOST_FIXTURE_TEST_CASE(name_that_does_not_exist_is_an_error, engine_fixture) {
  redis_engine engine(io, {.url = "redis://turnstile.invalid"});
  BOOST_TEST(sync(engine).error.starts_with("cannot connect to turnstile.invalid:6379: "));
}

BOOST_FIXTURE_TEST_CASE(name_is_resolved_and_all_its_addresses_are_tried, fixture) {
  redis_engine engine(io,
                      {.url = "redis://localhost" + server.url().substr(server.url().rfind(':'))});
  BOOST_TEST(wait([&] { return sync(engine).error.empty(); }));
}

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
  const auto handler = [&called, t = std::make_shared<tracker>(destroyed)](
                           const shared_engine::reply&) { ++called; };
  engine->async_sync(make_request(1), handler);
  engine->listen("c", [t = std::make_shared<tracker>(destroyed)](std::string_view) {});
  BOOST_TEST(f->wait([&] { return f->server.count("EVALSHA") == 1; }));
  engine->async_sync(make_request(2),
                     [t = std::make_shared<tracker>(destroyed)](const shared_engine::reply&) {});
  f.reset();
  BOOST_TEST(destroyed == 2);
  // The engine does nothing any more.
  engine->async_sync(make_request(3),
                     [t = std::make_shared<tracker>(destroyed)](const shared_engine::reply&) {});
  engine->ignore("c");
  BOOST_TEST(destroyed == 3);
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
