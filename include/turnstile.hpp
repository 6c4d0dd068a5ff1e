// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_HPP
#define TURNSTILE_HPP

// Everything for one process: an asynchronous semaphore for Boost.Asio.

/// @namespace turnstile
/// An asynchronous semaphore for Boost.Asio. (Its names stand in an inline namespace `v1`.)

#include <turnstile/acquirable.hpp>
#include <turnstile/adaptive_limit.hpp>
#include <turnstile/bounded_semaphore.hpp>
#include <turnstile/error.hpp>
#include <turnstile/keyed_semaphore.hpp>
#include <turnstile/permit.hpp>
#include <turnstile/semaphore.hpp>
#include <turnstile/statistics.hpp>
#include <turnstile/wait_statistics.hpp>
#include <turnstile/with_permit.hpp>

#endif
