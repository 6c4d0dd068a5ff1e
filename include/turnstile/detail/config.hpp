// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CONFIG_HPP
#define TURNSTILE_DETAIL_CONFIG_HPP

// The one place that states the version; CMake reads it from here. The inline
// namespace carries the major number, so that two majors can meet in one process.
#define TURNSTILE_VERSION_MAJOR 1
#define TURNSTILE_VERSION_MINOR 0
#define TURNSTILE_VERSION_PATCH 0
#define TURNSTILE_VERSION \
  (TURNSTILE_VERSION_MAJOR * 10000 + TURNSTILE_VERSION_MINOR * 100 + TURNSTILE_VERSION_PATCH)

// Marks what the shared library exports.
#if defined(_WIN32) && defined(TURNSTILE_SHARED)
#if defined(TURNSTILE_BUILDING)
#define TURNSTILE_API __declspec(dllexport)
#else
#define TURNSTILE_API __declspec(dllimport)
#endif
#elif defined(_WIN32)
#define TURNSTILE_API
#else
#define TURNSTILE_API __attribute__((visibility("default")))
#endif

#endif
