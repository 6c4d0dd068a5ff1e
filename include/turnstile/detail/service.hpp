// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_SERVICE_HPP
#define TURNSTILE_DETAIL_SERVICE_HPP

// What the destruction of an execution context does to its semaphores: waiters are destroyed uncalled, and
// executors are dropped while that is still possible, so that semaphores and permits may be destroyed
// afterwards. The mutex guards only the list of semaphores: it is taken when a semaphore is constructed,
// moved or destroyed, never by an acquire or a release.

#include <turnstile/detail/asio_internals.hpp>
#include <turnstile/detail/counter.hpp>
#include <turnstile/detail/handler_executor.hpp>

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace turnstile::inline v1::detail {

class service;

// A place in one of the service's lists, or the head of one.
struct registration_link {
  registration_link* next = this;
  registration_link* previous = this;

  bool empty() const noexcept { return next == this; }
  void insert_before(registration_link& other) noexcept {
    next = &other;
    previous = other.previous;
    next->previous = previous->next = this;
  }
  void unlink() noexcept {
    next->previous = previous;
    previous->next = next;
  }
};

// A semaphore as its context knows it.
class registration : private registration_link {
 public:
  registration(const registration&) = delete;
  registration& operator=(const registration&) = delete;

  bool has_context() const noexcept { return service_; }
  // This requires that it has one.
  inline asio::execution_context& context() const noexcept;
  inline const scheduler_finder& schedulers() const noexcept;

 protected:
  registration() noexcept = default;
  ~registration() = default;

  inline void enter(service& s, counter& c) noexcept;  // takes over a reference to c
  inline void replace(registration& other) noexcept;   // takes over other's place and core
  inline void leave() noexcept;                        // aborts the waiters

 private:
  friend service;
  template <typename, typename>
  friend class implementation;

  virtual void drop_executor() noexcept = 0;

  counter* core_ = nullptr;     // a reference, unless null
  service* service_ = nullptr;  // null when the context is gone
};

class service final : public asio::execution_context::service {
 public:
  using key_type = service;
  static inline asio::execution_context::id id;

  TURNSTILE_COLD explicit service(asio::execution_context& context)
      : asio::execution_context::service(context), schedulers_(context) {
    // Services are destroyed the newest first, and a strand cannot be destroyed after its service.
    make_strand_service(context);
  }

  TURNSTILE_COLD ~service() override {
    for (registration_link* list : {&live_, &abandoned_}) {
      while (!list->empty()) {
        auto& r = static_cast<registration&>(*list->next);
        r.unlink();
        r.service_ = nullptr;
        r.drop_executor();
      }
    }
  }

 private:
  friend registration;

  TURNSTILE_COLD void shutdown() override {
    // User code runs in abandon(), and may make, move and destroy any semaphore.
    while (counter* const c = next_to_abandon()) {
      c->abandon();
      c->drop_reference();
    }
  }

  counter* next_to_abandon() noexcept {
    const std::scoped_lock lock(mutex_);
    is_shut_down_ = live_.empty();
    if (is_shut_down_) return nullptr;
    auto& r = static_cast<registration&>(*live_.next);
    r.unlink();
    r.insert_before(abandoned_);
    r.core_->add_reference();
    return r.core_;
  }

  const scheduler_finder schedulers_;
  std::mutex mutex_;
  // From then on a semaphore that a handler's destructor makes is abandoned at once.
  bool is_shut_down_ = false;
  registration_link live_;
  registration_link abandoned_;
};

asio::execution_context& registration::context() const noexcept { return service_->context(); }

const scheduler_finder& registration::schedulers() const noexcept { return service_->schedulers_; }

void registration::enter(service& s, counter& c) noexcept {
  const std::scoped_lock lock(s.mutex_);
  core_ = &c;
  service_ = &s;
  insert_before(s.is_shut_down_ ? s.abandoned_ : s.live_);
  if (s.is_shut_down_) c.abandon();  // without waiters: no user code runs
}

void registration::replace(registration& other) noexcept {
  if (service* const s = other.service_) {
    const std::scoped_lock lock(s->mutex_);
    insert_before(other);
    other.unlink();
  }
  core_ = std::exchange(other.core_, nullptr);
  service_ = std::exchange(other.service_, nullptr);
}

void registration::leave() noexcept {
  if (!core_) return;
  core_->orphan();
  if (service_) {
    const std::scoped_lock lock(service_->mutex_);
    unlink();
  }
  service_ = nullptr;
  std::exchange(core_, nullptr)->drop_reference();
}

// An execution context whose executor is, or becomes, an Executor.
template <typename Context, typename Executor>
concept context_for = std::is_convertible_v<Context&, asio::execution_context&> &&
                      requires(Context& c) { Executor(c.get_executor()); };

// An executor that may be gone. If its type can be empty, it is made empty then, so that it can still be copied.
template <typename Executor>
class executor_slot {
 public:
  executor_slot() = default;
  explicit executor_slot(const Executor& ex) : executor_(ex) {}

  const Executor& operator*() const noexcept { return *executor_; }
  explicit operator bool() const noexcept { return executor_.has_value(); }
  // Executors need not be assignable.
  void reset(const executor_slot& other) {
    executor_.reset();
    if (other) executor_.emplace(*other);
  }
  void drop() noexcept { executor_.reset(); }

 private:
  std::optional<Executor> executor_;
};

template <typename Executor>
  requires(std::is_nothrow_default_constructible_v<Executor> &&
           std::is_nothrow_copy_assignable_v<Executor>)
class executor_slot<Executor> {
 public:
  executor_slot() = default;
  explicit executor_slot(const Executor& ex) : executor_(ex) {}

  const Executor& operator*() const noexcept { return executor_; }
  explicit operator bool() const noexcept { return true; }
  void reset(const executor_slot& other) noexcept { executor_ = other.executor_; }
  void drop() noexcept { executor_ = Executor(); }

 private:
  Executor executor_;
};

// What a semaphore object holds: its core, its executor, and its place in the context's list.
template <typename Executor, typename Core>
class implementation final : public registration {
 public:
  // Makes a core from the arguments.
  template <typename... Args>
  explicit implementation(const Executor& ex, Args... args) : executor_(ex) {
    auto& s = asio::use_service<service>(detail::context_of(ex));
    enter(s, *new Core(args...));
  }

  template <typename Executor1>
  explicit implementation(implementation<Executor1, Core>&& other) : executor_(converted(other)) {
    replace(other);
    other.drop_executor();
  }

  implementation(implementation&& other) noexcept : executor_(other.executor_) {
    replace(other);
    other.drop_executor();
  }

  template <typename Executor1>
  void assign(implementation<Executor1, Core>&& other) {
    const executor_slot<Executor> ex = converted(other);  // may throw: first
    leave();
    executor_.reset(ex);
    replace(other);
    other.drop_executor();
  }

  ~implementation() { leave(); }

  Core* get_core() const noexcept { return static_cast<Core*>(core_); }

  const Executor& get_executor() const noexcept { return *executor_; }

 private:
  template <typename, typename>
  friend class implementation;

  template <typename Executor1>
  static executor_slot<Executor> converted(const implementation<Executor1, Core>& other) {
    if (!other.executor_) return {};
    return executor_slot<Executor>(Executor(*other.executor_));
  }

  // An executor may own a part of its context, as a strand does. It has to be destroyed before the context.
  void drop_executor() noexcept override {
    if constexpr (!is_plain<Executor>) executor_.drop();
  }

  // Executors of Asio that are no more than a pointer to their context.
  template <typename E>
  static constexpr bool is_plain = std::is_same_v<E, asio::io_context::executor_type> ||
                                   std::is_same_v<E, asio::thread_pool::executor_type>;

  executor_slot<Executor> executor_;
};

}  // namespace turnstile::inline v1::detail

#endif
