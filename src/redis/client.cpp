// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// Two dialogues over two pipes, and an event loop.

#include "redis/caller.hpp"
#include "redis/listener.hpp"
#include "redis/pipe.hpp"

#include <turnstile/detail/redis_client.hpp>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <new>
#include <utility>

namespace turnstile::inline v1::detail {

namespace {

redis::time_point now() { return std::chrono::steady_clock::now(); }

}  // namespace

struct redis_client::state {
  // One of the two connections.
  class link final : public redis::wire {
   public:
    link(state& owner, redis_link id) : owner_(owner), id_(id) {}

    void connect(unsigned attempt) override { owner_.loop.connect(id_, attempt); }
    void send(const std::vector<std::string_view>& words) override { pipe.append(words); }
    void close() noexcept override {
      pipe.close();
      is_blocked = false;
      owner_.loop.close(id_);
    }
    void report(const std::string& problem) override { owner_.report(problem); }

    redis::pipe pipe;
    bool is_blocked = false;  // what is to be written waits until the descriptor is writable

   private:
    state& owner_;
    const redis_link id_;
  };

  state(redis_address a, redis::duration timeout, redis_loop& l)
      : address(std::move(a)),
        loop(l),
        calls(links[0], address, timeout, {shared_script(), redis::script_sha1()},
              [this](shared_engine::reply_handler h, shared_engine::reply r) {
                loop.post([h = std::move(h), r = std::move(r)]() mutable { h(std::move(r)); });
              }),
        pushes(links[1], address, timeout,
               [this](redis::listener::handler_pointer h, std::string message) {
                 loop.post([h = std::move(h), message = std::move(message)] { (*h)(message); });
               }) {}

  redis::dialogue& dialogue(redis_link l) noexcept {
    if (l == redis_link::calls) return calls;
    return pushes;
  }
  link& of(redis_link l) noexcept { return links[static_cast<std::size_t>(l)]; }

  void report(const std::string& problem) {
    const std::lock_guard<std::mutex> lock(mutex);
    error = problem;
  }

  // Does what a dialogue asks for, and what follows. If memory is short, or there is no thread to resolve a name, the
  // connections are made anew.
  template <typename F>
  void run(F&& f) {
    if (is_stopped) return;
    try {
      f();
      flush(redis_link::calls);
      flush(redis_link::pushes);
    } catch (const std::exception& e) {
      const bool is_memory = dynamic_cast<const std::bad_alloc*>(&e);
      const char* const reason = is_memory ? "out of memory" : e.what();
      for (const redis_link l : {redis_link::calls, redis_link::pushes})
        if (of(l).pipe) dialogue(l).lost(reason, now());
      report(reason);  // also if no connection is there that could be lost: its time runs out
    }
    is_ready = calls.is_ready();
    loop.wake_at((std::min)(calls.wake_at(), pushes.wake_at()));
  }

  void flush(redis_link l) {
    link& k = of(l);
    if (!k.pipe || k.is_blocked) return;
    try {
      const redis::pipe::rest rest = k.pipe.flush();
      k.is_blocked = rest != redis::pipe::rest::none;
      if (rest == redis::pipe::rest::wait_to_write) loop.wait_to_write(l);
    } catch (const redis::broken_pipe& e) {
      dialogue(l).lost(e.what(), now());
    }
  }

  void read(redis_link l) {
    link& k = of(l);
    if (!k.pipe) return;
    try {
      k.pipe.read();
      while (k.pipe) {
        std::optional<redis::answer> a = k.pipe.next();
        if (!a) return;
        dialogue(l).received(std::move(*a), now());
      }
    } catch (const redis::broken_pipe& e) {
      dialogue(l).lost(e.what(), now());
    }
  }

  void open(redis_link l, int descriptor) {
    try {
      of(l).pipe.open(descriptor, address.tls ? address.host : std::string());
    } catch (const redis::broken_pipe& e) {
      return dialogue(l).lost(e.what(), now());
    }
    dialogue(l).connected(now());
  }

  const redis_address address;
  redis_loop& loop;
  link links[redis_links] = {{*this, redis_link::calls}, {*this, redis_link::pushes}};
  redis::caller calls;
  redis::listener pushes;
  bool is_stopped = false;

  // Read by any thread.
  std::atomic<bool> is_ready = false;
  mutable std::mutex mutex;
  std::string error;
};

redis_client::redis_client(redis_address a, std::chrono::milliseconds connect_timeout,
                           redis_loop& l)
    : state_(std::make_unique<state>(std::move(a), connect_timeout, l)) {}

redis_client::~redis_client() = default;

void redis_client::start() {
  state_->run([this] { state_->calls.start(now()); });
}

void redis_client::sync(shared_engine::request r, shared_engine::reply_handler handler) {
  state_->run([&] { state_->calls.sync(std::move(r), std::move(handler), now()); });
}

void redis_client::listen(std::string channel, shared_engine::message_handler handler) {
  state_->run([&] { state_->pushes.listen(std::move(channel), std::move(handler), now()); });
}

void redis_client::ignore(const std::string& channel) {
  state_->run([&] { state_->pushes.ignore(channel, now()); });
}

void redis_client::connected(redis_link l, int descriptor) {
  state_->run([&] { state_->open(l, descriptor); });
}

void redis_client::lost(redis_link l, const std::string& reason) {
  state_->run([&] { state_->dialogue(l).lost(reason, now()); });
}

void redis_client::readable(redis_link l) {
  // With TLS, what could not be written may have waited for this.
  state_->run([&] {
    state_->of(l).is_blocked = false;
    state_->read(l);
  });
}

void redis_client::writable(redis_link l) {
  state_->run([&] { state_->of(l).is_blocked = false; });
}

void redis_client::tick() {
  state_->run([this] {
    state_->calls.tick(now());
    state_->pushes.tick(now());
  });
}

void redis_client::stop() {
  if (std::exchange(state_->is_stopped, true)) return;
  state_->is_ready = false;
  for (state::link& l : state_->links) l.close();
  state_->calls.stop("the engine was destroyed");
  state_->pushes.abandon();
}

void redis_client::abandon() noexcept {
  state_->is_stopped = true;
  state_->is_ready = false;
  for (state::link& l : state_->links) l.pipe.close();
  state_->calls.abandon();
  state_->pushes.abandon();
}

bool redis_client::is_connected() const noexcept { return state_->is_ready; }

std::string redis_client::last_error() const {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->error;
}

void redis_client::note(const std::string& problem) { state_->report(problem); }

}  // namespace turnstile::inline v1::detail
