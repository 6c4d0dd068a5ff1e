// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_DETAIL_CONFIG_HPP
#define TURNSTILE_DETAIL_CONFIG_HPP

#include <boost/config.hpp>
#include <boost/version.hpp>

// These messages come before all others, so that the first error names what is missing.
#if BOOST_VERSION < 108100
#error "turnstile needs Boost 1.81 or newer"
#elif BOOST_CXX_VERSION < 202002L
#error "turnstile needs C++20 (-std=c++20) or newer"
#elif defined(BOOST_NO_EXCEPTIONS)
#error "turnstile needs exceptions: it cannot be used with -fno-exceptions"
#endif

// The one place that states the version; CMake reads it from here. The inline
// namespace carries the major number, so that two majors can meet in one process.
#define TURNSTILE_VERSION_MAJOR 1
#define TURNSTILE_VERSION_MINOR 1
#define TURNSTILE_VERSION_PATCH 0
#define TURNSTILE_VERSION \
  (TURNSTILE_VERSION_MAJOR * 10000 + TURNSTILE_VERSION_MINOR * 100 + TURNSTILE_VERSION_PATCH)

// Marks functions that are rarely called, so that they do not make the callers larger.
#if defined(__GNUC__)
#define TURNSTILE_COLD [[gnu::cold, gnu::noinline]]
#else
#define TURNSTILE_COLD
#endif

// Marks what the shared library exports. The static one exports nothing: if several shared libraries of a
// program link it, each uses its own copy.
#if !defined(TURNSTILE_SHARED)
#define TURNSTILE_API
#elif !defined(_WIN32)
#define TURNSTILE_API __attribute__((visibility("default")))
#elif defined(TURNSTILE_BUILDING)
#define TURNSTILE_API __declspec(dllexport)
#else
#define TURNSTILE_API __declspec(dllimport)
#endif

#endif
