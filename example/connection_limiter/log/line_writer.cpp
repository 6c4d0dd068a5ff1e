// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "log/line_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

namespace connection_limiter {

namespace {

constexpr std::size_t max_pending = std::size_t{1} << 20;
constexpr std::chrono::seconds max_time_at_the_end{1};

// Writes one piece. Returns false if the descriptor takes no more.
bool write_piece(int descriptor, std::string_view piece) {
  while (!piece.empty()) {
    const ssize_t n = ::write(descriptor, piece.data(), piece.size());
    if (n >= 0) {
      piece.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {  // another process has made the descriptor non-blocking
      pollfd p{descriptor, POLLOUT, 0};
      ::poll(&p, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

// A pipe takes up to PIPE_BUF bytes as a whole, so pieces of that size that end with a line do not
// mix with the lines of other processes.
bool write_lines(int descriptor, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t newline = lines.substr(0, PIPE_BUF).rfind('\n');
    const std::size_t size = newline == lines.npos ? lines.find('\n') + 1 : newline + 1;
    if (!write_piece(descriptor, lines.substr(0, size))) return false;
    lines.remove_prefix(size);
  }
  return true;
}

}  // namespace

struct line_writer::state {
  void run() {
    std::unique_lock lock{mutex};
    for (;;) {
      changed.wait(lock, [this] { return !pending.empty() || dropped != 0 || stopping; });
      if (pending.empty() && dropped == 0) break;
      std::string lines = std::exchange(pending, {});
      const std::uint64_t missing = std::exchange(dropped, 0);
      lock.unlock();
      // What was dropped came after what is pending.
      if (missing != 0) lines += make_dropped_line(missing) + '\n';
      const bool written = write_lines(descriptor, lines);
      lock.lock();
      if (!written) break;
    }
    finished = true;
    changed.notify_all();
  }

  const int descriptor;
  const dropped_line make_dropped_line;
  std::mutex mutex;  // guards the members below
  std::condition_variable changed;
  std::string pending = {};
  std::uint64_t dropped = 0;
  bool stopping = false;
  bool finished = false;  // the thread writes nothing more
};

line_writer::line_writer(int descriptor, dropped_line d)
    : state_(new state{descriptor, std::move(d), {}, {}}) {
  std::thread{[s = state_] { s->run(); }}.detach();
}

line_writer::~line_writer() {
  std::unique_lock lock{state_->mutex};
  state_->stopping = true;
  state_->changed.notify_all();
  state_->changed.wait_for(lock, max_time_at_the_end, [this] { return state_->finished; });
}

void line_writer::write(const std::string& line) noexcept {
  const std::lock_guard lock{state_->mutex};
  if (state_->finished) return;
  // Once a line was dropped, later lines are dropped too, until the thread has taken the count.
  bool fits = state_->dropped == 0 && state_->pending.size() + line.size() < max_pending;
  if (fits) try {
      state_->pending.reserve(state_->pending.size() + line.size() + 1);
      state_->pending.append(line).append(1, '\n');
    } catch (const std::exception&) {
      fits = false;  // no memory
    }
  if (!fits) ++state_->dropped;
  state_->changed.notify_all();
}

}  // namespace connection_limiter
