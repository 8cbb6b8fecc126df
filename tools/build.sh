# SPDX-License-Identifier: MIT
# Sourced by ./quickstart and ./check in the root of the tree: words to say, packages, builds.

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' plain=$'\e[0m'
else
  bold='' plain=''
fi
export LC_ALL=C.UTF-8

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }
die() {  # what failed, what to do
  printf '\n%s: %s\nhint: %s\n' "$program" "$1" "$2" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt() {
  local log
  log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" \
    >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# install_packages KIND...: what tools/packages lists for these kinds and this machine lacks.
install_packages() {
  local kind name wanted
  missing=()
  while read -r kind name; do
    for wanted in "$@"; do
      [ "$kind" = "$wanted" ] || continue
      case $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true) in
        installed) ;;
        *) missing+=("$name") ;;
      esac
    done
  done <tools/packages
  if [ ${#missing[@]} = 0 ]; then
    say "all there"
    return
  fi
  command -v apt-get >/dev/null ||
    die "this is not Debian, so nothing can be installed here" \
      "install by hand what this is on Debian: ${missing[*]}"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    die "packages are missing, and there is no sudo to install them with" \
      "as root: apt-get install ${missing[*]}"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  apt update ||
    die "the list of packages could not be fetched (above)" \
      "is the network up? Then try 'apt-get update' by hand"
  apt install --no-install-recommends "${missing[@]}" ||
    die "packages could not be installed (above)" "try it by hand: apt-get install ${missing[*]}"
}

# build FOLDER MESON-OPTION...: sets the folder up where it is not, and compiles what changed.
build() {
  local folder=$1 log
  shift
  if [ ! -f "$folder/build.ninja" ]; then
    rm -rf "$folder"
    log=$(mktemp)
    say "setting up $folder"
    if ! meson setup "$folder" "$@" >"$log" 2>&1; then
      tail -n 25 "$log" >&2
      rm -f "$log"
      return 1
    fi
    rm -f "$log"
  fi
  say "compiling in $folder (the first time takes minutes)"
  NINJA_STATUS='   [%f/%t] ' ninja -C "$folder"
}

# The optimised programs, in build-release. Their warnings are errors with the compiler of Debian 12, which
# they were written with; a newer one must not stop anybody.
build_release() {
  local werror=false
  [ "$(g++ -dumpversion 2>/dev/null)" != 12 ] || werror=true
  build build-release --buildtype=release -Doptimization=2 -Dtests=false -Dwerror=$werror
}
