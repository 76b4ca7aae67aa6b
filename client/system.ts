/** The real outside world: the process, its clocks, its sockets. It makes no decisions. */
import { closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import type { Clock, Deps } from './deps.ts';
import { probe } from './sockets/port-watch.ts';
import { resolveHost, resolveInTime } from './sockets/resolve.ts';
import { routeError, sendKnocks } from './sockets/sender.ts';
import { askWhoami, localAddress } from './sockets/whoami.ts';
import { say } from './terminal/output.ts';

const clock: Clock = {
  wallMs: () => Date.now(),
  // Not performance.now(), which would load one more module.
  monotonicMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  sleep: async (ms, signal) => {
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  },
};

export function systemDeps(): Deps {
  return {
    // Node creates a stream at its first use, and a knock does not use its input.
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return ignoringErrors(process.stdout);
    },
    get stderr() {
      return ignoringErrors(process.stderr);
    },
    closeStdout,
    env: process.env,
    owner: { platform: process.platform, uid: process.getuid?.() },
    clock,
    network: {
      resolve: resolveHost,
      resolveInTime,
      routeError,
      localAddress,
      whoami: askWhoami,
      send: sendKnocks,
      probe,
      exchange: async (...words) => await (await import('./sockets/single-probes.ts')).exchange(...words),
      tryPort: async (...words) => await (await import('./sockets/single-probes.ts')).tryPort(...words),
    },
    readText: async (path) => await readFile(path, 'utf8').catch(() => undefined),
    askPassphrase: async (prompt) => {
      const { askAtTerminal } = await import('./terminal/hidden-prompt.ts');
      return await askAtTerminal(prompt, process.platform);
    },
    self: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
    runProgram: async (argv, env) => {
      const { runProgram } = await import('./ssh/run-program.ts');
      const { status, failure } = await runProgram(argv, env);
      if (failure !== undefined) say({ stderr: process.stderr }, `cannot run ${argv[0]}: ${failure}`);
      return status;
    },
  };
}

/** A reader that stops (`| head -1`) does not change the result of a knock or its exit code. */
function ignoringErrors<S extends NodeJS.WriteStream>(stream: S): S {
  if (!stream.listeners('error').includes(ignoreError)) stream.on('error', ignoreError);
  return stream;
}

function ignoreError(): void {}

/**
 * Ends standard output. Node keeps descriptor 1 open although the stream ended. Ending the stream shuts a socket down;
 * closing the descriptor ends a pipe. Each does no harm to the other kind.
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
