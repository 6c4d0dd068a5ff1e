// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The log: it never blocks a connection, and says a lasting failure once and then as a count.

#include "log/log.hpp"
#include "log/failure_log.hpp"
#include "log/line_writer.hpp"

#include "limiter.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <boost/property_tree/json_parser.hpp>
#include <boost/property_tree/ptree.hpp>

#include <array>
#include <regex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

using connection_limiter::failure_log;
using connection_limiter::line_writer;
using connection_limiter::logger;

namespace {

// A pipe whose other end is not read until take() is called.
class unread_pipe {
 public:
  unread_pipe() { BOOST_TEST_REQUIRE(pipe2(ends_.data(), O_CLOEXEC) == 0); }
  ~unread_pipe() {
    close_writing();
    close(ends_[0]);
  }

  int writing() const { return ends_[1]; }

  void close_writing() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

  // Reads until it has the text or the other end is closed.
  std::string take_until(const std::string& text) {
    std::array<char, 65536> data;
    std::string all;
    while (all.find(text) == all.npos) {
      const ssize_t n = read(ends_[0], data.data(), data.size());
      if (n <= 0) break;
      all.append(data.data(), static_cast<std::size_t>(n));
    }
    return all;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

std::string dropped(std::uint64_t n) { return "dropped " + std::to_string(n); }

// A failure_log, and the lines that it has logged.
struct reported {
  std::vector<std::string> lines;
  logger log{[this](const std::string& line) { lines.push_back(line.substr(line.find(' ') + 1)); }};
  failure_log failures{log, "here", "accept"};
  failure_log::clock::time_point now = failure_log::clock::now();

  // Passes the time, with what happens every 100 ms.
  void pass(std::chrono::milliseconds time, bool fails, bool succeeds) {
    for (const auto end = now + time; now < end; now += 100ms) {
      if (fails) failures.failed("no room", now);
      if (succeeds) failures.succeeded();
      failures.report(now);
    }
  }
};

}  // namespace

// ---- Lines --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(log_lines_have_utc_time_level_and_subject) {
  const std::regex time{R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z .*)"};
  std::vector<std::string> lines;
  const logger log{[&](const std::string& line) { lines.push_back(line); }};
  log.info("127.0.0.1:6000", "all is well");
  log.warning("", "one\ntwo\x7f");
  log.error("admin endpoint", "three");
  for (std::string& line : lines) {
    BOOST_TEST(std::regex_match(line, time), line);
    line = line.substr(line.find(' '));
  }
  const std::vector<std::string> expected{" info: 127.0.0.1:6000: all is well",
                                          " warning: one\\x0atwo\\x7f",
                                          " error: admin endpoint: three"};
  BOOST_TEST(lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(line_writer_writes_in_order_and_everything_before_its_end) {
  unread_pipe p;
  std::string expected;
  {
    line_writer w{p.writing(), dropped};
    for (int i = 0; i < 1000; ++i) {
      w.write("line " + std::to_string(i));
      expected += "line " + std::to_string(i) + '\n';
    }
  }
  p.close_writing();
  BOOST_TEST(p.take_until("end") == expected);
}

BOOST_AUTO_TEST_CASE(line_writer_drops_and_counts_lines_that_are_not_read) {
  unread_pipe p;
  line_writer w{p.writing(), dropped};
  const std::string line(99, 'x');
  constexpr int lines = 100'000;  // 10 MB: far more than the pipe and the writer hold
  for (int i = 0; i < lines; ++i) w.write(line);
  std::string text = p.take_until("dropped ");  // so there is room again
  w.write("after");
  text += p.take_until("after\n");
  BOOST_TEST(text.size() < 3'000'000u);
  std::size_t missing = 0;
  for (std::size_t at = 0; (at = text.find("dropped ", at)) != text.npos; ++at)
    missing += std::stoul(text.substr(at + 8));
  BOOST_TEST(missing > 0u);
  BOOST_TEST(count(text, line + '\n') + missing == lines);
}

BOOST_AUTO_TEST_CASE(line_writer_ends_although_its_lines_are_not_read) {
  unread_pipe p;
  const auto start = steady_clock::now();
  {
    line_writer w{p.writing(), dropped};
    for (int i = 0; i < 10'000; ++i) w.write(std::string(99, 'x'));
  }
  BOOST_TEST((steady_clock::now() - start < 30s));  // about 1 s
  // Let the thread that was left behind come to its end.
  std::string text;
  while (text.size() < 1'000'000) text += p.take_until("\n");
}

// ---- Failures -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(failure_is_logged_once_then_as_a_count) {
  reported r;
  r.failures.failed("no room", r.now);
  const std::vector<std::string> first{"warning: here: accept: no room"};
  BOOST_TEST(r.lines == first, boost::test_tools::per_element());
  r.pass(60s, true, false);
  BOOST_TEST(r.lines.size() <= 8u);
  BOOST_TEST_REQUIRE(r.lines.size() >= 3u);
  BOOST_TEST(contains(r.lines[1], "accept: no room; failures in the last 1 s: 11"));
  BOOST_TEST(contains(r.lines[2], "accept: no room; failures in the last 10 s: 100"));
}

BOOST_AUTO_TEST_CASE(flapping_is_one_failure) {
  reported r;
  r.pass(5s, true, true);
  BOOST_TEST(r.lines.size() == 2u);
}

BOOST_AUTO_TEST_CASE(success_after_a_failure_is_logged_once) {
  reported r;
  r.pass(1s, false, true);
  BOOST_TEST(r.lines.empty());
  r.failures.failed("no room", r.now);
  r.pass(60s, false, true);
  const std::vector<std::string> expected{"warning: here: accept: no room",
                                          "info: here: accept: works again"};
  BOOST_TEST(r.lines == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(failure_without_a_later_attempt_does_not_work_again) {
  reported r;
  r.failures.failed("no room", r.now);
  r.pass(60s, false, false);
  BOOST_TEST(r.lines.size() == 1u);
}

BOOST_AUTO_TEST_CASE(failures_are_counted_at_the_end) {
  std::vector<std::string> lines;
  const logger log{[&](const std::string& line) { lines.push_back(line); }};
  {
    failure_log failures{log, "here", "accept"};
    for (int i = 0; i < 5; ++i) failures.failed("no room");
  }
  BOOST_TEST_REQUIRE(lines.size() == 2u);
  BOOST_TEST(contains(lines[1], "accept: no room; failures in the last 0 s: 4"));
}

// ---- The program --------------------------------------------------------------------------------

// A stuck log collector: the pipes of both outputs are full.
BOOST_AUTO_TEST_CASE(serves_and_stops_although_its_output_is_not_read) {
  upstream u;
  unread_pipe p;
  std::string filling(1 << 20, 'x');
  fcntl(p.writing(), F_SETFL, O_NONBLOCK);
  while (write(p.writing(), filling.data(), filling.size()) > 0) continue;
  fcntl(p.writing(), F_SETFL, 0);
  const std::uint16_t port = free_port();
  program l{path(),
            {"--listen", "127.0.0.1:" + std::to_string(port), "--upstream", u.address(),  //
             "--drain-timeout", "0ms"},
            0,
            {p.writing(), p.writing()}};
  BOOST_TEST(serves_again(port));
  l.signal(SIGTERM);
  BOOST_TEST(l.exit_status() == 0);
}

BOOST_AUTO_TEST_CASE(access_log_says_how_each_connection_ended) {
  upstream u;
  limiter l{u.address(),
            {"--access-log", "on", "--limit", "1", "--overflow", "reject", "--threads", "1"}};
  client active{l.port()};
  BOOST_TEST(active.echoes("12345"));
  BOOST_TEST(client{l.port()}.end() == asio::error::eof);
  active.close();
  l.wait_for_log("client 127.0.0.1:");
  l.stop();
  const std::string start = "info: 127.0.0.1:" + std::to_string(l.port()) + ": client 127.0.0.1:";
  BOOST_TEST(count(l.log(), start) == 2u, l.log());
  BOOST_TEST(contains(l.log(), ": refused (full), waited "));
  BOOST_TEST(contains(l.log(), ": served, waited "));
  BOOST_TEST(contains(l.log(), " s, 5 bytes up, 5 bytes down\n"));
}

BOOST_AUTO_TEST_CASE(access_log_is_off_by_default) {
  upstream u;
  limiter l{u.address(), {}};
  client c{l.port()};
  BOOST_TEST(c.echoes("a"));
  c.close();
  l.stop();
  BOOST_TEST(!contains(l.log(), "client"));
}

BOOST_AUTO_TEST_CASE(every_line_of_the_json_log_is_an_object) {
  const std::string down = "127.0.0.1:" + std::to_string(free_port());
  limiter l{down, {"--access-log", "on", "--log-format", "json"}};
  BOOST_TEST(client{l.port()}.end().failed());
  l.stop();
  std::istringstream lines{l.log()};
  int failed = 0, others = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream text{line};
    boost::property_tree::ptree object;
    BOOST_REQUIRE_NO_THROW(boost::property_tree::read_json(text, object));
    BOOST_TEST(object.get("subject", "") == "127.0.0.1:" + std::to_string(l.port()));
    BOOST_TEST(object.get("time", "").ends_with('Z'));
    if (object.get("result", "") != "failed") {
      ++others;
      BOOST_TEST(!object.get("message", "").empty());
      continue;
    }
    ++failed;
    BOOST_TEST(object.get("client", "").starts_with("127.0.0.1:"));
    BOOST_TEST(object.get("reason", "") == "Connection refused");
    BOOST_TEST(object.get("seconds", -1.0) >= object.get("wait_seconds", 1e9));
    BOOST_TEST(object.get("bytes_up", -1) == 0);
    BOOST_TEST(object.get("bytes_down", -1) == 0);
  }
  BOOST_TEST(failed == 1);
  BOOST_TEST(others >= 2);  // the failure, and stopping
}

BOOST_AUTO_TEST_CASE(json_log_escapes_what_json_does_not_allow) {
  std::string line;
  const logger log{[&](const std::string& l) { line = l; }, connection_limiter::log_format::json};
  log.info("a\"b\\", "one\ntwo\xff");
  BOOST_TEST(contains(line, R"("subject":"a\"b\\","message":"one\u000atwo\u00ff"})"));
}

BOOST_AUTO_TEST_CASE(an_upstream_that_is_down_is_logged_once) {
  const std::string down = "127.0.0.1:" + std::to_string(free_port());
  limiter l{down, {}};
  for (int i = 0; i < 200; ++i) BOOST_TEST(client{l.port()}.end().failed());
  l.stop();
  BOOST_TEST(count(l.log(), "Connection refused") <= 4u, l.log());
  BOOST_TEST(contains(l.log(), "warning: 127.0.0.1:" + std::to_string(l.port()) + ": upstream " +
                                   down + ": Connection refused"));
}
