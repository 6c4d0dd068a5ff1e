# The target `docs`: the reference, made of the comments in the headers, and the pages beside them, in
# <build>/docs/html. Only in the top-level project, and where doxygen is found. Warnings are errors:
# what is public and not documented is one, and so is a link that leads nowhere.
if(NOT PROJECT_IS_TOP_LEVEL)
  return()
endif()
find_package(Doxygen QUIET)
if(NOT DOXYGEN_FOUND)
  return()
endif()

set(DOXYGEN_OUTPUT_DIRECTORY docs)
set(DOXYGEN_GENERATE_LATEX NO)
set(DOXYGEN_GENERATE_XML YES) # for test/docs/reference.py
set(DOXYGEN_HAVE_DOT NO)
set(DOXYGEN_CLASS_GRAPH NO)
set(DOXYGEN_HIDE_FRIEND_COMPOUNDS YES)
set(DOXYGEN_QUIET YES)
set(DOXYGEN_WARN_AS_ERROR FAIL_ON_WARNINGS)
set(DOXYGEN_WARN_IF_UNDOCUMENTED YES)

set(DOXYGEN_FILE_PATTERNS *.hpp *.md)
set(DOXYGEN_EXCLUDE "${PROJECT_SOURCE_DIR}/include/turnstile/detail")
set(DOXYGEN_EXCLUDE_SYMBOLS turnstile::detail turnstile::detail::*)
set(DOXYGEN_STRIP_FROM_PATH "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_STRIP_FROM_INC_PATH "${PROJECT_SOURCE_DIR}/include")
set(DOXYGEN_USE_MDFILE_AS_MAINPAGE "${PROJECT_SOURCE_DIR}/README.md")
set(DOXYGEN_IMAGE_PATH
  "${PROJECT_SOURCE_DIR}/test/bench"
  "${PROJECT_SOURCE_DIR}/src"
  "${PROJECT_SOURCE_DIR}/example/connection_limiter")
set(DOXYGEN_SORT_MEMBER_DOCS NO)
set(DOXYGEN_JAVADOC_AUTOBRIEF YES)

# What a user writes is turnstile::semaphore and a completion token.
set(DOXYGEN_FILTER_PATTERNS
  "*.hpp=sed s/::inline.v1//"
  "*.md=perl ${PROJECT_SOURCE_DIR}/cmake/heading_ids.pl")
set(DOXYGEN_MACRO_EXPANSION YES)
set(DOXYGEN_EXPAND_ONLY_PREDEF YES)
set(DOXYGEN_PREDEFINED
  "BOOST_ASIO_COMPLETION_TOKEN_FOR(signature)=typename"
  "BOOST_ASIO_DEFAULT_COMPLETION_TOKEN_TYPE(executor)== default_token"
  "BOOST_ASIO_DEFAULT_COMPLETION_TOKEN(executor)== default_token()"
  "TURNSTILE_API=")

set(pages
  README.md
  .github/CHANGELOG.md
  .github/CONTRIBUTING.md
  cmake/README.md
  example/README.md
  example/coming_from_asyncio.md
  example/members.md
  example/recipes.md
  example/connection_limiter/README.md
  example/fleet/README.md
  src/README.md
  src/adaptive_limit.md
  src/fleet/README.md
  src/keyed_semaphore.md
  src/redis/README.md
  src/debugging.md
  test/README.md
  test/bench/README.md
  test/unit/README.md)
list(TRANSFORM pages PREPEND "${PROJECT_SOURCE_DIR}/")
doxygen_add_docs(docs
  ${pages}
  "${PROJECT_SOURCE_DIR}/include"
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "Reference and pages, in ${PROJECT_BINARY_DIR}/docs/html")

# Doxygen does not ask for template parameters, values of enumerations and the list of members.
find_package(Python3 QUIET COMPONENTS Interpreter)
if(Python3_FOUND)
  add_custom_command(TARGET docs POST_BUILD
    COMMAND Python3::Interpreter "${PROJECT_SOURCE_DIR}/test/docs/reference.py" "${PROJECT_BINARY_DIR}/docs/xml"
    "${PROJECT_SOURCE_DIR}/example/members.md")
endif()
