/**
 * The main file of the trial's keeper process: `trial-keeper CONFIG MILLISECONDS`, with the daemon at the other end of
 * stdin. Reads the configuration at once, because it may be broken later. Then waits for the word TRIAL_DONE; if stdin
 * ends without it, or at a signal, or after the time, it removes the guard. See `trial.ts`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ServerConfig } from '../config/config.ts';
import { readConfig } from '../config/read-config.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { flushFirewall } from './flush.ts';
import { KEEPER_GRACE_MS, TRIAL_DONE } from './trial.ts';

/** An ending daemon may hold its state for a moment, so the flush is tried again. */
const TRIES = 20;
const PAUSE_MS = 500;

const [configFile = '', milliseconds = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const config = await readConfig(configFile);
  let received = '';
  const ended = new Promise<void>((resolve) => {
    process.stdin.setEncoding('latin1');
    process.stdin.on('data', (chunk: string) => {
      received = (received + chunk).slice(0, TRIAL_DONE.length);
    });
    for (const event of ['end', 'error', 'close']) process.stdin.on(event, () => resolve());
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
  const timer = new AbortController();
  await Promise.race([
    ended,
    pause(Number(milliseconds) + KEEPER_GRACE_MS, undefined, { signal: timer.signal }).catch(() => undefined),
  ]);
  timer.abort();
  process.stdin.destroy();
  if (received !== TRIAL_DONE) await removeGuard(config);
}

async function removeGuard(config: ServerConfig): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      const { left } = await flushFirewall(config);
      say('the daemon on trial is gone: the guard is removed, the doors are open to everyone');
      for (const line of left) say(`left: ${line}`);
      return;
    } catch (error) {
      if (tries === TRIES) {
        say(`the guard could not be removed: ${formatProblemOf(error)}`);
        process.exitCode = 1;
        return;
      }
      await pause(PAUSE_MS);
    }
  }
}

function say(line: string): void {
  process.stderr.write(`knock-otpd: trial: ${line}\n`);
}

void main();
