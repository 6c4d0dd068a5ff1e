# Found by find_package(turnstile CONFIG): defines the target turnstile::turnstile.
include(CMakeFindDependencyMacro)
include("${CMAKE_CURRENT_LIST_DIR}/turnstile-boost.cmake")

turnstile_find_boost(turnstile_NOT_FOUND_MESSAGE)
if(turnstile_NOT_FOUND_MESSAGE)
  set(turnstile_FOUND FALSE)
  return()
endif()
find_dependency(Threads)

include("${CMAKE_CURRENT_LIST_DIR}/turnstile-targets.cmake")
