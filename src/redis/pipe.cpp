// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/pipe.hpp"

#include "redis/tls.hpp"

#include <hiredis/hiredis.h>

#include <csignal>
#include <ctime>
#include <new>

namespace turnstile::inline v1::detail::redis {

namespace {

// hiredis writes to sockets as to files, and a write to a connection that the server has closed would end the program
// by SIGPIPE. Here this thread gets none.
class without_sigpipe {
 public:
  without_sigpipe() noexcept {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    is_blocked_ = !was_pending_ && pthread_sigmask(SIG_BLOCK, &pipe_, &before_) == 0;
  }
  without_sigpipe(const without_sigpipe&) = delete;
  without_sigpipe& operator=(const without_sigpipe&) = delete;
  ~without_sigpipe() {
    if (!is_blocked_) return;
    sigset_t pending;
    int signal = 0;
    if (sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1) sigwait(&pipe_, &signal);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_, before_;
  bool was_pending_ = false;  // then it is blocked
  bool is_blocked_ = false;
};

answer to_answer(const redisReply& r) {
  answer a;
  switch (r.type) {
    case REDIS_REPLY_INTEGER:
      a.type = answer::kind::integer;
      a.integer = r.integer;
      break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      a.type = answer::kind::text;
      a.text.assign(r.str, r.len);
      break;
    case REDIS_REPLY_ERROR:
      a.type = answer::kind::error;
      a.text.assign(r.str, r.len);
      break;
    case REDIS_REPLY_ARRAY:
      a.type = answer::kind::array;
      for (std::size_t i = 0; i < r.elements; ++i) a.elements.push_back(to_answer(*r.element[i]));
      break;
    default: break;  // nil; RESP3, which has more, is not asked for
  }
  return a;
}

[[noreturn]] void fail(const redisContext& c) { throw broken_pipe(c.errstr); }

}  // namespace

void pipe::free_context::operator()(redisContext* c) const noexcept { redisFreeKeepFd(c); }

void pipe::open(int descriptor, const std::string& tls_name) {
  context_.reset(redisConnectFd(descriptor));
  if (!context_) throw std::bad_alloc();
  context_->flags &= ~REDIS_BLOCK;
  tls_ = tls_name.empty() ? nullptr : begin_tls(*context_, tls_name);
  has_output_ = false;
}

void pipe::append(const std::vector<std::string_view>& words) {
  std::vector<const char*> texts;
  std::vector<std::size_t> sizes;
  for (const std::string_view w : words) {
    texts.push_back(w.data());
    sizes.push_back(w.size());
  }
  char* command = nullptr;
  const auto size =
      redisFormatCommandArgv(&command, static_cast<int>(words.size()), texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc();
  const int result =
      redisAppendFormattedCommand(context_.get(), command, static_cast<std::size_t>(size));
  redisFreeCommand(command);
  has_output_ = true;
  if (result != REDIS_OK) fail(*context_);
}

pipe::rest pipe::flush() {
  if (!has_output_) return rest::none;
  const without_sigpipe guard;
  int done = 0;
  if (redisBufferWrite(context_.get(), &done) != REDIS_OK) fail(*context_);
  has_output_ = !done;
  if (done) return rest::none;
  return tls_ && waits_to_read(*tls_) ? rest::wait_to_read : rest::wait_to_write;
}

void pipe::read() {
  if (redisBufferRead(context_.get()) != REDIS_OK) fail(*context_);
}

std::optional<answer> pipe::next() {
  void* reply = nullptr;
  if (redisGetReplyFromReader(context_.get(), &reply) != REDIS_OK) fail(*context_);
  if (!reply) return std::nullopt;
  struct free_reply {
    void operator()(redisReply* r) const noexcept { freeReplyObject(r); }
  };
  const std::unique_ptr<redisReply, free_reply> owner(static_cast<redisReply*>(reply));
  return to_answer(*owner);
}

}  // namespace turnstile::inline v1::detail::redis
