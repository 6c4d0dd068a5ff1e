# turnstile_developer_flags(<target>): warnings and sanitizers, for the targets of this project only
# and only while it is the top-level one. Nothing of it reaches those who use the library.
function(turnstile_developer_flags target)
  if(NOT PROJECT_IS_TOP_LEVEL OR MSVC)
    return()
  endif()
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow)
  if(TURNSTILE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()

  if(TURNSTILE_SANITIZE STREQUAL "address")
    # Not optimized, here and below: with -O1, Asio's templates take two to three times as long to compile.
    set(flags -fsanitize=address,undefined -fno-sanitize-recover=all)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      list(APPEND flags -fno-sanitize=function) # clang 14 cannot compile coroutines with it
    endif()
    target_compile_definitions(${target} PRIVATE _GLIBCXX_ASSERTIONS)
  elseif(TURNSTILE_SANITIZE STREQUAL "thread")
    set(flags -fsanitize=thread)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # Asio has fences, of which g++ warns; and it allocates the frames of coroutines by functions of
      # which g++ inlines but one half here. With a sanitizer, g++ 12 takes an optional for uninitialized
      # although it has been asked whether it has a value.
      target_compile_options(${target} PRIVATE
        -Wno-tsan -Wno-mismatched-new-delete -Wno-maybe-uninitialized)
    endif()
  elseif(TURNSTILE_SANITIZE)
    message(FATAL_ERROR "TURNSTILE_SANITIZE is address, thread or empty, not ${TURNSTILE_SANITIZE}")
  else()
    return()
  endif()
  target_compile_options(${target} PRIVATE ${flags} -g1 -fno-omit-frame-pointer)
  target_link_options(${target} PRIVATE ${flags})
endfunction()
