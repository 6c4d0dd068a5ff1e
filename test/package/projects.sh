# shellcheck shell=bash
# Steps of run, which sources this: how projects and packagers lay things out.

layout() {
  kind=shared
  local root="$folder/with space" name
  rm -rf "$root"
  mkdir -p "$root/source"
  for name in CMakeLists.txt CMakePresets.json LICENSE README.md cmake include src; do
    cp -R "$source/$name" "$root/source"
  done
  configure "$root/source" "$root/build" -D BUILD_SHARED_LIBS=ON -D BUILD_TESTING=OFF -D TURNSTILE_BUILD_EXAMPLES=OFF \
    -D CMAKE_INSTALL_LIBDIR="lib/of this" -D CMAKE_INSTALL_INCLUDEDIR="include/of this" -D CMAKE_INSTALL_DATADIR="data of this"
  cmake --build "$root/build"
  DESTDIR="$root/staged" cmake --install "$root/build" --prefix "/opt/of this"
  [[ -e "$root/staged/opt/of this/include/of this/turnstile.hpp" ]] || fail "CMAKE_INSTALL_INCLUDEDIR or DESTDIR is ignored"
  name="/opt/of this/data of this/gdb/auto-load/opt/of this/lib/of this/libturnstile.so.$version-gdb.py"
  [[ -e $root/staged$name ]] || fail "GDB does not find $name"
  mv "$root/staged/opt/of this" "$root/moved"
  ! grep -rIlF -e "$root" -e '/opt/of this' "$root/moved" || fail "the above names the folder of the build or of the installation"

  consume "with space/consumer" -D CMAKE_PREFIX_PATH="$root/moved/lib/of this/cmake"
  local flags
  PKG_CONFIG_PATH="$root/moved/lib/of this/pkgconfig"
  export PKG_CONFIG_PATH LD_LIBRARY_PATH="$root/moved/lib/of this"
  eval "flags=($(pkg-config --cflags --libs turnstile))" # it puts a backslash before each space
  compile -std=c++20 "$here/consumer/main.cpp" "${flags[@]}" -o "$root/program"
  check "$root/program"
}

super_project() {
  kind=static
  rm -rf "$folder/super_project"
  consume super_project -D TURNSTILE_SOURCE_DIR="$source" -D SUPER_PROJECT=ON \
    -D TURNSTILE_BUILD_TESTS=ON -D TURNSTILE_BUILD_EXAMPLES=ON -D TURNSTILE_INSTALL=ON
}

parents_boost() {
  kind=static
  local headers=${BOOST_INCLUDEDIR-/usr/include}
  unset Boost_DIR
  consume parents_boost-sources -D TURNSTILE_SOURCE_DIR="$source" -D PARENTS_BOOST="$headers"
  consume parents_boost-installed -D CMAKE_PREFIX_PATH="$folder/$kind" -D PARENTS_BOOST="$headers"
}

no_tests() {
  local build=$folder/no_tests component missing=()
  for component in unit_test_framework context coroutine; do
    missing+=(-D CMAKE_DISABLE_FIND_PACKAGE_boost_$component=ON)
  done
  rm -rf "$build"
  ! configure "$source" "$build" "${missing[@]}" -D TURNSTILE_BUILD_EXAMPLES=OFF >"$build.log" 2>&1 ||
    fail "the tests are configured without Boost.Test"
  rm -rf "$build"
  configure "$source" "$build" "${missing[@]}" -D TURNSTILE_BUILD_EXAMPLES=OFF -D BUILD_TESTING=OFF
}

# With the tools themselves, if they are there; otherwise with stand-ins for them.
vcpkg() {
  kind=static
  if type -P vcpkg >/dev/null; then
    command vcpkg install turnstile --overlay-ports="$source/cmake/vcpkg" --x-install-root="$folder/vcpkg"
    return
  fi
  grep -qF "\"version\": \"$version\"" "$source/cmake/vcpkg/turnstile/vcpkg.json" || fail "vcpkg.json is not version $version"
  rm -rf "$folder/vcpkg"
  cmake -D BUILD="$folder/vcpkg/build" -D CURRENT_PACKAGES_DIR="$folder/vcpkg/package" -P "$here/recipes/vcpkg.cmake"
  consume vcpkg/consumer -D CMAKE_PREFIX_PATH="$folder/vcpkg/package"
  lacks "libturnstile-redis-dev" -D CMAKE_PREFIX_PATH="$folder/vcpkg/package" -D REDIS=ON
}

conan() {
  kind=shared
  if type -P conan >/dev/null; then
    command conan create "$source/cmake/conan" --build=missing -o "turnstile/*:shared=True"
    return
  fi
  python3 -B "$here/recipes/conan.py" "$folder/conan" "$version"
  consume conan/consumer -D CMAKE_PREFIX_PATH="$folder/conan/package"
}

# A consumer for Windows, which has to link what Asio needs there. test/platforms/run installs what this takes.
mingw() {
  kind=static
  local root=$folder/mingw flags CXX=x86_64-w64-mingw32-g++-posix WINEPREFIX=${WINEPREFIX-$folder/mingw/wine} WINEDEBUG=-all
  export CXX WINEPREFIX WINEDEBUG
  local cross=(-D CMAKE_SYSTEM_NAME=Windows -D CMAKE_EXE_LINKER_FLAGS=-static -D Boost_DIR="$root/boost")
  rm -rf "$root/package"
  mkdir -p "$root/boost"
  ln -sfn "${BOOST_INCLUDEDIR-/usr/include}/boost" "$root/boost/boost" # without this system's own headers
  cat >"$root/boost/BoostConfig.cmake" <<'END'
add_library(Boost::headers INTERFACE IMPORTED)
target_include_directories(Boost::headers INTERFACE "${CMAKE_CURRENT_LIST_DIR}")
END
  sed 's/1\.74\.0/1.81.0/' "$here/old_boost/BoostConfigVersion.cmake" >"$root/boost/BoostConfigVersion.cmake"

  configure "$source" "$root/build" "${cross[@]}" -D BUILD_TESTING=OFF -D TURNSTILE_BUILD_EXAMPLES=OFF
  cmake --build "$root/build"
  cmake --install "$root/build" --prefix "$root/package"
  configure "$here/consumer" "$root/consumer" "${cross[@]}" -D TURNSTILE_VERSION="$version" -D CMAKE_PREFIX_PATH="$root/package"
  cmake --build "$root/consumer"
  wine "$root/consumer/consumer.exe" || fail "the consumer failed"

  PKG_CONFIG_PATH="$root/package/lib/pkgconfig"
  export PKG_CONFIG_PATH
  read -ra flags <<<"$(pkg-config --static --cflags --libs turnstile)"
  compile -std=c++20 -isystem "$root/boost" "$here/consumer/main.cpp" "${flags[@]}" -static -o "$root/program.exe"
  wine "$root/program.exe" || fail "the consumer of pkg-config failed"
}
