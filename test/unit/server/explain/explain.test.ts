/** Explanations from the daemon's own engine: which packets open, why others do not, and what an explanation never shows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DerivedDoor, ServerConfig, StaticDoor } from '../../../../server/config/config.ts';
import { type Enrolment, OPENING_PACKETS } from '../../../../server/core/door.ts';
import { LINK_ETHERNET } from '../../../../server/core/packet/link-layer.ts';
import { CaptureExplainer, type ExplainedPacket, staticLines } from '../../../../server/explain/explain-capture.ts';
import { describePacket, describeSummary, PacketLines } from '../../../../server/explain/explain-text.ts';
import type { StoredFactor } from '../../../../server/explain/stored-factors.ts';
import { Sum } from '../../../../server/explain/summary.ts';
import { parsePortRanges } from '../../../../shared/allowed-ports.ts';
import { type Knock, knockOf } from '../../../../shared/knock.ts';
import { doorPolicy, enrolment, pairsFor, SERVER } from '../../../support/core/doors.ts';
import { frameOf, type Packet } from '../../../support/core/frames.ts';

const HERE = '203.0.113.1';
const START_MS = Date.UTC(2026, 10, 21, 7, 40, 0);
const STEP = Math.floor(START_MS / 30_000);
const laptop = enrolment('laptop');

function derived(changes: Parameters<typeof doorPolicy>[0] = {}): DerivedDoor {
  const { maxStrays: _, ...policy } = doorPolicy(changes);
  return {
    kind: 'derived',
    name: policy.name,
    policy,
    range: parsePortRanges('1024-65535'),
    exclude: [],
    action: { kind: 'nftables', services: [{ protocol: 'tcp', port: 22 }] },
    allowLowEntropy: false,
  };
}

const old: StaticDoor = {
  kind: 'static',
  name: 'old',
  sequence: [7000, 8000, 9000].map((port) => ({ protocol: 'tcp', port })),
  action: { kind: 'command', start: '/bin/true %IP%', stop: '/bin/true %IP%' },
  policy: {
    ...{ name: 'old', mode: 'static', order: 'strict', seqTimeoutMs: 25_000, grantMs: 10_000, lookAhead: 1 },
    tcpFlags: OPENING_PACKETS,
  },
};

interface Sent extends Packet {
  /** Seconds from the start. */
  readonly at: number;
  readonly from?: string;
  readonly to?: string;
}

class Story {
  readonly packets: ExplainedPacket[] = [];
  readonly lines: string[] = [];
  readonly sum = new Sum();
  readonly explainer: CaptureExplainer;
  readonly #wording = { opens: 'would open', secondsOf: () => 30 };
  readonly #text = new PacketLines((line) => this.lines.push(line), this.#wording);

  constructor(
    doors: ServerConfig['doors'],
    factors?: readonly StoredFactor[],
    clients: readonly Enrolment[] = [laptop],
  ) {
    const paths = { file: 'knock-otp.conf', stateDir: '/nowhere', clientsDir: '/nowhere' };
    const config: ServerConfig = {
      ...{
        ...paths,
        serverId: SERVER,
        interfaces: ['eth0'],
        nflogGroup: 7077,
        useSyslog: false,
        throttle: { failures: 5, timeMs: 60_000 },
        logFormat: 'text',
        doors,
      },
    };
    this.explainer = new CaptureExplainer({
      config,
      enrolments: clients,
      factors,
      lines: staticLines(config),
      maxStraysOf: () => 64,
      isOwn: (address) => address.endsWith('\xcb\x00\x71\x01'),
    });
  }

  tell(...sent: readonly Sent[]): this {
    for (const { at, from = '192.0.2.7', to = HERE, ...packet } of sent) {
      const mac = { fromMac: '02:00:00:00:00:01', toMac: '02:00:00:00:00:02' };
      const frame = frameOf({ ...mac, from, to }, packet);
      const told = this.explainer.explain({ linkType: LINK_ETHERNET, frame, atMs: START_MS + at * 1000 });
      this.packets.push(told);
      this.sum.add(told);
      this.#text.add(told);
    }
    this.#text.flush();
    return this;
  }

