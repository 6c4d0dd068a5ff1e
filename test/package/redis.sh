# shellcheck shell=bash
# Steps of run, which sources this: the component redis.

# Configures a consumer of what is installed, which must fail with one message that has this text.
lacks() {  # <text> <option>...
  local output
  rm -rf "$folder/lacks"
  ! output=$(configure "$here/consumer" "$folder/lacks" -D TURNSTILE_VERSION="$version" "${@:2}" 2>&1) ||
    fail "went on without what is not there"
  output=$(tr -s '[:space:]' ' ' <<<"$output")
  [[ $(grep -o 'CMake Error' <<<"$output" | wc -l) == 1 && $output == *"$1"* ]] || fail "not the message wanted: $output"
}

# Builds and runs the consumer of the engine.
consume_redis() {  # <name> <option>...
  local build=$folder/$1
  configure "$here/consumer" "$build" -D TURNSTILE_VERSION="$version" -D REDIS=ON "${@:2}"
  cmake --build "$build" --target redis_consumer
  "$build/redis_consumer" || fail "the consumer of the Redis engine failed"
}

redis() {
  local prefix=$folder/$kind program=$folder/redis-pkg_config-$kind flags needs
  consume_redis "redis-$kind" -D CMAKE_PREFIX_PATH="$prefix"
  lacks "turnstile has no component rediss; it has one, redis" -D CMAKE_PREFIX_PATH="$prefix" -D COMPONENT=rediss
  lacks "needs hiredis 0.14 or newer, which was not found. Debian and Ubuntu have it as libhiredis-dev" \
    -D CMAKE_PREFIX_PATH="$prefix" -D REDIS=ON -D CMAKE_PROJECT_INCLUDE="$here/hide_hiredis.cmake"

  PKG_CONFIG_PATH=$(folder_of turnstile-redis.pc)${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
  export PKG_CONFIG_PATH LD_LIBRARY_PATH=${PKG_CONFIG_PATH%%/pkgconfig*}
  [[ $(pkg-config --modversion turnstile-redis) == "$version" ]] || fail "pkg-config: not version $version"
  read -ra flags <<<"$(pkg-config --cflags --libs turnstile-redis)"
  is_new "$program" || compile -std=c++20 "$here/consumer/redis.cpp" "${flags[@]}" -o "$program"
  "$program" || fail "the consumer of the Redis engine failed"
  needs=$(readelf --dynamic "$program" | grep NEEDED)
  if [[ $kind == shared ]]; then
    grep -qF "libturnstile-redis.so.$major]" <<<"$needs" || fail "the consumer does not need libturnstile-redis.so.$major"
    ! grep -F hiredis <<<"$needs" || fail "the consumer itself needs hiredis"
    needs=$(nm --dynamic --demangle --defined-only "$prefix"/lib*/libturnstile-redis.so "$prefix"/lib*/*/libturnstile-redis.so 2>/dev/null |
      grep ' T ' | grep -v " T turnstile::v$major::detail::\(redis_client::\|parse_redis_url\)" || true)
    [[ -z $needs ]] || fail "the library exports $needs"
  fi
}

redis_from_sources() {
  kind=static
  consume_redis redis-sources -D TURNSTILE_SOURCE_DIR="$source" -D TURNSTILE_REDIS=ON
}

# Without hiredis, everything else is built, and the component is missed with a clear message.
no_hiredis() {
  kind=no_hiredis
  local build=$folder/build-$kind hidden=(-D CMAKE_PROJECT_INCLUDE="$here/hide_hiredis.cmake") said
  rm -rf "$build" "${folder:?}/$kind"
  said=$(configure "$source" "$build" "${hidden[@]}" -D BUILD_TESTING=OFF -D TURNSTILE_BUILD_EXAMPLES=OFF)
  [[ $said == *"Without turnstile::redis. turnstile::redis needs hiredis 0.14 or newer"*"libhiredis-dev"* ]] ||
    fail "does not say what is missing: $said"
  cmake --build "$build"
  cmake --install "$build" --prefix "$folder/$kind"
  consume no_hiredis-consumer -D CMAKE_PREFIX_PATH="$folder/$kind"
  lacks "libturnstile-redis-dev" -D CMAKE_PREFIX_PATH="$folder/$kind" -D REDIS=ON

  said=$(configure "$source" "$build" "${hidden[@]}" -D TURNSTILE_REDIS=ON 2>&1) && fail "TURNSTILE_REDIS=ON went on without hiredis"
  [[ $(tr -s '[:space:]' ' ' <<<"$said") == *"CMake Error"*"needs hiredis 0.14 or newer"*"libhiredis-dev"* ]] || fail "not the message wanted: $said"
}
