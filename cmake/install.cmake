# What `cmake --install` puts where: library, headers, the CMake package and the pkg-config file. What
# programs need to run is the component `runtime`, what is needed to build them `development`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/turnstile")

install(TARGETS turnstile EXPORT turnstile-targets
  RUNTIME COMPONENT runtime
  LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE COMPONENT development
  INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development
  FILES_MATCHING PATTERN "*.hpp")

install(EXPORT turnstile-targets NAMESPACE turnstile:: DESTINATION "${package_dir}"
  COMPONENT development)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/turnstile-config-version.cmake"
  COMPATIBILITY SameMajorVersion)
install(FILES
  cmake/turnstile-config.cmake
  cmake/turnstile-boost.cmake
  "${CMAKE_CURRENT_BINARY_DIR}/turnstile-config-version.cmake"
  DESTINATION "${package_dir}" COMPONENT development)

# The pkg-config file finds its prefix from where it stands, so that the whole can be moved.
set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
file(RELATIVE_PATH pc_to_prefix
  "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
set(pc_libdir "\${prefix}")
cmake_path(APPEND pc_libdir "${CMAKE_INSTALL_LIBDIR}")
set(pc_includedir "\${prefix}")
cmake_path(APPEND pc_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
foreach(folder pc_libdir pc_includedir) # pkg-config does this for the folder that the file is in
  string(REPLACE " " "\\ " ${folder} "${${folder}}")
endforeach()
set(pc_cflags "")
if(BUILD_SHARED_LIBS)
  set(pc_cflags " -DTURNSTILE_SHARED")
endif()
set(pc_libs "")
if(WIN32)
  set(pc_libs " -lws2_32 -lmswsock")
endif()
configure_file(cmake/turnstile.pc.in "${CMAKE_CURRENT_BINARY_DIR}/turnstile.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/turnstile.pc" DESTINATION "${pc_dir}"
  COMPONENT development)

# The component `redis` of the CMake package, if it was built, has files of its own.
install(FILES cmake/turnstile-hiredis.cmake DESTINATION "${package_dir}" COMPONENT development)
if(TARGET turnstile_redis)
  install(TARGETS turnstile_redis EXPORT turnstile-redis-targets
    RUNTIME COMPONENT redis_runtime
    LIBRARY COMPONENT redis_runtime NAMELINK_COMPONENT redis_development
    ARCHIVE COMPONENT redis_development)
  install(EXPORT turnstile-redis-targets NAMESPACE turnstile:: DESTINATION "${package_dir}"
    COMPONENT redis_development)
  # The static library does not know what it needs.
  set(pc_redis_requires "")
  if(NOT BUILD_SHARED_LIBS)
    set(pc_redis_requires ", hiredis")
    if(turnstile_redis_has_tls)
      set(pc_redis_requires ", hiredis_ssl, hiredis, openssl")
    endif()
  endif()
  configure_file(cmake/turnstile-redis.pc.in "${CMAKE_CURRENT_BINARY_DIR}/turnstile-redis.pc" @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/turnstile-redis.pc" DESTINATION "${pc_dir}"
    COMPONENT redis_development)
endif()

# How GDB shows a semaphore: to be loaded by hand, and where GDB looks for what belongs to a library.
install(FILES src/turnstile-gdb.py DESTINATION "${CMAKE_INSTALL_DATADIR}/turnstile"
  COMPONENT development)
# The latter is a folder whose name ends with that of the library, which is known at the installation.
if(BUILD_SHARED_LIBS AND NOT WIN32)
  install(CODE "
    set(libdir [[${CMAKE_INSTALL_LIBDIR}]])
    set(datadir [[${CMAKE_INSTALL_DATADIR}]])
    foreach(folder libdir datadir)
      cmake_path(ABSOLUTE_PATH \${folder} BASE_DIRECTORY \"\${CMAKE_INSTALL_PREFIX}\")
    endforeach()
    file(INSTALL [[${CMAKE_CURRENT_SOURCE_DIR}/src/turnstile-gdb.py]]
      DESTINATION \"\${datadir}/gdb/auto-load\${libdir}\" RENAME \"$<TARGET_FILE_NAME:turnstile>-gdb.py\")"
    COMPONENT development)
endif()
