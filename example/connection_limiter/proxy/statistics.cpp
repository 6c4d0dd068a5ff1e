// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/statistics.hpp"

#include "text.hpp"

namespace connection_limiter {

result result_of(ending e) {
  switch (e) {
    case ending::served: return {"served", ""};
    case ending::full: return {"refused", "full"};
    case ending::client_full: return {"refused", "client_full"};
    case ending::timed_out: return {"refused", "timed_out"};
    case ending::stopping: return {"refused", "stopping"};
    case ending::bad_header: return {"refused", "bad_header"};
    case ending::abandoned: return {"abandoned", ""};
    case ending::idle: return {"cut", "idle"};
    case ending::too_long: return {"cut", "too_long"};
    case ending::half_closed: return {"cut", "half_closed"};
    case ending::lease_lost: return {"cut", "lease_lost"};
    case ending::drain: return {"cut", "drain"};
    case ending::failed: return {"failed", ""};
  }
  return {};
}

std::string totals(const statistics& f) {
  return text("accepted ", f.accepted.value(), ", served ", f.of(ending::served), ", refused ",
              f.refused(), " (full ", f.of(ending::full), ", timed out ", f.of(ending::timed_out),
              ", stopping ", f.of(ending::stopping), ", client full ", f.of(ending::client_full),
              f.of(ending::bad_header) == 0 ? "" : text(", bad header ", f.of(ending::bad_header)),
              "), abandoned ", f.of(ending::abandoned), ", idle ", f.of(ending::idle),
              ", too long ", f.of(ending::too_long), ", half closed ", f.of(ending::half_closed),
              f.of(ending::lease_lost) == 0 ? "" : text(", lease lost ", f.of(ending::lease_lost)),
              ", failed ", f.of(ending::failed), ", cut ", f.of(ending::drain), "; at most ",
              f.active.most(), " at once; ", f.bytes_up.value(), " bytes up, ",
              f.bytes_down.value(), " bytes down; ", f.accept_errors.value(), " accept errors");
}

}  // namespace connection_limiter
