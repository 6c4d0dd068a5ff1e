// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/relay.hpp"

#include "proxy/socket_state.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>
#include <vector>

namespace connection_limiter {

namespace {

using namespace asio::experimental::awaitable_operators;
using std::chrono::steady_clock;

// The buffer of a direction starts small and grows when a read fills it: a busy connection needs
// fewer calls, and a quiet one needs little memory.
constexpr std::size_t min_buffer = 4096;
constexpr std::size_t max_buffer = 65536;

// How long the upstream may take to close a connection whose client has disconnected.
constexpr std::chrono::seconds upstream_close_timeout{2};

// Both directions run on the one thread of the sockets, so the state changes only at a co_await.
class session {
 public:
  session(stream_socket& client, stream_socket& upstream, std::string early, time_limits t,
          transferred& own, statistics& f)
      : client_(client),
        upstream_(upstream),
        half_close_timer_(client.get_executor()),
        early_data_(std::move(early)),
        limits_(t),
        own_(own),
        stats_(f) {}

  awaitable<ending> run() {
    client_.non_blocking(true);  // for write(). The upstream's socket is so since it was connected.
    // If a direction is cancelled just after it has copied something, its next operation throws.
    // This can happen in both directions.
    std::exception_ptr failure;
    try {
      if (limits_.idle || limits_.session)
        co_await (copy_both_ways() || enforce_time_limits());
      else
        co_await copy_both_ways();
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

    if (aborted_) reset(client_);
    // The upstream may have ended while its direction did not read.
    if (!upstream_has_ended_ && !has_ended(upstream_)) co_await close_upstream();
    if (aborted_ || upstream_may_wait_for_more_) reset(upstream_);
    error_code ignored;
    client_.close(ignored);
    upstream_.close(ignored);
    co_return ending_;
  }

 private:
  awaitable<void> copy_both_ways() {
    co_await (copy_up() && copy(upstream_, client_, stats_.bytes_down));
  }

  // Copies from the client to the upstream, the early data first.
  awaitable<void> copy_up() {
    if (!early_data_.empty()) {
      upstream_sent_last_ = false;
      const std::string early = std::exchange(early_data_, {});  // freed as soon as it is sent
      // A separate statement, because g++ 12 miscompiles co_await inside larger conditions.
      const bool written = co_await write(upstream_, asio::buffer(early), stats_.bytes_up);
      if (!written) co_return end_direction();
    }
    co_await copy(client_, upstream_, stats_.bytes_up);
  }

  // Copies in one direction.
  awaitable<void> copy(stream_socket& from, stream_socket& to, counter& bytes) {
    std::vector<char> data(min_buffer);
    for (;;) {
      const auto [read_error, n] = co_await from.async_read_some(asio::buffer(data), as_result);
      if (stopped_) co_return;
      last_activity_ = steady_clock::now();
      if (n != 0) upstream_sent_last_ = &from == &upstream_;
      if (read_error) {
        if (&from == &upstream_) upstream_has_ended_ = true;
        const bool is_first = !std::exchange(one_direction_has_ended_, true);
        if (is_first && &from == &upstream_) own_.refused = own_.down == 0;
        end_direction();
        if (read_error != asio::error::eof || reset_by_ == &from) {
          abort_both();
        } else if (is_first) {  // after the second end, run() closes both sockets
          half_close(to);
          data = {};
          co_await limit_half_close(&from == &client_);
        }
        co_return;
      }
      const bool written = co_await write(to, asio::buffer(data, n), bytes);
      if (!written) co_return end_direction();
      if (n == data.size() && n < max_buffer) data.resize(2 * n);
    }
  }

  // Returns false if the other end accepts no more data, which ends this direction. The other
  // direction continues, because there may be data from that end to read, and ends by itself.
  awaitable<bool> write(stream_socket& to, asio::const_buffer data, counter& bytes) {
    while (data.size() != 0) {
      error_code ec;
      const std::size_t n = to.write_some(data, ec);
      if (ec == asio::error::would_block) {
        co_await until_writable(to);
        if (stopped_) co_return false;
        continue;
      }
      last_activity_ = steady_clock::now();
      // A socket reports a reset once. The read in the other direction would then see an orderly
      // end, so remember the reset. EPIPE is no new reset: the other end had already ended the
      // connection.
      if (ec && ec != asio::error::broken_pipe) reset_by_ = &to;
      if (ec) co_return false;
      bytes.add(n);
      (&to == &upstream_ ? own_.up : own_.down) += n;
      data += n;
    }
    co_return true;
  }

  awaitable<void> until_writable(stream_socket& to) {
    if (&to == &upstream_) {
      // While this direction waits for the upstream, it does not read from the client, and so would
      // not notice a reset by the client. Wait for an error on the client's socket as well.
      const auto first = co_await (upstream_.async_wait(stream_socket::wait_write, as_result) ||
                                   client_.async_wait(stream_socket::wait_error, as_result));
      if (first.index() == 0) co_return;
      if (has_socket_error(client_)) co_return abort_both();
    }
    co_await to.async_wait(stream_socket::wait_write, as_result);
  }

  // Lets limit_half_close() complete, if it waits for this direction.
  void end_direction() {
    --directions_;
    half_close_timer_.cancel();
  }

  // One direction has ended. Completes when the other one has ended too. Stops it if no byte moves
  // for the time limit.
  awaitable<void> limit_half_close(bool by_client) {
    const auto limit = by_client ? limits_.client_ended : limits_.upstream_ended;
    if (!limit) co_return;
    for (bool first = true; directions_ != 0; first = false) {
      const auto now = steady_clock::now();
      if (!first) note_acknowledged_bytes(now);  // most connections end before
      const auto end = last_activity_ + *limit;
      if (now >= end) {
        ending_ = ending::half_closed;
        if (by_client) co_return abort_both();
        // If the client was the last to send, the upstream must not take that for a whole request.
        upstream_may_wait_for_more_ = !upstream_sent_last_;
        co_return stop_both();
      }
      half_close_timer_.expires_at(std::min(end, now + *limit / 4));
      const auto [ec] = co_await half_close_timer_.async_wait(as_result);
      if (ec) co_return;
    }
  }

  // If one end reads slowly, no write completes for a long time. A change in the number of unsent
  // bytes shows that it still reads.
  void note_acknowledged_bytes(steady_clock::time_point now) {
    const int unsent_now = unsent_bytes(client_) + unsent_bytes(upstream_);
    if (std::exchange(unsent_before_, unsent_now) != unsent_now) last_activity_ = now;
  }

  // Completes when a time limit has expired, after it has aborted both directions.
  awaitable<void> enforce_time_limits() {
    const auto start = last_activity_;
    const auto session_end =
        limits_.session ? start + *limits_.session : steady_clock::time_point::max();
    const steady_clock::duration idle = limits_.idle.value_or(std::chrono::milliseconds{});
    asio::steady_timer timer{client_.get_executor()};
    for (;;) {
      const auto now = steady_clock::now();
      auto next = session_end;
      if (limits_.idle) {
        note_acknowledged_bytes(now);
        next = std::min({next, last_activity_ + idle, now + idle / 4});
      }
      if (now >= next) {
        ending_ = now >= session_end ? ending::too_long : ending::idle;
        co_return abort_both();
      }
      timer.expires_at(next);
      const auto [ec] = co_await timer.async_wait(as_result);
      if (ec) co_return;  // both directions have ended
    }
  }

  // Makes both directions end. run() then resets the sockets.
  void abort_both() {
    aborted_ = true;
    stop_both();
  }

  // Makes both directions end.
  void stop_both() {
    stopped_ = true;
    error_code ignored;
    client_.cancel(ignored);
    upstream_.cancel(ignored);
    half_close_timer_.cancel();
  }

  // The upstream has not closed its side yet: ends the connection to it, and waits until it has
  // closed its side, for at most upstream_close_timeout. If the connection was aborted and the
  // client was the last to send, the upstream may be in the middle of a request and gets a reset.
  // After a reset, the upstream's close cannot be seen, so the wait takes the whole timeout.
  awaitable<void> close_upstream() {
    asio::steady_timer timer{upstream_.get_executor(), upstream_close_timeout};
    if (aborted_ && !upstream_sent_last_) {
      reset(upstream_);
      co_await timer.async_wait(as_result);
    } else {
      half_close(upstream_);
      co_await (discard(upstream_) || timer.async_wait(as_result));
      reset(upstream_);
    }
  }

  stream_socket& client_;
  stream_socket& upstream_;
  asio::steady_timer half_close_timer_;
  std::string early_data_;
  const time_limits limits_;
  transferred& own_;
  statistics& stats_;
  ending ending_ = ending::served;
  steady_clock::time_point last_activity_ = steady_clock::now();  // a byte or an end was copied
  int unsent_before_ = 0;
  int directions_ = 2;                       // that have not ended
  bool stopped_ = false;                     // neither direction continues
  bool aborted_ = false;                     // stopped, and run() resets both sockets
  bool upstream_may_wait_for_more_ = false;  // stopped, and run() resets the upstream
  const stream_socket* reset_by_ =
      nullptr;                            // a write found that this side has reset the connection
  bool one_direction_has_ended_ = false;  // the client's or the upstream's
  bool upstream_has_ended_ = false;       // the upstream sends nothing more
  bool upstream_sent_last_ = true;  // the last bytes came from the upstream, or there were none
};

}  // namespace

awaitable<ending> relay(stream_socket& client, stream_socket& upstream, std::string early,
                        time_limits t, transferred& own, statistics& f) {
  session s{client, upstream, std::move(early), t, own, f};
  co_return co_await s.run();
}

}  // namespace connection_limiter
