// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_REDIS_HPP
#define TURNSTILE_TEST_FLEET_REDIS_HPP

#include <hiredis/hiredis.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

// A reply of Redis. Each of these fails with what the reply is, if it is something else.
class redis_reply {
 public:
  explicit redis_reply(void* r) : reply_{static_cast<redisReply*>(r)} {}

  bool is_nil() const { return reply_->type == REDIS_REPLY_NIL; }
  std::string error() const;  // empty if it is none
  std::string text() const;   // of a string or a status
  long long integer() const;
  std::vector<std::string> texts() const;  // of an array of strings
  std::vector<long long> integers() const;

 private:
  struct free_reply {
    void operator()(redisReply* r) const { freeReplyObject(r); }
  };
  std::unique_ptr<redisReply, free_reply> reply_;
};

class redis_connection {
 public:
  // Retries until the server answers.
  explicit redis_connection(const std::string& socket);

  redis_reply operator()(const std::vector<std::string>& command);
  redis_reply read();  // what has been published

 private:
  struct free_context {
    void operator()(redisContext* c) const { redisFree(c); }
  };
  std::unique_ptr<redisContext, free_context> context_;
};

// A redis-server with a folder and a socket of its own below the current folder. It ends with this object, or with
// the test if that is killed. The program is the first one in PATH, where test/fleet/run puts other servers.
class redis_server {
 public:
  // The arguments are added to those of redis-server.
  explicit redis_server(std::vector<std::string> arguments = {});
  ~redis_server();
  redis_server(const redis_server&) = delete;
  redis_server& operator=(const redis_server&) = delete;

  std::string socket() const { return folder_ + "/socket"; }
  void start();
  void stop();  // kills it
  void pause();
  void resume();

 private:
  std::vector<std::string> arguments_;
  std::string folder_;
  pid_t process_ = 0;
};

#endif
