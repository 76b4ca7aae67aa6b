/** Section f: how long the whole client program takes, compared with other clients and with Node doing nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleClient } from '../../build/single-file.ts';
import { mustRun } from '../../lab/running-process.ts';
import type { ClientResult } from '../report/results.ts';
import { summarize } from '../report/statistics.ts';
import { hasProgram } from './contestants.ts';
import { forgetSuccess } from './forget-success.ts';
import { Rig } from './rig.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** An open port to verify, without a daemon, because only the client is measured. */
const VERIFY_PORT = 22;

interface Program {
  readonly title: string;
  readonly argv: readonly string[];
}

/** The programs take turns, so that a busy moment does not hit one program only. */
export async function measureClients(runs: number, say: (line: string) => void): Promise<readonly ClientResult[]> {
  await using rig = await Rig.create();
  const file = join(rig.dir, 'knock-otp.cjs');
  await bundleClient(ROOT, file);
  const home = join(rig.dir, 'home');
  await mkdir(home, { mode: 0o700 });
  const { ipv4 } = rig.server;
  const uri =
    'otpauth://hotp/bench:laptop%40ssh?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=bench&v=1&door=ssh&client=laptop' +
    `&knocks=6&ports=1024-65535&exclude=&protocols=tcp&order=any&timeout=10&counter=0&open=tcp/${VERIFY_PORT}&host=${ipv4}`;
  const env = { HOME: home, XDG_CONFIG_HOME: join(home, '.config') };
  await rig.client.must([process.execPath, file, 'add', '-', '--as', 'work'], { input: `${uri}\n`, env });
  const programs: readonly Program[] = [
    { title: 'node -e 0', argv: [process.execPath, '-e', '0'] },
    { title: 'knock-otp HOST', argv: [process.execPath, file, 'work'] },
    { title: 'knock-otp HOST --no-verify', argv: [process.execPath, file, 'work', '--no-verify'] },
    ...(hasProgram('knock')
      ? [{ title: 'knock HOST 7000 8000 9000', argv: ['knock', ipv4, '7000', '8000', '9000'] }]
      : []),
    ...(hasProgram('fwknop')
      ? [{ title: 'fwknop -n HOST', argv: await fwknopWords(home, ipv4, rig.client.ipv4) }]
      : []),
  ];
  const times = programs.map((): number[] => []);
  for (let run = -2; run < runs; run += 1) {
    for (const [at, { argv }] of programs.entries()) {
      await forgetSuccess(home);
      const wallMs = await timed(rig.client.inside(argv), { ...process.env, ...env });
      // The first two runs fill the caches.
      if (run >= 0) times[at]?.push(wallMs);
    }
  }
  return programs.map(({ title }, at) => {
    const result = { title, wall: summarize(times[at] ?? []) };
    say(`${title}: p50 ${result.wall.p50.toFixed(1)} ms`);
    return result;
  });
}

async function fwknopWords(home: string, server: string, client: string): Promise<readonly string[]> {
  const keys = await mustRun(['fwknop', '--key-gen'], { env: { HOME: home } });
  const [, key, hmac] = /KEY_BASE64: (\S+)\nHMAC_KEY_BASE64: (\S+)/.exec(keys) ?? [];
  const rc = `[work]\nSPA_SERVER ${server}\nACCESS tcp/22\nALLOW_IP ${client}\nKEY_BASE64 ${key}\nHMAC_KEY_BASE64 ${hmac}\nUSE_HMAC Y\n`;
  await writeFile(join(home, 'rc'), rc, { mode: 0o600 });
  return ['fwknop', '-n', 'work', '--rc-file', join(home, 'rc'), '--no-save-args'];
}

/** Milliseconds, including the millisecond of `nsenter`, which is the same for all programs. */
async function timed(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const beganAt = performance.now();
  const [program = '', ...words] = argv;
  const child = spawn(program, words, { env, stdio: 'ignore' });
  const [code] = (await once(child, 'exit')) as [number];
  const wallMs = performance.now() - beganAt;
  if (code !== 0) throw new Error(`exit ${code}: ${argv.join(' ')}`);
  return wallMs;
}
