/** Compares the results with the goals of the project. Pure. */
import { TITLES } from '../run/contestants.ts';
import type { FloodCell, FloodKind, Sections } from './results.ts';
import { drift, rateAtLeast } from './statistics.ts';

export interface Goal {
  readonly goal: string;
  readonly measured: string;
  /** Undefined where a section was not measured. */
  readonly reached: boolean | undefined;
  /** What limits the result. */
  readonly bound: string;
}

/** Memory is flat when its drift is less than this or less than a tenth of it: an allocator always moves a little. */
const BREATH_KB = 8 * 1024;
const UNMEASURED = 'not measured';

/** What the report calls each kind of flood. */
export const KINDS: Readonly<Record<FloodKind, string>> = {
  random: 'random sources, random ports',
  live: 'random sources, ports of valid knocks',
  'one-host': 'one source, random ports',
};

export function goals(sections: Partial<Sections>): readonly Goal[] {
  return [
    success(sections),
    floodCost(sections),
    opening(sections),
    flat(sections),
    rest(sections),
    client(sections),
    lossy(sections),
  ];
}

function success({ flood }: Partial<Sections>): Goal {
  const goal = 'Every knock opens the door under the largest flood';
  const bound = 'the kernel passes only relevant packets to the daemon, and the client sends lost packets again';
  const ours = flood?.filter(({ contestant, rate }) => contestant === 'kernel' && rate < 0);
  if (ours === undefined || ours.length === 0) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const measured = ours
    .map((cell) => `${cell.opened} of ${cell.knocks} at ${perSecond(cell)} (${KINDS[cell.kind]})`)
    .join('; ');
  return { goal, measured, reached: ours.every(({ opened, knocks }) => opened === knocks), bound };
}

function floodCost({ flood }: Partial<Sections>): Goal {
  const goal = "At most twice knockd's CPU under a flood of random ports";
  const idle = flood?.find(({ contestant, rate }) => contestant === 'kernel' && rate === 0);
  const bound =
    (idle === undefined ? '' : `without a flood, Node.js itself uses ${cores(idle.cores)}, and knockd 0; `) +
    'under a flood, some of the random ports are live, and each packet that the kernel passes to the daemon costs ' +
    "about 0.3 ms; knockd's filter in the kernel passes only its three ports";
  const pairs = (flood ?? [])
    .filter(({ contestant, kind, rate }) => contestant === 'kernel' && kind === 'random' && rate !== 0)
    .flatMap((ours) => {
      const theirs = flood?.find(
        (cell) => cell.contestant === 'knockd' && cell.kind === 'random' && cell.rate === ours.rate,
      );
      return theirs === undefined ? [] : [{ ours, theirs }];
    });
  if (pairs.length === 0) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const measured = pairs
    .map(({ ours, theirs }) => `${perSecond(ours)}: ${cores(ours.cores)} against ${cores(theirs.cores)}`)
    .join('; ');
  // At the largest rate the daemons receive different rates, so the comparison is per packet.
  const perPacket = ({ cores: used, sentPerSecond }: FloodCell) => used / sentPerSecond;
  const last = pairs.at(-1);
  const nanoseconds = (cell: FloodCell) => `${(perPacket(cell) * 1e9).toFixed(0)} ns`;
  const each =
    last === undefined ? '' : `; CPU per packet then: ${nanoseconds(last.ours)} against ${nanoseconds(last.theirs)}`;
  const isReached = last !== undefined && perPacket(last.ours) <= 2 * perPacket(last.theirs);
  return { goal, measured: measured + each, reached: isReached, bound };
}

