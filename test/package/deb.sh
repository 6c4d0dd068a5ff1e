# shellcheck shell=bash
# The step deb of run, which sources this.

field() {  # <package's file> <field>
  dpkg-deb --field "$1" "$2"
}

deb() {
  local tool
  for tool in dpkg-deb dpkg-shlibdeps file; do
    command -v "$tool" >/dev/null || fail "$tool is missing (packages dpkg, dpkg-dev and file)"
  done
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
  if command -v lintian >/dev/null; then
    lintian --fail-on error,warning "$runtime" "$development" ||
      fail "lintian objects"
  fi

  kind=shared # as what was unpacked is
  consume deb-cmake -D CMAKE_PREFIX_PATH="$folder/deb/usr"
  kind=deb
  pkg_config
}
