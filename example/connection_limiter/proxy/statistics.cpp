// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "proxy/statistics.hpp"

#include "text.hpp"

namespace connection_limiter {

std::string totals(const statistics& f) {
  return text("accepted ", f.accepted.value(), ", served ", f.of(ending::served), ", refused ",
              f.refused(), " (full ", f.of(ending::full), ", timed out ", f.of(ending::timed_out),
              ", stopping ", f.of(ending::stopping), ", client full ", f.of(ending::client_full),
              "), abandoned ", f.of(ending::abandoned), ", idle ", f.of(ending::idle),
              ", too long ", f.of(ending::too_long), ", half closed ", f.of(ending::half_closed),
              ", failed ", f.of(ending::failed), ", cut ", f.of(ending::drain), "; at most ",
              f.active.most(), " at once; ", f.bytes_up.value(), " bytes up, ",
              f.bytes_down.value(), " bytes down; ", f.accept_errors.value(), " accept errors");
}

}  // namespace connection_limiter
