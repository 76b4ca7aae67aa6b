/** The real outside world: the process, its clocks, its sockets. Nothing here decides anything. */
import { closeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Clock, Deps } from './deps.ts';
import { resolveHost } from './resolve.ts';
import { routeError, sendKnocks } from './sender.ts';
import { probe } from './verify.ts';

const clock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  },
};

export function systemDeps(): Deps {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    closeStdout,
    env: process.env,
    owner: { platform: process.platform, uid: process.getuid?.() },
    clock,
    network: { resolve: resolveHost, routeError, send: sendKnocks, probe },
  };
}

/**
 * Node keeps descriptor 1 open whatever is done to process.stdout. Ending the stream shuts a socket down, closing the
 * descriptor ends a pipe; whichever it is, the other one does no harm.
 */
async function closeStdout(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.stdout.once('error', () => resolve());
    process.stdout.end(() => resolve());
  });
  try {
    closeSync(1);
  } catch {
    // Already closed: the reader has seen the end.
  }
}
