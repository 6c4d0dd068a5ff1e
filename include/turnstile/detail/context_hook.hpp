// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CONTEXT_HOOK_HPP
#define TURNSTILE_DETAIL_CONTEXT_HOOK_HPP

// What is to be told that an execution context ends, so that it drops its executors and timers while that is still
// possible. It may be made and destroyed before and after that. A hook belongs to a shared_ptr.
//
// A thread of another context, on which an engine hands over its replies, may use and destroy a hook while the context
// is destroyed. So what belongs to the context is used and dropped under the mutex of the list, which outlives both. An
// executor runs under it, and may come back: so the mutex is recursive.

#include <boost/asio/execution_context.hpp>

#include <memory>
#include <mutex>

namespace turnstile::inline v1::detail {

namespace asio = boost::asio;

class context_hook;

struct context_hook_list {
  std::recursive_mutex mutex;
  bool has_ended = false;
  context_hook* first = nullptr;
};

class context_hook : public std::enable_shared_from_this<context_hook> {
 public:
  context_hook(const context_hook&) = delete;
  context_hook& operator=(const context_hook&) = delete;

 protected:
  context_hook() noexcept = default;
  virtual ~context_hook() = default;

  // Comes first. Returns false if the context has ended.
  inline bool attach(asio::execution_context& context);
  // Drops what belongs to the context, unless that has ended. A derived class calls it in its destructor.
  inline void detach() noexcept;

  // Calls f, unless the context has ended. The end of the context waits for f.
  template <typename Function>
  void with_context(Function f) {
    const std::lock_guard<std::recursive_mutex> lock(list_->mutex);
    if (is_listed_) f();
  }

 private:
  friend class context_hooks;

  // With the mutex.
  virtual void drop_context() noexcept = 0;
  // Then, without it, if the context ends before the hook.
  virtual void context_ended() noexcept = 0;

  void unlink() noexcept {
    (previous_ ? previous_->next_ : list_->first) = next_;
    if (next_) next_->previous_ = previous_;
    is_listed_ = false;
  }

  std::shared_ptr<context_hook_list> list_;  // once it was attached
  bool is_listed_ = false;
  context_hook* next_ = nullptr;
  context_hook* previous_ = nullptr;
};

class context_hooks final : public asio::execution_context::service {
 public:
  using key_type = context_hooks;
  static inline asio::execution_context::id id;

  explicit context_hooks(asio::execution_context& context)
      : asio::execution_context::service(context) {}

 private:
  friend context_hook;

  // What is called may attach and detach hooks.
  void shutdown() override {
    for (;;) {
      std::shared_ptr<context_hook> h;
      {
        const std::lock_guard<std::recursive_mutex> lock(list_->mutex);
        list_->has_ended = true;
        context_hook* const first = list_->first;
        if (!first) return;
        h = first->weak_from_this().lock();  // empty if another thread is about to destroy it
        first->unlink();
        first->drop_context();
      }
      if (h) h->context_ended();
    }
  }

  const std::shared_ptr<context_hook_list> list_ = std::make_shared<context_hook_list>();
};

bool context_hook::attach(asio::execution_context& context) {
  list_ = asio::use_service<context_hooks>(context).list_;
  const std::lock_guard<std::recursive_mutex> lock(list_->mutex);
  if (list_->has_ended) return false;
  next_ = list_->first;
  if (next_) next_->previous_ = this;
  list_->first = this;
  is_listed_ = true;
  return true;
}

void context_hook::detach() noexcept {
  const std::lock_guard<std::recursive_mutex> lock(list_->mutex);
  if (!is_listed_) return;
  unlink();
  drop_context();
}

}  // namespace turnstile::inline v1::detail

#endif
