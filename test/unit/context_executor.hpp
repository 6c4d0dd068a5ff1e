// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_UNIT_CONTEXT_EXECUTOR_HPP
#define TURNSTILE_TEST_UNIT_CONTEXT_EXECUTOR_HPP

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>

#include <new>
#include <utility>

namespace test {

// What an executor of a context needs besides execute(), which is Derived's.
template <typename Derived, typename Context = boost::asio::io_context>
struct context_executor {
  Context* context;

  boost::asio::execution_context& query(boost::asio::execution::context_t) const noexcept {
    return *context;
  }
  static constexpr boost::asio::execution::blocking_t::never_t query(
      boost::asio::execution::blocking_t) noexcept {
    return {};
  }
  Derived require(boost::asio::execution::blocking_t::never_t) const {
    return static_cast<const Derived&>(*this);
  }
  friend bool operator==(const context_executor& a, const context_executor& b) noexcept {
    return a.context == b.context;
  }
};

// An executor that throws so many times.
struct refusing : context_executor<refusing> {
  template <typename F>
  void execute(F&& f) const {
    if ((*times)-- > 0) throw std::bad_alloc();
    context->get_executor().execute(std::forward<F>(f));
  }
  int* times;
};

}  // namespace test

#endif
