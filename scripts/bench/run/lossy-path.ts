/**
 * Measures a path that loses, reorders and repeats packets: how often one run of each client's program opens the door.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleClient } from '../../build/single-file.ts';
import type { NetworkHost } from '../../lab/namespaces.ts';
import type { LossyResult } from '../report/results.ts';
import { summarize } from '../report/statistics.ts';
import { launchOurs, optionsText, start } from './contestants.ts';
import { forgetSuccess } from './forget-success.ts';
import { HIDDEN_PORT, type PathQuality, Rig } from './rig.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SERVER = join(ROOT, 'dist/knock-otpd.cjs');

/** One way; the round trip is 20 ms. */
export const DELAY_MS = 10;
/** After a single shot, a packet has arrived within this time or never will. */
const SHOT_PATIENCE_MS = 300;
/** The limit for one run of knock-otp; its own limit is 60 s. */
const RUN_LIMIT_MS = 70_000;

export interface LossyPoint extends Omit<PathQuality, 'delayMs'> {
  readonly program: LossyResult['program'];
  readonly runs: number;
  /** The number of hosts that knock at the same time. */
  readonly lanes: number;
}

/** One attempt on a lane, from a new address: its wall time, or undefined when the door stayed shut. */
type Run = (lane: NetworkHost, source: string) => Promise<number | undefined>;

export async function measureLossy(point: LossyPoint, say: (line: string) => void): Promise<LossyResult> {
  const { program, runs, lanes, lossPercent, reorderPercent, duplicatePercent } = point;
  await using rig = await Rig.create({
    lanes,
    path: { delayMs: DELAY_MS, lossPercent, reorderPercent, duplicatePercent },
  });
  const run = program === 'knock-otp' ? await ourRuns(rig) : await shots(rig, program);
  const times: number[] = [];
  let left = runs;
  let done = 0;
  await Promise.all(
    rig.lanes.map(async (lane) => {
      while (left > 0) {
        left -= 1;
        const wallMs = await run(lane, await rig.nextSource(lane));
        done += 1;
        if (wallMs !== undefined) times.push(wallMs);
      }
    }),
  );
  const result: LossyResult = {
    program,
    lossPercent,
    reorderPercent,
    duplicatePercent,
    runs: done,
    opened: times.length,
    wall: summarize(times),
  };
  say(
    `${program}, loss ${lossPercent} %, reordered ${reorderPercent} %, repeated ${duplicatePercent} %: ` +
      `${times.length} of ${done} opened, p50 ${result.wall.p50?.toFixed(0)} ms, p99 ${result.wall.p99?.toFixed(0)} ms`,
  );
  return result;
}

/** Whole runs of the client as one file: exit 0 means that it has had a connection to the hidden port. */
async function ourRuns(rig: Rig): Promise<Run> {
  const client = join(rig.dir, 'knock-otp.cjs');
  await bundleClient(ROOT, client);
  const config = `${optionsText(rig, 'kernel')}
[ssh]
otp = hotp
look_ahead = 20
open = nftables tcp/${HIDDEN_PORT}
cmd_timeout = 600
`;
  const file = join(rig.dir, 'knock-otp.conf');
  await writeFile(file, config, { mode: 0o600 });
  const homes = new Map<NetworkHost, Record<string, string>>();
  for (const lane of rig.lanes) {
    const home = join(rig.dir, lane.name);
    await mkdir(home, { mode: 0o700 });
    const env = { HOME: home, XDG_CONFIG_HOME: join(home, '.config') };
    const words = ['enroll', lane.name, '--door', 'ssh', '--host', rig.server.ipv4, '-c', file];
    const uri = /^otpauth:.*$/m.exec(await rig.server.must([process.execPath, SERVER, ...words]))?.[0] ?? '';
    await lane.must([process.execPath, client, 'add', '-', '--as', 'work'], { input: `${uri}\n`, env });
    homes.set(lane, env);
  }
  await launchOurs(rig, config);
  return async (lane) => {
    await forgetSuccess(homes.get(lane)?.['HOME'] ?? '');
    const beganAt = performance.now();
    const { code, stderr } = await lane.run([process.execPath, client, 'work'], {
      env: homes.get(lane) ?? {},
      timeoutMs: RUN_LIMIT_MS,
    });
    if (code === 0) return performance.now() - beganAt;
    if (!stderr.includes('did not open')) throw new Error(`the client failed: ${stderr}`);
    return undefined;
  };
}

/** Runs of a program that sends once. The server's firewall tells whether it worked, not the bad path. */
async function shots(rig: Rig, program: 'knock' | 'fwknop'): Promise<Run> {
  const { shoot } = await start(program === 'knock' ? 'knockd' : 'fwknopd', rig);
  if (shoot === undefined) throw new Error(`${program} has no program`);
  return async (lane, source) => {
    const beganAt = performance.now();
    await shoot(lane, source);
    const opened = await rig.ruleFor(source, SHOT_PATIENCE_MS);
    return opened === undefined ? undefined : performance.now() - beganAt;
  };
}
