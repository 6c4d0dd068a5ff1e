// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_REDIS_SEMAPHORE_HPP
#define TURNSTILE_REDIS_SEMAPHORE_HPP

/// @file
/// One limit for many processes, over Redis or Valkey: includes `shared_semaphore` and `redis_engine`.
///
/// Link with the target `turnstile::redis`. `turnstile.hpp` does not include this header, so programs of one process need no
/// hiredis.
///
/// @par Example
/// @code
/// boost::asio::io_context io;
/// turnstile::redis_engine engine(io, {.url = "redis://user:secret@redis.example.com/2"});
/// turnstile::shared_semaphore connections(io, engine, {.name = "db", .limit = 100});
/// @endcode

#include <turnstile/redis_engine.hpp>
#include <turnstile/shared_semaphore.hpp>

#endif
