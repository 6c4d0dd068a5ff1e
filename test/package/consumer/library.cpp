// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "library.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>

#include <utility>

namespace {

turnstile::semaphore* make(boost::asio::io_context& context, std::size_t permits) {
  return new turnstile::semaphore(context, permits);
}

void destroy(turnstile::semaphore* s) { delete s; }

void acquire(turnstile::semaphore& s, std::size_t n, turnstile::permit& held,
             turnstile::error_code& result, boost::asio::cancellation_slot slot) {
  s.async_acquire_permit(n,
                         boost::asio::bind_cancellation_slot(
                             slot, [&held, &result](turnstile::error_code ec, turnstile::permit p) {
                               result = ec;
                               held = std::move(p);
                             }));
}

turnstile::error_code closed() { return turnstile::errc::closed; }

}  // namespace

const library* get_library() {
  static const library instance{make, destroy, acquire, closed};
  return &instance;
}
