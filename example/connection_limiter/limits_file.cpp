// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "limits_file.hpp"

#include "adjustable.hpp"
#include "options.hpp"
#include "text.hpp"

#include <cerrno>
#include <fstream>
#include <string_view>
#include <system_error>

namespace connection_limiter {

namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\r";
  const std::size_t first = text.find_first_not_of(space);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(space) + 1 - first);
}

std::string names() {
  std::string result = "listen";
  for (const adjustable_option& o : adjustable_options()) result += text(", ", o.name);
  return result;
}

limits_file_entry to_entry(std::string_view line) {
  const std::size_t sign = line.find('=');
  if (sign == line.npos) throw usage_error("expected a line such as limit = 20");
  const limits_file_entry entry{std::string{trimmed(line.substr(0, sign))},
                                std::string{trimmed(line.substr(sign + 1))}};
  if (entry.option == "listen") return entry;
  const adjustable_option* const option = find_adjustable(entry.option);
  if (!option) throw usage_error(text("'", entry.option, "' is none of ", names()));
  if (adjustable ignored; !option->set(ignored, entry.value))
    throw usage_error(
        text("invalid ", entry.option, " '", entry.value, "'; expected ", expected_by(*option)));
  return entry;
}

}  // namespace

std::vector<limits_file_entry> read_limits_file(const std::string& path) {
  std::ifstream file{path};
  std::vector<limits_file_entry> result;
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    const std::string_view content = trimmed(line);
    if (content.empty() || content.front() == '#') continue;
    try {
      result.push_back(to_entry(content));
    } catch (const usage_error& e) {
      throw usage_error(text("--limits-file ", path, ", line ", number, ": ", e.what()));
    }
  }
  // Also if the file is a folder, which can be opened but not read.
  if (!file.eof())
    throw usage_error(
        text("--limits-file ", path, ": cannot be read: ", std::generic_category().message(errno)));
  return result;
}

}  // namespace connection_limiter
