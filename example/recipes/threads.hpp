// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_EXAMPLE_RECIPES_THREADS_HPP
#define TURNSTILE_EXAMPLE_RECIPES_THREADS_HPP

// Recipes "Permits across threads" and "From a thread that is not Asio's".

#include "common.hpp"

#include <chrono>
#include <functional>
#include <utility>

namespace recipes {

inline void compress(turnstile::semaphore& slots, asio::thread_pool& pool,
                     const std::function<void()>& work) {
  slots.async_acquire_permit([&pool, work](error_code ec, turnstile::permit permit) {
    if (ec) return;
    asio::post(pool, [work, permit = std::move(permit)] {
      work();
    });  // the permit goes back here, on a thread of the pool
  });
}

inline void from_a_thread(turnstile::semaphore& slots, const std::function<void()>& work) {
  turnstile::permit permit = slots.async_acquire_permit(asio::use_future).get();  // blocks
  work();
}

inline bool from_a_thread_within(turnstile::semaphore& slots, std::chrono::milliseconds patience,
                                 const std::function<void()>& work) {
  turnstile::permit permit;
  try {
    permit = slots.async_acquire_permit_for(patience, asio::use_future).get();  // blocks
  } catch (const boost::system::system_error& e) {
    if (e.code() == turnstile::errc::timed_out) return false;
    throw;
  }
  work();
  return true;
}

inline bool without_waiting(turnstile::semaphore& slots, const std::function<void()>& work) {
  const turnstile::permit permit = slots.try_acquire_permit();
  if (permit) work();
  return static_cast<bool>(permit);
}

}  // namespace recipes

#endif
