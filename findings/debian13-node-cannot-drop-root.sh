#!/usr/bin/env bash
# nodejs 20.19.2+dfsg-1+deb13u3 with libuv1t64 1.50.0-2 (Debian 13).
#
# Surprising: in Debian 13's own Node.js, a program that root started cannot give up root: process.setgid() and
# process.setuid() throw ERR_INVALID_STATE, because "io_uring may be enabled".
# Expected: what Node.js 20 with the libuv that it brings along (1.46) does: the calls work, unless the environment asks
# for io_uring. With Debian's libuv, UV_USE_IO_URING=0 should at least settle the doubt.
# Seen: both calls throw, also with UV_USE_IO_URING=0, and the program stays root. It seems that this Node.js cannot ask a
# libuv which is not its own, and then assumes that io_uring is in use.
# Started as another user from the outset, the same Node.js runs.
#
# Why it matters to knock-otp: a capture process opens its socket as root and then becomes nobody. With Node's calls that
# fails on a stock Debian 13; the identity has to be changed by another way (setpriv before the start, or libc's setuid
# called directly), and whether it was changed has to be checked.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  debian13_root nodejs=20.19.2+dfsg-1+deb13u3 libuv1t64=1.50.0-2
  cat >"$work/debian13/finding.cjs" <<'END'
function attempt(name, id) {
  try {
    process[name](id);
    return 'done';
  } catch (error) {
    return error.code;
  }
}
const calls = ['setgid', 'setuid'].map((name) => `${name}: ${attempt(name, 65534)}`);
console.log(`${calls.join(', ')}, then uid ${process.getuid()} gid ${process.getgid()}`);
END
}

inside() { chroot "$work/debian13" /usr/bin/env -i "$@"; }

observe() {
  local seen value
  say "Node.js $(inside /usr/bin/node -p 'process.version + " with libuv " + process.versions.uv')"
  for value in '' UV_USE_IO_URING=0; do
    seen=$(inside ${value:+"$value"} /usr/bin/node /finding.cjs)
    say "  as root, ${value:-plain}: $seen"
    [[ $seen == 'setgid: ERR_INVALID_STATE, setuid: ERR_INVALID_STATE, then uid 0 gid 0' ]] ||
      changed 'the calls no longer throw'
  done
  seen=$(chroot --userspec=65534:65534 "$work/debian13" /usr/bin/env -i /usr/bin/node -p 'process.getuid()')
  say "  started as another user: uid $seen"
  [[ $seen == 65534 ]] || changed 'started as another user it does not run'
  say 'AS STATED: the program could not give up root by itself'
}

run_finding "$@"
