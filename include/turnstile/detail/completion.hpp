// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_COMPLETION_HPP
#define TURNSTILE_DETAIL_COMPLETION_HPP

// What is posted for an acquire, and how.

#include <turnstile/detail/core.hpp>
#include <turnstile/detail/handler_executor.hpp>
#include <turnstile/error.hpp>
#include <turnstile/permit.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/associator.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/version.hpp>

#if BOOST_VERSION >= 108200
#include <boost/asio/associated_immediate_executor.hpp>
#endif

#include <cstddef>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

// Why an acquire was not granted.
TURNSTILE_COLD inline error_code to_error_code(outcome o) noexcept {
  switch (o) {
    case outcome::aborted: return asio::error::operation_aborted;
    case outcome::closed: return errc::closed;
    case outcome::queue_full: return errc::queue_full;
    case outcome::timed_out: return errc::timed_out;
    case outcome::done: return {};
    case outcome::lease_lost: return errc::lease_lost;
    case outcome::unreachable: return errc::unreachable;
    case outcome::not_a_semaphore: return errc::not_a_semaphore;
    case outcome::no_limit: return errc::no_limit;
    default: return errc::exceeds_limit;
  }
}

// A permit over the n permits of an acquire that had that outcome, with the reference that came with them.
inline permit permit_for(permit_owner& c, outcome o, std::size_t n) noexcept {
  if (o != outcome::granted || n == 0) return {};
  return make_permit(c, n);
}

// A handler and what became of its acquire. If it is destroyed instead of called, its permits go back.
template <typename Handler, bool WithPermit>
struct completion {
  Handler handler_;
  outcome outcome_;
  permit permit_;
  [[no_unique_address]] tracking tracking_;

  void operator()() {
    error_code ec;
    if (outcome_ != outcome::granted) [[unlikely]]
      ec = to_error_code(outcome_);
    TURNSTILE_HANDLER_COMPLETION((tracking_));
    TURNSTILE_HANDLER_INVOCATION_BEGIN((ec));
    if constexpr (WithPermit) {
      std::move(handler_)(ec, std::move(permit_));
    } else {
      detail::forget_permit_of<core>(permit_);  // they belong to the handler now
      std::move(handler_)(ec);
    }
    TURNSTILE_HANDLER_INVOCATION_END;
  }
};

// Posts what was decided in the initiating call to the handler's executor, or passes it to its immediate
// executor.
template <bool WithPermit, typename Handler, typename Executor>
void complete_at_once(Handler&& handler, const Executor& io_executor, outcome o, permit&& p,
                      const tracking& t) {
  using handler_type = std::decay_t<Handler>;
  completion<handler_type, WithPermit> f{std::forward<Handler>(handler), o, std::move(p), t};
#if BOOST_VERSION >= 108200
  // Asio's name for "the handler has no opinion". Should it vanish, dispatching posts as well.
  constexpr bool no_opinion = requires {
    typename asio::associated_immediate_executor<
        handler_type, Executor>::asio_associated_immediate_executor_is_unspecialised;
  };
  if constexpr (!no_opinion) {
    auto ex = asio::get_associated_immediate_executor(f.handler_, io_executor);
    asio::dispatch(std::move(ex), std::move(f));
    return;
  } else
#endif
  {
    const auto handler_executor = asio::get_associated_executor(f.handler_, io_executor);
    detail::with_target<Executor>(handler_executor, [&]<typename E>(const E& ex) {
      if constexpr (can_post<E, Executor>) {
        const auto allocator = detail::allocator_of(f.handler_);
        detail::post(ex, std::move(f), allocator);
      } else {
        asio::post(io_executor, std::move(f));  // and from there to the handler's
      }
    });
  }
}

}  // namespace turnstile::inline v1::detail

template <template <typename, typename> class Associator, typename Handler, bool WithPermit,
          typename Default>
struct boost::asio::associator<Associator, turnstile::detail::completion<Handler, WithPermit>,
                               Default> : Associator<Handler, Default> {
  static auto get(const turnstile::detail::completion<Handler, WithPermit>& c) noexcept {
    return Associator<Handler, Default>::get(c.handler_);
  }
  static auto get(const turnstile::detail::completion<Handler, WithPermit>& c,
                  const Default& value) noexcept {
    return Associator<Handler, Default>::get(c.handler_, value);
  }
};

#endif
