// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "group.hpp"

#include "member.hpp"

#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace fleet {

group::group(table& t, std::string url) : table_(t), url_(std::move(url)) {}

group::~group() {
  for (int i = 0; i < processes; ++i)
    if (is_alive(i)) kill(i);
}

void group::start(int process) {
  const pid_t parent = getpid();
  const pid_t id = fork();
  if (id < 0) throw std::runtime_error("cannot start a process");
  if (id > 0) {
    id_of(process) = id;
    condition_of(process) = condition::running;
    return;
  }
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // also a process that is stopped ends with its parent
#endif
  if (getppid() != parent) std::_Exit(1);
  try {
    run_member(table_, process, url_);
    std::_Exit(0);
  } catch (const std::exception& e) {
    std::cerr << name_of(process) << ": " << e.what() << std::endl;
    std::_Exit(1);
  }
}

void group::kill(int process) {
  ::kill(id_of(process), SIGKILL);
  has_ended(process, 0);
  table_.take_off(process);
}

void group::stop(int process) {
  ::kill(id_of(process), SIGSTOP);
  condition_of(process) = condition::stopped;
}

void group::resume(int process) {
  table_.rows[static_cast<std::size_t>(process)].lease = turnstile::lease_state::lost;
  ::kill(id_of(process), SIGCONT);
  condition_of(process) = condition::running;
}

void group::expect_alive() {
  for (int i = 0; i < processes; ++i)
    if (is_alive(i) && has_ended(i, WNOHANG))
      throw std::runtime_error(std::string("process ") + name_of(i) + " has ended");
}

void group::leave() {
  for (int i = 0; i < processes; ++i)
    if (is_alive(i)) ::kill(id_of(i), SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (int i = 0; i < processes; ++i)
    while (is_alive(i) && !has_ended(i, WNOHANG) && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

bool group::is_alive(int process) {
  const condition c = condition_of(process);
  return c == condition::running || c == condition::stopped;
}

bool group::has_ended(int process, int options) {
  if (waitpid(id_of(process), nullptr, options) == 0) return false;
  condition_of(process) = condition::ended;
  return true;
}

}  // namespace fleet
