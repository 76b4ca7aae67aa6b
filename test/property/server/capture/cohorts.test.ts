/**
 * What a scanner can learn from listening ports: only the cohort of a sequence. And how often packets to such ports
 * complete a sequence: no more often than chance, whatever is sent.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NOTHING_SHOWN, planListening, type Shown } from '../../../../server/capture/listen/cohorts.ts';
import { formatShown, parseShown } from '../../../../server/capture/listen/shown-file.ts';
import type { LiveSequence } from '../../../../server/core/matching/live-sequence.ts';
import { Matcher } from '../../../../server/core/matching/matcher.ts';
import { SequenceIndex } from '../../../../server/core/matching/sequence-index.ts';
import { entropyBits } from '../../../../shared/odds.ts';
import { address } from '../../../support/core/doors.ts';
import { atFactor, drawing, drawnPorts, listenedDoor, liveSequence, STEP_MS } from '../../../support/core/listening.ts';

const KNOCKS = 3;
const SIZE = 8;
const DOOR = listenedDoor({ size: SIZE, ports: Array.from({ length: 200 }, (_, at) => 3000 + at) });
const TARGET = 100;
/** There are 56 sets of three ports out of eight. */
const CHANCE = 2 ** -entropyBits({ knocks: KNOCKS, pairs: SIZE, anyOrder: true });

/** What a restart remembers of the shown cohorts. */
type Memory = (shown: Shown) => Shown;

const saved: Memory = (shown) => parseShown(formatShown(shown)) ?? NOTHING_SHOWN;
const lost: Memory = () => NOTHING_SHOWN;

/**
 * The life of a sequence as seen by a scanner of all ports between any two changes: clients, one enrolled in the middle, one
 * that uses its sequences, a restart, one that is removed and returns.
 */
function scans(
  seed: number,
  remember: Memory,
  others: readonly string[],
): { readonly seen: readonly (readonly number[])[]; readonly secret: readonly number[] } {
  const draw = drawing(seed);
  const secrets = new Map<string, readonly number[]>();
  const of = (client: string, factor: number): LiveSequence => {
    const name = `${client} ${factor}`;
    const ports = secrets.get(name) ?? drawnPorts(DOOR, KNOCKS, draw);
    secrets.set(name, ports);
    return liveSequence(factor, ports);
  };
  let shown = NOTHING_SHOWN;
  const seen: (readonly number[])[] = [];
  const scan = (wallMs: number, clients: readonly string[], used = -1): void => {
    const step = Math.floor(wallMs / STEP_MS);
    const live = clients.flatMap((client) =>
      [step - 1, step, step + 1].filter((factor) => factor > used).map((factor) => of(client, factor)),
    );
    const plan = planListening(shown, [DOOR], live, wallMs, draw);
    shown = plan.shown;
    seen.push(plan.tcp);
  };
  for (let step = TARGET - 3; step <= TARGET + 6; step += 1) {
    const at = atFactor(step);
    scan(at, ['laptop', ...others]);
    if (step === TARGET) shown = remember(shown);
    if (step === TARGET) scan(at + 5_000, ['laptop', ...others, 'tablet']);
    if (step === TARGET + 1) scan(at + 1_000, others);
    if (step === TARGET + 1) scan(at + 2_000, ['laptop', ...others]);
    if (step === TARGET) scan(at + 10_000, ['laptop', ...others], TARGET);
    scan(at + 15_000, ['laptop', ...others]);
  }
  return { seen, secret: secrets.get(`laptop ${TARGET}`) ?? [] };
}

/** The best guess of a scanner who knows the schedule: ports score by how well they match the life of that step. */
function guess(scans: readonly (readonly number[])[], draw: (below: number) => number): readonly number[] {
  const seen = scans.map((ports) => new Set(ports));
  const score = (port: number): number => {
    let points = draw(1000) / 1000;
    for (const [at, ports] of seen.entries()) {
      const alive = at >= BIRTH && at < BIRTH + LIFE;
      if (ports.has(port) === alive) points += alive ? 2 : 1;
    }
    return points;
  };
  const scored = DOOR.ports.map((port) => [port, score(port)] as const);
  return scored
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, KNOCKS)
    .map(([port]) => port);
}

/** The first scan in which the target's step listens, and the number of such scans: the schedule is public. */
const BIRTH = scanIndexOf(TARGET - 1);
const LIFE = scanIndexOf(TARGET + 2) - BIRTH + 1;

/** Two scans per step, and four more in the two middle steps. */
function scanIndexOf(step: number): number {
  const more = step > TARGET + 1 ? 4 : step > TARGET ? 2 : 0;
  return 2 * (step - (TARGET - 3)) + more;
}

