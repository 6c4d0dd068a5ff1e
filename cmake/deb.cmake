# The target `package` makes Debian packages: of a shared library libturnstile<major> and
# libturnstile-dev, of a static one libturnstile-dev alone. With turnstile::redis there are
# libturnstile-redis<major> and libturnstile-redis-dev beside them. With the examples, it makes the package of
# the connection limiter instead. They are laid out as Debian wants it where CMAKE_INSTALL_PREFIX is /usr, as the
# presets `deb` and `deb-limiter` have it. Needs dpkg-dev and file.
set(deb_dir "${CMAKE_CURRENT_BINARY_DIR}/deb")
set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON) # so that the installation knows the prefix
set(CPACK_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The turnstile authors <turnstile@turnstile.invalid>")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS_POLICY ">=")
set(CPACK_DEBIAN_PACKAGE_MULTIARCH same) # from CMake 3.31 on

# CPack puts the summary in front of the descriptions.
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "asynchronous semaphore for Boost.Asio")
set(about "Acquiring a permit is an asynchronous operation of Boost.Asio: it takes every
completion token, can be cancelled, and is strictly first come, first served.")

set(CPACK_COMPONENTS_ALL development)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libturnstile-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "libboost-dev (>= ${turnstile_boost_minimum}) | libboost${turnstile_boost_minimum}-dev")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "${about}
This package has headers, library to link with, CMake package and pkg-config
file.")

if(BUILD_SHARED_LIBS)
  list(APPEND CPACK_COMPONENTS_ALL runtime)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libturnstile${PROJECT_VERSION_MAJOR})
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "${about}
This package has what programs need to run.")
  # CPack adds scripts that call ldconfig, unless it is given some. It skips these two, which do not exist.
  set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${deb_dir}/triggers;${deb_dir}/postinst;${deb_dir}/postrm")
  file(WRITE "${deb_dir}/triggers" "activate-noawait ldconfig\n")
  string(PREPEND CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} (= ${PROJECT_VERSION}), ")
endif()

if(TARGET turnstile_redis)
  list(APPEND CPACK_COMPONENTS_ALL redis_development)
  set(CPACK_DEBIAN_REDIS_DEVELOPMENT_PACKAGE_NAME libturnstile-redis-dev)
  set(CPACK_DEBIAN_REDIS_DEVELOPMENT_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_REDIS_DEVELOPMENT_PACKAGE_DEPENDS "libturnstile-dev (= ${PROJECT_VERSION}), libhiredis-dev (>= 0.14)")
  if(turnstile_redis_has_tls)
    string(APPEND CPACK_DEBIAN_REDIS_DEVELOPMENT_PACKAGE_DEPENDS ", libssl-dev")
  endif()
  set(about_redis "${about}
With this library, processes share one limit over Redis or Valkey.")
  set(CPACK_DEBIAN_REDIS_DEVELOPMENT_DESCRIPTION "${about_redis}
This package has the library to link with, CMake package and pkg-config file.")
  if(BUILD_SHARED_LIBS)
    list(APPEND CPACK_COMPONENTS_ALL redis_runtime)
    set(CPACK_DEBIAN_REDIS_RUNTIME_PACKAGE_NAME libturnstile-redis${PROJECT_VERSION_MAJOR})
    set(CPACK_DEBIAN_REDIS_RUNTIME_PACKAGE_SECTION libs)
    set(CPACK_DEBIAN_REDIS_RUNTIME_PACKAGE_DEPENDS "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} (>= ${PROJECT_VERSION})")
    set(CPACK_DEBIAN_REDIS_RUNTIME_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}") # where libturnstile is
    set(CPACK_DEBIAN_REDIS_RUNTIME_DESCRIPTION "${about_redis}
This package has what programs need to run.")
    set(CPACK_DEBIAN_REDIS_RUNTIME_PACKAGE_CONTROL_EXTRA "${CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA}")
    string(PREPEND CPACK_DEBIAN_REDIS_DEVELOPMENT_PACKAGE_DEPENDS
      "${CPACK_DEBIAN_REDIS_RUNTIME_PACKAGE_NAME} (= ${PROJECT_VERSION}), ")
  endif()
endif()

if(TURNSTILE_BUILD_EXAMPLES AND UNIX)
  set(CPACK_COMPONENTS_ALL limiter)
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "TCP proxy that limits connections")
  set(CPACK_DEBIAN_LIMITER_PACKAGE_NAME connection-limiter)
  set(CPACK_DEBIAN_LIMITER_PACKAGE_SECTION net)
  set(CPACK_DEBIAN_LIMITER_PACKAGE_SHLIBDEPS ON)
  set(CPACK_DEBIAN_LIMITER_DESCRIPTION "It forwards at most a fixed number of connections to a server at once. The
others wait in a queue, first come, first served.")
  set(CPACK_DEBIAN_LIMITER_PACKAGE_CONTROL_EXTRA "${deb_dir}/conffiles")
  include(GNUInstallDirs)
  set(limiter_etc "${CMAKE_INSTALL_FULL_SYSCONFDIR}/connection_limiter")
  file(WRITE "${deb_dir}/conffiles" "${limiter_etc}/limits\n${limiter_etc}/options\n")
endif()

# What Debian wants beside the files; only in the packages, not with `cmake --install`.
file(READ LICENSE licence)
file(WRITE "${deb_dir}/copyright" "Copyright (c) 2026 The turnstile authors\n\n${licence}")
string(TIMESTAMP now "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE "${deb_dir}/changelog" "turnstile (${PROJECT_VERSION}) unstable; urgency=medium

  * Release ${PROJECT_VERSION}.

 -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${now}
")
file(ARCHIVE_CREATE OUTPUT "${deb_dir}/changelog.gz" PATHS "${deb_dir}/changelog"
  FORMAT raw COMPRESSION GZip COMPRESSION_LEVEL 9)
foreach(component IN LISTS CPACK_COMPONENTS_ALL)
  string(TOUPPER ${component} name)
  install(FILES "${deb_dir}/copyright" "${deb_dir}/changelog.gz"
    DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/${CPACK_DEBIAN_${name}_PACKAGE_NAME}"
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
