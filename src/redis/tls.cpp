// Copyright (c) 2026 The turnstile authors
// Distributed under the Boost Software License, Version 1.0 (see LICENSE)

#include "redis/tls.hpp"

#include "redis/pipe.hpp"

#if defined(TURNSTILE_REDIS_TLS)

#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>

namespace turnstile::inline v1::detail::redis {

namespace {

struct free_ssl {
  void operator()(SSL_CTX* c) const noexcept { SSL_CTX_free(c); }
  void operator()(SSL* s) const noexcept { SSL_free(s); }
};

}  // namespace

// hiredis's own context does not compare the certificate's name.
ssl_st* begin_tls(redisContext& c, const std::string& name) {
  const std::unique_ptr<SSL_CTX, free_ssl> context(SSL_CTX_new(TLS_client_method()));
  if (!context || SSL_CTX_set_default_verify_paths(context.get()) != 1)
    throw broken_pipe("OpenSSL has no certificates of authorities");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  std::unique_ptr<SSL, free_ssl> ssl(SSL_new(context.get()));
  const bool is_set =
      ssl && (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), name.c_str()) == 1 ||
              (SSL_set_tlsext_host_name(ssl.get(), name.c_str()) == 1 &&
               SSL_set1_host(ssl.get(), name.c_str()) == 1));
  if (!is_set) throw broken_pipe("OpenSSL does not take the name of the server");
  if (redisInitiateSSL(&c, ssl.get()) != REDIS_OK) throw broken_pipe(c.errstr);
  return ssl.release();  // it belongs to hiredis now
}

bool waits_to_read(ssl_st& s) noexcept { return SSL_want_read(&s); }

}  // namespace turnstile::inline v1::detail::redis

#else

namespace turnstile::inline v1::detail::redis {

ssl_st* begin_tls(redisContext&, const std::string&) {
  throw broken_pipe("this build of turnstile has no TLS");
}

bool waits_to_read(ssl_st&) noexcept { return false; }

}  // namespace turnstile::inline v1::detail::redis

#endif
