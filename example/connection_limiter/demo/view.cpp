// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "demo/view.hpp"

#include "text.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string_view>

namespace connection_limiter {

namespace {

bool is_terminal() {
  const char* const kind = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && kind && std::string_view{kind} != "dumb";
}

bool shows_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const char* const value = std::getenv(name);
    if (!value || !*value) continue;
    const std::string_view locale{value};
    return locale.find("UTF-8") != locale.npos || locale.find("utf8") != locale.npos;
  }
  return false;
}

std::size_t columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string repeated(std::string_view piece, std::size_t times) {
  std::string result;
  while (times-- > 0) result += piece;
  return result;
}

}  // namespace

std::string readable(std::chrono::microseconds time) {
  std::ostringstream out;
  const double ms = static_cast<double>(time.count()) / 1000;
  if (ms < 1000)
    out << std::fixed << std::setprecision(0) << ms << " ms";
  else
    out << std::fixed << std::setprecision(1) << ms / 1000 << " s";
  return out.str();
}

view::view() : terminal_(is_terminal()), unicode_(shows_unicode()) {
  if (!terminal_) return;
  bar_width_ = std::clamp<std::size_t>(columns(), 40, 100) - 30;
  std::cout << "\x1b[?25l" << std::flush;  // hides the cursor
}

view::~view() {
  if (terminal_) std::cout << "\x1b[?25h" << std::flush;
}

std::chrono::milliseconds view::interval() const noexcept {
  return std::chrono::milliseconds{terminal_ ? 50 : 1000};
}

void view::show(const snapshot& s) {
  if (!terminal_) {
    std::cout << readable(s.elapsed) << ": active " << s.active << " of " << s.limit << ", queued "
              << s.queued << ", served " << s.served << " of " << s.clients << ", refused "
              << s.refused << ", wait median " << readable(s.median_wait) << ", 99th percentile "
              << readable(s.p99_wait) << std::endl;
    return;
  }
  if (lines_drawn_ > 0)
    std::cout << "\x1b[" << lines_drawn_ << 'F';  // up, to the first of these lines
  const std::string picture = bars(s);
  lines_drawn_ = static_cast<std::size_t>(std::count(picture.begin(), picture.end(), '\n'));
  std::cout << picture << std::flush;
}

std::string view::bars(const snapshot& s) const {
  constexpr std::string_view end_of_line = "\x1b[K\n";
  std::ostringstream out;
  const auto bar = [&](std::string_view name, std::string_view colour, std::size_t value,
                       std::size_t of) {
    const std::size_t filled =
        of == 0 ? 0 : std::min(bar_width_, (value * bar_width_ + of - 1) / of);
    out << "  " << std::left << std::setw(9) << name << "\x1b[" << colour << 'm'
        << repeated(unicode_ ? "█" : "#", filled) << "\x1b[0m\x1b[2m"
        << repeated(unicode_ ? "░" : ".", bar_width_ - filled) << "\x1b[0m " << std::right
        << std::setw(4) << value << " of " << of << end_of_line;
  };
  out << end_of_line;
  bar("active", "32", s.active, s.limit);
  bar("queued", "33", s.queued, s.clients);
  bar("served", "36", s.served, s.clients);
  bar("refused", "31", s.refused, s.clients);
  out << "  wait     median " << readable(s.median_wait) << ", 99th percentile "
      << readable(s.p99_wait) << end_of_line << "  upstream " << s.upstream_now
      << " connections, at most " << s.upstream_max << " so far" << end_of_line << end_of_line;
  return out.str();
}

}  // namespace connection_limiter
