// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_TEST_FLEET_SCRIPTED_HPP
#define TURNSTILE_TEST_FLEET_SCRIPTED_HPP

#include "fleet/server.hpp"
#include "redis.hpp"

#include <cstdint>
#include <string>
#include <vector>

struct arguments {
  std::uint64_t histories = 500, first = 1;
  std::string script;  // a file, if not empty
};
// Ends the program with status 2 if they are wrong.
arguments read_arguments();

inline const std::string key = "turnstile:{some name}";

// sync() as the script does it with that key. The file is used in place of the shipped script if it has a name.
class scripted {
 public:
  scripted(const std::string& socket, const std::string& file);

  // Makes the script take these facts for those of the server.
  turnstile::detail::fleet::result operator()(const turnstile::detail::fleet::request& r,
                                              const turnstile::detail::fleet::server_facts& f);
  turnstile::detail::fleet::result with_real_facts(const turnstile::detail::fleet::request& r);
  std::string error(
      const turnstile::detail::fleet::request& r);  // the error reply; empty if there is none

  redis_connection& redis() { return redis_; }

 private:
  struct text {
    std::string lua, hash;
  };
  redis_reply call(text& t, const turnstile::detail::fleet::request& r,
                   const std::vector<std::string>& facts);
  turnstile::detail::fleet::result read_result(const redis_reply& r);

  redis_connection redis_, subscriber_;
  text shipped_, controlled_;
};

struct scripted_fixture {
  arguments given = read_arguments();  // before there is a server to leave behind
  redis_server server;
  scripted script{server.socket(), given.script};
};

turnstile::detail::fleet::request first_request(const std::string& id);

#endif
