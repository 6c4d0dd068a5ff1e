// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_RELAY_HPP
#define TURNSTILE_DETAIL_RELAY_HPP

// How a cancellation of async_with_permit reaches the acquire, or the operation that runs with the permits.

#include <turnstile/detail/config.hpp>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>

#include <atomic>
#include <memory>

namespace turnstile::inline v1::detail {

namespace asio = boost::asio;

// What with_permit_op and the relay share: the number of references, how far the operation is, and the types
// of the cancellations that were emitted before the operation ran.
class progress {
 public:
  // Gives up a reference. True if it was the last; otherwise the owner may be gone.
  bool leave() noexcept {
    return (word_.fetch_sub(reference, std::memory_order_acq_rel) & ~(reference - 1)) == reference;
  }

  // Gives up the last reference, and does nothing if there are others.
  bool leave_if_last() noexcept {
    unsigned w = word_.load(std::memory_order_acquire);
    return w / reference == 1 &&
           word_.compare_exchange_strong(w, w - reference, std::memory_order_acq_rel);
  }

  void add_reference() noexcept { word_.fetch_add(reference, std::memory_order_relaxed); }

 private:
  friend class relay;

  // The acquire comes first. Then the operation is being initiated (`starting`), and then it runs.
  static constexpr unsigned types = 7, starting = 8, running = 16, reference = 32;

  std::atomic<unsigned> word_{reference};
};

// Passes cancellations of the whole on to the acquire or to the operation.
class relay {
 public:
  class owner {
   public:
    // An emission to the running operation has returned: gives up the reference that it took.
    virtual void emission_ended() = 0;

   protected:
    ~owner() = default;
  };

  explicit relay(owner& o) noexcept : owner_(&o) {}

  // On any thread; by one emission at a time, as Asio requires.
  void emit(asio::cancellation_type type) {
    using enum asio::cancellation_type;
    type = type & (terminal | partial | total);
    unsigned w = progress_.word_.load(std::memory_order_acquire), next;
    do {
      if (w < progress::reference) return;  // the operation has ended
      next = w & progress::running ? w + progress::reference : w | static_cast<unsigned>(type);
    } while (!progress_.word_.compare_exchange_weak(w, next, std::memory_order_acq_rel));
    if (w & progress::running) {
      try {
        operation_.emit(type);
      } catch (...) {
        owner_->emission_ended();
        throw;
      }
      owner_->emission_ended();
    } else if (!(w & progress::starting)) {
      acquire_.emit(type);
    }
  }

  // The acquire has ended. Returns the cancellations that were emitted meanwhile.
  asio::cancellation_type start() noexcept {
    const unsigned w = progress_.word_.fetch_or(progress::starting, std::memory_order_acq_rel);
    return static_cast<asio::cancellation_type>(w & progress::types);
  }

  // The operation is initiated: it gets the cancellations that were emitted since start(), and from now on
  // each emission goes straight to it. The caller has a reference.
  void run() {
    unsigned w = progress_.word_.load(std::memory_order_acquire);
    while (w / progress::reference != 1) {  // else it has ended
      const unsigned types = w & progress::types;
      const unsigned next = types ? w & ~progress::types : w | progress::running;
      if (!progress_.word_.compare_exchange_weak(w, next, std::memory_order_acq_rel)) continue;
      if (!types) return;
      operation_.emit(static_cast<asio::cancellation_type>(types));
    }
  }

  progress progress_;
  asio::cancellation_signal acquire_, operation_;

 private:
  owner* const owner_;
};

// What the handler's cancellation slot holds.
struct relay_handler {
  std::shared_ptr<relay> relay_;

  void operator()(asio::cancellation_type_t type) const {
    // What the emission completes may use the slot again, and destroy *this with that.
    const auto kept = relay_;
    kept->emit(type);
  }
};

}  // namespace turnstile::inline v1::detail

#endif
