# shellcheck shell=bash
# What the runners share. They source it; it expects the project's folder as the current one.

# Says why it cannot go on, and stops.
stop() {
  printf '%s\n' "$@" >&2
  exit 1
}

# wrong <what is wrong>: for a mistake on the command line.
wrong() {
  printf '%s: %s\n' "${0#./}" "$*" >&2
  exit 2
}

# parse_options <what the runner takes>... -- "$@"
#
# Sets a variable for each option that is given: $long to `yes` for --long, $only to its value for
# --only. What the runner takes is given as
#
#   --long                a flag
#   --only='bugs|spin'    one of these names
#   --sample=NUMBER       a number from 1 to 9999
#   --only=NAME           any other text
#   FILE...               arguments that are not options; they become $operands
#
# --help prints usage(). Everything else is an error, for which the status is 2.
parse_options() {
  local takes=() expected spec name value
  while [[ $1 != -- ]]; do takes+=("$1"); shift; done
  shift
  printf -v expected '%s, ' "${takes[@]/=/ }" --help
  operands=()
  while [[ $# -gt 0 ]]; do
    [[ $1 != --help ]] || { usage; exit; }
    for spec in "${takes[@]}" ''; do
      if [[ $1 == -* && ${spec%%=*} == "$1" || $1 != -* && $spec != -* ]]; then break; fi
    done
    case $spec in
      '')
        if [[ $1 == -* ]]; then wrong "unknown option '$1'; expected ${expected%, }"; fi
        wrong "unexpected argument '$1'; expected ${expected%, }"
        ;;
      --*=*)
        name=${spec%%=*} value=${spec#*=}
        case $value in
          NUMBER) [[ ${2-} =~ ^[1-9][0-9]{0,3}$ ]] || wrong "$name takes a number from 1 to 9999, not '${2-}'" ;;
          *'|'*) [[ ${2-} && "|$value|" == *"|$2|"* ]] || wrong "$name takes one of ${value//|/, }, not '${2-}'" ;;
          *) [[ ${2-} ]] || wrong "$name takes a value: $value" ;;
        esac
        printf -v "${name#--}" %s "$2"
        shift
        ;;
      --*) printf -v "${1#--}" yes ;;
      *) operands+=("$1") ;;
    esac
    shift
  done
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# The version of Boost to build with: the installed one; else the distribution's default; else, where
# that is too old (Debian 12), 1.81, which stands beside it.
boost_version() {
  local new_enough='1\.(8[1-9]|9[0-9]|[1-9][0-9]{2})' version
  version=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'libboost1.*-dev' 2>/dev/null |
    sed -nE "s/^installed libboost($new_enough)-dev\$/\1/p" | sort -V | tail -n 1)
  [[ $version ]] || version=$(apt-cache policy libboost-dev 2>/dev/null |
    sed -nE "s/^ *Candidate: ($new_enough)\..*/\1/p")
  echo "${version:-1.81}"
}

# missing_packages <Boost library>... [-- <package>...]: what of compiler, build tools, Boost's
# headers, those libraries of Boost and those packages is not there, by the names of the packages.
missing_packages() {
  local boost package
  command -v g++ >/dev/null || echo g++
  command -v cmake >/dev/null || echo cmake
  command -v ninja >/dev/null || echo ninja-build
  command -v pkg-config >/dev/null || echo pkgconf
  boost=$(boost_version)
  is_installed "libboost$boost-dev" || echo "libboost$boost-dev"
  while [[ $# -gt 0 && $1 != -- ]]; do
    package=libboost-$1$boost-dev
    is_installed "$package" || echo "$package"
    shift
  done
  for package in "${@:2}"; do
    is_installed "$package" || echo "$package"
  done
}

# install_packages <Boost library>... [-- <package>...]: installs what is missing, on Debian and
# Ubuntu. Where nothing is missing, nothing is run; elsewhere it is left to the user.
install_packages() {
  local packages as_root=() log
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "Not Debian or Ubuntu: building with what is installed." >&2
    return
  fi
  mapfile -t packages < <(missing_packages "$@")
  [[ ${#packages[@]} -gt 0 ]] || return 0

  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || stop "Packages are missing, and there is no sudo to install them. As root:" \
      "  apt-get update && apt-get install ${packages[*]}"
    as_root=(sudo)
    [[ -t 0 ]] || as_root=(sudo -n) # nobody is there to type a password
  fi

  echo "Installing ${packages[*]}"
  log=$(mktemp)
  # Without an update there may be no list, or an old one that names packages no longer there. Where
  # it fails (no network), the packages may be at hand all the same.
  "${as_root[@]}" apt-get update >"$log" 2>&1 || true
  mapfile -t packages < <(missing_packages "$@") # now with the version of Boost that is on offer
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-remove \
    --no-install-recommends -o DPkg::Lock::Timeout=120 "${packages[@]}" >>"$log" 2>&1; then
    grep -E '^(E|W):' "$log" | head -n 8 >&2 || true
    stop "Could not install: ${packages[*]}" \
      "Debian 12, Debian 13 and Ubuntu 24.04 have them in their main archives. To see what is wrong, as root:" \
      "  apt-get update && apt-get install ${packages[*]}"
  fi
  rm -f "$log"
}

# build <preset> <target>: in build/<preset>; with Ninja, where it is a new folder and Ninja is there.
build() {
  local preset=$1 target=$2 log=build/$1/configure.log
  mkdir -p "build/$preset"
  if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR=Ninja
  fi
  if ! cmake --preset "$preset" -D TURNSTILE_WERROR="${TURNSTILE_WERROR:-OFF}" >"$log" 2>&1; then
    cat "$log" >&2
    stop "The build could not be configured."
  fi
  cmake --build "build/$preset" --target "$target" --parallel "$(nproc)" || stop "The build failed."
}
