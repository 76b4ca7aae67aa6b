#!/usr/bin/env bash
# knock of the package knockd 0.8-2+b4 (Debian 12).
#
# Surprising: the client `knock` exits with 0, and with -v says "hitting", when the system refused to send any of it.
# Expected: an error and another exit code, since the system told the program at once: network unreachable. The program
# does have exit code 1 for a name that cannot be resolved.
# Seen: on a machine with no route to anywhere, `knock 192.0.2.1 7000 8000 9000` prints nothing and exits with 0, for TCP
# and for UDP. Bash's own /dev/udp says "Network is unreachable" in the same place.
#
# Why it matters to knock-otp: in `knock HOST ... && ssh HOST` the first half never fails, so whoever moves over from
# knockd has scripts that were never told that a knock did not leave. A client whose knocks are one-time must tell
# "not sent" from "sent and not answered", as only the second one costs a sequence.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() { debs knockd=0.8-2+b4; }

observe() {
  use_root
  knock --version | head -n 1
  say "  routes: [$(ip route)]"
  local reason option code said
  reason=$({ printf x >/dev/udp/192.0.2.1/7000; } 2>&1 || true)
  say "  bash, one packet: ${reason##*: }"
  [[ $reason == *nreachable* ]] || skip 'there is a route here after all'
  for option in '' --udp; do
    code=0
    said=$(knock -v ${option:+"$option"} 192.0.2.1 7000 8000 9000 2>&1) || code=$?
    say "  knock -v${option:+ $option}: exit code $code, says: $(paste -sd ';' <<<"$said")"
    [[ $code == 0 && $(grep -c hitting <<<"$said") == 3 ]] || changed 'knock tells that nothing was sent'
  done
  code=0
  knock name.invalid 7000 >/dev/null 2>&1 || code=$?
  say "  knock to a name that does not exist: exit code $code"
  [[ $code == 1 ]] || changed 'a name that does not exist gives another exit code than 1'
  say 'AS STATED: nothing was sent, and knock exited with 0'
}

run_finding "$@"
