/** What the project set out to reach, and whether the results say that it has. Pure. */
import { TITLES } from '../run/contestants.ts';
import type { FloodCell, Sections } from './results.ts';
import { drift, rateAtLeast } from './statistics.ts';

export interface Goal {
  readonly goal: string;
  readonly measured: string;
  /** Undefined where a section was not measured. */
  readonly reached: boolean | undefined;
  /** What bounds it. */
  readonly bound: string;
}

/** Memory that grew by less than this, and by less than a tenth, is flat: an allocator breathes. */
const BREATH_KB = 8 * 1024;
const UNMEASURED = 'not measured';

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
  const goal = 'at the largest flood every knock opens the door';
  const bound = 'the kernel hands only packets that can matter to the daemon, and the client sends again what was lost';
  const ours = flood?.filter(({ contestant, rate }) => contestant === 'kernel' && rate < 0);
  if (ours === undefined || ours.length === 0) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const measured = ours
    .map((cell) => `${cell.opened} of ${cell.knocks} at ${perSecond(cell)} (${cell.kind})`)
    .join('; ');
  return { goal, measured, reached: ours.every(({ opened, knocks }) => opened === knocks), bound };
}

function floodCost({ flood }: Partial<Sections>): Goal {
  const goal = "under a flood of random ports, at most twice knockd's CPU";
  const idle = flood?.find(({ contestant, rate }) => contestant === 'kernel' && rate === 0);
  const bound =
    (idle === undefined ? '' : `without a flood it is ${cores(idle.cores)} against 0, Node's own; `) +
    'then, of ports at random, some are live, and a packet that the kernel hands over costs some 0.3 ms; ' +
    "knockd's filter in the kernel lets only its three ports through";
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
  // At the largest rate each daemon gets what the sender leaves: per packet is the fair comparison.
  const perPacket = ({ cores: used, sentPerSecond }: FloodCell) => used / sentPerSecond;
  const last = pairs.at(-1);
  return { goal, measured, reached: last !== undefined && perPacket(last.ours) <= 2 * perPacket(last.theirs), bound };
}

function opening({ opening: results }: Partial<Sections>): Goal {
  const goal = "from the last knock to the rule, p50 under a tenth of knockd's";
  const bound =
    'one durable commit (spend and grant) before the rule, and three processes that the knock goes through; knockd ' +
    'starts a shell and a program instead';
  const ours = results?.find(({ contestant }) => contestant === 'kernel');
  const theirs = results?.find(({ contestant }) => contestant === 'knockd');
  if (ours === undefined || theirs === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const measured = `${ms(ours.lastToRule.p50)} against ${ms(theirs.lastToRule.p50)}`;
  return { goal, measured, reached: ours.lastToRule.p50 < theirs.lastToRule.p50 / 10, bound };
}

function flat({ flat: results }: Partial<Sections>): Goal {
  const goal = 'memory is flat under a flood';
  const bound = 'every table that packets fill has a fixed size';
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
    'one derivation a client and time step' +
    (step === undefined ? '' : `: ${ms(step.totalMs)} in 30 s are ${(step.totalMs / 300).toFixed(1)} %`) +
    (one === undefined ? '' : `; with one client it is ${one.coresPercent.toFixed(2)} %`) +
    "; the rest is V8's, which goes through what they all take now and then";
  const ours = results?.find(({ contestant, clients }) => contestant === 'kernel' && clients >= 10_000);
  if (ours === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  return { goal, measured: `${ours.coresPercent.toFixed(2)} %`, reached: ours.coresPercent < 1, bound };
}

function client({ client: results }: Partial<Sections>): Goal {
  const goal = 'the client needs at most 40 ms more than bare node';
  const bound = "Node's own start, its network modules, two durable files, and compiling the single file";
  const [node, ours] = ['node -e 0', 'knock-otp HOST'].map((title) => results?.find((each) => each.title === title));
  if (node === undefined || ours === undefined) return { goal, measured: UNMEASURED, reached: undefined, bound };
  const more = ours.wall.p50 - node.wall.p50;
  const measured = `${ms(ours.wall.p50)} against ${ms(node.wall.p50)}: ${ms(more)} more`;
  return { goal, measured, reached: more <= 40, bound };
}

function lossy({ lossy: results }: Partial<Sections>): Goal {
  const goal = 'one run of the client opens the door 99.9 % of the time where 10 % of packets are lost';
  const bound = 'repetition: five times the same sequence, then the next factor';
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
