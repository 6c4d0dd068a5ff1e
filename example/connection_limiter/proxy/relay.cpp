// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/relay.hpp"

#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

// A direction's buffer grows where reads fill it: more bytes for each call, and a connection that
// says little costs little.
constexpr std::size_t first_buffer = 4096;
constexpr std::size_t last_buffer = 65536;

// How long an upstream may take to close a connection whose client is gone.
constexpr std::chrono::seconds patience_with_upstream{2};

bool is_broken_off(tcp::socket& socket) {
  pollfd p{socket.native_handle(), 0, 0};
  return ::poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

// How much of what was written the other end has not got yet.
int unsent(tcp::socket& socket) {
  int n = 0;
  return ::ioctl(socket.native_handle(), TIOCOUTQ, &n) == 0 ? n : 0;
}

// Both directions run on the sockets' one thread: between two co_awaits, nothing changes.
class session {
 public:
  session(tcp::socket& client, tcp::socket& upstream, std::string early, time_limits t, figures& f)
      : client_(client), upstream_(upstream), early_(std::move(early)), limits_(t), figures_(f) {}

  awaitable<ending> run() {
    client_.non_blocking(true);
    upstream_.non_blocking(true);
    // A direction that is cancelled just as it has moved something throws at its next step; both may.
    std::exception_ptr failure;
    try {
      if (limits_.idle || limits_.session)
        co_await (move_both_ways() || watch());
      else
        co_await move_both_ways();
    } catch (...) {
      failure = std::current_exception();
    }
    const bool cancelled = was_cancelled(co_await this_coro::cancellation_state);
    if (cancelled || failure) {
      reset(client_);
      reset(upstream_);
      if (!cancelled) std::rethrow_exception(failure);
      throw boost::system::system_error(asio::error::operation_aborted);
    }

    if (broken_) reset(client_);
    if (!upstream_has_ended_) co_await part_from_upstream();
    if (broken_) reset(upstream_);
    error_code ignored;
    client_.close(ignored);
    upstream_.close(ignored);
    co_return ending_;
  }

 private:
  awaitable<void> move_both_ways() {
    co_await (move_up() && move(upstream_, client_, figures_.bytes_down));
  }

  // The direction to the upstream, with what was read before.
  awaitable<void> move_up() {
    if (!early_.empty()) {
      answered_ = false;
      const std::string early = std::exchange(early_, {});  // freed as soon as it is sent
      // A statement of its own: g++ 12 miscompiles co_await inside of larger conditions.
      const bool taken = co_await write(upstream_, asio::buffer(early), figures_.bytes_up);
      if (!taken) co_return;
    }
    co_await move(client_, upstream_, figures_.bytes_up);
  }

  // One direction.
  awaitable<void> move(tcp::socket& from, tcp::socket& to, counter& bytes) {
    std::vector<char> data(first_buffer);
    for (;;) {
      const auto [read_error, n] = co_await from.async_read_some(asio::buffer(data), as_result);
      if (broken_) co_return;
      moved_ = steady_clock::now();
      if (n != 0) answered_ = &from == &upstream_;
      if (read_error) {
        if (&from == &upstream_) upstream_has_ended_ = true;
        const bool is_first = !std::exchange(one_has_ended_, true);
        if (read_error != asio::error::eof || broke_off_ == &from)
          break_off();
        else if (is_first)  // after the second, closing both is all that is left
          half_close(to);
        co_return;
      }
      const bool taken = co_await write(to, asio::buffer(data, n), bytes);
      if (!taken) co_return;
      if (n == data.size() && n < last_buffer) data.resize(2 * n);
    }
  }

  // False where the other end takes no more: this direction is over. What it has sent is still to
  // be read: the other direction ends of itself.
  awaitable<bool> write(tcp::socket& to, asio::const_buffer data, counter& bytes) {
    while (data.size() != 0) {
      error_code ec;
      const std::size_t n = to.write_some(data, ec);
      if (ec == asio::error::would_block) {
        co_await until_writable(to);
        if (broken_) co_return false;
        continue;
      }
      moved_ = steady_clock::now();
      // A socket tells of a reset once: the read that finds it would take it for an orderly end. (It is
      // a broken pipe where the other end had ended, and then went away.)
      if (ec && ec != asio::error::broken_pipe) broke_off_ = &to;
      if (ec) co_return false;
      bytes.add(n);
      data += n;
    }
    co_return true;
  }

  awaitable<void> until_writable(tcp::socket& to) {
    if (&to == &upstream_) {
      // Meanwhile nobody reads from the client, and would meet its reset.
      const auto first = co_await (upstream_.async_wait(tcp::socket::wait_write, as_result) ||
                                   client_.async_wait(tcp::socket::wait_error, as_result));
      if (first.index() == 0) co_return;
      if (is_broken_off(client_)) co_return break_off();
    }
    co_await to.async_wait(tcp::socket::wait_write, as_result);
  }

  // Until the time is up.
  awaitable<void> watch() {
    const auto start = moved_;
    const auto over_at =
        limits_.session ? start + *limits_.session : steady_clock::time_point::max();
    const steady_clock::duration idle = limits_.idle.value_or(std::chrono::milliseconds{});
    int unsent_before = 0;
    asio::steady_timer timer{client_.get_executor()};
    for (;;) {
      const auto now = steady_clock::now();
      auto next = over_at;
      if (limits_.idle) {
        // One who reads slowly empties a buffer for a long time before there is more to be written.
        const int unsent_now = unsent(client_) + unsent(upstream_);
        if (std::exchange(unsent_before, unsent_now) != unsent_now) moved_ = now;
        next = std::min({next, moved_ + idle, now + idle / 4});
      }
      if (now >= next) {
        ending_ = now >= over_at ? ending::too_long : ending::idle;
        co_return break_off();
      }
      timer.expires_at(next);
      const auto [ec] = co_await timer.async_wait(as_result);
      if (ec) co_return;  // both directions have ended
    }
  }

  static void half_close(tcp::socket& socket) {
    error_code ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  // Ends both directions.
  void break_off() {
    broken_ = true;
    error_code ignored;
    client_.cancel(ignored);
    upstream_.cancel(ignored);
  }

  // The client is gone, the upstream is not: tells it, and waits until it has closed, too. One that
  // has not answered yet may be in the middle of a request: it is told by a reset, and gets all the time
  // that there is, for it cannot tell any more.
  awaitable<void> part_from_upstream() {
    asio::steady_timer timer{upstream_.get_executor(), patience_with_upstream};
    if (broken_ && !answered_) {
      reset(upstream_);
      co_await timer.async_wait(as_result);
    } else {
      half_close(upstream_);
      co_await (discard(upstream_) || timer.async_wait(as_result));
      reset(upstream_);
    }
  }

  static awaitable<void> discard(tcp::socket& socket) {
    std::array<char, 4096> data;
    for (;;) {
      const auto [ec, n] = co_await socket.async_read_some(asio::buffer(data), as_result);
      if (ec) co_return;
    }
  }

  tcp::socket& client_;
  tcp::socket& upstream_;
  std::string early_;
  const time_limits limits_;
  figures& figures_;
  ending ending_ = ending::served;
  steady_clock::time_point moved_ =
      steady_clock::now();                  // when a byte, or an end, last came or went
  bool broken_ = false;                     // a side broke off: neither direction goes on
  const tcp::socket* broke_off_ = nullptr;  // a write has met the reset of this one
  bool one_has_ended_ = false;              // a side sends nothing more
  bool upstream_has_ended_ = false;         // and it is this one, or that, too
  bool answered_ = true;                    // the last that came was the upstream's
};

}  // namespace

awaitable<ending> relay(tcp::socket& client, tcp::socket& upstream, std::string early,
                        time_limits t, figures& f) {
  session s{client, upstream, std::move(early), t, f};
  co_return co_await s.run();
}

void reset(tcp::socket& socket) noexcept {
  error_code ignored;
  socket.set_option(asio::socket_base::linger{true, 0}, ignored);
  socket.close(ignored);
}

}  // namespace connection_limiter
