# The target turnstile::redis: the engine of shared semaphores over hiredis. TURNSTILE_REDIS is
#
#   AUTO  if hiredis is there; the default of the top-level project
#   ON    always: without hiredis the configuration fails
#   OFF   never; the default if turnstile is a part of another project
set(default AUTO)
if(NOT PROJECT_IS_TOP_LEVEL)
  set(default OFF)
endif()
set(TURNSTILE_REDIS ${default} CACHE STRING "Build turnstile::redis, which needs hiredis: AUTO, ON or OFF")
set_property(CACHE TURNSTILE_REDIS PROPERTY STRINGS AUTO ON OFF)
if(NOT TURNSTILE_REDIS)
  return()
endif()

include(cmake/turnstile-hiredis.cmake)
turnstile_find_hiredis(problem)
if(problem)
  if(NOT TURNSTILE_REDIS STREQUAL "AUTO")
    message(FATAL_ERROR "${problem}")
  endif()
  message(STATUS "Without turnstile::redis. ${problem}")
  return()
endif()

# Redis knows a script by this.
set(script "${CMAKE_CURRENT_SOURCE_DIR}/src/fleet/sync.lua")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${script}")
file(SHA1 "${script}" sha1)
file(CONFIGURE OUTPUT script_sha1.cpp CONTENT "#include \"redis/caller.hpp\"

std::string_view turnstile::detail::redis::script_sha1() noexcept { return \"@sha1@\"; }
" @ONLY)

add_library(turnstile_redis
  src/redis/answer.cpp
  src/redis/caller.cpp
  src/redis/client.cpp
  src/redis/dialogue.cpp
  src/redis/listener.cpp
  src/redis/pipe.cpp
  src/redis/tls.cpp
  src/redis/url.cpp
  "${CMAKE_CURRENT_BINARY_DIR}/script_sha1.cpp")
add_library(turnstile::redis ALIAS turnstile_redis)
target_include_directories(turnstile_redis PRIVATE src)
target_link_libraries(turnstile_redis PUBLIC turnstile PRIVATE turnstile::hiredis)
target_compile_definitions(turnstile_redis PRIVATE TURNSTILE_BUILDING)
get_target_property(turnstile_redis_has_tls turnstile::hiredis TURNSTILE_HAS_TLS)
if(turnstile_redis_has_tls)
  target_compile_definitions(turnstile_redis PRIVATE TURNSTILE_REDIS_TLS)
endif()
set_target_properties(turnstile_redis PROPERTIES
  EXPORT_NAME redis
  OUTPUT_NAME turnstile-redis
  CXX_EXTENSIONS OFF
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON
  POSITION_INDEPENDENT_CODE ON
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR})
turnstile_developer_flags(turnstile_redis)
# It finds libturnstile beside it, also if the program that loads it does not know where that is. Distributions
# want no such path.
if(UNIX AND NOT APPLE AND NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set_target_properties(turnstile_redis PROPERTIES INSTALL_RPATH "$ORIGIN")
elseif(APPLE)
  set_target_properties(turnstile_redis PROPERTIES INSTALL_RPATH "@loader_path")
endif()
