// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "log/log.hpp"

#include "text.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>

namespace connection_limiter {

namespace {

// The present time in UTC, as in RFC 3339: 2026-11-29T11:00:00.123Z.
std::string utc_now() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char time[32];
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(milliseconds));
  return std::string{time} + fraction;
}

std::string_view name_of(log_level level) {
  switch (level) {
    case log_level::info: return "info";
    case log_level::warning: return "warning";
    case log_level::error: return "error";
  }
  return "";
}

// The text in quotes. Bytes outside of ASCII are escaped, because they may not be UTF-8.
std::string json_string(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x7f) {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", code);
      result += escaped;
    }
  }
  return result + '"';
}

std::string json_start(log_level level, std::string_view subject) {
  return text("{\"time\":\"", utc_now(), "\",\"level\":\"", name_of(level),
              "\",\"subject\":", json_string(subject));
}

std::string seconds(std::chrono::microseconds time) {
  char result[32];
  std::snprintf(result, sizeof result, "%.6f", static_cast<double>(time.count()) / 1e6);
  return result;
}

}  // namespace

std::string on_one_line(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code != 0x7f) {
      result += c;
    } else {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", code);
      result += escaped;
    }
  }
  return result;
}

void logger::access(std::string_view subject, const access_record& r) const {
  if (format_ == log_format::json)
    return write_(text(json_start(log_level::info, subject), ",\"client\":", json_string(r.client),
                       ",\"result\":", json_string(r.result), ",\"reason\":", json_string(r.reason),
                       ",\"wait_seconds\":", seconds(r.wait), ",\"seconds\":", seconds(r.time),
                       ",\"bytes_up\":", r.bytes_up, ",\"bytes_down\":", r.bytes_down, '}'));
  const std::string why = r.reason.empty() ? "" : " (" + r.reason + ')';
  info(subject, text("client ", r.client, ": ", r.result, why, ", waited ", seconds(r.wait),
                     " s, ended after ", seconds(r.time), " s, ", r.bytes_up, " bytes up, ",
                     r.bytes_down, " bytes down"));
}

std::string logger::line(log_level level, std::string_view subject,
                         std::string_view message) const {
  if (format_ == log_format::json)
    return json_start(level, subject) + ",\"message\":" + json_string(message) + '}';
  return text(utc_now(), ' ', name_of(level), ": ", on_one_line(subject),
              subject.empty() ? "" : ": ", on_one_line(message));
}

}  // namespace connection_limiter
