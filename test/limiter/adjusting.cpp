// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Settings that change while the program runs: through the admin endpoint, and by a file and SIGHUP.

#include "limiter.hpp"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

std::string set(std::uint16_t admin, const std::string& target, const std::string& value) {
  return ask(admin, header(admin, "PUT " + target) +
                        "Content-Length: " + std::to_string(value.size()) + "\r\n\r\n" + value);
}

std::string value_of(std::uint16_t admin, const std::string& target) {
  const std::string response = get(admin, target);
  return response.substr(response.find("\r\n\r\n") + 4);
}

bool is(const std::string& response, const std::string& status) {
  return response.starts_with("HTTP/1.1 " + status + ' ');
}

// A file with limits, which is removed at the end.
class limits_file {
 public:
  explicit limits_file(const std::string& content) {
    const int descriptor = mkstemp(name_.data());
    if (descriptor < 0) throw std::runtime_error("mkstemp failed");
    ::close(descriptor);
    write(content);
  }
  ~limits_file() { ::unlink(name_.c_str()); }
  limits_file(const limits_file&) = delete;
  limits_file& operator=(const limits_file&) = delete;

  void write(const std::string& content) { std::ofstream{name_} << content; }
  const std::string& name() const { return name_; }

 private:
  std::string name_ = "/tmp/limits-XXXXXX";
};

}  // namespace

BOOST_AUTO_TEST_CASE(every_adjustable_option_can_be_read_and_set_at_the_admin_endpoint) {
  upstream u;
  limiter l{u.address(),
            {"--admin", "127.0.0.1:0", "--per-client", "3", "--max-queue", "11", "--threads", "1"}};
  const std::uint16_t admin = l.admin_port();
  const struct {
    std::string name, before, after;
  } options[]{{"limit", "20", "30"},
              {"max-queue", "11", "0"},
              {"queue-timeout", "5s", "0s"},
              {"per-client", "3", "4"},
              {"per-client-queue", "6", "7"},
              {"connect-timeout", "10s", "1500ms"},
              {"half-close-timeout", "2s or 5m", "90s"},
              {"idle-timeout", "0s", "1h"},
              {"session-timeout", "0s", "2m"},
              {"drain-delay", "0s", "10ms"},
              {"drain-timeout", "10s", "0s"}};
  for (const auto& o : options) {
    BOOST_TEST(value_of(admin, "/" + o.name) == o.before + '\n');
    BOOST_TEST(is(set(admin, "/" + o.name, o.after + '\n'), "204"));
    BOOST_TEST(value_of(admin, "/" + o.name) == o.after + '\n');
    l.wait_for_log(o.name + " changed from " + o.before + " to " + o.after);
    const std::string refused = set(admin, "/" + o.name, "x");
    BOOST_TEST(is(refused, "400"));
    BOOST_TEST(contains(refused, "invalid " + o.name + "; expected a "));
    BOOST_TEST(value_of(admin, "/" + o.name) == o.after + '\n');
  }
}

BOOST_AUTO_TEST_CASE(options_that_have_no_effect_cannot_be_set) {
  upstream u;
  limiter l{u.address(), {"--admin", "127.0.0.1:0", "--overflow", "reject"}};
  const std::uint16_t admin = l.admin_port();
  const std::string queue = set(admin, "/max-queue", "5");
  BOOST_TEST(is(queue, "409"));
  BOOST_TEST(contains(queue, "max-queue needs --overflow queue"));
  const std::string per_client = set(admin, "/per-client", "5");
  BOOST_TEST(is(per_client, "409"));
  BOOST_TEST(contains(per_client, "per-client needs --per-client at the start"));
  BOOST_TEST(value_of(admin, "/per-client") == "off\n");
  BOOST_TEST(is(set(admin, "/threads", "5"), "404"));
}

BOOST_AUTO_TEST_CASE(a_new_queue_size_applies_to_the_next_connection) {
  upstream u;
  for (const words& more : {words{}, words{"--per-client", "1"}}) {
    words arguments{"--admin", "127.0.0.1:0", "--limit", "1",         "--queue-timeout",
                    "1h",      "--max-queue", "1",       "--threads", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    limiter l{u.address(), arguments};
    const std::uint16_t port = l.port(), admin = l.admin_port();
    client active{port}, queued{port}, refused{port};
    BOOST_TEST(refused.end() == asio::error::eof);
    BOOST_TEST(is(set(admin, "/max-queue", "2"), "204"));
    if (!more.empty()) {
      BOOST_TEST(is(set(admin, "/per-client-queue", "2"), "204"));
    }
    client also{port};
    BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 2; }));
    BOOST_TEST(is(set(admin, "/max-queue", "0"), "204"));  // those that wait go on waiting
    client late{port};
    BOOST_TEST(late.end() == asio::error::eof);
    active.close();
    BOOST_TEST(queued.echoes("b"));
    queued.close();
    BOOST_TEST(also.echoes("c"));
  }
}

