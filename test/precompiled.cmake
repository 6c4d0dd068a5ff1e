# Precompiled headers: with them a test takes half of the time to compile. They also hide an include that
# a test forgot; so test/compile/matrix builds with -D CMAKE_DISABLE_PRECOMPILE_HEADERS=ON.
set(precompiled_folders test/unit test/limiter test/docs)
set(precompiled_targets)
foreach(folder IN LISTS precompiled_folders)
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  list(APPEND precompiled_targets ${targets})
endforeach()
foreach(target connection_limiter connection_limiter_parts redis_engine redis_faults redis_lifetime redis_semaphore redis_tls shell)
  if(TARGET ${target})
    list(APPEND precompiled_targets ${target})
  endif()
endforeach()

# A target of its own compiles them, with the flags of all others.
add_library(precompiled OBJECT test/precompiled.cpp)
target_link_libraries(precompiled PRIVATE turnstile::turnstile)
turnstile_developer_flags(precompiled)
target_precompile_headers(precompiled PRIVATE <boost/asio.hpp>
  <algorithm> <chrono> <functional> <map> <memory> <optional> <string> <thread> <vector>)
foreach(target IN LISTS precompiled_targets)
  get_target_property(type ${target} TYPE)
  if(type MATCHES "EXECUTABLE|STATIC_LIBRARY")
    target_precompile_headers(${target} REUSE_FROM precompiled)
  endif()
endforeach()
