// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/client_limits.hpp"

#include <algorithm>

namespace connection_limiter {

client_limits::handle client_limits::get(const asio::ip::address& client) {
  const std::lock_guard lock{mutex_};
  const auto [e, is_new] = entries_.try_emplace(key_of(client), executor_, limit_, slots_);
  if (is_new && closed_) e->second.permits.close();
  ++e->second.handles;
  return {*this, e};
}

void client_limits::drop(entries::iterator e) noexcept {
  const std::lock_guard lock{mutex_};
  if (--e->second.handles == 0) entries_.erase(e);
}

void client_limits::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
  for (auto& [k, e] : entries_) e.permits.close();
}

std::size_t client_limits::size() const {
  const std::lock_guard lock{mutex_};
  return entries_.size();
}

client_limits::key client_limits::key_of(const asio::ip::address& client) {
  key k{client.is_v6(), {}};
  const auto take = [&](const auto& bytes) {
    std::copy_n(bytes.begin(), std::min(bytes.size(), k.second.size()), k.second.begin());
  };
  if (client.is_v4()) {
    take(client.to_v4().to_bytes());
  } else if (const auto v6 = client.to_v6(); v6.is_v4_mapped()) {
    k.first = false;
    take(asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_bytes());
  } else {
    take(v6.to_bytes());
  }
  return k;
}

}  // namespace connection_limiter
