#!/usr/bin/env bash
# npm package cap 0.2.1 with libpcap 1.10.3-1 (Debian 12), on Node.js.
#
# Surprising: while packets keep coming in at least as fast as the listener takes them, cap never returns to Node's event
# loop. No timer fires, no signal handler and no other socket's data comes through until the traffic pauses.
# Expected: what Node's own UDP socket does under the same traffic: some packets, then the timers that are due, and so on.
# Seen: a flood of 10,000 small packets in a second and a listener that works 0.4 ms for each. A timer of 10 ms, which
# should fire a hundred times a second, stood still from the first packet to the last with cap, for more than a second;
# with a plain dgram socket it kept firing, and the longest wait was a fraction of that.
# cap's read callback calls pcap_dispatch until nothing is left, and emits each packet from within that loop.
#
# Why it matters to knock-otp: whoever can send packets would decide when heartbeats, time limits and the SIGTERM handler
# run. What must happen under a flood has to be done by the clock inside of the packet listener.

# shellcheck source=common.bash
source "$(dirname "$0")/common.bash"

prepare() {
  command -v g++ >/dev/null || skip 'needs a C++ compiler, to build cap'
  debs libpcap0.8=1.10.3-1 libpcap0.8-dev=1.10.3-1
  use_root
  CPATH=$work/root/usr/include LIBRARY_PATH=$LD_LIBRARY_PATH npm_package cap 0.2.1
  [[ -e $work/node_modules/cap/build/Release/cap.node ]] || skip 'cap was not built'

  cat >"$work/receive.cjs" <<'END'
const WORK_MS = 0.4;
let first = 0, last = Number.NEGATIVE_INFINITY, packets = 0, fired = 0, firedAt = 0, longest = 0;

function onPacket() {
  last = performance.now();
  first ||= last;
  packets += 1;
  while (performance.now() - last < WORK_MS);
}

if (process.argv[2] === 'cap') {
  const { Cap } = require('cap');
  // Both are kept, cap does not hold them.
  globalThis.frame = Buffer.alloc(65535);
  globalThis.cap = new Cap();
  cap.open('lo', 'udp and dst port 7000', 4 << 20, frame);
  cap.on('packet', onPacket);
} else {
  require('node:dgram').createSocket({ type: 'udp4', recvBufferSize: 1 << 20 }).on('message', onPacket).bind(7000, '127.0.0.1');
}

setTimeout(() => console.log('ready'), 100);
setInterval(() => {
  const now = performance.now();
  if (packets > 0) longest = Math.max(longest, now - firedAt);
  if (now - last < 20) fired += 1;
  firedAt = now;
  if (packets === 0 || now - last < 500) return;
  console.log(`${packets} ${Math.round(last - first)} ${fired} ${Math.round(longest)}`);
  process.exit();
}, 10);
END
  cat >"$work/flood.cjs" <<'END'
const socket = require('node:dgram').createSocket('udp4');
let sent = 0;
const timer = setInterval(() => {
  for (let i = 0; i < 20; i += 1) socket.send('x', 7000, '127.0.0.1');
  sent += 20;
  if (sent < 10_000) return;
  clearInterval(timer);
  setTimeout(() => socket.close(), 50);
}, 2);
END
}

# flooded HOW: what the receiver counted, into $packets, $span, $fired and $longest.
flooded() {
  local receiver pid
  coproc timeout 60 node "$work/receive.cjs" "$1"
  receiver=${COPROC[0]} pid=$COPROC_PID
  read -r -t 20 -u "$receiver" _ || skip "no capture on the loopback: $1"
  timeout 30 node "$work/flood.cjs"
  read -r -t 30 -u "$receiver" packets span fired longest || changed "$1 does not come to an end"
  wait "$pid" 2>/dev/null || true
  say "  $1: $packets packets in $span ms; the timer of 10 ms fired $fired times, its longest wait was $longest ms"
}

observe() {
  use_root
  local packets span fired longest
  say "Node.js $(node --version), 10,000 packets to the loopback for each:"
  flooded dgram
  ((longest * 3 < span)) || skip 'this machine is too busy to compare: the timer waits long without cap too'
  flooded cap
  ((longest > span * 8 / 10 && longest > 500)) || changed 'timers fire while cap reads packets'
  say 'AS STATED: with cap no timer fired from the first packet of the flood to about the last'
}

run_finding "$@"
