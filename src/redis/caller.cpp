// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/caller.hpp"

#include <algorithm>
#include <utility>

namespace turnstile::inline v1::detail::redis {

caller::caller(wire& w, const redis_address& a, duration timeout, script s, post_function post)
    : dialogue(w, a, timeout), script_(s), post_(std::move(post)) {
  if (a.database) add_greeting({{"SELECT", std::to_string(a.database)}});
  add_greeting({{"INFO", "server"}, false});
}

void caller::sync(shared_engine::request r, shared_engine::reply_handler handler, time_point now) {
  if (is_waiting() || (is_ready() && !is_usable_)) return post_(std::move(handler), {problem_, {}});
  calls_.push_back({std::move(r), std::move(handler)});
  if (is_ready()) send_call(calls_.back(), now);
}

void caller::send_call(const call& c, time_point now) {
  if (!c.handler) return send({"PING"}, now);
  std::vector<std::string_view> words{c.has_text ? "EVAL" : "EVALSHA",
                                      c.has_text ? script_.text : script_.sha1, "1", c.request.key};
  words.insert(words.end(), c.request.arguments.begin(), c.request.arguments.end());
  send(words, now);
}

void caller::ping(time_point now) {
  calls_.emplace_back();
  send_call(calls_.back(), now);
}

void caller::greeted(const greeting& g, const answer& a) {
  if (g.words[0] != "INFO") return;
  const std::string version = version_in(a.text);
  is_usable_ = !is_too_old(version);
  if (is_usable_) return;
  problem_ = "TURNSTILE the server is Redis " + version + ", and turnstile needs 6.0 or newer";
  get_wire().report(problem_);
}

void caller::begin(time_point now) {
  if (!is_usable_) return ended(problem_);
  for (const call& c : calls_) send_call(c, now);
}

void caller::answered(answer a, time_point now) {
  if (calls_.empty()) return unexpected_answer(now);
  answer_counted();
  call c = std::move(calls_.front());
  calls_.pop_front();
  if (c.handler) take_reply(std::move(c), std::move(a), now);
}

void caller::take_reply(call c, answer a, time_point now) {
  shared_engine::reply reply;
  remedy r = remedy::try_again;
  if (a.type == answer::kind::error) {
    reply.error = std::move(a.text);
    r = remedy_for(reply.error);
  } else if (a.type == answer::kind::array &&
             std::all_of(a.elements.begin(), a.elements.end(),
                         [](const answer& e) { return e.type == answer::kind::integer; })) {
    for (const answer& e : a.elements) reply.numbers.push_back(e.integer);
  } else {
    reply.error = "the script replied something else than numbers";
  }
  if (r == remedy::send_text && !c.has_text) {
    c.has_text = true;
    calls_.push_back(std::move(c));
    return send_call(calls_.back(), now);
  }
  const std::string error = reply.error;
  post_(std::move(c.handler), std::move(reply));
  if (r == remedy::reconnect) return lost(error, now);
  if (!error.empty()) return get_wire().report(error);
  succeeded();
}

void caller::ended(const std::string& reason) {
  problem_ = reason;
  for (call& c : std::exchange(calls_, {}))
    if (c.handler) post_(std::move(c.handler), {reason, {}});
}

}  // namespace turnstile::inline v1::detail::redis
