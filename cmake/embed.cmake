# turnstile_embed(<variable> FILE <file> FUNCTION <namespace>::<function> HEADER <header>)
#
# Sets the variable to a source file, written during the build, that defines the function, which the header declares:
# `std::string_view function() noexcept;`. It returns the contents of the file.
function(turnstile_embed variable)
  cmake_parse_arguments(PARSE_ARGV 1 embed "" "FILE;FUNCTION;HEADER" "")
  cmake_path(ABSOLUTE_PATH embed_FILE)
  cmake_path(GET embed_FILE FILENAME name)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp")
  add_custom_command(OUTPUT "${source}"
    COMMAND "${CMAKE_COMMAND}" -D "file=${embed_FILE}" -D "source=${source}" -D "function=${embed_FUNCTION}"
      -D "header=${embed_HEADER}" -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
    DEPENDS "${embed_FILE}" "${CMAKE_CURRENT_FUNCTION_LIST_FILE}"
    COMMENT "Embedding ${name}"
    VERBATIM)
  set(${variable} "${source}" PARENT_SCOPE)
endfunction()

# As a script, during the build.
if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  file(READ "${file}" bytes HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(REPEAT "." 80 line)
  string(REGEX REPLACE "(${line})" "\\1\n" bytes "${bytes}")
  file(WRITE "${source}" "#include \"${header}\"

static constexpr unsigned char bytes[] = {
${bytes}};

std::string_view ${function}() noexcept { return {reinterpret_cast<const char*>(bytes), sizeof bytes}; }
")
endif()
