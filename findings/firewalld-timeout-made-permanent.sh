#!/usr/bin/env bash
# firewalld 1.3.3-1~deb12u2 (Debian 12), with its nftables backend.
#
# Surprising: `firewall-cmd --runtime-to-permanent` also saves what was added with `--timeout`, and saves it without the
# timeout.
# Expected: that a rule for four seconds stays out of the permanent configuration. firewall-cmd itself refuses --timeout
# together with --permanent, so the two seem to exclude each other.
# Seen: the rule ended on time in the running firewall, and stayed in the permanent configuration. The next
# `firewall-cmd --reload` put it in force again, now without an end. Exit code 0 each time, no warning, no log line.
#
# Why it matters to knock-otp: an opening in firewalld is a rich rule with a timeout. An administrator who saves the
# firewall's state at the wrong moment, for a reason of his own, gives the client of that moment an opening for ever,
# which is back after every reload and every boot.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  command -v dbus-daemon >/dev/null || skip 'needs dbus-daemon'
  debs firewalld=1.3.3-1~deb12u2 python3-firewall=1.3.3-1~deb12u2
}

observe() {
  use_root
  export PYTHONPATH=$work/root/usr/lib/python3/dist-packages PYTHONDONTWRITEBYTECODE=1
  # A message bus of its own, for nobody but firewalld and firewall-cmd.
  export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus
  cat >"$work/bus.conf" <<END
<busconfig>
  <type>system</type>
  <listen>$DBUS_SYSTEM_BUS_ADDRESS</listen>
  <policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
END
  dbus-daemon --config-file="$work/bus.conf" --fork
  mkdir "$work/etc"
  firewalld --nofork --nopid --log-file="$work/firewalld.log" --log-target=file --system-config="$work/etc" \
    --default-config="$work/root/usr/lib/firewalld" >"$work/output" 2>&1 &
  local _ state=
  for _ in {1..60}; do
    state=$(firewall-cmd --state 2>/dev/null) && break
    sleep 0.3
  done
  [[ $state == running ]] || skip "firewalld does not start here: $(tail -n 1 "$work/output")"
  say "firewalld $(firewall-cmd --version)"

  local rule='rule family="ipv4" source address="192.0.2.1" port port="22" protocol="tcp" accept'
  running() { firewall-cmd --list-rich-rules; }
  permanent() { firewall-cmd --permanent --list-rich-rules; }
  tell() { say "  $1: running [$(running)], permanent [$(permanent)]"; }
  ! firewall-cmd --permanent --add-rich-rule="$rule" --timeout=4 >"$work/output" 2>&1 ||
    changed '--timeout and --permanent go together now'
  say "  --permanent with --timeout: $(grep -i timeout "$work/output" | tail -n 1)"
  tell 'before'
  firewall-cmd -q --add-rich-rule="$rule" --timeout=4
  tell 'added for 4 s'
  firewall-cmd -q --runtime-to-permanent || changed '--runtime-to-permanent is refused'
  sleep 5
  tell 'saved, 5 s later'
  [[ -z $(running) ]] || skip 'the rule did not end on time'
  [[ -n $(permanent) ]] || changed 'a rule with a timeout is no longer saved'
  firewall-cmd -q --reload
  sleep 5
  tell 'reloaded, 5 s later'
  [[ $(running) == "$rule" ]] || changed 'the saved rule is not in force after a reload, or ends'
  say 'AS STATED: a rule for four seconds became a rule for ever'
}

run_finding "$@"
