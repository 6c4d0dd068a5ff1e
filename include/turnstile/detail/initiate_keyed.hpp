// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_INITIATE_KEYED_HPP
#define TURNSTILE_DETAIL_INITIATE_KEYED_HPP

#include <turnstile/detail/initiate_acquire.hpp>
#include <turnstile/detail/key_table.hpp>

#include <boost/assert.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <utility>

namespace turnstile::inline v1::detail {

// The initiating call of an acquire of a key. It looks the key up, and refers to a semaphore object.
template <typename Executor, typename Key, typename Compare>
class initiate_keyed {
  using keyed_implementation = implementation<Executor, key_table<Key, Compare>>;

 public:
  using executor_type = Executor;

  initiate_keyed(const keyed_implementation& i, const Key& key) : implementation_(&i), key_(key) {}

  executor_type get_executor() const noexcept { return implementation_->get_executor(); }

  template <typename Handler, std::same_as<patience>... Time>
  void operator()(Handler&& handler, std::size_t n, Time... time) const {
    BOOST_ASSERT_MSG(implementation_->get_core(), "turnstile: this semaphore was moved from");
    const Executor& ex = implementation_->get_executor();

    tracking t;
    TURNSTILE_HANDLER_CREATION(
        (implementation_->context(), t, "turnstile::keyed_semaphore",
         const_cast<keyed_implementation*>(implementation_), 0,
         sizeof...(Time) != 0 ? "async_acquire_permit_for" : "async_acquire_permit"));

    const auto found = implementation_->get_core()->acquire(key_, n, true);
    if (found.o != outcome::waiting)
      return detail::complete_at_once<true>(std::forward<Handler>(handler), ex, found.o,
                                            found.node ? make_permit(*found.node, n) : permit(), t);
    const std::unique_ptr<key_node, unpin> pin(found.node);  // the operation has one of its own
    detail::queue_acquire<true>(*implementation_, *found.node, ex, std::forward<Handler>(handler),
                                n, t, time...);
  }

 private:
  struct unpin {
    void operator()(key_node* k) const noexcept { k->end_wait(); }
  };

  const keyed_implementation* implementation_;
  Key key_;
};

}  // namespace turnstile::inline v1::detail

#endif
