// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/listener.hpp"

#include <utility>

namespace turnstile::inline v1::detail::redis {

void listener::listen(std::string channel, shared_engine::message_handler handler, time_point now) {
  const auto pointer = std::make_shared<const shared_engine::message_handler>(std::move(handler));
  const auto [place, is_new] = channels_.insert_or_assign(std::move(channel), pointer);
  start(now);
  if (is_new && is_ready()) send({"SUBSCRIBE", place->first}, now);
}

void listener::ignore(const std::string& channel, time_point now) {
  if (channels_.erase(channel) && is_ready()) send({"UNSUBSCRIBE", channel}, now);
}

// One command for each channel, so that each has one answer.
void listener::begin(time_point now) {
  for (const auto& [channel, handler] : channels_) send({"SUBSCRIBE", channel}, now);
}

void listener::answered(answer a, time_point now) {
  if (a.type == answer::kind::array && a.elements.size() == 3 && a.elements[0].text == "message") {
    const auto place = channels_.find(a.elements[1].text);
    if (place != channels_.end()) post_(place->second, std::move(a.elements[2].text));
    return;
  }
  if (!is_owed()) return unexpected_answer(now);
  answer_counted();
  if (a.type != answer::kind::error) return succeeded();
  if (remedy_for(a.text) == remedy::reconnect) return lost(a.text, now);
  get_wire().report(a.text);
}

}  // namespace turnstile::inline v1::detail::redis
