# The script for Redis against sync(). It needs hiredis and redis-server.
find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(hiredis QUIET IMPORTED_TARGET hiredis)
endif()
find_program(TURNSTILE_REDIS_SERVER redis-server)
mark_as_advanced(TURNSTILE_REDIS_SERVER)
if(NOT hiredis_FOUND OR NOT TURNSTILE_REDIS_SERVER)
  message(STATUS "Without the test fleet_script, which needs hiredis and redis-server")
  return()
endif()

add_executable(fleet_script
  script.cpp script_cost.cpp history.cpp redis.cpp scripted.cpp stored.cpp)
target_link_libraries(fleet_script PRIVATE turnstile_fleet turnstile::turnstile PkgConfig::hiredis Boost::unit_test_framework)
turnstile_developer_flags(fleet_script)
set(histories 100)
if(NOT TURNSTILE_SANITIZE)
  set(histories 500)
  target_compile_options(fleet_script PRIVATE -O2)
endif()
turnstile_add_test(fleet_script LABELS verify
  COMMAND fleet_script --color_output=no --log_level=test_suite --catch_system_errors=no
    -- --histories ${histories})
