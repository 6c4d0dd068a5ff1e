# shellcheck shell=bash disable=SC2154 # $folder, see below
# What the runners share that take packages of other releases of Debian. Nothing of these is installed: they are
# downloaded and unpacked below $folder, which the runner that sources this sets.

# apt <program> <part of $folder> <argument>...: apt-get or apt-cache with sources, lists and archives of
# its own, for which nothing is installed.
apt() {
  local program=$1 own=$folder/$2
  "$program" -q -o Dir::Etc::SourceList="$own/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State="$own" -o Dir::State::Lists="$own/lists" -o Dir::State::status="$own/status" \
    -o Dir::Cache="$own" -o Dir::Cache::archives="$own/archives" -o APT::Default-Release= \
    -o Acquire::Languages=none -o APT::Sandbox::User= -o Debug::NoLocking=1 "${@:3}"
}

# Makes the lists of these releases of Debian, from the mirror that the system uses. Kept for a day.
lists() {  # <part of $folder> <release>...
  local own=$folder/$1 mirror release keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ ! $(find "$own/made" -mtime -1 2>/dev/null) ]] || return 0
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' \
    2>/dev/null | awk '$2 !~ /-/ { print $1; exit }')
  [[ $mirror && -e $keyring ]] || return 1
  mkdir -p "$own/lists/partial" "$own/archives/partial"
  : >"$own/status"
  for release in "${@:2}"; do
    echo "deb [signed-by=$keyring] $mirror $release main"
  done >"$own/sources.list"
  apt apt-get "$1" update >"$own/log" 2>&1 && touch "$own/made"
}

# Downloads packages and all that they depend on.
download() {  # <part of $folder> <package>...
  apt apt-get "$1" install --yes --download-only --no-install-recommends "${@:2}" >"$folder/$1/log" 2>&1
}

# Unpacks what was downloaded into <into>.
unpack() {  # <part of $folder> <into> <pattern>
  local package
  for package in "$folder/$1"/archives/$3; do
    dpkg-deb --extract "$package" "$2" || return
  done
}