BOOST_AUTO_TEST_CASE(new_timeouts_apply_to_the_next_connection) {
  upstream u;
  limiter l{u.address(),
            {"--admin", "127.0.0.1:0", "--limit", "1", "--queue-timeout", "1h", "--threads", "1"}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  client active{port};
  BOOST_TEST(active.echoes("a"));
  client waits{port};
  BOOST_TEST(comes_true([&] { return metric(admin, port, "queued_connections") == 1; }));
  BOOST_TEST(is(set(admin, "/queue-timeout", "1ms"), "204"));
  client impatient{port};
  BOOST_TEST(impatient.end() == asio::error::eof);
  BOOST_TEST(is(set(admin, "/idle-timeout", "50ms"), "204"));
  active.close();
  BOOST_TEST(waits.end() == asio::error::connection_reset);
  BOOST_TEST(contains(l.stop(), "timed out 1,"));
}

BOOST_AUTO_TEST_CASE(sighup_reads_the_limits_file_again) {
  upstream u;
  limits_file f{"# limits\n\nlimit = 3\n max-queue=4 \n"};
  limiter l{u.address(),
            {"--admin", "127.0.0.1:0", "--limit", "7", "--queue-timeout", "9s", "--limits-file",
             f.name()}};
  const std::uint16_t port = l.port(), admin = l.admin_port();
  BOOST_TEST(value_of(admin, "/limit") == "3\n");
  BOOST_TEST(value_of(admin, "/max-queue") == "4\n");
  client c{port};
  BOOST_TEST(c.echoes("a"));
  f.write("limit = 5\nidle-timeout = 1h\n");
  l.signal(SIGHUP);
  l.wait_for_log("idle-timeout changed from 0s to 1h");
  BOOST_TEST(value_of(admin, "/limit") == "5\n");
  BOOST_TEST(value_of(admin, "/max-queue") == "200\n");  // as after a restart
  BOOST_TEST(value_of(admin, "/queue-timeout") == "9s\n");
  BOOST_TEST(c.echoes("still served"));
  c.close();
  BOOST_TEST(contains(l.stop(), "5 of 5 permits returned"));
}

BOOST_AUTO_TEST_CASE(bad_limits_file_changes_nothing_and_logs_one_line) {
  upstream u;
  limits_file f{"limit = 3\n"};
  limiter l{u.address(), {"--admin", "127.0.0.1:0", "--limits-file", f.name()}};
  const std::uint16_t admin = l.admin_port();
  const struct {
    std::string content, complaint;
  } mistakes[]{
      {"limit = 4\nmax-queue = many\n", ", line 2: invalid max-queue 'many'; expected a number"},
      {"limit = auto\n", ", line 1: invalid limit 'auto'; expected a number from 0 to 1000000"},
      {"limit = 4\nthreads = 2\n", ", line 2: 'threads' is none of listen, limit, "},
      {"limit 4\n", ", line 1: expected a line such as limit = 20"},
      {"limit = 4\nlimit = 5\n", ": "},
      {"limit = 4\nper-client-queue = 1\n", ": --per-client-queue needs --per-client"},
      {"limit = 4\nper-client = 1\n", ": --per-client cannot be turned on or off"},
      {"limit = 4\nlisten = 127.0.0.1:1\nlimit = 5\n", ": there is no --listen 127.0.0.1:1"}};
  std::size_t n = 0;
  for (const auto& m : mistakes) {
    BOOST_TEST_CONTEXT(m.content) {
      f.write(m.content);
      l.signal(SIGHUP);
      BOOST_TEST(comes_true([&] { return count(l.log(), "; nothing was changed\n") == n + 1; }));
      ++n;
      BOOST_TEST(contains(l.log(), "--limits-file " + f.name() + m.complaint));
      BOOST_TEST(count(l.log(), "\n") == n);
      BOOST_TEST(value_of(admin, "/limit") == "3\n");
    }
  }
  BOOST_TEST(contains(l.stop(), "accepted 0,"));
}

BOOST_AUTO_TEST_CASE(bad_limits_file_at_the_start_is_a_wrong_option) {
  const limits_file f{"limit = x\n"};
  for (const std::string& name : {f.name(), std::string{"/nowhere"}, std::string{"/tmp"}}) {
    program p{path(), {"--upstream", "127.0.0.1:1", "--limits-file", name}};
    BOOST_TEST(p.exit_status() == 2);
    BOOST_TEST(contains(p.log(), "--limits-file " + name));
    BOOST_TEST(count(p.log(), "\n") == 1U);
  }
}

BOOST_AUTO_TEST_CASE(limits_file_has_a_section_for_each_listener) {
  upstream u;
  const std::uint16_t first = free_port(), second = free_port();
  const auto address = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
  const limits_file f{"max-queue = 7\nlisten = " + address(second) + "\nlimit = 5\n"};
  program l{path(),
            {"--upstream", u.address(), "--admin", "127.0.0.1:0", "--limits-file", f.name(),
             "--listen", address(first), "--limit", "3", "--listen", address(second)}};
  const std::uint16_t admin = l.admin_port();
  const auto value = [&](const std::string& name, std::uint16_t port) {
    return value_of(admin, "/" + name + "?listener=" + address(port));
  };
  BOOST_TEST(value("limit", first) == "3\n");
  BOOST_TEST(value("limit", second) == "5\n");
  BOOST_TEST(value("max-queue", first) == "7\n");
  BOOST_TEST(value("max-queue", second) == "7\n");
}
