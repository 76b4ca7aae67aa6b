/** Sections a and b: which knocks open, how soon, and at what cost, during floods of SYNs. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { FlatResult, FloodCell, FloodKind } from '../report/results.ts';
import { summarize } from '../report/statistics.ts';
import { PortFile } from '../traffic/flood.ts';
import { type Contestant, type ContestantName, start, TITLES } from './contestants.ts';
import { costOf } from './process-cost.ts';
import { Rig, type TimedKnock } from './rig.ts';

/** The rate is what this machine can send. */
export const MOST = -1;

export interface FloodPlan {
  readonly kinds: readonly FloodKind[];
  readonly rates: readonly number[];
  /** Knocks in each cell, for a client that repeats lost packets and for a client that sends once. */
  readonly knocks: number;
  readonly shots: number;
  /** Knocks of knock-otp at the largest rate. */
  readonly knocksAtMost: number;
  /** How long the bench measures the daemon's CPU in each cell. */
  readonly watchMs: number;
}

/** The longest flood; a cell ends it earlier, when its measurements are done. */
const LONGEST_CELL_S = 300;
const SETTLE_MS = 300;

export async function measureFloods(
  contestant: ContestantName,
  plan: FloodPlan,
  say: (line: string) => void,
): Promise<readonly FloodCell[]> {
  await using rig = await Rig.create();
  const subject = await start(contestant, rig);
  const repeats = contestant === 'kernel' || contestant === 'pcap';
  // The first knock of a daemon runs cold code, so it does not count.
  await subject.knock();
  const cells: FloodCell[] = [];
  for (const rate of plan.rates) {
    for (const kind of plan.kinds) {
      if (rate === 0 && kind !== plan.kinds[0]) continue;
      await subject.calm?.();
      const knocks = !repeats ? plan.shots : rate === MOST ? plan.knocksAtMost : plan.knocks;
      const cell = await measureCell(rig, subject, { contestant, kind, rate, knocks, watchMs: plan.watchMs });
      cells.push(cell);
      say(
        `${TITLES[contestant]}, ${kind} at ${Math.round(cell.sentPerSecond)}/s: ${cell.opened} of ${knocks} opened, ` +
          `p50 ${cell.firstToRule.p50?.toFixed(1)} ms, ${cell.cores.toFixed(3)} cores, ${Math.round(cell.rssKb / 1024)} MB`,
      );
    }
  }
  return cells;
}

interface CellRequest extends Pick<FloodCell, 'contestant' | 'kind' | 'rate' | 'knocks'> {
  readonly watchMs: number;
}

async function measureCell(rig: Rig, subject: Contestant, request: CellRequest): Promise<FloodCell> {
  const { kind, rate, knocks, watchMs } = request;
  const ports = new PortFile(join(rig.dir, 'ports'));
  ports.set(subject.livePorts());
  const flood =
    rate === 0
      ? undefined
      : rig.flood({
          rate: Math.max(rate, 0),
          seconds: LONGEST_CELL_S,
          ...(kind === 'one-host' ? { source: rig.flooder.ipv4 } : {}),
          ...(kind === 'live' ? { ports } : {}),
        });
  await pause(SETTLE_MS);
  const before = costOf(subject.daemon.pid);
  const startedAt = performance.now();
  await pause(watchMs);
  const after = costOf(subject.daemon.pid);
  const cores = (after.cpuMs - before.cpuMs) / (performance.now() - startedAt);
  const timed: TimedKnock[] = [];
  for (let at = 0; at < knocks; at += 1) {
    timed.push(await subject.knock());
    ports.set(subject.livePorts());
  }
  const sentPerSecond = (await flood?.end()) ?? 0;
  ports.close();
  const opened = timed.filter((each) => each.opened);
  return {
    ...request,
    sentPerSecond,
    opened: opened.length,
    firstToRule: summarize(opened.map(({ firstToRuleMs }) => firstToRuleMs)),
    cores,
    rssKb: costOf(subject.daemon.pid).rssKb,
  };
}

/** Whether memory grows during a flood. */
export async function measureFlatness(
  contestant: ContestantName,
  minutes: number,
  everySeconds: number,
  say: (line: string) => void,
): Promise<FlatResult> {
  const rate = 10_000;
  await using rig = await Rig.create();
  const subject = await start(contestant, rig);
  const flood = rig.flood({ rate, seconds: minutes * 60 + 60 });
  const rssKb: number[] = [];
  for (let at = 0; at < (minutes * 60) / everySeconds; at += 1) {
    await pause(everySeconds * 1000);
    await subject.knock();
    rssKb.push(costOf(subject.daemon.pid).rssKb);
  }
  const ratePerSecond = await flood.end();
  say(
    `${TITLES[contestant]}: ${Math.round((rssKb[0] ?? 0) / 1024)} to ${Math.round((rssKb.at(-1) ?? 0) / 1024)} MB in ${minutes} min`,
  );
  return { contestant, ratePerSecond, minutes, rssKb, everySeconds };
}
