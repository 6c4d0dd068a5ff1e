set(turnstile_boost_minimum 1.81)

# turnstile_find_boost(<problem> [<component>...])
#
# Finds the Boost that turnstile needs: the targets that the parent project brings (by FetchContent or
# CPM), or the configuration files that Boost installs. <problem> is then empty, or says in one message
# what is missing and how to get it. The build and the installed package share this file.
function(turnstile_find_boost problem)
  set(minimum ${turnstile_boost_minimum})
  if(TARGET Boost::headers AND NOT ARGN)
    get_target_property(imported Boost::headers IMPORTED)
    if(NOT imported OR NOT DEFINED Boost_VERSION)
      set(${problem} "" PARENT_SCOPE) # if it is too old, turnstile's headers say so
      return()
    endif()
  endif()
  find_package(Boost ${minimum} CONFIG QUIET COMPONENTS ${ARGN})

  set(packages libboost${minimum}-dev)
  set(missing "")
  foreach(component IN LISTS ARGN)
    if(NOT TARGET Boost::${component})
      list(APPEND missing ${component})
      string(REPLACE unit_test_framework test package ${component})
      string(REPLACE _ - package ${package})
      list(APPEND packages libboost-${package}${minimum}-dev)
    endif()
  endforeach()

  set(text "")
  if(NOT Boost_FOUND OR missing) # for want of a component Boost itself does not count as not found
    if(Boost_FOUND)
      list(JOIN missing ", " found)
      set(found "Boost ${Boost_VERSION} was found without ${found}")
    elseif(Boost_CONSIDERED_VERSIONS)
      list(JOIN Boost_CONSIDERED_VERSIONS ", " found)
      set(found "only ${found} was found")
    else()
      set(found "none was found")
    endif()
    list(JOIN packages " " packages)
    set(text "turnstile needs Boost ${minimum} or newer with its CMake configuration files; ${found}. \
Debian and Ubuntu have it as ${packages} (or a newer one); for a Boost of your own, set \
CMAKE_PREFIX_PATH to where it is installed.")
  endif()
  set(${problem} "${text}" PARENT_SCOPE)
endfunction()
