// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef FLEET_GROUP_HPP
#define FLEET_GROUP_HPP

#include "table.hpp"

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <string>

namespace fleet {

enum class condition { not_started, running, stopped, ended };

inline char name_of(int process) { return static_cast<char>('A' + process); }

// The processes. They end with this object.
class group {
 public:
  group(table& t, std::string url);
  ~group();
  group(const group&) = delete;
  group& operator=(const group&) = delete;

  void start(int process);
  void kill(int process);    // kill -9
  void stop(int process);    // kill -STOP
  void resume(int process);  // kill -CONT
  void expect_alive();       // throws if one has ended by itself
  void leave();              // an orderly end of all

  const std::array<condition, processes>& conditions() const { return conditions_; }

 private:
  condition& condition_of(int process) { return conditions_[static_cast<std::size_t>(process)]; }
  pid_t& id_of(int process) { return ids_[static_cast<std::size_t>(process)]; }
  bool is_alive(int process);
  bool has_ended(int process, int options);

  table& table_;
  const std::string url_;
  std::array<pid_t, processes> ids_{};
  std::array<condition, processes> conditions_{};
};

}  // namespace fleet

#endif
