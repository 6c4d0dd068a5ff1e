// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CONTEXT_HOOK_HPP
#define TURNSTILE_DETAIL_CONTEXT_HOOK_HPP

// What is to be told that an execution context ends, so that it drops its executors and timers while that is still
// possible. It may be made and destroyed before and after that.

#include <boost/asio/execution_context.hpp>

#include <mutex>

namespace turnstile::inline v1::detail {

namespace asio = boost::asio;

class context_hooks;

class context_hook {
 public:
  context_hook(const context_hook&) = delete;
  context_hook& operator=(const context_hook&) = delete;

 protected:
  context_hook() noexcept = default;
  virtual ~context_hook() { detach(); }

  // If the context has ended, this calls context_ended(). A derived class detaches itself before its members are gone.
  inline void attach(asio::execution_context& context);
  inline void detach() noexcept;

 private:
  friend context_hooks;

  virtual void context_ended() noexcept = 0;

  context_hooks* hooks_ = nullptr;  // null if it is not attached
  context_hook* next_ = nullptr;
  context_hook* previous_ = nullptr;
};

// The mutex guards the list. As always in Asio, no other thread uses a context while it is destroyed.
class context_hooks final : public asio::execution_context::service {
 public:
  using key_type = context_hooks;
  static inline asio::execution_context::id id;

  explicit context_hooks(asio::execution_context& context)
      : asio::execution_context::service(context) {}

 private:
  friend context_hook;

  void shutdown() override {
    // What is called may attach and detach hooks.
    while (context_hook* const h = next_to_end()) h->context_ended();
  }

  context_hook* next_to_end() noexcept {
    const std::scoped_lock lock(mutex_);
    has_ended_ = true;
    context_hook* const h = first_;
    if (h) unlink(*h);
    return h;
  }

  void unlink(context_hook& h) noexcept {
    (h.previous_ ? h.previous_->next_ : first_) = h.next_;
    if (h.next_) h.next_->previous_ = h.previous_;
    h.hooks_ = nullptr;
  }

  std::mutex mutex_;
  bool has_ended_ = false;
  context_hook* first_ = nullptr;
};

void context_hook::attach(asio::execution_context& context) {
  auto& hooks = asio::use_service<context_hooks>(context);
  {
    const std::scoped_lock lock(hooks.mutex_);
    if (!hooks.has_ended_) {
      next_ = hooks.first_;
      previous_ = nullptr;
      if (next_) next_->previous_ = this;
      hooks.first_ = this;
      hooks_ = &hooks;
      return;
    }
  }
  context_ended();
}

void context_hook::detach() noexcept {
  if (!hooks_) return;
  const std::scoped_lock lock(hooks_->mutex_);
  hooks_->unlink(*this);
}

}  // namespace turnstile::inline v1::detail

#endif
