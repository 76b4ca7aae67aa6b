/**
 * kill -9 at random moments, thousands of times: the daemon with its commands, the client, the capture process. 10,000
 * rounds of each with KNOCK_OTP_LONG, half a minute of each in CI, otherwise seconds. KNOCK_OTP_ROUNDS sets the number
 * of rounds of each; scripts/kill-rounds distributes them and adds up the results. The daemon's rounds continue in the
 * directory KNOCK_OTP_ROUNDS_DIR, if it is set.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../../support/host/inside-namespaces.ts';

const isLong = process.env['KNOCK_OTP_LONG'] !== undefined;
const budgetMs = process.env['CI'] === 'true' ? 30_000 : 3_000;

for (const [who, file] of [
  ['daemon and commands', './kill-rounds-daemon-inside.ts'],
  ['client', './kill-rounds-clients-inside.ts'],
  ['capture process', './kill-rounds-captures-inside.ts'],
] as const) {
  test(`kill -9 in random rounds: ${who}`, (t) => {
    process.env['KNOCK_OTP_ROUNDS'] ??= '10000';
    if (!isLong) process.env['KNOCK_OTP_ROUNDS_MS'] = `${budgetMs}`;
    const inside = fileURLToPath(new URL(file, import.meta.url));
    runInside(t, inside, { atLeast: 1, mounts: true, timeoutMs: isLong ? 6 * 3_600_000 : 300_000 });
  });
}
