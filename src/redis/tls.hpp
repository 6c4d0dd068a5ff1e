// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#ifndef TURNSTILE_SRC_REDIS_TLS_HPP
#define TURNSTILE_SRC_REDIS_TLS_HPP

#include <string>

struct redisContext;
struct ssl_st;  // of OpenSSL

namespace turnstile::inline v1::detail::redis {

#if defined(TURNSTILE_REDIS_TLS)
inline constexpr bool has_tls = true;
#else
inline constexpr bool has_tls = false;
#endif

// From now on all that is read and written is encrypted. The server's certificate must be for this name or address, and
// be signed by an authority that OpenSSL knows. Throws broken_pipe.
ssl_st* begin_tls(redisContext&, const std::string& name);

// Whether what was tried last has to wait until something can be read.
bool waits_to_read(ssl_st&) noexcept;

}  // namespace turnstile::inline v1::detail::redis

#endif
