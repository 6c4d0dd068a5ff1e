// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "scripted.hpp"

#include "fleet/text.hpp"

#include <turnstile/shared_engine.hpp>

#include <boost/test/framework.hpp>
#include <boost/test/unit_test_suite.hpp>

#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

using namespace turnstile::detail::fleet;

namespace {

// Stands before the script, and answers for the server from further arguments.
// Without a run id, INFO is empty.
constexpr std::string_view controlled_facts = R"(local server = redis
local redis = setmetatable({ call = function(name, ...)
  if name == 'INFO' and ARGV[17] == '' then return '' end
  if name == 'INFO' then return 'os:none\r\nrun_id:' .. ARGV[17] .. '\r\nuptime_in_seconds:' .. ARGV[18] .. '\r\n' end
  if name == 'TIME' then return { ARGV[19], ARGV[20] } end
  return server.call(name, ...)
end }, { __index = server })
)";

std::string read_file(const std::string& name) {
  std::ifstream file{name, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace

arguments read_arguments() {
  arguments a;
  const auto& suite = boost::unit_test::framework::master_test_suite();
  for (int i = 1; i < suite.argc; i += 2) {
    const std::string name = suite.argv[i], value = i + 1 < suite.argc ? suite.argv[i + 1] : "";
    const auto number = [&](std::uint64_t& x) {
      const char* end = value.data() + value.size();
      return std::from_chars(value.data(), end, x).ptr == end && x > 0 && !value.empty();
    };
    const bool is_right = name == "--histories" ? number(a.histories)
                          : name == "--first"   ? number(a.first)
                          : name == "--script"  ? !(a.script = value).empty()
                                                : false;
    if (is_right) continue;
    std::fprintf(
        stderr,
        "fleet_script: wrong '%s %s'; expected --histories NUMBER, --first NUMBER, --script FILE\n",
        name.c_str(), value.c_str());
    std::exit(2);
  }
  return a;
}

scripted::scripted(const std::string& socket, const std::string& file)
    : redis_{socket}, subscriber_{socket} {
  shipped_.lua = file.empty() ? std::string{turnstile::shared_script()} : read_file(file);
  controlled_.lua = std::string{controlled_facts} + shipped_.lua;
  for (text* t : {&shipped_, &controlled_}) t->hash = redis_({"SCRIPT", "LOAD", t->lua}).text();
  if (const std::string e = subscriber_({"PSUBSCRIBE", "*"}).error(); !e.empty())
    throw std::runtime_error{e};
}

redis_reply scripted::call(text& t, const request& r, const std::vector<std::string>& facts) {
  std::vector<std::string> command{"EVALSHA", t.hash, "1", key};
  for (std::string& argument : to_arguments(r)) command.push_back(std::move(argument));
  command.insert(command.end(), facts.begin(), facts.end());
  redis_reply first = redis_(command);
  if (!first.error().starts_with("NOSCRIPT")) return first;
  command[0] = "EVAL";
  command[1] = t.lua;
  return redis_(command);
}

result scripted::read_result(const redis_reply& r) {
  if (const std::string e = r.error(); !e.empty()) throw std::runtime_error{e};
  const std::vector<long long> x = r.integers();
  const auto read = read_reply({x.begin(), x.end()});
  if (!read) throw std::runtime_error{"a reply of " + std::to_string(x.size()) + " numbers"};
  result all;
  all.reply = *read;

  // What the script has published comes before this.
  redis_({"PUBLISH", "end", ""});
  const std::string prefix = channel_of(key, "");
  for (;;) {
    const std::vector<std::string> message =
        subscriber_.read().texts();  // pmessage, pattern, channel, text
    const std::string& channel = message.at(2);
    if (channel == "end") return all;
    if (!channel.starts_with(prefix)) throw std::runtime_error{"published to " + channel};
    const auto n = read_news(message.at(3));
    if (!n) throw std::runtime_error{"published " + message.at(3)};
    all.pushes.push_back({channel.substr(prefix.size()), *n});
  }
}

result scripted::operator()(const request& r, const server_facts& f) {
  constexpr number second = 1'000'000;
  return read_result(call(controlled_, r,
                          {f.run_id, std::to_string(f.age / second),
                           std::to_string(f.wall / second), std::to_string(f.wall % second)}));
}

result scripted::with_real_facts(const request& r) { return read_result(call(shipped_, r, {})); }

std::string scripted::error(const request& r) { return call(shipped_, r, {}).error(); }

request first_request(const std::string& id) {
  request r;
  r.id = id;
  r.serial = 1;
  r.lease = 600'000'000;
  r.slice = 10'000;
  r.limit = 8;
  return r;
}
