/**
 * Runs both captures on one interface, each with its own engine: `both-captures opening|any SUSPECTS INTERFACE ADDRESS...`,
 * where the addresses are this host's. After each barrier that both have seen it prints `barrier N KIND sees ... lost ...`,
 * and at the end one line `{"pcap": ..., "kernel": ...}` with every decision.
 */
import type { Capture, LossListener } from '../../../server/capture/capture.ts';
import { KernelCapture } from '../../../server/capture/kernel/kernel-capture.ts';
import { PcapCapture } from '../../../server/capture/pcap/pcap-capture.ts';
import type { LivePairs } from '../../../server/core/matching/live-pairs.ts';
import { addressKey, formatAddress } from '../../../shared/address.ts';
import { sayAtOnce } from '../host/say.ts';
import { BARRIER_SOURCE, NEXT, ROTATE, SEQ_TIMEOUT_MS, type Variant, World } from './both-worlds.ts';

const [variant = 'opening', suspects = '65536', name = 'eth0', ...texts] = process.argv.slice(2);
const own = new Set(texts.map((text) => addressKey(text)));
const scope = { udp: true, tcp: variant as Variant } as const;
const say = (line: string): void => sayAtOnce(2, line);
let lost = 0;
let barriers = 0;

class Side {
  readonly world = new World(variant as Variant);
  readonly heard: number[] = [];
  readonly capture: Capture;

  constructor(make: (listeners: Listeners, live: LivePairs) => Capture) {
    this.world.rotate();
    const onArrival: Listeners['onArrival'] = (atMs, source, destination, pair, flags) => {
      if (formatAddress(source) === BARRIER_SOURCE && (pair === NEXT || pair === ROTATE)) {
        this.heard.push(pair);
        void goOn();
      } else this.world.arrive(atMs, source, destination, pair, flags, own.has(destination));
    };
    const onLost: LossListener = (packets) => {
      lost += packets;
      if (process.env['BLIND_TO_LOSS'] === undefined) this.world.engine.noteLoss();
    };
    this.capture = make({ onArrival, onLost, onState: () => {}, interfaces: [name] }, this.world.engine.livePairs);
  }
}

type Listeners = Pick<ConstructorParameters<typeof PcapCapture>[0], 'onArrival' | 'onLost' | 'onState' | 'interfaces'>;

const pcap = new Side((listeners) => new PcapCapture({ ...listeners, ...scope }));
const kernel = new Side((listeners, live) => {
  const watched = { ownAddresses: true, targets: [], longestTimeoutMs: SEQ_TIMEOUT_MS, group: 7077 };
  return new KernelCapture({ ...listeners, ...scope, ...watched, live }, { suspects: Number(suspects) });
});
// With a full set of suspects only the kernel's side matters, and the flood would be too much for pcap.
const sides = suspects === '65536' ? [pcap, kernel] : [kernel];

async function goOn(): Promise<void> {
  while (sides.every(({ heard }) => heard.length > barriers)) {
    const kind = kernel.heard[barriers];
    barriers += 1;
    if (kind === ROTATE) for (const { world } of sides) world.rotate();
    await Promise.all(sides.map(({ capture }) => capture.followLivePairs()));
    say(`barrier ${barriers} sees ${kernel.capture.method().sees} lost ${lost}`);
  }
}

process.once('SIGTERM', () => {
  void Promise.all(sides.map(({ capture }) => capture.stop())).then(() => {
    const decisions = (side: Side) => Object.fromEntries(side.world.decisions);
    say(JSON.stringify({ pcap: decisions(pcap), kernel: decisions(kernel) }));
    process.exit(0);
  });
});

for (const { capture } of sides) await capture.start();
lost = 0;
say('started');
