/** Sections d and g: the cost of idle daemons, with rotation, as the numbers of clients and doors grow. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Secret } from '../../../shared/secret.ts';
import type { RunningProcess } from '../../lab/running-process.ts';
import type { RestResult } from '../report/results.ts';
import { type ContestantName, launchOurs, optionsText, start, TITLES } from './contestants.ts';
import { costOf } from './process-cost.ts';
import { Rig } from './rig.ts';

export interface RestCase {
  readonly contestant: ContestantName;
  readonly clients: number;
  readonly doors: number;
}

/** A time step: the bench measures whole steps, so that each rotation counts once. */
const STEP_S = 30;
/**
 * The effects of the start are over after this time: after half a minute V8 compacts the memory, at the cost of a
 * step.
 */
const CALM_MS = 60_000;

/** Runs all cases side by side, because they are idle, and reads the CPU time of each. */
export async function measureRest(
  cases: readonly RestCase[],
  steps: number,
  say: (line: string) => void,
): Promise<readonly RestResult[]> {
  const resting: {
    readonly rig: Rig;
    readonly daemon: RunningProcess;
    readonly startMs: number;
    readonly case: RestCase;
  }[] = [];
  try {
    // Starts one after the other, so that each start time is its own.
    for (const each of cases) {
      const rig = await Rig.create();
      const beganAt = performance.now();
      const daemon = await launch(each, rig);
      resting.push({ rig, daemon, startMs: performance.now() - beganAt, case: each });
    }
    await pause(CALM_MS);
    const seconds = steps * STEP_S;
    const before = resting.map(({ daemon }) => costOf(daemon.pid));
    await pause(seconds * 1000);
    const results = resting.map(({ daemon, startMs, case: each }, at): RestResult => {
      const cost = costOf(daemon.pid);
      const cpuMs = cost.cpuMs - (before[at]?.cpuMs ?? 0);
      return { ...each, title: titleOf(each), seconds, coresPercent: cpuMs / seconds / 10, rssKb: cost.rssKb, startMs };
    });
    for (const { title, coresPercent, rssKb, startMs } of results) {
      say(
        `${title}: ${coresPercent.toFixed(3)} % of a core, ${Math.round(rssKb / 1024)} MB, started in ${Math.round(startMs)} ms`,
      );
    }
    return results;
  } finally {
    for (const { rig } of resting) await rig.dispose();
  }
}

function titleOf({ contestant, clients, doors }: RestCase): string {
  if (contestant === 'knockd' || contestant === 'fwknopd') return TITLES[contestant];
  const counted = (count: number, word: string) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;
  return `${TITLES[contestant]}, ${counted(clients, 'client')}, ${counted(doors, 'door')}`;
}

async function launch({ contestant, clients, doors }: RestCase, rig: Rig): Promise<RunningProcess> {
  if (contestant === 'knockd' || contestant === 'fwknopd') return (await start(contestant, rig)).daemon;
  const names = Array.from({ length: doors }, (_, at) => `door${at + 1}`);
  const folder = join(rig.dir, 'clients');
  await mkdir(folder, { mode: 0o700 });
  for (let at = 1; at <= clients; at += 1) {
    const sections = names.map((name) => `[${name}]\nsecret = ${Secret.fromBytes(randomBytes(20)).toBase32()}\n`);
    await writeFile(join(folder, `client${at}.client`), sections.join('\n'), { mode: 0o600 });
  }
  const sections = names.map((name, at) => `[${name}]\notp = totp\nopen = nftables tcp/${1000 + at}\n`);
  return await launchOurs(rig, `${optionsText(rig, contestant)}\n${sections.join('\n')}`);
}
