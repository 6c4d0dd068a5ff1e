// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_LIMITER_PROGRAM_HPP
#define TURNSTILE_TEST_LIMITER_PROGRAM_HPP

// A program under test: a child process, what it prints, and how it ends.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

// How long anything may take before the test gives up; only a failing test ever waits that long.
constexpr std::chrono::seconds patience{60};

class program {
 public:
  // Starts it. With `descriptors`, that is all it may have open.
  program(const std::string& path, std::vector<std::string> arguments, rlim_t descriptors = 0) {
    std::array<int, 2> out{}, err{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe2");
    std::vector<char*> argv{const_cast<char*>(path.c_str())};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    child_ = fork();
    if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child_ == 0) {
      // There are other threads: nothing but system calls from here on.
      dup2(out[1], STDOUT_FILENO);
      dup2(err[1], STDERR_FILENO);
      close_range(3, ~0U, 0);  // the test's sockets are not the child's
      const rlimit limit{descriptors, descriptors};
      if (descriptors != 0) setrlimit(RLIMIT_NOFILE, &limit);
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(out[1]);
    close(err[1]);
    out_.start(out[0], *this);
    err_.start(err[0], *this);
  }

  ~program() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
  }

  program(const program&) = delete;
  program& operator=(const program&) = delete;

  void signal(int number) const {
    if (child_ > 0) kill(child_, number);
  }

  // Waits until that text stands in what it printed.
  void wait_for_output(const std::string& text) { wait_for(out_, text); }
  void wait_for_log(const std::string& text) { wait_for(err_, text); }

  // The port it listens on.
  std::uint16_t port() {
    const std::string before = "listening on ", after = ", upstream";
    wait_for_output(after);
    const std::string text = output();
    const std::size_t end = text.find(after);
    return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':', end - 1) + 1)));
  }

  // Waits until it has ended: its exit status, or minus the signal that ended it.
  int exit_status() {
    std::unique_lock lock{mutex_};
    if (!changed_.wait_for(lock, patience, [this] { return out_.ended && err_.ended; }))
      throw std::runtime_error("it does not end; its log:\n" + err_.text);
    lock.unlock();
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // What it has printed so far.
  std::string output() { return copy(out_); }
  std::string log() { return copy(err_); }

  std::string last_line() {
    const std::string text = output();
    if (text.empty() || text.back() != '\n') return {};
    const std::size_t before = text.rfind('\n', text.size() - 2);
    return text.substr(before == text.npos ? 0 : before + 1);
  }

 private:
  struct stream {
    void start(int descriptor, program& p) {
      reader = std::jthread{[this, descriptor, &p] {
        std::array<char, 4096> data;
        for (ssize_t n; (n = read(descriptor, data.data(), data.size())) > 0;) {
          const std::lock_guard lock{p.mutex_};
          text.append(data.data(), static_cast<std::size_t>(n));
          p.changed_.notify_all();
        }
        close(descriptor);
        const std::lock_guard lock{p.mutex_};
        ended = true;
        p.changed_.notify_all();
      }};
    }

    std::string text;
    bool ended = false;
    std::jthread reader;
  };

  void wait_for(const stream& s, const std::string& text) {
    std::unique_lock lock{mutex_};
    const auto found = [&] { return s.text.find(text) != s.text.npos; };
    if (!changed_.wait_for(lock, patience, [&] { return found() || (out_.ended && err_.ended); }) ||
        !found())
      throw std::runtime_error("no '" + text + "'; its log:\n" + err_.text);
  }

  std::string copy(const stream& s) {
    const std::lock_guard lock{mutex_};
    return s.text;
  }

  pid_t child_ = 0;
  std::mutex mutex_;  // for the texts
  std::condition_variable changed_;
  stream out_, err_;
};

#endif
