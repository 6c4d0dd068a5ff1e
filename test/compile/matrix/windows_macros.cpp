// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

// The headers bear the macros of windows.h, and what else a program may define before it includes them.

#include <boost/asio.hpp>

#include <algorithm>
#include <limits>

#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define near
#define far
#define small char
#define hyper __int64
#define interface struct
#define IN
#define OUT
#define ERROR 0
#define DELETE 1
#define CONST const

#include <turnstile.hpp>

std::size_t most();
std::size_t most() { return (turnstile::semaphore::max)(); }
