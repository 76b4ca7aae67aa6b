/**
 * The capture supervisor as a program, for end-to-end tests: `capture-main tcp|udp|any|count INTERFACE...`. It prints a line
 * for each change of state (`state eth0 deaf REASON`) and, after the line `started`, for each packet
 * (`packet 10.0.0.1 > 10.0.0.2 8000:udp`). `any` captures every TCP packet and adds its flags. `count` prints, instead of
 * packets, one line a second about the load on the parent.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { PcapCapture } from '../../../server/capture/pcap/pcap-capture.ts';
import { formatAddress } from '../../../shared/address.ts';
import { formatKnock, knockOf } from '../../../shared/knock.ts';
import { sayAtOnce } from '../host/say.ts';

const [mode = 'tcp', ...interfaces] = process.argv.slice(2);
const counting = mode === 'count';
let packets = 0;

// Synchronous, so that a line is out before a test's signal arrives; on stderr, where a test can wait for the next one.
const say = (line: string): void => sayAtOnce(2, line);

const supervisor = new PcapCapture({
  interfaces,
  udp: mode === 'udp',
  tcp: mode === 'any' ? 'any' : 'opening',
  onArrival(_atMs, source, destination, pair, flags) {
    packets += 1;
    if (counting) return;
    say(
      `packet ${formatAddress(source)} > ${formatAddress(destination)} ${formatKnock(knockOf(pair))}${mode === 'any' ? ` ${flags}` : ''}`,
    );
  },
  onLost: (lost) => lost > 0 && say(`lost ${lost}`),
  onState: ({ interface: name, state, reason, privileges }) =>
    say(`state ${name} ${state} ${reason ?? privileges ?? ''}`.trim()),
});

process.once('SIGTERM', () => {
  void supervisor.stop().then(() => {
    say('stopped');
    process.exit(0);
  });
});

await supervisor.start();
say('started');

if (counting) {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  let before = 0;
  setInterval(() => {
    const [status] = supervisor.status();
    const memory = process.memoryUsage.rss() >> 20;
    say(
      `count ${packets - before} total ${packets} received ${status?.received} dropped ${status?.dropped} ` +
        `restarts ${status?.restarts} rss ${memory} lag ${Math.round(delay.max / 1e6)}`,
    );
    before = packets;
    delay.reset();
  }, 1000);
}
