# shellcheck shell=bash
# The steps deb and deb_limiter of run, which sources this.

field() {  # <package's file> <field>
  dpkg-deb --field "$1" "$2"
}

need_tools() {  # <program>:<its package>...
  local tool
  for tool in "$@"; do
    command -v "${tool%:*}" >/dev/null || fail "${tool%:*} is missing: as root, apt-get install ${tool#*:}"
  done
}

deb() {
  need_tools dpkg-deb:dpkg dpkg-shlibdeps:dpkg-dev file:file
  kind=deb
  local build=$folder/build-deb architecture
  architecture=$(dpkg --print-architecture)
  local runtime=$build/libturnstile${major}_${version}_$architecture.deb
  local development=$build/libturnstile-dev_${version}_$architecture.deb
  rm -rf "${folder:?}/deb" "$build"/*.deb
  (cd "$source" && cmake --preset deb -B "$build")
  cmake --build "$build" --target package

  [[ -e $runtime && -e $development ]] || fail "not the packages wanted: $(ls "$build"/*.deb)"
  [[ $(field "$runtime" Package) == "libturnstile$major" ]] || fail "the runtime package's name"
  [[ $(field "$development" Package) == libturnstile-dev ]] || fail "the development package's name"
  [[ $(field "$runtime" Section)/$(field "$development" Section) == libs/libdevel ]] || fail "sections"
  [[ $(field "$runtime" Depends) == *libc6*libstdc++6* ]] || fail "what the library needs: $(field "$runtime" Depends)"
  [[ $(field "$development" Depends) == "libturnstile$major (= $version), libboost-dev (>= 1.81) | libboost1.81-dev" ]] ||
    fail "what a build needs: $(field "$development" Depends)"
  for package in "$runtime" "$development"; do
    [[ $(field "$package" Version) == "$version" && $(field "$package" Architecture) == "$architecture" ]] ||
      fail "$package: version or architecture"
    dpkg-deb --extract "$package" "$folder/deb"
    dpkg-deb --fsys-tarfile "$package" | tar --list | grep -v '/$' | sort >"$package.list"
  done
  [[ $(dpkg-deb --ctrl-tarfile "$runtime" | tar --extract --to-stdout ./shlibs) == \
    "libturnstile $major libturnstile$major (>= $version)" ]] || fail "shlibs"
  # The trigger replaces scripts that call ldconfig.
  [[ $(dpkg-deb --ctrl-tarfile "$runtime" | tar --extract --to-stdout ./triggers) == "activate-noawait ldconfig" ]] ||
    fail "no trigger for ldconfig"
  ! dpkg-deb --ctrl-tarfile "$runtime" | tar --list | grep -E 'post(inst|rm)' || fail "the package has the above scripts"
  [[ ! $(comm -12 "$runtime.list" "$development.list") ]] || fail "a file is in both packages"
  ! grep -vE "/libturnstile\.so\.[0-9.]+$|/doc/libturnstile$major/" "$runtime.list" || fail "the above is not for programs that run"
  grep -qF '/libturnstile.so' "$development.list" || fail "there is no libturnstile.so to link with"
  for package in "libturnstile$major" libturnstile-dev; do
    grep -q 'Copyright' "$folder/deb/usr/share/doc/$package/copyright" || fail "$package: copyright"
  done
  if apt-cache show libboost-dev >/dev/null 2>&1; then # otherwise apt knows of no packages
    apt-get --simulate install "$runtime" "$development" >"$folder/simulated" 2>&1 ||
      fail "apt-get would not install them: $(cat "$folder/simulated")"
  fi
  object "$runtime" "$development"

  kind=shared # as what was unpacked is
  consume deb-cmake -D CMAKE_PREFIX_PATH="$folder/deb/usr"
  kind=deb
  pkg_config
  [[ ! -e $build/libturnstile-redis-dev_${version}_$architecture.deb ]] || deb_redis
}

# What lintian objects to.
object() {
  ! command -v lintian >/dev/null || lintian --fail-on error,warning "$@" || fail "lintian objects"
}

# The packages of the component redis, if hiredis is there.
deb_redis() {
  local redis=$build/libturnstile-redis${major}_${version}_$architecture.deb
  local redis_development=$build/libturnstile-redis-dev_${version}_$architecture.deb
  [[ $(field "$redis" Package)/$(field "$redis_development" Package) == "libturnstile-redis$major/libturnstile-redis-dev" ]] ||
    fail "the names of the packages for Redis"
  [[ $(field "$redis" Section)/$(field "$redis_development" Section) == libs/libdevel ]] || fail "sections"
  [[ $(field "$redis" Depends) == "libturnstile$major (>= $version), "*libhiredis* ]] || fail "what the library needs: $(field "$redis" Depends)"
  [[ $(field "$redis_development" Depends) == "libturnstile-redis$major (= $version), libturnstile-dev (= $version), libhiredis-dev (>= 0.14)"* ]] ||
    fail "what a build needs: $(field "$redis_development" Depends)"
  for package in "$redis" "$redis_development"; do
    dpkg-deb --extract "$package" "$folder/deb"
    dpkg-deb --fsys-tarfile "$package" | tar --list | grep -v '/$' | sort >"$package.list"
  done
  [[ ! $(sort "$build"/*.list | uniq --repeated) ]] || fail "a file is in two packages"
  ! grep -vE "/libturnstile-redis\.so\.[0-9.]+$|/doc/libturnstile-redis$major/" "$redis.list" || fail "the above is not for programs that run"
  ! grep redis "$runtime.list" "$development.list" | grep -v -e include/ -e hiredis.cmake || fail "the above is not for those without Redis"
  [[ $(dpkg-deb --ctrl-tarfile "$redis" | tar --extract --to-stdout ./shlibs) == \
    "libturnstile-redis $major libturnstile-redis$major (>= $version)" ]] || fail "shlibs"
  object "$redis" "$redis_development"
  PKG_CONFIG_PATH=$(folder_of turnstile-redis.pc)
  export LD_LIBRARY_PATH=${PKG_CONFIG_PATH%/pkgconfig}
  consume_redis deb-redis -D CMAKE_PREFIX_PATH="$folder/deb/usr"
}

deb_limiter() {
  need_tools dpkg-deb:dpkg dpkg-shlibdeps:dpkg-dev file:file
  local build=$folder/build-deb-limiter package files
  (cd "$source" && cmake --preset deb-limiter -B "$build")
  cmake --build "$build" --target connection_limiter
  rm -rf "$build"/*.deb "${folder:?}/deb-limiter"
  cmake --build "$build" --target package
  package=$build/connection-limiter_${version}_$(dpkg --print-architecture).deb
  [[ -e $package ]] || fail "not the package wanted: $(ls "$build"/*.deb)"
  [[ $(ls "$build"/*.deb) == "$package" ]] || fail "more packages than one: $(ls "$build"/*.deb)"
  [[ $(field "$package" Section) == net ]] || fail "the section of the limiter"
  [[ $(field "$package" Description) == "TCP proxy that limits connections"* ]] || fail "the summary of the limiter"
  [[ $(field "$package" Depends) == *libboost-program-options*libc6* ]] ||
    fail "what the limiter needs: $(field "$package" Depends)"
  files=$(dpkg-deb --fsys-tarfile "$package" | tar --list | grep -v '/$' | sort)
  [[ $files == "./etc/connection_limiter/limits
./etc/connection_limiter/options
./usr/bin/connection_limiter
./usr/lib/systemd/system/connection_limiter.service
./usr/lib/systemd/system/connection_limiter.socket
./usr/share/doc/connection-limiter/changelog.gz
./usr/share/doc/connection-limiter/copyright
./usr/share/man/man1/connection_limiter.1" ]] || fail "not the files wanted: $files"
  [[ $(dpkg-deb --ctrl-tarfile "$package" | tar --extract --to-stdout ./conffiles) == "/etc/connection_limiter/limits
/etc/connection_limiter/options" ]] || fail "the configuration is not marked as such"
  dpkg-deb --extract "$package" "$folder/deb-limiter"
  [[ $("$folder/deb-limiter/usr/bin/connection_limiter" --version) == "connection_limiter $version" ]] ||
    fail "the program in the package does not run"
}