function hits(memory: Memory, rounds: number, others: readonly string[] = ['phone']): number {
  let found = 0;
  for (let seed = 1; seed <= rounds; seed += 1) {
    const { seen, secret } = scans(seed * 7919, memory, others);
    const guessed = guess(seen, drawing(seed));
    if (secret.every((port) => guessed.includes(port))) found += 1;
  }
  return found;
}

test('a scanner who compares scans over births, uses, a restart and ends finds a sequence no more often than stated', () => {
  const rounds = 1500;
  const expected = rounds * CHANCE;
  const found = hits(saved, rounds);
  assert.ok(found <= expected + 4 * Math.sqrt(expected), `${found} of ${rounds}, ${expected.toFixed(0)} are stated`);
});

test('the same scanner finds far more sequences of a server that draws other decoys after a restart', () => {
  const rounds = 100;
  assert.equal(hits(lost, rounds, []) > 10 * rounds * CHANCE, true);
});

test('what listens, from the birth of a cohort on, is the same whichever of its ports are live', () => {
  const step = fc.record({ ms: fc.integer({ min: 1, max: STEP_MS }), isLive: fc.boolean(), restarts: fc.boolean() });
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { maxLength: 20 }), (seed, steps) => {
      const draw = drawing(seed);
      const first = planListening(
        NOTHING_SHOWN,
        [DOOR],
        [liveSequence(TARGET, drawnPorts(DOOR, KNOCKS, draw))],
        atFactor(TARGET - 1),
        draw,
      );
      const ports = first.tcp;
      const chosen = new Set<number>();
      while (chosen.size < KNOCKS) chosen.add(ports[draw(ports.length)] ?? 0);
      const other = liveSequence(TARGET, [...chosen]);
      const original = liveSequence(TARGET, ports.slice(0, KNOCKS));
      let [one, two] = [first.shown, first.shown];
      let wallMs = atFactor(TARGET - 1);
      for (const { ms, isLive, restarts } of steps) {
        wallMs += ms;
        if (restarts) [one, two] = [parseShown(formatShown(one)) ?? NOTHING_SHOWN, two];
        const [a, b] = [drawing(1), drawing(1)];
        const left = planListening(one, [DOOR], isLive ? [original] : [], wallMs, a);
        const right = planListening(two, [DOOR], isLive ? [other] : [], wallMs, b);
        assert.deepEqual(left, right);
        [one, two] = [left.shown, right.shown];
      }
    }),
    { numRuns: 300 },
  );
});

test('every sequence of a cohort is as likely as any other, also in the first scan', () => {
  const counts = new Array<number>(SIZE).fill(0);
  const rounds = 4000;
  for (let seed = 1; seed <= rounds; seed += 1) {
    const draw = drawing(seed * 104_729);
    const ports = drawnPorts(DOOR, KNOCKS, draw);
    const { tcp } = planListening(NOTHING_SHOWN, [DOOR], [liveSequence(TARGET, ports)], atFactor(TARGET - 1), draw);
    for (const port of ports) counts[tcp.indexOf(port)] = (counts[tcp.indexOf(port)] ?? 0) + 1;
  }
  const expected = (rounds * KNOCKS) / SIZE;
  for (const count of counts) assert.ok(Math.abs(count - expected) < 5 * Math.sqrt(expected), counts.join(' '));
});

function subsets(ports: readonly number[], size: number): readonly (readonly number[])[] {
  if (size === 0) return [[]];
  return ports.flatMap((port, at) => subsets(ports.slice(at + 1), size - 1).map((rest) => [port, ...rest]));
}

test('whatever is sent to ports that listen, a packet completes no more of all possible sequences than the odds say', () => {
  const ports = Array.from({ length: SIZE }, (_, at) => 3000 + at);
  const all = subsets(ports, KNOCKS);
  const source = address('192.0.2.66');
  const combinations = (n: number, k: number): number => (k === 0 ? 1 : (combinations(n - 1, k - 1) * n) / k);
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...ports), { maxLength: 60 }), fc.nat(3), (sent, strays) => {
      const index = new SequenceIndex();
      for (const pairs of all) index.add({ ...liveSequence(TARGET, pairs), maxStrays: strays });
      const matcher = new Matcher(index);
      let completed = 0;
      for (const [at, pair] of sent.entries()) completed += matcher.matchPacket(at + 1, source, pair).length;
      assert.ok(completed <= sent.length * combinations(KNOCKS + strays - 1, KNOCKS - 1));
    }),
    { numRuns: 300 },
  );
});
