/**
 * `node --import tsx scripts/bench/traffic/spoofed-strays.ts [KNOCKS [LINE...]]`, with further lines for the door such
 * as `order = strict`: measures up to which rate of spoofed packets a knock still opens. An attacker sends packets
 * with the client's address to random ports. Uses real packets between three namespaces, and the client's own modules
 * with their repetitions. Prints a Markdown table for docs/SECURITY.md. Needs `npm run build` and root.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { STRICT_GAP_MS } from '../../../client/knock/retry-times.ts';
import { namespacesAvailable } from '../../lab/namespaces.ts';
import { launchOurs, optionsText } from '../run/contestants.ts';
import { HIDDEN_PORT, Rig } from '../run/rig.ts';
import type { Flood } from './flood.ts';

const SERVER = fileURLToPath(new URL('../../../dist/knock-otpd.cjs', import.meta.url));
const RATES = [0, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000];
const DEFAULT_KNOCKS = 20;
/** The time limit of a knock: two factors with their repetitions. */
const KNOCK_TIMEOUT_MS = 10_000;
/** The flood starts this long before the first knock. */
const LEAD_MS = 200;

interface Cell {
  readonly rate: number;
  readonly sentPerSecond: number;
  readonly opened: number;
  readonly knocks: number;
}

const found = namespacesAvailable();
if (!found.ok) throw new Error(found.reason);
const knocks = Number(process.argv[2] ?? DEFAULT_KNOCKS);
const lines = process.argv.slice(3);
if (!Number.isInteger(knocks) || knocks < 1) throw new Error('how many knocks? a whole number from 1');

await using rig = await Rig.create();
// The default door has as many live sequences: totp with one client. It allows any number of knocks.
const config = `${optionsText(rig, 'kernel')}\n[ssh]\notp = hotp\nlook_ahead = 3\nopen = nftables tcp/${HIDDEN_PORT}\ncmd_timeout = 600\n${lines.join('\n')}\n`;
const file = join(rig.dir, 'knock-otp.conf');
await writeFile(file, config, { mode: 0o600 });
const inConfig = (...words: string[]) => rig.server.must([process.execPath, SERVER, ...words, '-c', file]);
const enrolled = await inConfig('enroll', 'laptop', '--door', 'ssh', '--host', rig.server.ipv4);
const uri = enrolled.match(/^otpauth:.*$/m)?.[0] ?? '';
const strays = Number(/strays +(\d+)/.exec(await inConfig('check'))?.[1]);
await launchOurs(rig, config);

let counter = 0;
async function knock(send?: (source: string) => Promise<unknown>) {
  const timed = await rig.knock({ kind: 'otp', uri, counter, timeoutMs: KNOCK_TIMEOUT_MS }, send);
  // The server has not moved on when the knock did not open.
  if (timed.opened) counter = timed.nextCounter;
  return timed;
}

// The first knock of a daemon runs cold code, so it does not count.
await knock();
const durations: number[] = [];
for (let at = 0; at < knocks; at += 1) {
  const { firstToRuleMs, lastToRuleMs } = await knock();
  durations.push(firstToRuleMs - lastToRuleMs);
}
// The measurement starts when the client asks for the first socket; the pauses of the client follow.
const pausesMs = lines.includes('order = strict') ? 5 * STRICT_GAP_MS : 0;
const sendingMs = pausesMs + (durations.sort((a, b) => a - b)[Math.floor(durations.length / 2)] ?? Number.NaN);
const cells: Cell[] = [];
for (const rate of RATES) {
  let opened = 0;
  let sent = 0;
  for (let at = 0; at < knocks; at += 1) {
    let flood: Flood | undefined;
    const { opened: isOpen } = await knock(async (source) => {
      if (rate === 0) return;
      flood = rig.flood({ rate, seconds: Math.ceil((KNOCK_TIMEOUT_MS + LEAD_MS) / 1000) + 1, source });
      await pause(LEAD_MS);
    });
    if (isOpen) opened += 1;
    sent += (await flood?.end()) ?? 0;
  }
  cells.push({ rate, sentPerSecond: sent / knocks, opened, knocks });
  process.stderr.write(`${rate}/s: ${opened} of ${knocks} opened\n`);
}
process.stdout.write(
  [
    `Stray budget ${strays}, six knocks ${lines.length === 0 ? 'in any order' : `(${lines.join(', ')})`}; the client sends a sequence within ${sendingMs.toFixed(2)} ms (median of`,
    `${knocks}), so that one pass is blocked above about ${Math.round(strays / (sendingMs / 1000)).toLocaleString('en-US')} packets/s.`,
    '',
    '| spoofed packets/s, asked for | sent | knocks that opened |',
    '|---:|---:|---:|',
    ...cells.map(
      (cell) =>
        `| ${cell.rate.toLocaleString('en-US')} | ${Math.round(cell.sentPerSecond).toLocaleString('en-US')} | ${cell.opened} of ${cell.knocks} |`,
    ),
    '',
  ].join('\n'),
);
// The knocker keeps a channel open.
await rig.dispose();
process.exit(0);
