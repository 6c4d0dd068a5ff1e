# turnstile_find_hiredis(<problem>)
#
# Finds hiredis, which Debian 12 has without a CMake package, and defines the target turnstile::hiredis. If there is
# hiredis_ssl, too, and OpenSSL, it brings TLS. <problem> is then empty, or says in one message how to get it. The build
# and the installed package share this file.
function(turnstile_find_hiredis problem)
  find_path(TURNSTILE_HIREDIS_INCLUDE_DIR hiredis/hiredis.h)
  find_library(TURNSTILE_HIREDIS_LIBRARY hiredis)
  find_library(TURNSTILE_HIREDIS_SSL_LIBRARY hiredis_ssl)
  mark_as_advanced(TURNSTILE_HIREDIS_INCLUDE_DIR TURNSTILE_HIREDIS_LIBRARY TURNSTILE_HIREDIS_SSL_LIBRARY)
  set(${problem} "" PARENT_SCOPE)
  if(NOT TURNSTILE_HIREDIS_INCLUDE_DIR OR NOT TURNSTILE_HIREDIS_LIBRARY)
    set(${problem} "turnstile::redis needs hiredis 0.14 or newer, which was not found. Debian and Ubuntu have it as \
libhiredis-dev; for a hiredis of your own, set CMAKE_PREFIX_PATH to where it is installed." PARENT_SCOPE)
    return()
  endif()
  if(TARGET turnstile::hiredis)
    return()
  endif()
  add_library(turnstile::hiredis UNKNOWN IMPORTED GLOBAL)
  set_target_properties(turnstile::hiredis PROPERTIES
    IMPORTED_LOCATION "${TURNSTILE_HIREDIS_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${TURNSTILE_HIREDIS_INCLUDE_DIR}")
  if(NOT TURNSTILE_HIREDIS_SSL_LIBRARY OR NOT EXISTS "${TURNSTILE_HIREDIS_INCLUDE_DIR}/hiredis/hiredis_ssl.h")
    return()
  endif()
  find_package(OpenSSL QUIET)
  if(OPENSSL_FOUND)
    # The library of TLS comes first: it uses the other one.
    set_target_properties(turnstile::hiredis PROPERTIES
      INTERFACE_LINK_LIBRARIES "${TURNSTILE_HIREDIS_SSL_LIBRARY};${TURNSTILE_HIREDIS_LIBRARY};${OPENSSL_LIBRARIES}"
      INTERFACE_INCLUDE_DIRECTORIES "${TURNSTILE_HIREDIS_INCLUDE_DIR};${OPENSSL_INCLUDE_DIR}"
      TURNSTILE_HAS_TLS ON)
  endif()
endfunction()
