# shellcheck shell=bash
# The step deb_source of run, which sources this.

deb_source() {
  need_tools dh:debhelper dpkg-source:dpkg-dev dpkg-buildpackage:dpkg-dev lintian:lintian
  kind=deb-source
  local root=$folder/build-deb-source package name
  local tree=$root/turnstile-$version revision
  rm -rf "$root" "${folder:?}/$kind"
  mkdir -p "$tree"
  for name in CMakeLists.txt CMakePresets.json LICENSE README.md cmake example include src test; do
    cp -R "$source/$name" "$tree"
  done
  tar --create --xz --file "$root/turnstile_$version.orig.tar.xz" --directory "$root" "turnstile-$version"
  cp -R "$source/cmake/debian" "$tree"
  revision=$(dpkg-parsechangelog --file "$tree/debian/changelog" --show-field Version)
  [[ $revision == "$version-"* ]] || fail "cmake/debian/changelog is about $revision, not version $version"

  (
    cd "$root"
    dpkg-source --build "$tree"
    rm -rf "$tree"
    dpkg-source --extract "turnstile_$revision.dsc" "$tree"
    cd "$tree"
    # Not optimized: this is about what is in the packages.
    export DEB_BUILD_OPTIONS="nocheck noopt noautodbgsym parallel=$(nproc)"
    dpkg-buildpackage -us -uc -b
  )
  # The first version that Debian gets closes the report of a bug there, which has no number yet.
  lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs --tag-display-limit 0 \
    "$root"/*.dsc "$root"/*.changes || fail "lintian objects"

  for package in "$root"/*.deb; do
    like_cpacks "$package"
    dpkg-deb --extract "$package" "$folder/$kind"
  done
  kind=shared # as what was unpacked is
  consume deb_source-cmake -D CMAKE_PREFIX_PATH="$folder/deb-source/usr"
  kind=deb-source
  pkg_config
  consume_redis deb_source-redis -D CMAKE_PREFIX_PATH="$folder/deb-source/usr"
  [[ $("$folder/deb-source/usr/bin/connection_limiter" --version) == "connection_limiter $version" ]] ||
    fail "the program in the package does not run"
}

# The files in a package without its folder in usr/share/doc, for which Debian has names of its own. CMake gives files
# a name with the type of the build, and debhelper compresses manual pages.
files_of() {  # <package>
  dpkg-deb --fsys-tarfile "$1" | tar --list | grep -v -e '/$' -e '^./usr/share/doc/' | sed 's/-none\.cmake$/-release.cmake/; s/\.1\.gz$/.1/' | sort
}

# Compares a package with the one of this name that CPack has made.
like_cpacks() {  # <package>
  local name field other
  name=$(field "$1" Package)
  other=$(find "$folder"/build-deb "$folder"/build-deb-limiter -maxdepth 1 -name "${name}_${version}_*.deb" -print -quit)
  [[ $other ]] || fail "CPack has made no $name: the steps deb and deb_limiter come first"
  for field in Section Architecture; do
    [[ $(field "$1" "$field") == "$(field "$other" "$field")" ]] || fail "$name: its $field is not that of CPack's package"
  done
  diff <(files_of "$other") <(files_of "$1") || fail "$name: not the files that CPack's package has"
  # What else such a package needs is found by dpkg-shlibdeps. OpenSSL is needed where hiredis has TLS.
  [[ $name != *-dev || $(field "$1" Depends | sed "s/$version-[0-9]*/$version/g") == "$(field "$other" Depends)"?(, libssl-dev) ]] ||
    fail "$name: needs $(field "$1" Depends), and CPack's package $(field "$other" Depends)"
}
