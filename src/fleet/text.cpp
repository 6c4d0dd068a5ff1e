// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "fleet/text.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>

namespace turnstile::inline v1::detail::fleet {

namespace {

constexpr std::size_t numbers_of_news = 10, numbers_of_reply = 3 + numbers_of_news,
                      arguments_of_request = 16;

std::array<number, numbers_of_news> to_array(const news& n) {
  return {n.epoch,       n.version, n.share, n.recall, n.debt,
          n.idle_wanted, n.token,   n.limit, n.lease,  n.slice};
}

news to_news(const number* x) {
  return {x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7], x[8], x[9]};
}

// Reads the text from its beginning to its end.
bool read_number(std::string_view text, number& x) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, x);
  return error == std::errc() && rest == end;
}

}  // namespace

std::string key_of(std::string_view name) { return "turnstile:{" + std::string(name) + "}"; }

std::string channel_of(std::string_view key, std::string_view id) {
  return std::string(key) + ":news:" + std::string(id);
}

std::vector<std::string> to_arguments(const request& r) {
  std::vector<std::string> all{r.id};
  for (const number x :
       {r.serial, r.epoch, r.version, r.lease, r.slice, r.limit, r.set_limit, number(r.lost),
        r.held, r.debt, r.in_use, r.keep, r.want, r.need, number(r.leave)})
    all.push_back(std::to_string(x));
  return all;
}

std::optional<request> read_request(const std::vector<std::string>& arguments) {
  if (arguments.size() != arguments_of_request) return {};
  request r;
  r.id = arguments[0];
  number lost = 0, leave = 0;
  std::size_t i = 0;
  for (number* const x :
       {&r.serial, &r.epoch, &r.version, &r.lease, &r.slice, &r.limit, &r.set_limit, &lost, &r.held,
        &r.debt, &r.in_use, &r.keep, &r.want, &r.need, &leave})
    if (!read_number(arguments[++i], *x)) return {};
  r.lost = lost != 0;
  r.leave = leave != 0;
  return r;
}

std::vector<number> to_numbers(const reply& r) {
  std::vector<number> all{r.serial, static_cast<number>(r.status), r.learning_left};
  for (const number x : to_array(r.news)) all.push_back(x);
  return all;
}

std::optional<reply> read_reply(const std::vector<number>& x) {
  if (x.size() != numbers_of_reply || x[1] < 0 || x[1] > static_cast<number>(status::no_limit))
    return {};
  return reply{x[0], static_cast<status>(x[1]), to_news(&x[3]), x[2]};
}

std::string to_text(const news& n) {
  std::string text;
  for (const number x : to_array(n)) {
    if (!text.empty()) text += ' ';
    text += std::to_string(x);
  }
  return text;
}

std::optional<news> read_news(std::string_view text) {
  std::array<number, numbers_of_news> x{};
  for (std::size_t i = 0; i != x.size(); ++i) {
    const bool is_last = i + 1 == x.size();
    const std::size_t end = is_last ? text.size() : text.find(' ');
    if (end == std::string_view::npos || !read_number(text.substr(0, end), x[i])) return {};
    text.remove_prefix(is_last ? end : end + 1);
  }
  return to_news(x.data());
}

}  // namespace turnstile::inline v1::detail::fleet
