// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// A Redis client over an event loop that fails, as one does for which there is no memory or no thread; and what it does
// with signals.

#define BOOST_TEST_MODULE redis_client

#include <turnstile/detail/redis_client.hpp>

#include <boost/test/unit_test.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using turnstile::shared_engine;
using turnstile::detail::redis_client;
using turnstile::detail::redis_link;

struct failing_loop final : turnstile::detail::redis_loop {
  void connect(redis_link, unsigned) override {
    ++connects;
    call(at_connect);
  }
  void close(redis_link) noexcept override { ++closes; }
  void wait_to_write(redis_link) override { call(at_wait); }
  void wake_at(time_point t) override { wake = t; }
  void post(std::function<void()> f) override {
    call(at_post);
    posted.push_back(std::move(f));
  }
  static void call(std::function<void()>& f) {
    if (const auto once = std::exchange(f, nullptr)) once();
  }
  void run_posted() {
    for (const auto& f : std::exchange(posted, {})) f();
  }

  std::function<void()> at_connect, at_wait, at_post;  // each once
  int connects = 0, closes = 0;
  time_point wake;
  std::vector<std::function<void()>> posted;
};

void no_memory() { throw std::bad_alloc(); }

struct fixture {
  fixture() { BOOST_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0); }
  ~fixture() {
    client.stop();
    for (const int e : ends) ::close(e);
  }

  void say(std::string_view text) {
    BOOST_REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    client.readable(redis_link::calls);
  }
  void become_ready() {
    client.start();
    client.connected(redis_link::calls, ends[0]);
    say("-ERR unknown command\r\n-ERR unknown command\r\n");
    BOOST_REQUIRE(client.is_connected());
  }
  void sync(std::size_t size) {
    client.sync({"key", {std::string(size, 'x')}},
                [this](const shared_engine::reply& r) { replies.push_back(r.error); });
  }
  // Until the loop has been asked to connect so many times. Wakes the client only if the client has asked for that.
  void wait_for_connects(int n) {
    while (loop.connects != n) {
      const auto at = std::exchange(loop.wake, {});
      BOOST_REQUIRE((at > std::chrono::steady_clock::time_point{}));
      BOOST_REQUIRE((at < std::chrono::steady_clock::now() + 1s));
      std::this_thread::sleep_until(at);
      client.tick();
    }
  }

  int ends[2];
  failing_loop loop;
  std::vector<std::string> replies;
  redis_client client{turnstile::detail::parse_redis_url("redis://host"), 100ms, loop};
};

}  // namespace

BOOST_FIXTURE_TEST_CASE(loop_that_cannot_connect_is_asked_again, fixture) {
  loop.at_connect = [] {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again),
                            "thread");
  };
  client.start();
  BOOST_TEST(loop.connects == 1);
  BOOST_TEST(client.last_error().starts_with("thread"));
  wait_for_connects(2);
  client.connected(redis_link::calls, ends[0]);
  say("-ERR unknown command\r\n-ERR unknown command\r\n");
  BOOST_TEST(client.is_connected());
}

BOOST_FIXTURE_TEST_CASE(request_for_which_memory_is_short_gets_an_error_and_a_new_connection,
                        fixture) {
  become_ready();
  loop.at_wait = no_memory;
  sync(10'000'000);  // more than the socket takes at once
  BOOST_TEST(!loop.at_wait);
  BOOST_TEST(!client.is_connected());
  BOOST_TEST(loop.closes == 1);
  BOOST_TEST(client.last_error() == "out of memory");
  loop.run_posted();
  BOOST_TEST(replies == std::vector<std::string>{"out of memory"},
             boost::test_tools::per_element());
  wait_for_connects(2);
}

BOOST_FIXTURE_TEST_CASE(reply_for_which_memory_is_short_makes_a_new_connection, fixture) {
  become_ready();
  sync(1);
  sync(1);
  loop.at_post = no_memory;
  say("*0\r\n");
  BOOST_TEST(!client.is_connected());
  BOOST_TEST(client.last_error() == "out of memory");
  loop.run_posted();  // the first handler is gone
  BOOST_TEST(replies == std::vector<std::string>{"out of memory"},
             boost::test_tools::per_element());
  wait_for_connects(2);
}

BOOST_FIXTURE_TEST_CASE(request_behind_one_that_is_half_written_waits_and_arrives, fixture) {
  become_ready();
  sync(10'000'000);
  sync(1);
  std::size_t received = 0;
  char buffer[65536];
  while (received < 10'000'000) {
    const auto n = ::read(ends[1], buffer, sizeof buffer);
    if (n > 0)
      received += static_cast<std::size_t>(n);
    else
      client.writable(redis_link::calls);
  }
  say("*0\r\n*0\r\n");
  loop.run_posted();
  BOOST_TEST(replies == std::vector<std::string>(2), boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(nil_is_no_reply, fixture) {
  become_ready();
  sync(1);
  say("$-1\r\n");
  loop.run_posted();
  BOOST_TEST(replies == std::vector<std::string>{"the script replied something else than numbers"},
             boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(client_that_was_stopped_does_nothing, fixture) {
  client.readable(redis_link::pushes);  // nor one that is not connected
  client.stop();
  client.start();
  sync(1);
  client.stop();
  BOOST_TEST(loop.connects == 0);
  BOOST_TEST(loop.posted.empty());
}

BOOST_FIXTURE_TEST_CASE(signal_of_the_program_that_is_pending_stays_so, fixture) {
  become_ready();
  sigset_t pipe, before, pending;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  BOOST_REQUIRE(pthread_sigmask(SIG_BLOCK, &pipe, &before) == 0);
  BOOST_REQUIRE(raise(SIGPIPE) == 0);
  shutdown(ends[0], SHUT_WR);  // a write raises the signal
  sync(1);
  BOOST_TEST(!client.is_connected());
  BOOST_REQUIRE(sigpending(&pending) == 0);
  BOOST_TEST(sigismember(&pending, SIGPIPE) == 1);
  int signal = 0;
  if (sigismember(&pending, SIGPIPE) == 1) sigwait(&pipe, &signal);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}
