// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_REDIS_CLIENT_HPP
#define TURNSTILE_DETAIL_REDIS_CLIENT_HPP

// The border between a Redis engine and the compiled part of it, which is in src/redis/. Above it is Asio, below it is
// hiredis, and neither of them crosses it.

#include <turnstile/detail/config.hpp>
#include <turnstile/shared_engine.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace turnstile::inline v1::detail {

struct redis_address {
  std::string path;  // of a Unix domain socket; or empty, and then there is a host
  std::string host;
  std::uint16_t port = 6379;
  std::string user, password;
  bool has_login = false;
  int database = 0;
  bool tls = false;
};

// Throws std::invalid_argument, in whose text there is no password.
TURNSTILE_API redis_address parse_redis_url(std::string_view url);

// One connection executes the script, the other one subscribes to channels: in RESP2, a connection that subscribes
// executes nothing else.
enum class redis_link : unsigned char { calls, pushes };
inline constexpr std::size_t redis_links = 2;

// What a client needs of an event loop. Nothing calls back before it returns.
class redis_loop {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  virtual void connect(
      redis_link, unsigned attempt) = 0;  // then connected() or lost(), unless close() is called
  virtual void close(redis_link) noexcept = 0;
  virtual void wait_to_write(redis_link) = 0;  // then writable(), once
  virtual void wake_at(time_point) = 0;        // then tick(); replaces an earlier call
  virtual void post(std::function<void()>) = 0;

 protected:
  ~redis_loop() = default;
};

// A client of one server. All functions but the last three are called by one thread at a time.
class redis_client {
 public:
  TURNSTILE_API redis_client(redis_address, std::chrono::milliseconds connect_timeout, redis_loop&);
  TURNSTILE_API ~redis_client();
  redis_client(const redis_client&) = delete;
  redis_client& operator=(const redis_client&) = delete;

  TURNSTILE_API void start();
  TURNSTILE_API void sync(shared_engine::request, shared_engine::reply_handler);
  TURNSTILE_API void listen(std::string channel, shared_engine::message_handler);
  TURNSTILE_API void ignore(const std::string& channel);

  // The descriptor stays the loop's; it does not block.
  TURNSTILE_API void connected(redis_link, int descriptor);
  TURNSTILE_API void lost(redis_link, const std::string& reason);
  TURNSTILE_API void readable(redis_link);
  TURNSTILE_API void writable(redis_link);
  TURNSTILE_API void tick();

  // Answers all requests with an error, and does nothing any more.
  TURNSTILE_API void stop();
  // The same, but destroys the handlers uncalled, and does not use the loop.
  TURNSTILE_API void abandon() noexcept;

  TURNSTILE_API bool is_connected() const noexcept;
  TURNSTILE_API std::string last_error() const;
  TURNSTILE_API void note(const std::string& problem);  // for last_error()

 private:
  struct state;
  const std::unique_ptr<state> state_;
};

}  // namespace turnstile::inline v1::detail

#endif
