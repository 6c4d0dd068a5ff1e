// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "processes.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

namespace figures {

child::child(const std::function<void()>& f) {
  std::fflush(stdout);
  id_ = fork();
  if (id_ < 0) throw std::runtime_error{"no process"};
  if (id_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    f();
    std::fflush(stdout);
    _exit(0);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fleet_figures: %s\n", e.what());
    _exit(1);
  }
}

void child::kill() noexcept {
  if (id_ == 0) return;
  ::kill(id_, SIGKILL);
  waitpid(std::exchange(id_, 0), nullptr, 0);
}

void child::wait() {
  int status = 0;
  waitpid(std::exchange(id_, 0), &status, 0);
  if (status != 0) throw std::runtime_error{"a process has failed"};
}

}  // namespace figures
