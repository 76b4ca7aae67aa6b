#!/usr/bin/env bash
# openssh-server 1:10.0p1-7+deb13u4 (Debian 13), started with no configuration but a port and a key.
#
# Surprising: sshd shuts out an address for having connected to its port and hung up again, with no password and no key
# ever tried. A holder of the right key behind that address is shut out with it.
# Expected: what PerSourcePenalties (on by default since OpenSSH 9.8) is known for, that failed logins are penalised.
# Seen: a login with a key went through. Then about 16 connections that only read the banner were served, and all
# later ones, though the port still accepts them, got the line "Not allowed at this time" in place of the banner; the same
# login was refused too, and the client did not say why. It took more than five seconds until sshd answered again.
# `sshd -T` shows the reason: noauth:1 counts one second for each such connection, and min:15 is when it begins to refuse.
#
# Why it matters to knock-otp: connecting is how a client, a monitor or a script sees whether a door has opened. Checked
# often enough from one address, the door is open and the service behind it refuses; a client must read the banner before
# it calls a door open, and check seldom.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() { debian13_root openssh-server=1:10.0p1-7+deb13u4 openssh-client=1:10.0p1-7+deb13u4; }

inside() { chroot "$work/debian13" "$@"; }
login() {
  inside /usr/bin/ssh -F none -p 2222 -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=accept-new \
    root@127.0.0.1 echo logged in 2>&1 | tail -n 1 | tr -d '\r' || true
}
# What the port says to who connects, reads one line and hangs up.
look() {
  local line=
  exec 3<>/dev/tcp/127.0.0.1/2222
  read -r -t 5 -u 3 line || true
  exec 3>&-
  printf '%s\n' "${line%$'\r'}"
}

observe() {
  local key
  for key in host_key root/key; do inside /usr/bin/ssh-keygen -q -t ed25519 -N '' -f "/$key"; done
  inside /usr/bin/env cp /root/key.pub /root/authorized
  local options=(-f /dev/null -o Port=2222 -o ListenAddress=127.0.0.1 -o HostKey=/host_key
    -o AuthorizedKeysFile=/root/authorized -o StrictModes=no)
  inside /usr/sbin/sshd -V 2>&1
  inside /usr/sbin/sshd -T "${options[@]}" | grep -i '^persourcepenalties '
  inside /usr/sbin/sshd -D -E /sshd.log "${options[@]}" &
  local _ line served=0 refused=0
  for _ in {1..50}; do
    if (exec 3<>/dev/tcp/127.0.0.1/2222) 2>/dev/null; then break; fi
    sleep 0.1
  done

  line=$(login)
  say "  a login with the right key: $line"
  [[ $line == 'logged in' ]] || skip 'the login does not work here'
  for _ in {1..40}; do
    line=$(look)
    case $line in
      SSH-2.0-*) ((refused == 0)) && served=$((served + 1)) ;;
      'Not allowed at this time') refused=$((refused + 1)) ;;
      *) changed "the port says: $line" ;;
    esac
  done
  say "  40 connections without a login: the first $served got the banner, $refused got 'Not allowed at this time'"
  ((served > 5 && refused > 5)) || changed 'connections without a login are not penalised like this'
  line=$(login)
  say "  the same login again: $line"
  [[ $line != 'logged in' ]] || changed 'a penalised address can still log in'
  SECONDS=0
  for _ in {1..60}; do
    sleep 1
    [[ $(look) == SSH-2.0-* ]] && break
  done
  say "  the banner came back after $SECONDS seconds"
  ((SECONDS > 5)) || changed 'the penalty is over at once'
  say 'AS STATED: who connected often without logging in was shut out, with the right key too'
}

run_finding "$@"
