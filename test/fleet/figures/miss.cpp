// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// An acquire that needs a round trip, beside a PING over a socket that the program waits for as the engine does.

#include "figures.hpp"
#include "processes.hpp"

#include <turnstile/redis_semaphore.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace figures {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::steady_clock;
using turnstile::error_code;

constexpr int repetitions = 25, round_trips = 200;

class pinger {
 public:
  pinger(asio::io_context& io, unsigned short port)
      : socket_(asio::make_strand(asio::any_io_executor(io.get_executor()))) {
    socket_.connect({asio::ip::address_v4::loopback(), port});
    socket_.set_option(tcp::no_delay(true));
    socket_.native_non_blocking(true);
  }

  void operator()(std::function<void()> done) {
    socket_.write_some(asio::buffer(std::string_view("PING\r\n")));
    socket_.async_wait(tcp::socket::wait_read, [this, d = std::move(done)](const error_code&) {
      std::array<char, 64> answer;
      const auto size = socket_.read_some(asio::buffer(answer));
      if (std::string_view(answer.data(), size) != "+PONG\r\n")
        throw std::runtime_error{"an unexpected answer to PING"};
      d();
    });
  }

 private:
  asio::basic_stream_socket<tcp, asio::strand<asio::any_io_executor>> socket_;
};

// It has as large a share as it uses, so that each acquire needs a larger one.
class misser {
 public:
  misser(asio::io_context& io, const std::string& url)
      : engine_(io, {.url = url}), semaphore_(io, engine_, {.name = "miss", .limit = 1'000'000}) {}

  void operator()(std::function<void()> done) {
    if (semaphore_.share() != semaphore_.in_use())
      throw std::runtime_error{"the share is not what is used"};
    semaphore_.async_acquire([d = std::move(done)](const error_code& ec) {
      if (ec) throw std::runtime_error{ec.message()};
      d();
    });
  }

 private:
  turnstile::redis_engine engine_;
  turnstile::shared_semaphore semaphore_;
};

// The median, in nanoseconds, of round trips one after another.
template <typename RoundTrip>
double repeat(asio::io_context& io, RoundTrip& r, int n) {
  std::vector<double> times;
  std::function<void()> next = [&] {
    r([&, start = steady_clock::now()] {
      times.push_back(
          std::chrono::duration<double, std::nano>(steady_clock::now() - start).count());
      if (std::ssize(times) == n)
        io.stop();
      else
        next();
    });
  };
  io.restart();
  next();
  io.run();
  return median(std::move(times));
}

void measure(const std::string& url, unsigned short port) {
  asio::io_context io;
  pinger ping(io, port);
  misser miss(io, url);
  repeat(io, ping, round_trips);
  repeat(io, miss, round_trips);
  for (int i = 0; i != repetitions; ++i) {
    print("miss.ping", repeat(io, ping, round_trips));
    print("miss.acquire", repeat(io, miss, round_trips));
  }
}

}  // namespace

void measure_miss(server& s) {
  s.redis()({"CONFIG", "RESETSTAT"});
  child([url = s.url(), port = s.port()] { measure(url, port); }).wait();
  print("miss.script", s.time_of("evalsha"));
}

}  // namespace figures
