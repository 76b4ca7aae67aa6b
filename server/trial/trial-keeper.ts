/**
 * Main of the keeper of a trial: `trial-keeper CONFIG MILLISECONDS`, the daemon at the other end of stdin. Reads the
 * configuration at once, since it may be broken later; then waits for one word. No word, a signal or the time: the guard
 * goes. See trial.ts.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { ServerConfig } from '../config/config.ts';
import { readConfig } from '../config/read-config.ts';
import { formatProblemOf } from '../log/error-text.ts';
import { flushFirewall } from './flush.ts';
import { KEEPER_GRACE_MS, TRIAL_DONE } from './trial.ts';

/** The state is the daemon's until it is gone, which may take it a moment. */
const TRIES = 20;
const PAUSE_MS = 500;

const [configFile = '', milliseconds = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const config = await readConfig(configFile);
  let said = '';
  const ended = new Promise<void>((resolve) => {
    process.stdin.setEncoding('latin1');
    process.stdin.on('data', (chunk: string) => {
      said = (said + chunk).slice(0, TRIAL_DONE.length);
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
  if (said !== TRIAL_DONE) await openAgain(config);
}

async function openAgain(config: ServerConfig): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      const { left } = await flushFirewall(config);
      say('the daemon on trial is gone: the guard is taken away, the doors are open to everyone');
      for (const line of left) say(`left: ${line}`);
      return;
    } catch (error) {
      if (tries === TRIES) {
        say(`the guard could not be taken away: ${formatProblemOf(error)}`);
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
