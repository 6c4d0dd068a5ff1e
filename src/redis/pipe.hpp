// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_REDIS_PIPE_HPP
#define TURNSTILE_SRC_REDIS_PIPE_HPP

#include "redis/answer.hpp"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct redisContext;
struct ssl_st;  // of OpenSSL

namespace turnstile::inline v1::detail::redis {

// Why a connection cannot be used any more.
class broken_pipe : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// hiredis over a descriptor that belongs to the event loop: its buffers, its protocol, and TLS. Its asynchronous
// interface is not used: in 0.14 it aborts the program if a server answers what it was not asked, and hides the
// answer to a PING if the connection subscribes.
class pipe {
 public:
  // With TLS if there is a name that the server's certificate has to be for.
  void open(int descriptor, const std::string& tls_name);
  void close() noexcept { context_.reset(); }
  explicit operator bool() const noexcept { return context_ != nullptr; }

  // All of these require that it is open. They throw broken_pipe.
  void append(const std::vector<std::string_view>& words);
  enum class rest { none, wait_to_write, wait_to_read };
  rest flush();  // returns what has to be waited for before the rest can be written
  void read();
  std::optional<answer> next();  // of what was read

 private:
  struct free_context {
    void operator()(redisContext* c) const noexcept;
  };
  std::unique_ptr<redisContext, free_context> context_;
  ssl_st* tls_ = nullptr;  // owned by the context
  bool has_output_ = false;
};

}  // namespace turnstile::inline v1::detail::redis

#endif
