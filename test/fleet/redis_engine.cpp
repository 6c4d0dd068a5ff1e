// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The Redis engine and a redis-server of the test's own.

#define BOOST_TEST_MODULE redis_engine

#include "engine_fixture.hpp"
#include "redis.hpp"

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
using turnstile::redis_engine;

struct fixture : engine_fixture {
  explicit fixture(std::vector<std::string> arguments = {}) : server(std::move(arguments)) {}

  std::string url(const std::string& login = "", const std::string& query = "") const {
    return "unix://" + login + std::filesystem::absolute(server.socket()).string() + query;
  }
  // What the server says of this command: calls=1,...
  std::string statistics(const std::string& command) {
    const std::string text = admin({"INFO", "commandstats"}).text();
    const auto at = text.find("cmdstat_" + command + ":");
    return at == text.npos ? "" : text.substr(at, text.find(",usec", at) - at);
  }
  bool is_redis_6_0() {
    return admin({"INFO", "server"}).text().find("redis_version:6.0.") != std::string::npos;
  }
  redis_server server;
  redis_connection admin{server.socket()};
};

struct tcp_fixture : fixture {
  explicit tcp_fixture(const std::string& p = free_port()) : fixture({"--port", p}), port(p) {}
  const std::string port;
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(request_is_executed_over_a_unix_socket, fixture) {
  redis_engine engine(io, {.url = url()});
  sync_at_last(engine);
  BOOST_TEST(engine.connected());
  BOOST_TEST(engine.last_error() == "");
  BOOST_TEST(admin({"EXISTS", "turnstile:{test}"}).integer() == 1);
}

BOOST_FIXTURE_TEST_CASE(request_is_executed_over_tcp, tcp_fixture) {
  redis_engine engine(io, {.url = "redis://127.0.0.1:" + port});
  sync_at_last(engine);
  redis_engine other(io, {.url = "redis://localhost:" + port});
  sync_at_last(other);
}

BOOST_FIXTURE_TEST_CASE(text_of_the_script_is_sent_once_and_after_script_flush, fixture) {
  redis_engine engine(io, {.url = url()});
  for (int i = 0; i < 3; ++i) BOOST_TEST(sync(engine).error == "");
  BOOST_TEST(statistics("eval") == "cmdstat_eval:calls=1");
  BOOST_TEST(statistics("evalsha").starts_with("cmdstat_evalsha:calls=3"));
  admin({"SCRIPT", "FLUSH"});
  for (int i = 0; i < 3; ++i) BOOST_TEST(sync(engine).error == "");
  BOOST_TEST(statistics("eval") == "cmdstat_eval:calls=2");
  BOOST_TEST(engine.last_error() == "");
}

BOOST_FIXTURE_TEST_CASE(connections_that_are_killed_are_made_again, fixture) {
  redis_engine engine(io, {.url = url()});
  std::vector<std::string> messages;
  engine.listen("c", [&](std::string_view m) { messages.emplace_back(m); });
  const auto publish = [&] { return admin({"PUBLISH", "c", "x"}).integer() == 1; };
  for (int i = 0; i < 10; ++i) {
    sync_at_last(engine);
    messages.clear();
    BOOST_TEST(wait(publish));
    BOOST_TEST(wait([&] { return !messages.empty(); }));
    admin({"CLIENT", "KILL", "TYPE", i % 2 ? "normal" : "pubsub", "SKIPME", "yes"});
  }
  engine.ignore("c");
  BOOST_TEST(wait([&] { return admin({"PUBLISH", "c", "x"}).integer() == 0; }));
}

BOOST_FIXTURE_TEST_CASE(server_that_is_stopped_and_started_is_used_again, fixture) {
  redis_engine engine(io, {.url = url()});
  std::vector<std::string> messages;
  engine.listen("c", [&](std::string_view m) { messages.emplace_back(m); });
  sync_at_last(engine);
  server.stop();
  BOOST_TEST(sync(engine).error != "");
  BOOST_TEST(!engine.connected());
  BOOST_TEST(wait([&] { return engine.last_error().starts_with("cannot connect to /"); }));
  server.start();
  sync_at_last(engine);
  BOOST_TEST(engine.connected());
  redis_connection new_admin{server.socket()};
  BOOST_TEST(wait([&] { return new_admin({"PUBLISH", "c", "x"}).integer() == 1; }));
  BOOST_TEST(wait([&] { return messages.size() == 1; }));
}

BOOST_FIXTURE_TEST_CASE(server_that_is_not_there_yet_is_used_when_it_is, fixture) {
  server.stop();
  redis_engine engine(io, {.url = url()});
  BOOST_TEST(wait([&] { return engine.last_error() != ""; }));
  server.start();
  sync_at_last(engine);
}

BOOST_FIXTURE_TEST_CASE(server_that_stands_still_is_an_error_after_the_time_out, fixture) {
  redis_engine engine(io, {.url = url(), .connect_timeout = 200ms});
  sync_at_last(engine);
  server.pause();
  BOOST_TEST(sync(engine).error == "the server does not answer");
  BOOST_TEST(sync(engine).error != "");
  server.resume();
  sync_at_last(engine);
}

BOOST_FIXTURE_TEST_CASE(wrong_password_is_an_error_until_it_is_right, fixture) {
  admin({"CONFIG", "SET", "requirepass", "other"});
  redis_engine engine(io, {.url = url(":secret@")});
  redis_engine without(io, {.url = url()});
  BOOST_TEST(sync(engine).error.starts_with("WRONGPASS"));
  BOOST_TEST(engine.last_error().starts_with("WRONGPASS"));
  BOOST_TEST(!engine.connected());
  BOOST_TEST(sync(without).error.starts_with("NOAUTH"));
  redis_connection new_admin{server.socket()};
  new_admin({"AUTH", "other"});
  new_admin({"CONFIG", "SET", "requirepass", "secret"});
  sync_at_last(engine);
  new_admin({"CONFIG", "SET", "requirepass", ""});
  sync_at_last(without);
}

BOOST_FIXTURE_TEST_CASE(user_with_the_documented_permissions_is_enough, fixture) {
  std::vector<std::string> user{"ACL",     "SETUSER",    "limited",      "on",      ">p@ss",
                                "-@all",   "resetkeys",  "~turnstile:*", "+eval",   "+evalsha",
                                "+ping",   "+subscribe", "+unsubscribe", "+select", "+info",
                                "+time",   "+hmget",     "+hgetall",     "+hset",   "+hdel",
                                "+exists", "+publish"};
  if (!is_redis_6_0()) user.insert(user.end(), {"resetchannels", "&turnstile:*"});
  BOOST_TEST(admin(user).text() == "OK");
  redis_engine engine(io, {.url = url("limited:p%40ss@", "?db=1")});
  sync_at_last(engine);
  engine.listen("turnstile:{test}:news:1", [](std::string_view) {});
  BOOST_TEST(
      wait([&] { return admin({"PUBLISH", "turnstile:{test}:news:1", "x"}).integer() == 1; }));
  BOOST_TEST(engine.last_error() == "");
}

BOOST_FIXTURE_TEST_CASE(user_without_permission_is_an_error, fixture) {
  admin({"ACL", "SETUSER", "limited", "on", "nopass", "-@all", "+ping"});
  redis_engine engine(io, {.url = url("limited@")});
  BOOST_TEST(sync(engine).error.starts_with("NOPERM"));
  BOOST_TEST(engine.connected());
}

BOOST_FIXTURE_TEST_CASE(database_of_the_url_is_used, fixture) {
  redis_engine engine(io, {.url = url("", "?db=5")});
  sync_at_last(engine);
  BOOST_TEST(admin({"EXISTS", "turnstile:{test}"}).integer() == 0);
  admin({"SELECT", "5"});
  BOOST_TEST(admin({"EXISTS", "turnstile:{test}"}).integer() == 1);
  redis_engine other(io, {.url = url("", "?db=99999")});
  BOOST_TEST(sync(other).error == "ERR DB index is out of range");
  BOOST_TEST(!other.connected());
}

BOOST_FIXTURE_TEST_CASE(server_that_became_a_replica_is_left_and_used_again_later, fixture) {
  redis_engine engine(io, {.url = url()});
  sync_at_last(engine);
  const long long before = admin({"CLIENT", "ID"}).integer();
  admin({"REPLICAOF", "127.0.0.1", "1"});
  // In the middle of the message, if a script of Redis 6.0 fails.
  BOOST_TEST(sync(engine).error.find("READONLY") != std::string::npos);
  BOOST_TEST(engine.last_error().find("READONLY") != std::string::npos);
  admin({"REPLICAOF", "NO", "ONE"});
  sync_at_last(engine);
  BOOST_TEST(redis_connection{server.socket()}({"CLIENT", "ID"}).integer() > before + 2);
}

BOOST_FIXTURE_TEST_CASE(full_server_is_an_error_until_it_has_room, fixture) {
  redis_engine engine(io, {.url = url()});
  sync_at_last(engine);
  admin({"CONFIG", "SET", "maxmemory", "1"});
  const std::string error = sync(engine).error;
  BOOST_TEST(error.find("OOM") != std::string::npos);
  BOOST_TEST(engine.connected());
  admin({"CONFIG", "SET", "maxmemory", "0"});
  BOOST_TEST(sync(engine).error == "");
}

BOOST_FIXTURE_TEST_CASE(key_of_another_program_is_an_error_of_the_script, fixture) {
  admin({"SET", "turnstile:{test}", "x"});
  redis_engine engine(io, {.url = url()});
  BOOST_TEST(sync(engine).error.starts_with("TURNSTILE"));
  BOOST_TEST(engine.last_error().starts_with("TURNSTILE"));
}

BOOST_FIXTURE_TEST_CASE(connections_have_the_name_turnstile, fixture) {
  redis_engine engine(io, {.url = url()});
  engine.listen("c", [](std::string_view) {});
  BOOST_TEST(wait([&] { return admin({"PUBLISH", "c", "x"}).integer() == 1; }));
  sync_at_last(engine);
  const std::string list = admin({"CLIENT", "LIST"}).text();
  const auto first = list.find("name=turnstile");
  BOOST_TEST(first != list.npos);
  BOOST_TEST(list.find("name=turnstile", first + 1) != list.npos);
}
