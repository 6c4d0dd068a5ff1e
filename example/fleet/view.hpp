// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef FLEET_VIEW_HPP
#define FLEET_VIEW_HPP

#include "group.hpp"
#include "table.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace fleet {

// Shows the table: in a terminal as a picture that is redrawn in place, otherwise as one line a second.
class view {
 public:
  explicit view(const table& t) : table_(t) {}

  void say(const std::string& event);  // a line that stays
  void draw(const std::array<condition, processes>& conditions);

 private:
  std::string time() const;
  void go_up();

  const table& table_;
  const std::int64_t start_ = now();
  const bool terminal_ = is_terminal();
  int lines_drawn_ = 0;
  std::int64_t next_line_ = 0;

  static bool is_terminal();
};

}  // namespace fleet

#endif
