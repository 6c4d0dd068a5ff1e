// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace {

redisReply& expect(redisReply& r, int type, const char* expected) {
  if (r.type == type) return r;
  const bool has_text = r.type == REDIS_REPLY_ERROR || r.type == REDIS_REPLY_STRING;
  throw std::runtime_error{
      "Redis replied " + (has_text ? std::string(r.str, r.len) : "type " + std::to_string(r.type)) +
      " instead of " + expected};
}

}  // namespace

std::string redis_reply::error() const {
  return reply_->type == REDIS_REPLY_ERROR ? std::string{reply_->str, reply_->len} : std::string{};
}

std::string redis_reply::text() const {
  if (reply_->type != REDIS_REPLY_STATUS) expect(*reply_, REDIS_REPLY_STRING, "a string");
  return {reply_->str, reply_->len};
}

long long redis_reply::integer() const {
  return expect(*reply_, REDIS_REPLY_INTEGER, "an integer").integer;
}

std::vector<std::string> redis_reply::texts() const {
  expect(*reply_, REDIS_REPLY_ARRAY, "an array");
  std::vector<std::string> all;
  for (std::size_t i = 0; i < reply_->elements; ++i) {
    const redisReply& r = expect(*reply_->element[i], REDIS_REPLY_STRING, "a string");
    all.emplace_back(r.str, r.len);
  }
  return all;
}

std::vector<long long> redis_reply::integers() const {
  expect(*reply_, REDIS_REPLY_ARRAY, "an array");
  std::vector<long long> all;
  for (std::size_t i = 0; i < reply_->elements; ++i)
    all.push_back(expect(*reply_->element[i], REDIS_REPLY_INTEGER, "an integer").integer);
  return all;
}

redis_connection::redis_connection(const std::string& socket) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  for (;;) {
    context_.reset(redisConnectUnix(socket.c_str()));
    if (context_ && !context_->err) return;
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error{"no connection to redis-server: see the file log in the folder of " +
                               socket};
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
}

redis_reply redis_connection::operator()(const std::vector<std::string>& command) {
  std::vector<const char*> words;
  std::vector<std::size_t> sizes;
  for (const std::string& word : command) {
    words.push_back(word.data());
    sizes.push_back(word.size());
  }
  void* r =
      redisCommandArgv(context_.get(), static_cast<int>(words.size()), words.data(), sizes.data());
  if (r == nullptr)
    throw std::runtime_error{"no reply from redis-server: " + std::string{context_->errstr}};
  return redis_reply{r};
}

redis_reply redis_connection::read() {
  void* r = nullptr;
  if (redisGetReply(context_.get(), &r) != REDIS_OK)
    throw std::runtime_error{"nothing from redis-server: " + std::string{context_->errstr}};
  return redis_reply{r};
}

redis_server::redis_server(std::vector<std::string> arguments)
    : arguments_{"redis-server", "--port", "0",         "--unixsocket", "socket", "--save", "",
                 "--appendonly", "no",     "--logfile", "log"} {
  arguments_.insert(arguments_.end(), arguments.begin(), arguments.end());
  // Relative, since the path of a socket can have some hundred characters only.
  folder_ = "redis.XXXXXX";
  if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error{"no folder for redis-server"};
  start();
}

void redis_server::start() {
  std::vector<char*> words;
  for (std::string& a : arguments_) words.push_back(a.data());
  words.push_back(nullptr);
  process_ = fork();
  if (process_ < 0) throw std::runtime_error{"no process for redis-server"};
  if (process_ > 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close_range(3, ~0U, 0);  // the sockets of the test, which would stay open
  if (chdir(folder_.c_str()) == 0) execvp(words[0], words.data());
  _exit(127);
}

void redis_server::stop() {
  kill(process_, SIGKILL);
  waitpid(process_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove(socket(), ignored);
}

void redis_server::pause() { kill(process_, SIGSTOP); }

void redis_server::resume() { kill(process_, SIGCONT); }

redis_server::~redis_server() {
  stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}