function opening({ opening: results }: Partial<Sections>): Goal {
  const goal = "Time from the last knock to the rule: p50 under a tenth of knockd's";
  const bound =
    'one durable commit (spent factor and grant) before the rule, and three processes that handle the knock; knockd ' +
    'starts a shell and a program instead';
  const ours = results?.find(({ contestant }) => contestant === 'kernel');
  const theirs = results?.find(({ contestant }) => contestant === 'knockd');
  if (ours === undefined || theirs === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const measured = `${ms(ours.lastToRule.p50)} against ${ms(theirs.lastToRule.p50)}`;
  return { goal, measured, reached: ours.lastToRule.p50 < theirs.lastToRule.p50 / 10, bound };
}

function flat({ flat: results }: Partial<Sections>): Goal {
  const goal = 'Memory stays flat under a flood';
  const bound = 'every table that packets can fill has a fixed size';
  const ours = results?.filter(({ contestant }) => contestant === 'kernel' || contestant === 'pcap') ?? [];
  if (ours.length === 0) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const measured = ours
    .map(({ contestant, rssKb, minutes }) => {
      const first = rssKb[0] ?? Number.NaN;
      return `${TITLES[contestant]}: ${mb(first)} to ${mb(rssKb.at(-1) ?? Number.NaN)} in ${minutes} min, drift ${mb(drift(rssKb))}`;
    })
    .join('; ');
  const isFlat = (rssKb: readonly number[]) => drift(rssKb) < Math.max(BREATH_KB, (rssKb[0] ?? 0) / 10);
  return { goal, measured, reached: ours.every(({ rssKb }) => isFlat(rssKb)), bound };
}

function rest({ rest: results, rotation }: Partial<Sections>): Goal {
  const goal = '10,000 clients cost less than 1 % of a core at rest';
  const step = rotation?.find(({ clients }) => clients >= 10_000);
  const one = results?.find(
    ({ contestant, clients, doors }) => contestant === 'kernel' && clients === 1 && doors === 1,
  );
  const bound =
    'one derivation per client and time step' +
    (step === undefined ? '' : `: ${ms(step.totalMs)} in 30 s are ${(step.totalMs / 300).toFixed(1)} %`) +
    (one === undefined ? '' : `; with one client the daemon uses ${one.coresPercent.toFixed(2)} %`) +
    '; V8 uses the rest: from time to time its garbage collection walks through the objects of all clients';
  const ours = results?.find(({ contestant, clients }) => contestant === 'kernel' && clients >= 10_000);
  if (ours === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  return { goal, measured: `${ours.coresPercent.toFixed(2)} %`, reached: ours.coresPercent < 1, bound };
}

function client({ client: results }: Partial<Sections>): Goal {
  const goal = 'The client takes at most 40 ms more than Node.js alone';
  const bound =
    'the start of Node.js and its network modules, two durable files, and the compilation of the single file';
  const [node, ours] = ['node -e 0', 'knock-otp HOST'].map((title) => results?.find((each) => each.title === title));
  if (node === undefined || ours === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const more = ours.wall.p50 - node.wall.p50;
  const measured = `${ms(ours.wall.p50)} against ${ms(node.wall.p50)}: ${ms(more)} more`;
  return { goal, measured, reached: more <= 40, bound };
}

function lossy({ lossy: results }: Partial<Sections>): Goal {
  const goal = 'One run of the client opens the door in 99.9 % of cases when 10 % of packets are lost';
  const bound =
    'repetition: while the client verifies, it sends the same sequence five times, then takes the next factor';
  const at = results
    ?.filter((each) => each.program === 'knock-otp' && each.lossPercent === 10 && each.reorderPercent === 0)
    .toSorted((a, b) => b.runs - a.runs)[0];
  if (at === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const sure = `at least ${(100 * rateAtLeast(at.opened, at.runs)).toFixed(2)} % with 95 % confidence`;
  return { goal, measured: `${at.opened} of ${at.runs}: ${sure}`, reached: at.opened / at.runs >= 0.999, bound };
}

export function perSecond({ sentPerSecond }: Pick<FloodCell, 'sentPerSecond'>): string {
  return `${Math.round(sentPerSecond).toLocaleString('en')}/s`;
}

export function ms(value: number | null): string {
  if (value === null || Number.isNaN(value)) return '-';
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export function mb(kb: number): string {
  return `${(kb / 1024).toFixed(Math.abs(kb) < 10 * 1024 ? 1 : 0)} MB`;
}

export function cores(value: number): string {
  return `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;
}