  get words(): string {
    return this.lines.map((line) => line.replace(/^#\d+ {2}[0-9:.]+ {2}/, '')).join('\n');
  }

  get summary(): string {
    return describeSummary(this.sum.result(), this.#wording).join('\n');
  }
}

function knocksAt(factor: number, at: number, gap = 0.1, door = derived()): Sent[] {
  const policy = { ...door.policy, maxStrays: 64 };
  return pairsFor(policy, laptop, factor).map((pair, index) => ({ ...knockOf(pair), at: at + index * gap }));
}

const ports = (sent: readonly Knock[]) => sent.map(({ port }) => port);

test('a good knock is told from its second packet on, and would open', () => {
  const sent = knocksAt(STEP, 1);
  const story = new Story([derived()]).tell(...sent);
  const [first, second, , , , last] = ports(sent);
  const lines = story.words.split('\n');
  assert.equal(lines[0], `192.0.2.7  tcp/${first}  stray, or a first knock`);
  assert.equal(lines[1], `192.0.2.7  tcp/${second}  knock 2 of 6 at door ssh, client laptop (0.1 s after the first)`);
  const end = '(0.5 s after the first): would open for 30 s';
  assert.equal(lines[5], `192.0.2.7  tcp/${last}  knock 6 of 6 at door ssh, client laptop ${end}`);
  assert.match(
    story.summary,
    /^6 packets, 6 counted, would open once\n {2}192\.0\.2\.7: 6 counted\n {4}door ssh.*would open once$/,
  );
});

test('a replay is refused, and even its first packet is known for a sequence that was used', () => {
  const story = new Story([derived()]).tell(...knocksAt(STEP, 1), ...knocksAt(STEP, 3));
  const lines = story.words.split('\n');
  assert.match(lines[6] ?? '', /knock 1 of 6 of a used sequence at door ssh, client laptop$/);
  assert.match(
    lines[11] ?? '',
    /knock 6 of 6 of .* used .*: refused, replay: this sequence, or a later one, is spent$/,
  );
  assert.match(story.summary, /would open once, refused once \(replay\)/);
});

test('strays in between are counted against what the door forgives', () => {
  const sent = knocksAt(STEP, 1);
  const [one, two, ...rest] = sent;
  assert.ok(one !== undefined && two !== undefined);
  const noise: Sent[] = [1, 2, 3].map((port) => ({ protocol: 'tcp', port, at: 1.05 }));
  const story = new Story([derived()]).tell(one, ...noise, two, ...rest);
  assert.match(story.words, /knock 2 of 6 .*\(0\.1 s after the first, 3 of 64 strays\)/);
  assert.match(story.words, /knock 6 of 6 .*would open/);
});

test('knocks that take too long are told apart from knocks that are forgotten, and both are too slow', () => {
  const slow = new Story([derived()]).tell(...knocksAt(STEP, 1, 3));
  assert.match(slow.words, /knock 4 of 6 .* \(9 s after the first\)\n/);
  assert.match(slow.words, /knock 4 of 6 .* \(9 s after the first\); too slow: .* seq_timeout, 10 s$/);
  assert.match(slow.summary, /at most 4 of 6 knocks together, too slow/);
  const slower = new Story([derived()]).tell(...knocksAt(STEP, 0, 12));
  assert.match(slower.words, /knock 1 of 6 at door ssh, client laptop; too slow/);
});

test('a sequence of another time is not live, and says nothing; one at the edge is refused by its window', () => {
  const story = new Story([derived()]).tell(...knocksAt(STEP + 40, 1));
  assert.doesNotMatch(story.words, /door ssh/);
  // Already derived, because it becomes acceptable within seq_timeout, but not yet acceptable.
  const early = new Story([derived({ window: 0 })]).tell(...knocksAt(STEP + 1, 21, 0.1, derived({ window: 0 })));
  assert.match(early.words, /refused, outside-window: this sequence is not valid at this time/);
});

test('what is spent in the state is a replay, unless the client has knocked since the capture began', () => {
  const factor = { door: 'ssh', client: 'laptop', keyId: laptop.keyId, spent: STEP, drift: 0 };
  const before = new Story([derived()], [{ ...factor, lastUse: START_MS - 1 }]).tell(...knocksAt(STEP, 1));
  assert.match(before.words, /refused, replay/);
  assert.deepEqual(before.explainer.usedSince, []);
  const since = new Story([derived()], [{ ...factor, lastUse: START_MS + 2000 }]).tell(...knocksAt(STEP, 1));
  assert.match(since.words, /would open/);
  assert.deepEqual(since.explainer.usedSince, [{ door: 'ssh', client: 'laptop' }]);
});

test('written-down sequences say what three careless knocks lack: order, or fewer strays', () => {
  const at = (port: number, seconds: number): Sent => ({ protocol: 'tcp', port, at: seconds });
  const swapped = new Story([old], undefined, []).tell(at(7000, 1), at(9000, 2), at(8000, 3));
  assert.match(swapped.words, /tcp\/9000 {2}a knock at door old; out of order/);
  const noisy = new Story([old], undefined, []).tell(at(7000, 1), at(22, 2), at(8000, 3), at(9000, 4));
  assert.match(noisy.words, /too many strays: more than 0 since the earlier knocks/);
  assert.match(noisy.summary, /door old: at most \d of 3 knocks together, too many strays/);
  const good = new Story([old], undefined, []).tell(at(7000, 1), at(8000, 3), at(9000, 4));
  assert.match(good.words, /knock 3 of 3 at door old .*would open/);
});

test('a sweep of all ports names no door, in words or in JSON, and is one line', () => {
  const story = new Story([derived()]);
  const sweep = Array.from({ length: 65_535 }, (_, index): Sent => {
    return { protocol: 'tcp', port: index + 1, at: index / 40_000 };
  });
  story.tell(...sweep);
  assert.deepEqual(story.lines.length, 1);
  assert.match(story.words, /#65535|65535 packets, each: stray, or a first knock/);
  for (const packet of story.packets) assert.ok('knocks' in packet && packet.knocks.length === 0);
  assert.match(story.summary, /would open never/);
});

test('of an incomplete sequence no port is told that was not sent', () => {
  const sent = knocksAt(STEP, 1);
  const story = new Story([derived()]).tell(...sent.slice(0, 4));
  const said = `${story.words}\n${story.summary}\n${JSON.stringify(story.packets)}`;
  for (const { port } of sent.slice(4)) assert.doesNotMatch(said, new RegExp(`\\b${port}\\b`));
  assert.match(story.summary, /at most 4 of 6 knocks together, the others did not arrive/);
});

const ignored: readonly { why: string; packet: Sent; want: RegExp }[] = [
  {
    why: 'to another host',
    packet: { protocol: 'tcp', port: 7000, at: 1, to: '203.0.113.9' },
    want: /^192\.0\.2\.7 to 203\.0\.113\.9 {2}tcp\/7000 {2}no knock: not to this host's own addresses/,
  },
  {
    why: 'SYN and ACK',
    packet: { protocol: 'tcp', port: 7000, at: 1, flags: 0x12 },
    want: /no knock: TCP flags syn,ack: only a SYN without ACK knocks here$/,
  },
  { why: 'UDP', packet: { protocol: 'udp', port: 7000, at: 1 }, want: /no knock: UDP, and no door has UDP knocks$/ },
  {
    why: 'from an address that nobody has',
    packet: { protocol: 'tcp', port: 7000, at: 1, from: '224.0.0.1' },
    want: /no knock: cut short, malformed, to port 0, or from an address that no host has$/,
  },
];

for (const { why, packet, want } of ignored) {
  test(`a packet is no knock, and the reason is told: ${why}`, () => {
    const story = new Story([derived()]).tell(packet);
    assert.match(story.words, want);
    assert.match(story.summary, /^1 packet, 0 counted, would open never\n {2}no knock: /);
  });
}

test('a fragment, and what is no IP, are told without a port', () => {
  const story = new Story([derived()]);
  const mac = { fromMac: '02:00:00:00:00:01', toMac: '02:00:00:00:00:02' };
  const frame = frameOf({ ...mac, from: '192.0.2.7', to: HERE }, { protocol: 'tcp', port: 7000 });
  frame.writeUInt16BE(100, 14 + 6);
  const fragment = story.explainer.explain({ linkType: LINK_ETHERNET, frame, atMs: START_MS });
  const { time: _, ...told } = fragment;
  assert.deepEqual(told, { number: 1, ignored: 'a later fragment', source: '192.0.2.7', destination: HERE });
  const arp = story.explainer.explain({ linkType: LINK_ETHERNET, frame: Buffer.alloc(60), atMs: START_MS });
  assert.equal(arp.ignored, 'no IP packet');
});

test('times of a file may be anything: they go forward, and nothing is derived for years between', () => {
  const story = new Story([derived()]);
  const began = performance.now();
  story.tell({ protocol: 'tcp', port: 7000, at: 1 }, { protocol: 'tcp', port: 7001, at: -1e6 });
  story.tell({ protocol: 'tcp', port: 7002, at: 3e9 }, { protocol: 'tcp', port: 7003, at: 1e15 });
  const times = story.packets.map(({ time }) => time);
  assert.deepEqual(times, times.toSorted());
  assert.equal(times.at(-1), '9999-12-31T23:59:59.999Z');
  assert.ok(performance.now() - began < 20_000);
});

test('when a door starts a service then the packet that opens it says so, and at another door it does not', () => {
  const outcomes = ['ssh', 'web'].map((door) => ({ door, client: '', opens: true }));
  const ends = { source: '192.0.2.7', destination: '203.0.113.1', protocol: 'tcp', port: 7000 } as const;
  const packet: ExplainedPacket = { number: 1, time: '2026-11-21T07:40:00.000Z', ...ends, knocks: [], outcomes };
  const wording = { opens: 'opens', secondsOf: () => 30, serving: new Set(['ssh']) };
  const started = ', and starts its service if it does not run';
  assert.match(
    describePacket(packet, wording),
    new RegExp(`door ssh: opens for 30 s${started}; door web: opens for 30 s$`),
  );
});
