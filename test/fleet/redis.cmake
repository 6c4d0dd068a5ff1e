# The Redis engine. Its logic is tested without I/O; the rest needs redis-server.
if(NOT TARGET turnstile::redis)
  return()
endif()

function(turnstile_add_redis_test name)
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${name} PRIVATE turnstile::redis Boost::unit_test_framework)
  turnstile_developer_flags(${name})
  add_dependencies(unit_tests ${name})
endfunction()
set(log --color_output=no --log_level=test_suite --catch_system_errors=no)

set(sources answer caller dialogue listener) # a shared library keeps them to itself
list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/src/redis/")
list(TRANSFORM sources APPEND .cpp)
turnstile_add_redis_test(redis_caller redis_caller.cpp ${sources})
turnstile_add_redis_test(redis_listener redis_listener.cpp ${sources})
turnstile_add_redis_test(redis_client redis_client.cpp)
turnstile_add_redis_test(redis_url redis_url.cpp)
foreach(name redis_url redis_caller redis_client redis_listener)
  turnstile_add_test(${name} LABELS unit COMMAND ${name} ${log})
endforeach()

foreach(name redis_faults redis_lifetime)
  turnstile_add_redis_test(${name} ${name}.cpp)
  turnstile_add_test(${name} LABELS unit threads COMMAND ${name} ${log})
endforeach()
if(NOT TURNSTILE_REDIS_SERVER)
  return()
endif()
set(names redis_engine redis_semaphore)
find_program(OPENSSL_PROGRAM openssl)
mark_as_advanced(OPENSSL_PROGRAM)
get_target_property(has_tls turnstile::hiredis TURNSTILE_HAS_TLS)
if(has_tls AND OPENSSL_PROGRAM)
  list(APPEND names redis_tls)
endif()
foreach(name IN LISTS names)
  turnstile_add_redis_test(${name} ${name}.cpp redis.cpp)
  target_link_libraries(${name} PRIVATE turnstile::hiredis)
  turnstile_add_test(${name} LABELS unit threads COMMAND ${name} ${log})
endforeach()

# Real processes with faults; test/fleet/run lets it go on for longer.
add_executable(fleet_storm storm.cpp redis.cpp)
target_link_libraries(fleet_storm PRIVATE turnstile::redis turnstile::hiredis)
turnstile_developer_flags(fleet_storm)
turnstile_add_test(fleet_storm LABELS verify COMMAND fleet_storm --seconds 5)

# Measures, and is no test: see figures/run.
add_executable(fleet_figures EXCLUDE_FROM_ALL
  figures/main.cpp figures/crash.cpp figures/fair.cpp figures/load.cpp figures/local.cpp figures/miss.cpp
  figures/processes.cpp figures/server.cpp redis.cpp stored.cpp)
target_include_directories(fleet_figures PRIVATE "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(fleet_figures PRIVATE turnstile::redis turnstile::hiredis)
turnstile_developer_flags(fleet_figures)
