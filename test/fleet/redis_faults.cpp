// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The Redis engine, and a server that answers strangely, late or not at all.

#define BOOST_TEST_MODULE redis_faults

#include "fake_redis.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using turnstile::redis_engine;
using turnstile::shared_engine;
using fixture = fake_redis_fixture;

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

BOOST_FIXTURE_TEST_CASE(answers_that_come_together_are_all_taken, fixture) {
  server.answer = [this](const fake_redis::command& c) {
    if (c[0] != "EVALSHA") return fake_redis::usual(c);
    const bool is_last = server.count("EVALSHA") == 3;
    return is_last ? fake_redis::numbers + fake_redis::numbers + fake_redis::numbers
                   : std::string();
  };
  redis_engine engine = make_engine();
  std::vector<std::string> errors;
  for (int i = 0; i < 3; ++i)
    engine.async_sync(make_request(i),
                      [&](const shared_engine::reply& r) { errors.push_back(r.error); });
  BOOST_TEST(wait([&] { return errors.size() == 3; }));
  BOOST_TEST(errors == std::vector<std::string>(3), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(answer_that_is_cut_off_is_an_error_and_nothing_is_sent_twice, fixture) {
  answer_requests(std::string("*13\r\n:1\r\n:0") + fake_redis::cut);
  redis_engine engine = make_engine();
  BOOST_TEST(sync(engine).error != "");
  BOOST_TEST(engine.last_error() != "");
  answer_requests(fake_redis::numbers);
  BOOST_TEST(wait([&] { return engine.connected(); }));
  BOOST_TEST(sync(engine).error == "");
  BOOST_TEST(server.count("EVALSHA") == 2);
  BOOST_TEST(server.accepted == 2);
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

// The signal would end the program.
BOOST_FIXTURE_TEST_CASE(write_to_a_connection_that_the_server_has_closed_raises_no_signal,
                        fixture) {
  redis_engine engine = make_engine();
  BOOST_TEST(wait([&] { return engine.connected(); }));
  server.send(std::string(1, fake_redis::cut));
  // The first one is answered with a reset, and the others are written before the engine looks.
  std::vector<std::string> errors;
  for (int i = 0; i < 10; ++i)
    engine.async_sync(make_request(i),
                      [&](const shared_engine::reply& r) { errors.push_back(r.error); });
  BOOST_TEST(wait([&] { return errors.size() == 10; }));
  for (const std::string& e : errors) BOOST_TEST(e != "");
}

BOOST_FIXTURE_TEST_CASE(large_request_to_a_slow_server_arrives_whole, fixture) {
  redis_engine engine = make_engine();
  shared_engine::request r = make_request(1);
  r.arguments.push_back(std::string(20'000'000, 'x'));
  std::optional<shared_engine::reply> reply;
  // Its answer comes while the next request is written.
  engine.async_sync(make_request(0), [](const shared_engine::reply&) {});
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

BOOST_FIXTURE_TEST_CASE(name_that_does_not_exist_is_an_error_and_leaves_no_work, engine_fixture) {
  std::optional<redis_engine> engine(std::in_place, io,
                                     turnstile::redis_options{.url = "redis://turnstile.invalid"});
  BOOST_TEST(sync(*engine).error.starts_with("cannot connect to turnstile.invalid:6379: "));
  engine.reset();
  io.restart();
  io.run();
}

BOOST_FIXTURE_TEST_CASE(name_is_resolved_and_all_its_addresses_are_tried, fixture) {
  redis_engine engine(io,
                      {.url = "redis://localhost" + server.url().substr(server.url().rfind(':'))});
  BOOST_TEST(wait([&] { return sync(engine).error.empty(); }));
}
