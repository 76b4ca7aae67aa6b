/**
 * kill -9 at random moments, thousands of times. 10,000 rounds with KNOCK_OTP_LONG, a minute of them in CI, a few seconds
 * otherwise. A directory in KNOCK_OTP_ROUNDS_DIR is gone on with; KNOCK_OTP_ROUNDS says how many rounds in all.
 */
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runInside } from '../support/inside-namespaces.ts';

const INSIDE = fileURLToPath(new URL('./kill-rounds-inside.ts', import.meta.url));
const isLong = process.env['KNOCK_OTP_LONG'] !== undefined;
const budgetMs = process.env['CI'] === 'true' ? 60_000 : 4_000;

test('kill -9 in random rounds', (t) => {
  process.env['KNOCK_OTP_ROUNDS'] ??= '10000';
  if (!isLong) process.env['KNOCK_OTP_ROUNDS_MS'] = `${budgetMs}`;
  runInside(t, INSIDE, { atLeast: 1, mounts: true, timeoutMs: isLong ? 6 * 3_600_000 : 300_000 });
});
