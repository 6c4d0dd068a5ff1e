// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Uses the component redis: no server is there, and the engine says so.

#include <turnstile/redis_engine.hpp>

#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <optional>

int main() {
  boost::asio::io_context io;
  std::optional<turnstile::redis_engine> engine(
      std::in_place, io, turnstile::redis_options{"unix:///none/redis.sock"});
  bool is_refused = false;
  engine->async_sync({"turnstile:{x}", {}}, [&](const turnstile::shared_engine::reply& r) {
    is_refused = r.error == "cannot connect to /none/redis.sock: No such file or directory";
    std::puts(r.error.c_str());
    engine.reset();
  });
  io.run();
  return is_refused ? 0 : 1;
}
