// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_FLEET_TEXT_HPP
#define TURNSTILE_SRC_FLEET_TEXT_HPP

// The messages as they are sent: the arguments and the reply of the script, and what it publishes. The head of sync.lua
// says in which order the numbers stand.

#include "fleet/messages.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnstile::inline v1::detail::fleet {

// The key of the semaphore NAME, and the channel of one member's news.
std::string key_of(std::string_view name);
std::string channel_of(std::string_view key, std::string_view id);

// What is read is empty if it does not have the right number of numbers.
std::vector<std::string> to_arguments(const request& r);
std::optional<request> read_request(const std::vector<std::string>& arguments);

std::vector<number> to_numbers(const reply& r);
std::optional<reply> read_reply(const std::vector<number>& numbers);

std::string to_text(const news& n);
std::optional<news> read_news(std::string_view text);

}  // namespace turnstile::inline v1::detail::fleet

#endif
