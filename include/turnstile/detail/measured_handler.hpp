// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_MEASURED_HANDLER_HPP
#define TURNSTILE_DETAIL_MEASURED_HANDLER_HPP

// The handler of a measured acquire, and the initiating call. All that is associated with the user's handler is
// associated with this one, so that the acquire behaves as if it was not measured.

#include <turnstile/detail/token.hpp>
#include <turnstile/error.hpp>

#include <boost/asio/associator.hpp>

#include <chrono>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1 {

namespace detail {

template <typename Handler, typename Statistics>
class measured_handler {
 public:
  template <typename H>
  measured_handler(H&& handler, Statistics& statistics)
      : handler_(std::forward<H>(handler)),
        statistics_(&statistics),
        start_(std::chrono::steady_clock::now()) {}

  template <typename... Args>
  void operator()(error_code ec, Args&&... args) {
    statistics_->add(ec, std::chrono::steady_clock::now() - start_);
    std::move(handler_)(ec, std::forward<Args>(args)...);
  }

  const Handler& handler() const noexcept { return handler_; }

 private:
  Handler handler_;
  Statistics* statistics_;
  std::chrono::steady_clock::time_point start_;
};

// How a measured semaphore refers to its semaphore: by its address, or, if it is itself a reference, such as a key of a
// keyed semaphore, by a copy.
template <typename Semaphore>
class semaphore_handle {
 public:
  explicit semaphore_handle(Semaphore& s) noexcept : semaphore_(&s) {}
  Semaphore* operator->() const noexcept { return semaphore_; }

 private:
  Semaphore* semaphore_;
};

template <typename Semaphore>
  requires std::is_copy_constructible_v<Semaphore>
class semaphore_handle<Semaphore> {
 public:
  explicit semaphore_handle(const Semaphore& s) : semaphore_(s) {}
  Semaphore* operator->() const noexcept { return &semaphore_; }

 private:
  mutable Semaphore semaphore_;
};

// Initiates `Acquire`, a function of the semaphore, a handler and further arguments.
template <typename Semaphore, typename Statistics, typename Acquire>
class initiate_measured {
 public:
  using executor_type = typename Semaphore::executor_type;

  initiate_measured(const semaphore_handle<Semaphore>& sem, Statistics& statistics)
      : semaphore_(sem), statistics_(&statistics) {}

  executor_type get_executor() const noexcept { return semaphore_->get_executor(); }

  template <typename Handler, typename... Args>
  void operator()(Handler&& handler, Args... args) const {
    Acquire()(*semaphore_.operator->(), args...,
              measured_handler<std::decay_t<Handler>, Statistics>(std::forward<Handler>(handler),
                                                                  *statistics_));
  }

 private:
  semaphore_handle<Semaphore> semaphore_;
  Statistics* statistics_;
};

struct acquire {
  template <typename Semaphore, typename... Args>
  void operator()(Semaphore& s, Args&&... args) const {
    s.async_acquire(std::forward<Args>(args)...);
  }
};

struct acquire_for {
  template <typename Semaphore, typename... Args>
  void operator()(Semaphore& s, Args&&... args) const {
    s.async_acquire_for(std::forward<Args>(args)...);
  }
};

struct acquire_permit {
  template <typename Semaphore, typename... Args>
  void operator()(Semaphore& s, Args&&... args) const {
    s.async_acquire_permit(std::forward<Args>(args)...);
  }
};

struct acquire_permit_for {
  template <typename Semaphore, typename... Args>
  void operator()(Semaphore& s, Args&&... args) const {
    s.async_acquire_permit_for(std::forward<Args>(args)...);
  }
};

}  // namespace detail

}  // namespace turnstile::inline v1

/// @cond
template <template <typename, typename> class Associator, typename Handler, typename Statistics,
          typename Default>
struct boost::asio::associator<Associator, turnstile::detail::measured_handler<Handler, Statistics>,
                               Default> : Associator<Handler, Default> {
  using base = Associator<Handler, Default>;
  static auto get(const turnstile::detail::measured_handler<Handler, Statistics>& h) noexcept {
    return base::get(h.handler());
  }
  static auto get(const turnstile::detail::measured_handler<Handler, Statistics>& h,
                  const Default& value) noexcept {
    return base::get(h.handler(), value);
  }
};
/// @endcond

#endif
