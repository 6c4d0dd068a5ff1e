#!/usr/bin/env bash
# Installs the component of the connection limiter from a build folder below a temporary one, and looks at
# what is there.
set -euo pipefail
build=$1 version=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "test/limiter/install.sh: $*" >&2
  exit 1
}

DESTDIR=$folder cmake --install "$build" --component limiter >/dev/null
prefix=$(sed -n 's/^CMAKE_INSTALL_PREFIX:PATH=//p' "$build/CMakeCache.txt")
found=$(cd "$folder" && find . -type f -not -path "*/share/doc/*" -printf "%P\n" | sort)
etc=${prefix#/}/etc
[[ $prefix != /usr ]] || etc=etc
wanted=$(printf '%s\n' "${prefix#/}/bin/connection_limiter" "$etc/connection_limiter/limits" \
  "$etc/connection_limiter/options" "${prefix#/}/lib/systemd/system/connection_limiter.service" \
  "${prefix#/}/lib/systemd/system/connection_limiter.socket" \
  "${prefix#/}/share/man/man1/connection_limiter.1" | sort)
[[ $found == "$wanted" ]] || fail "installed $found, expected $wanted"

program=$folder$prefix/bin/connection_limiter
[[ $("$program" --version) == "connection_limiter $version" ]] || fail "the installed program does not run"

# The configuration is valid: with it, the program starts, and ends because of the signal.
OPTIONS=''
# shellcheck source=/dev/null
. "$folder/$etc/connection_limiter/options"
read -ra options <<<"${OPTIONS//"/$etc/"/"$folder/$etc/"}"
for i in "${!options[@]}"; do
  options[i]=${options[i]/127.0.0.1:[69]?00/127.0.0.1:0}
done
"$program" "${options[@]}" >"$folder/output" 2>&1 &
for ((i = 0; i < 600; ++i)); do
  ! grep -qs 'admin endpoint' "$folder/output" || break
  sleep 0.1
done
kill $! || true
status=0
wait $! || status=$?
[[ $status == 0 ]] || fail "with the configuration, status $status: $(cat "$folder/output")"
grep -q 'limit 20$' "$folder/output" || fail "the limits file is not used: $(cat "$folder/output")"

units=$folder$prefix/lib/systemd/system
grep -qxF "ExecStart=$prefix/bin/connection_limiter \$OPTIONS" "$units/connection_limiter.service" || fail "ExecStart"
if command -v systemd-analyze >/dev/null; then
  sed -i "s|^ExecStart=$prefix|ExecStart=$folder$prefix|" "$units/connection_limiter.service"
  objections=$(systemd-analyze --man=no verify "$units"/connection_limiter.{socket,service} 2>&1 | grep connection_limiter || true)
  [[ -z $objections ]] || fail "systemd objects: $objections"
fi
echo "installed and valid: $found"
