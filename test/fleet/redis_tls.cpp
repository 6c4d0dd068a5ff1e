// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The Redis engine over TLS, with certificates that `openssl` makes here.

#define BOOST_TEST_MODULE redis_tls

#include "engine_fixture.hpp"
#include "redis.hpp"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using turnstile::redis_engine;

// A certificate for this name, which is its own authority, and its key.
struct certificate {
  explicit certificate(const std::string& name, const std::string& alternative)
      : path(std::filesystem::absolute(name)) {
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
        "/CN=" +
        name + " -addext subjectAltName=" + alternative + " -keyout " + name + ".key -out " + name +
        " 2>openssl.log";
    BOOST_REQUIRE(std::system(command.c_str()) == 0);
  }
  void trust() const { setenv("SSL_CERT_FILE", path.c_str(), 1); }

  const std::string path;
};

struct fixture : engine_fixture {
  fixture() { right.trust(); }

  static std::vector<std::string> arguments(const std::string& port, const certificate& c) {
    return {
        "--tls-port",         port, "--tls-cert-file", c.path, "--tls-key-file", c.path + ".key",
        "--tls-auth-clients", "no"};
  }

  const certificate right{"right.pem", "DNS:localhost,IP:127.0.0.1"};
  const std::string port = free_port();
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(requests_and_messages_are_encrypted, fixture) {
  redis_server server{arguments(port, right)};
  redis_connection admin{server.socket()};
  for (const std::string host : {"localhost", "127.0.0.1"}) {
    redis_engine engine(io, {.url = "rediss://" + host + ":" + port});
    for (int i = 0; i < 3; ++i) sync_at_last(engine);
    std::vector<std::string> messages;
    engine.listen("c", [&](std::string_view m) { messages.emplace_back(m); });
    const std::string text(100'000, 'x');  // some records
    BOOST_TEST(wait([&] { return admin({"PUBLISH", "c", text}).integer() == 1; }));
    BOOST_TEST(wait([&] { return !messages.empty(); }));
    BOOST_TEST((messages.at(0) == text));
    admin({"CLIENT", "KILL", "TYPE", "normal"});
    sync_at_last(engine);
  }
}

BOOST_FIXTURE_TEST_CASE(large_request_is_written_in_parts, fixture) {
  redis_server server{arguments(port, right)};
  redis_engine engine(io, {.url = "rediss://localhost:" + port});
  sync_at_last(engine);
  turnstile::shared_engine::request r = make_request(++serial);
  r.arguments.push_back(std::string(20'000'000, 'x'));
  bool is_answered = false;
  engine.async_sync(
      r, [&](const turnstile::shared_engine::reply& reply) { is_answered = reply.error.empty(); });
  BOOST_TEST(wait([&] { return is_answered; }));
}

BOOST_FIXTURE_TEST_CASE(certificate_for_another_host_is_refused, fixture) {
  const certificate wrong{"wrong.pem", "DNS:example.com"};
  wrong.trust();
  redis_server server{arguments(port, wrong)};
  redis_connection admin{server.socket()};
  redis_engine engine(io, {.url = "rediss://localhost:" + port});
  BOOST_TEST(wait(
      [&] { return engine.last_error().find("certificate verify failed") != std::string::npos; }));
  BOOST_TEST(!engine.connected());
}

BOOST_FIXTURE_TEST_CASE(certificate_without_a_known_signature_is_refused, fixture) {
  const certificate other{"other.pem", "DNS:localhost"};
  redis_server server{arguments(port, other)};
  redis_connection admin{server.socket()};
  redis_engine engine(io, {.url = "rediss://localhost:" + port});
  BOOST_TEST(wait(
      [&] { return engine.last_error().find("certificate verify failed") != std::string::npos; }));
  BOOST_TEST(!engine.connected());
}

BOOST_FIXTURE_TEST_CASE(server_without_tls_is_an_error, fixture) {
  redis_server server{{"--port", port}};
  redis_connection admin{server.socket()};
  redis_engine engine(io, {.url = "rediss://localhost:" + port});
  BOOST_TEST(wait([&] { return engine.last_error() != ""; }));
  BOOST_TEST(!engine.connected());
}
