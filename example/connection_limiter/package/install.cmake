# What `cmake --install <build> --component limiter` puts where. Nothing of it comes with the library.
include(GNUInstallDirs)

set(limiter_etc "${CMAKE_INSTALL_FULL_SYSCONFDIR}/connection_limiter")
foreach(file connection_limiter.1 connection_limiter.service options)
  configure_file("${CMAKE_CURRENT_LIST_DIR}/${file}.in" "${CMAKE_CURRENT_BINARY_DIR}/package/${file}" @ONLY)
endforeach()
install(TARGETS connection_limiter RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}"
  COMPONENT limiter EXCLUDE_FROM_ALL)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/package/connection_limiter.service"
  "${CMAKE_CURRENT_LIST_DIR}/connection_limiter.socket"
  DESTINATION lib/systemd/system COMPONENT limiter EXCLUDE_FROM_ALL)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/package/connection_limiter.1"
  DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT limiter EXCLUDE_FROM_ALL)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/package/options" "${CMAKE_CURRENT_LIST_DIR}/limits"
  DESTINATION "${limiter_etc}" COMPONENT limiter EXCLUDE_FROM_ALL)
