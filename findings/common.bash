#!/usr/bin/env bash
# What the scripts in this folder share; each sources it and ends with `run_finding "$@"`. A script gives two functions:
#   prepare   fetches the packages, with the network, into the folder $work
#   observe   looks at what they do: in namespaces of its own, whose only network is an empty loopback, and whose
#             processes and mounts end with it
# 0: as stated at the head of the script. 1: not any more, and why. 77: cannot be seen on this machine, and why.
# shellcheck shell=bash
set -Eeuo pipefail
trap 'printf "FAILED: line %s of %s: %s\n" "$LINENO" "${BASH_SOURCE[0]##*/}" "$BASH_COMMAND"' ERR

say() { printf '%s\n' "$*"; }
skip() {
  say "SKIPPED: $*"
  exit 77
}
changed() {
  say "CHANGED: $*"
  exit 1
}

# debs NAME=VERSION...: unpacks these, and what they need beyond what is installed here, into $work/root.
debs() {
  command -v apt-get >/dev/null || skip 'needs a Debian with apt'
  local apt=(apt-get -qq -o APT::Sandbox::User=root -o Debug::NoLocking=1) one
  mkdir -p "$work/debs/partial" "$work/root"
  (cd "$work/debs" && "${apt[@]}" download "$@") >"$work/apt.log" 2>&1 ||
    skip "apt has no $* here (try: apt-get update)"
  "${apt[@]}" -y --no-install-recommends --download-only -o Dir::Cache::archives="$work/debs" install "$@" \
    >"$work/apt.log" 2>&1 || skip "apt cannot get what $* needs"
  for one in "$work"/debs/*.deb; do dpkg-deb -x "$one" "$work/root"; done
  for one in "$@"; do say "Debian package: ${one/=/ }"; done
}

# Programs and libraries of $work/root come first.
use_root() {
  local triplet
  triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || printf '%s-linux-gnu' "$(uname -m)")
  export PATH=$work/root/usr/sbin:$work/root/usr/bin:$PATH
  export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
}

# debian13_root NAME=VERSION...: a Debian 13 with these, and what they need, in $work/debian13, to chroot into. Nothing of
# it is configured; its only user is root, besides sshd.
debian13_root() {
  command -v apt-get >/dev/null || skip 'needs a Debian with apt'
  local keys=/usr/share/keyrings/debian-archive-keyring.gpg state=$work/apt13 root=$work/debian13 mirror one
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(CREATED_BY)' |
    awk '$2 == "main" && $3 == "Packages" { print $1; exit }')
  [[ -n $mirror && -e $keys ]] || skip "needs a mirror of Debian among apt's sources, and Debian's keys"
  mkdir -p "$state/lists/partial" "$state/archives/partial" "$root"/{etc,run/sshd,dev,root,tmp,proc}
  : >"$state/status"
  printf 'deb [signed-by=%s] %s trixie main\n' "$keys" "$mirror" >"$state/sources.list"
  local apt=(apt-get -qq -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o Dir::State="$state"
    -o Dir::State::status="$state/status" -o Dir::Cache="$state" -o Dir::Etc::sourcelist="$state/sources.list"
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null)
  "${apt[@]}" update >"$work/apt.log" 2>&1 || skip 'the mirror has no Debian 13'
  # What every Debian has, and therefore no package asks for.
  "${apt[@]}" -y --no-install-recommends --download-only install "$@" base-files dash coreutils >"$work/apt.log" 2>&1 ||
    skip "Debian 13 no longer has $*"
  for one in "$state"/archives/*.deb; do dpkg-deb -x "$one" "$root"; done
  cp -a /dev/{null,zero,random,urandom} "$root/dev/"
  printf 'root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  for one in "$@"; do say "Debian 13 package: ${one/=/ }"; done
}

# npm_package NAME VERSION: into $work/node_modules.
npm_package() {
  command -v npm >/dev/null || skip 'needs Node.js with npm'
  [[ -e $work/package.json ]] || printf '{ "private": true }\n' >"$work/package.json"
  npm install --prefix "$work" --save-exact --no-audit --no-fund --loglevel=error "$1@$2" >"$work/npm.log" 2>&1 ||
    skip "npm cannot install $1@$2"
  say "npm package: $1 $(node -p 'require(process.argv[1]).version' "$work/node_modules/$1/package.json")"
}

run_finding() {
  export PATH=$PATH:/usr/sbin:/sbin
  if [[ ${1:-} == observe ]]; then
    work=$2
    ip link set lo up
    observe
    return
  fi
  [[ $(id -u) == 0 ]] || skip 'needs root, to make namespaces'
  command -v ip >/dev/null || skip 'needs iproute2'
  local apart=(unshare --net --mount --pid --fork --kill-child --mount-proc)
  "${apart[@]}" true 2>/dev/null || skip 'namespaces cannot be made here'
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  prepare
  local code=0
  "${apart[@]}" bash "$0" observe "$work" || code=$?
  exit "$code"
}
