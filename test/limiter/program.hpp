// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_LIMITER_PROGRAM_HPP
#define TURNSTILE_TEST_LIMITER_PROGRAM_HPP

// The program under test as a child process, with its output and exit status.

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
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

// How long the test waits for something before it fails. A passing test never waits this long.
constexpr std::chrono::seconds test_timeout{60};

// Descriptors that become the standard output and the standard error of a program. With -1, the
// object reads what the program writes.
struct outputs {
  int out = -1, err = -1;
};

class program {
 public:
  // Starts the program. `descriptors` is its open-file limit, if it is not 0.
  program(const std::string& path, std::vector<std::string> arguments, rlim_t descriptors = 0,
          outputs own = {}) {
    std::array<int, 2> out{}, err{};
    if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(err.data(), O_CLOEXEC) != 0)
      throw std::system_error(errno, std::generic_category(), "pipe2");
    std::vector<char*> argv{const_cast<char*>(path.c_str())};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    child_ = fork();
    if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (child_ == 0) {
      // The parent has other threads, so only system calls are safe here.
      dup2(own.out >= 0 ? own.out : out[1], STDOUT_FILENO);
      dup2(own.err >= 0 ? own.err : err[1], STDERR_FILENO);
      close_range(3, ~0U, 0);  // the sockets of the test
      for (const int number : {SIGINT, SIGQUIT, SIGHUP})
        std::signal(number, SIG_DFL);  // the shell may ignore them
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

  // Stops it as Ctrl-Z does, until SIGCONT. Returns when it has stopped.
  void pause() const {
    signal(SIGSTOP);
    waitpid(child_, nullptr, WUNTRACED);
  }

  // Waits until the output, or the log, contains the text.
  void wait_for_output(const std::string& text) { wait_for(out_, text); }
  void wait_for_log(const std::string& text) { wait_for(err_, text); }

  // The port of the n-th listener.
  std::uint16_t port(std::size_t n = 0) {
    std::size_t at = 0;
    for (std::size_t i = 0; i <= n; ++i) at = wait_for(out_, "listening on ", at);
    return number_after_colon(wait_for(out_, ", upstream", at) - 1);
  }

  // The port of the admin endpoint.
  std::uint16_t admin_port() {
    return number_after_colon(wait_for(out_, "/\n", wait_for(out_, "admin endpoint: ", 0) + 10) -
                              1);
  }

  // The processor time that it has used so far.
  std::chrono::milliseconds cpu_time() const {
    std::ifstream stat{"/proc/" + std::to_string(child_) + "/stat"};
    std::string word;
    for (int i = 0; i < 13; ++i) stat >> word;
    long user = 0, system = 0;
    stat >> user >> system;
    return std::chrono::milliseconds{(user + system) * 1000 / sysconf(_SC_CLK_TCK)};
  }

  // The number of its open descriptors.
  std::size_t descriptors() const {
    const std::filesystem::directory_iterator all{"/proc/" + std::to_string(child_) + "/fd"};
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  // The number of its open sockets: listening sockets and connections.
  std::size_t sockets() const {
    std::size_t n = 0;
    for (const auto& entry :
         std::filesystem::directory_iterator{"/proc/" + std::to_string(child_) + "/fd"}) {
      std::error_code closed_meanwhile;
      n += read_symlink(entry.path(), closed_meanwhile).string().starts_with("socket:");
    }
    return n;
  }

  // Waits until it has ended. Returns its exit status, or the negated number of the signal that
  // terminated it.
  int exit_status() {
    std::unique_lock lock{mutex_};
    int status = 0;
    const auto deadline = std::chrono::steady_clock::now() + test_timeout;
    // The outputs end with the program, or before if they are not read by this object.
    while (!changed_.wait_until(lock, deadline, [this] { return out_.ended && err_.ended; }) ||
           waitpid(child_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() >= deadline)
        throw std::runtime_error("the program does not end; its log:\n" + err_.text);
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  // Everything it has written so far to standard output and standard error.
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

  // Waits until the stream contains the text at or after `from`. Returns one more than its
  // position.
  std::size_t wait_for(const stream& s, const std::string& text, std::size_t from = 0) {
    std::unique_lock lock{mutex_};
    const auto found = [&] { return s.text.find(text, from) != s.text.npos; };
    if (!changed_.wait_for(lock, test_timeout,
                           [&] { return found() || (out_.ended && err_.ended); }) ||
        !found())
      throw std::runtime_error("the program did not write '" + text + "'; its log:\n" + err_.text);
    return s.text.find(text, from) + 1;
  }

  // The number after the last colon before `end` in the output.
  std::uint16_t number_after_colon(std::size_t end) {
    const std::string text = output();
    return static_cast<std::uint16_t>(std::stoi(text.substr(text.rfind(':', end - 1) + 1)));
  }

  std::string copy(const stream& s) {
    const std::lock_guard lock{mutex_};
    return s.text;
  }

  pid_t child_ = 0;
  std::mutex mutex_;  // guards the texts
  std::condition_variable changed_;
  stream out_, err_;
};

#endif
