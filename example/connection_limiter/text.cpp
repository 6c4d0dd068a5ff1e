// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "text.hpp"

#include <boost/system/system_error.hpp>

namespace connection_limiter {

std::string reason(const std::exception_ptr& e) try {
  std::rethrow_exception(e);
} catch (const boost::system::system_error& error) {
  return error.code().message();
} catch (const std::exception& error) {
  return error.what();
} catch (...) {
  return "unknown exception";
}

}  // namespace connection_limiter
