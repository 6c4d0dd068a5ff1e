// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "view.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string_view>

namespace fleet {

namespace {

constexpr std::string_view end_of_line = "\x1b[K\n";

std::string_view text(turnstile::lease_state s) {
  switch (s) {
    case turnstile::lease_state::joining: return "joining";
    case turnstile::lease_state::valid: return "valid";
    case turnstile::lease_state::learning: return "valid, the server learns";
    case turnstile::lease_state::unreachable: return "the server does not answer";
    case turnstile::lease_state::lost: return "lost";
    case turnstile::lease_state::left: return "left";
  }
  return "";
}

std::string_view text(condition c) {
  switch (c) {
    case condition::not_started: return "not started";
    case condition::running: return "";
    case condition::stopped: return "stopped";
    case condition::ended: return "killed";
  }
  return "";
}

}  // namespace

bool view::is_terminal() {
  const char* const kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && kind && std::string_view(kind) != "dumb";
}

std::string view::time() const {
  std::ostringstream out;
  out << std::fixed << std::setprecision(1) << std::setw(5)
      << static_cast<double>(now() - start_) / 1e6 << " s  ";
  return out.str();
}

void view::go_up() {
  if (lines_drawn_ > 0) std::cout << "\x1b[" << lines_drawn_ << 'F';
  lines_drawn_ = 0;
}

void view::say(const std::string& event) {
  go_up();
  std::cout << time() << event;
  if (terminal_) std::cout << "\x1b[J";  // erases the picture
  std::cout << std::endl;
}

void view::draw(const std::array<condition, processes>& conditions) {
  if (!terminal_ && now() < next_line_) return;
  next_line_ = now() + 1'000'000;
  std::ostringstream out;
  if (!terminal_) out << time() << "shares";
  for (int i = 0; i < processes; ++i) {
    const condition c = conditions[static_cast<std::size_t>(i)];
    const row& r = table_.rows[static_cast<std::size_t>(i)];
    if (!terminal_) {
      out << "  " << name_of(i) << ' ';
      if (c == condition::running)
        out << r.share;
      else
        out << '(' << text(c) << ')';
      continue;
    }
    const int inside = std::min(table_.inside_of(i), limit);
    const int idle = std::clamp(r.share - inside, 0, limit - inside);
    out << "  " << name_of(i) << "  ";
    if (c == condition::running)
      out << std::string(static_cast<std::size_t>(inside), '#')
          << std::string(static_cast<std::size_t>(idle), '-')
          << std::string(static_cast<std::size_t>(limit - inside - idle), ' ') << "  share "
          << r.share << ", " << r.waiting << " waiting, lease " << text(r.lease);
    else
      out << text(c);
    out << end_of_line;
  }
  out << "  inside " << table_.count(table_.inside) << " of " << limit << ", at most "
      << table_.most_inside;
  go_up();
  std::cout << out.str();
  if (terminal_) {
    std::cout << end_of_line;
    lines_drawn_ = processes + 1;
  } else {
    std::cout << '\n';
  }
  std::cout << std::flush;
}

}  // namespace fleet
