// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_LIMITS_HPP
#define TURNSTILE_EXAMPLE_RECIPES_LIMITS_HPP

// Recipes "Limit any operation", "A request that needs several permits" and "Change the limit while
// running".

#include "common.hpp"

#include <algorithm>
#include <cstddef>
#include <iostream>
#include <memory>
#include <string_view>

namespace recipes {

using socket_type = asio::local::stream_protocol::socket;

inline awaitable<std::size_t> send(turnstile::semaphore& writers, socket_type& socket,
                                   std::string_view text) {
  co_return co_await turnstile::async_with_permit(
      writers, asio::async_write(socket, asio::buffer(text), asio::deferred));
}

inline void send(turnstile::semaphore& writers, const std::shared_ptr<socket_type>& socket,
                 std::string_view text) {
  turnstile::async_with_permit(writers,
                               asio::async_write(*socket, asio::buffer(text), asio::deferred),
                               [socket](error_code ec, std::size_t) {
                                 if (ec) std::cerr << "not sent: " << ec.message() << '\n';
                               });
}

inline awaitable<void> convert(turnstile::bounded_semaphore& megabytes, std::size_t needed) {
  // A request for more than the limit could never be granted, so it takes all permits instead.
  auto permit = co_await megabytes.async_acquire_permit(std::min(needed, megabytes.limit()));
  co_await sleep_for(1ms);             // load
  permit.release(permit.count() / 2);  // half of the memory is free again
  co_await sleep_for(1ms);             // write
}

// Adds one to the limit after a success, and halves it when the upstream was overloaded.
inline void adapt(turnstile::bounded_semaphore& upstream, bool overloaded) {
  const std::size_t limit = upstream.limit();
  upstream.set_limit(overloaded ? std::max<std::size_t>(limit / 2, 1)
                                : std::min<std::size_t>(limit + 1, 100));
}

}  // namespace recipes

#endif
