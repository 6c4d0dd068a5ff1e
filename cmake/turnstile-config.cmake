# Found by find_package(turnstile CONFIG): defines the target turnstile::turnstile, and with COMPONENTS redis also
# turnstile::redis.
include(CMakeFindDependencyMacro)
include("${CMAKE_CURRENT_LIST_DIR}/turnstile-boost.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/turnstile-hiredis.cmake")

turnstile_find_boost(turnstile_NOT_FOUND_MESSAGE)
if(turnstile_NOT_FOUND_MESSAGE)
  set(turnstile_FOUND FALSE)
  return()
endif()
find_dependency(Threads)

include("${CMAKE_CURRENT_LIST_DIR}/turnstile-targets.cmake")

foreach(turnstile_component IN LISTS turnstile_FIND_COMPONENTS)
  set(turnstile_problem "")
  if(NOT turnstile_component STREQUAL redis)
    set(turnstile_problem "turnstile has no component ${turnstile_component}; it has one, redis.")
  elseif(NOT EXISTS "${CMAKE_CURRENT_LIST_DIR}/turnstile-redis-targets.cmake")
    set(turnstile_problem "turnstile is installed without its component redis. As a Debian package, it is \
libturnstile-redis-dev; otherwise install hiredis (Debian and Ubuntu have it as libhiredis-dev), and build turnstile \
with -D TURNSTILE_REDIS=ON.")
  else()
    turnstile_find_hiredis(turnstile_problem)
    if(NOT turnstile_problem)
      include("${CMAKE_CURRENT_LIST_DIR}/turnstile-redis-targets.cmake")
      set(turnstile_redis_FOUND TRUE)
    endif()
  endif()
  if(turnstile_problem AND turnstile_FIND_REQUIRED_${turnstile_component})
    set(turnstile_FOUND FALSE)
    set(turnstile_NOT_FOUND_MESSAGE "${turnstile_problem}")
  endif()
endforeach()
unset(turnstile_component)
unset(turnstile_problem)
