#!/usr/bin/env bash
# nftables 1.0.6-2+deb12u2 (Debian 12) on a kernel from 6.12 on: what happens to an element with a timeout when it is
# added once more.
#
# Surprising: `nft add element` of an element that is already there is no longer without effect, and what it does depends
# on how the timeout is written.
#   - the same timeout again: accepted, and the time that is left is not refreshed
#   - any other timeout: replaces the old one, and the time starts anew
#   - no timeout: the element loses the one it had and stays for ever
# Expected: one rule for all three; either the element is left alone, as older kernels do, or its time starts anew.
# Seen: three different outcomes, each with exit code 0 and not a word. Only a set that has a timeout of its own gives that
# one to an element which is added again without.
#
# Why it matters to knock-otp: an opening is an element with a timeout. A script that "makes sure" that an address is in
# the set, by adding it plainly, turns an opening of a minute into one without end; one that adds it with the same timeout
# to prolong it prolongs nothing.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  local major minor
  IFS=.- read -r major minor _ < <(uname -r)
  ((major > 6 || (major == 6 && minor >= 12))) || skip "the kernel is older than 6.12: $(uname -r)"
  debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
}

element() { nft list set ip finding "$1" | sed -n 's/.*elements = { \(.*\) }/\1/p'; }
add() {
  nft add element ip finding "$1" "{ $2 }"
  say "  add { $2 }  ->  $(element "$1")"
}
# Milliseconds that an element has left, as `expires 1m57s980ms` says it; none without.
left() {
  local text
  text=$(element "$1" | sed -n 's/.*expires //p')
  [[ $text =~ ^(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?$ && -n $text ]] || return 0
  say $((60000 * ${BASH_REMATCH[2]:-0} + 1000 * ${BASH_REMATCH[4]:-0} + ${BASH_REMATCH[6]:-0}))
}

observe() {
  use_root
  say "$(nft --version), kernel $(uname -r)"
  nft add table ip finding 2>/dev/null || skip 'the kernel has no nf_tables here'
  nft 'add set ip finding plain { type ipv4_addr; flags timeout; }'
  nft 'add set ip finding own { type ipv4_addr; timeout 30s; }'

  say 'a set whose elements may have a timeout:'
  add plain '192.0.2.1 timeout 60s'
  sleep 1.5
  add plain '192.0.2.1 timeout 60s'
  (($(left plain) < 59000)) || changed 'the same timeout again refreshes the element'
  add plain '192.0.2.1 timeout 61s'
  (($(left plain) > 60000)) || changed 'another timeout does not start the time anew'
  add plain '192.0.2.1'
  [[ $(element plain) == 192.0.2.1 ]] || changed 'added again without a timeout, the element keeps one'

  say 'a set with a timeout of its own, 30s:'
  add own '192.0.2.1 timeout 60s'
  add own '192.0.2.1'
  [[ -n $(left own) ]] || changed 'the element of a set with a timeout of its own stays for ever too'
  say 'AS STATED: added again without a timeout, an element of 60 seconds became permanent'
}

run_finding "$@"
