/** The real outside world: the process, its clocks, its sockets. Nothing here decides anything. */
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
  // Not performance.now(): its module would have to be loaded for this alone.
  monotonicMs: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  sleep: async (ms, signal) => {
    await setTimeout(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  },
};

export function systemDeps(): Deps {
  return {
    // Streams are made when they are first looked at, which a knock does not do with its input.
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return quiet(process.stdout);
    },
    get stderr() {
      return quiet(process.stderr);
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

/** Somebody who stopped reading (`| head -1`) does not change what came of a knock, nor its exit code. */
function quiet<S extends NodeJS.WriteStream>(stream: S): S {
  if (!stream.listeners('error').includes(nobodyReads)) stream.on('error', nobodyReads);
  return stream;
}

function nobodyReads(): void {}

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
