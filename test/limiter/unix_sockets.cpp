// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Unix-domain sockets on both sides.

#include "limiter.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <list>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

using local = asio::local::stream_protocol;
namespace fs = std::filesystem;

class folder {
 public:
  folder() {
    std::string name = (fs::temp_directory_path() / "limiter-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~folder() { fs::remove_all(path_); }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;

  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

// Blocks its thread. The limiter's timeouts end all waits.
class unix_client {
 public:
  explicit unix_client(const std::string& path) { socket_.connect(local::endpoint{path}); }

  void send(const std::string& text) { asio::write(socket_, asio::buffer(text)); }
  std::string receive(std::size_t n) {
    std::string text(n, '\0');
    error_code ec;
    text.resize(asio::read(socket_, asio::buffer(text), ec));
    return text;
  }
  bool echoes(const std::string& text) {
    send(text);
    return receive(text.size()) == text;
  }
  void close() { socket_.close(); }

 private:
  asio::io_context context_;
  local::socket socket_{context_};
};

words listening_on(const std::string& path, const std::string& upstream, words more = {}) {
  more.insert(more.end(), {"--listen", "unix:" + path, "--upstream", upstream});
  return more;
}

struct running : program {
  running(const std::string& socket, const std::string& upstream, words more = {})
      : program(path(), listening_on(socket, upstream, std::move(more))) {
    wait_for_output("listening on unix:" + socket + ", upstream " + upstream);
  }

  std::string stop() {
    signal(SIGTERM);
    BOOST_TEST(exit_status() == 0);
    return last_line();
  }
};

}  // namespace

BOOST_AUTO_TEST_CASE(unix_sockets_work_on_both_sides) {
  const folder f;
  upstream u;
  running outer{f.file("outer"), "unix:" + f.file("inner"), {}};
  BOOST_TEST(unix_client{f.file("outer")}.receive(1) == "");  // the upstream does not exist yet
  running inner{f.file("inner"), u.address()};
  BOOST_TEST(unix_client{f.file("outer")}.echoes("hello"));
}

BOOST_AUTO_TEST_CASE(unix_sockets_forward_much_data_and_half_closes) {
  const folder f;
  upstream u;
  running inner{f.file("inner"), u.address()};
  running outer{f.file("outer"), "unix:" + f.file("inner")};
  asio::io_context context;
  local::socket s{context};
  s.connect(local::endpoint{f.file("outer")});
  const std::string much(3'000'000, 'x');
  auto writer = std::async(std::launch::async, [&] {
    asio::write(s, asio::buffer(much));
    s.shutdown(local::socket::shutdown_send);
  });
  std::string back;
  error_code ec;
  asio::read(s, asio::dynamic_buffer(back), ec);
  writer.get();
  BOOST_TEST(ec == asio::error::eof);
  BOOST_TEST((back == much));
  s.close();
  BOOST_TEST(contains(outer.stop(), "served 1,"));
  BOOST_TEST(contains(inner.stop(), "served 1,"));
}

BOOST_AUTO_TEST_CASE(access_log_names_the_user_and_the_process_behind_a_unix_socket) {
  const folder f;
  upstream u;
  running l{f.file("s"), u.address(), {"--access-log", "on"}};
  unix_client c{f.file("s")};
  BOOST_TEST(c.echoes("hello"));
  c.close();
  l.stop();
  BOOST_TEST(contains(l.log(), "info: unix:" + f.file("s") +
                                   ": client unix:uid=" + std::to_string(getuid()) +
                                   ",pid=" + std::to_string(getpid()) + ": served, "));
}

BOOST_AUTO_TEST_CASE(socket_file_has_the_mode_and_is_removed_at_the_end) {
  const folder f;
  upstream u;
  running l{f.file("s"), u.address(), {"--socket-mode", "0606"}};
  struct stat s{};
  BOOST_TEST(::stat(f.file("s").c_str(), &s) == 0);
  BOOST_TEST(S_ISSOCK(s.st_mode));
  BOOST_TEST((s.st_mode & 0777U) == 0606U);
  l.stop();
  BOOST_TEST(!fs::exists(f.file("s")));
}

BOOST_AUTO_TEST_CASE(socket_file_of_a_killed_process_is_replaced) {
  const folder f;
  upstream u;
  {
    running l{f.file("s"), u.address()};
    l.signal(SIGKILL);
    BOOST_TEST(l.exit_status() == -SIGKILL);
  }
  BOOST_TEST(fs::exists(f.file("s")));
  running l{f.file("s"), u.address()};
  BOOST_TEST(unix_client{f.file("s")}.echoes("hello"));
}

BOOST_AUTO_TEST_CASE(socket_file_on_which_a_process_listens_is_not_replaced) {
  const folder f;
  upstream u;
  running first{f.file("s"), u.address()};
  program second{path(), listening_on(f.file("s"), u.address())};
  BOOST_TEST(second.exit_status() == 1);
  BOOST_TEST(contains(second.log(), "--listen unix:" + f.file("s") + ": "));
  BOOST_TEST(contains(second.log(), "Address already in use"));
  BOOST_TEST(unix_client{f.file("s")}.echoes("hello"));
}

BOOST_AUTO_TEST_CASE(file_that_is_no_socket_is_not_replaced) {
  const folder f;
  std::ofstream{f.file("s")} << "precious";
  program l{path(), listening_on(f.file("s"), "127.0.0.1:1")};
  BOOST_TEST(l.exit_status() == 1);
  BOOST_TEST(fs::file_size(f.file("s")) == 8U);
}

BOOST_AUTO_TEST_CASE(per_client_counts_users_behind_a_unix_socket) {
  const folder f;
  upstream u;
  running l{f.file("s"), u.address(), {"--per-client", "1", "--per-client-queue", "0"}};
  unix_client first{f.file("s")};
  BOOST_TEST(first.echoes("a"));
  unix_client second{f.file("s")};
  BOOST_TEST(second.receive(1) == "");
  first.close();
  BOOST_TEST(contains(l.stop(), "client full 1"));
}

BOOST_AUTO_TEST_CASE(proxy_headers_pass_unix_sockets) {
  const std::string header = "PROXY TCP4 192.0.2.1 198.51.100.1 49152 443\r\n";
  const folder f;
  upstream u;
  {
    running l{f.file("s"), u.address(), {"--accept-proxy", "unix", "--send-proxy", "v1"}};
    unix_client c{f.file("s")};
    c.send(header + "hello");
    BOOST_TEST(c.receive(header.size() + 5) == header + "hello");
    c.close();
    unix_client without{f.file("s")};
    without.send("GET / HTTP/1.1\r\n");
    BOOST_TEST(without.receive(1) == "");
  }
  running l{f.file("s"), u.address(), {"--accept-proxy", "127.0.0.1", "--send-proxy", "v1"}};
  unix_client c{f.file("s")};
  c.send("hello");
  BOOST_TEST(c.receive(20) == "PROXY UNKNOWN\r\nhello");
}

// A connect to a Unix-domain socket does not wait until the backlog has room, as one of TCP does.
BOOST_AUTO_TEST_CASE(waits_for_room_in_the_backlog_of_a_unix_upstream) {
  const folder f;
  asio::io_context context;
  local::acceptor a{context};
  a.open();
  a.bind(local::endpoint{f.file("u")});
  a.listen(1);
  std::list<local::socket> fill;
  const local::endpoint where{f.file("u")};
  for (bool connected = true; connected;) {
    fill.emplace_back(context).open();
    fill.back().native_non_blocking(true);
    connected = ::connect(fill.back().native_handle(), where.data(),
                          static_cast<socklen_t>(where.size())) == 0;
  }
  running l{f.file("s"), "unix:" + f.file("u")};
  unix_client c{f.file("s")};
  c.send("hello");
  std::this_thread::sleep_for(100ms);  // time for a wrong limiter to close the connection
  for (std::size_t i = 1; i < fill.size(); ++i) a.accept();
  local::socket s = a.accept();
  std::string received(5, '\0');
  asio::read(s, asio::buffer(received));
  BOOST_TEST(received == "hello");
  s.close();
  BOOST_TEST(c.receive(1) == "");
  c.close();
  BOOST_TEST(contains(l.stop(), "served 1,"));
}

// As systemd passes it. The file belongs to the service manager, so the limiter leaves it.
BOOST_AUTO_TEST_CASE(listens_on_a_passed_unix_socket_and_leaves_its_file) {
  const folder f;
  upstream u;
  asio::io_context context;
  local::acceptor passed{context, local::endpoint{f.file("s")}};
  const int input = dup(STDIN_FILENO);
  dup2(passed.native_handle(), STDIN_FILENO);
  program l{"/bin/sh",
            {"-c", R"(LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 </dev/null)", path(),
             "--listen", "unix:" + f.file("s"), "--upstream", u.address()}};
  dup2(input, STDIN_FILENO);
  ::close(input);
  l.wait_for_output("listening on unix:" + f.file("s"));
  BOOST_TEST(unix_client{f.file("s")}.echoes("hello"));
  l.signal(SIGTERM);
  BOOST_TEST(l.exit_status() == 0);
  BOOST_TEST(!contains(l.log(), "not used"));
  BOOST_TEST(fs::exists(f.file("s")));
}
