// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef CONNECTION_LIMITER_LOG_LINE_WRITER_HPP
#define CONNECTION_LIMITER_LOG_LINE_WRITER_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace connection_limiter {

// Writes lines to a descriptor on a thread of its own, so that a reader that does not read never
// blocks the caller. If 1 MiB waits to be written, further lines are dropped and counted. As soon as
// there is room again, a line says how many were dropped.
class line_writer {
 public:
  // Makes the line that says how many lines were dropped.
  using dropped_line = std::function<std::string(std::uint64_t dropped)>;

  line_writer(int descriptor, dropped_line d);

  // Waits until everything is written, for at most one second.
  ~line_writer();
  line_writer(const line_writer&) = delete;
  line_writer& operator=(const line_writer&) = delete;

  // Takes a line without its newline. Never blocks. Safe to call on any thread.
  void write(const std::string& line) noexcept;

 private:
  struct state;

  // Shared with the thread, which the destructor leaves behind if it is blocked in a write.
  const std::shared_ptr<state> state_;
};

}  // namespace connection_limiter

#endif
