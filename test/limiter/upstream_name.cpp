// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// An upstream whose name has no address yet, or gets another one, and peers that vanish.

#include "limiter.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

// A file that the program sees as /etc/hosts, in a mount namespace of its own.
class own_hosts {
 public:
  own_hosts() {
    const int descriptor = mkstemp(file_.data());
    BOOST_TEST_REQUIRE(descriptor >= 0);
    close(descriptor);
  }
  ~own_hosts() { std::filesystem::remove(file_); }

  // Replaces the contents in place, because the file is mounted.
  void say(const std::string& lines) const { std::ofstream{file_} << lines; }

  // The arguments of /usr/bin/unshare that run the command with the file.
  words run(const words& command) const {
    words all{getuid() == 0 ? "-m" : "-Urm", "/bin/sh", "-c",
              R"(mount --bind "$0" /etc/hosts && exec "$@")", file_};
    all.insert(all.end(), command.begin(), command.end());
    return all;
  }

  // True if this system allows it; logs a message if it does not.
  bool is_possible() const {
    program p{unshare, run({"/bin/true"})};
    if (p.exit_status() == 0) return true;
    BOOST_TEST_MESSAGE("no mount namespace: " << p.log());
    return false;
  }

  static constexpr const char* unshare = "/usr/bin/unshare";

 private:
  std::string file_ = std::filesystem::temp_directory_path() / "limiter-hosts-XXXXXX";
};

// The time in hundredths of a second until the keepalive timer of the connection on that local port
// expires, or -1 if there is none.
long keepalive_timer(std::uint16_t port) {
  std::ostringstream local;
  local << "0100007F:" << std::hex << std::uppercase << port;
  std::ifstream table{"/proc/net/tcp"};
  for (std::string line; std::getline(table, line);) {
    std::istringstream fields{line};
    std::string number, from, to, state, queues, timer;
    fields >> number >> from >> to >> state >> queues >> timer;
    if (from == local.str() && state == "01" && timer.starts_with("02:"))
      return std::stol(timer.substr(3), nullptr, 16);
  }
  return -1;
}

}  // namespace

BOOST_AUTO_TEST_CASE(upstream_need_not_exist_at_the_start) {
  own_hosts hosts;
  if (!hosts.is_possible()) return;
  upstream u;
  hosts.say("");
  program l{own_hosts::unshare, hosts.run({path(), "--listen", "127.0.0.1:0", "--upstream",
                                           "limiter-upstream.test:" + std::to_string(u.port()),
                                           "--resolve-every", "0s"})};
  BOOST_TEST(client{l.port()}.end() == asio::error::eof);
  l.wait_for_log("upstream limiter-upstream.test:");
  hosts.say("127.0.0.1 limiter-upstream.test\n");
  BOOST_TEST(serves_again(l.port()));  // because the name is looked up again after a failure
}

BOOST_AUTO_TEST_CASE(name_of_the_upstream_is_looked_up_again) {
  own_hosts hosts;
  if (!hosts.is_possible()) return;
  upstream u;
  upstream v{upstream::echo, {asio::ip::make_address("127.0.0.2"), u.port()}};
  hosts.say("127.0.0.1 limiter-upstream.test\n");
  program l{own_hosts::unshare, hosts.run({path(), "--listen", "127.0.0.1:0", "--upstream",
                                           "limiter-upstream.test:" + std::to_string(u.port()),
                                           "--resolve-every", "1s"})};
  BOOST_TEST(client{l.port()}.echoes("to u"));
  BOOST_TEST(v.max() == 0);
  hosts.say("127.0.0.2 limiter-upstream.test\n");
  BOOST_TEST(comes_true([&] {
    BOOST_TEST(client{l.port()}.echoes("to u or v"));
    return v.max() != 0;
  }));
}

BOOST_AUTO_TEST_CASE(keepalive_asks_both_peers_after_its_time) {
  upstream u;
  limiter l{u.address(), {"--keepalive", "60s"}};
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  const long timer = keepalive_timer(l.port());
  BOOST_TEST(timer > 0);
  BOOST_TEST(timer <= 6000);
  limiter without{u.address(), {}};
  client d{without.port()};
  BOOST_TEST(d.echoes("a"));
  BOOST_TEST(keepalive_timer(without.port()) > 6000);  // two hours
}
