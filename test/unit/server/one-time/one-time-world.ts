/** The one-time file of a door as the daemon follows it: what is logged, and the lines that the door is offered. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import type { TestContext } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ListedLine } from '../../../../server/core/door.ts';
import { formatLine, type Log } from '../../../../server/log/log.ts';
import {
  OneTimeFiles,
  type OneTimeFilesOptions,
  type OneTimeState,
} from '../../../../server/one-time/one-time-files.ts';

/** Far longer than any test of these files takes. */
const PATIENCE_MS = 10_000;

export interface World {
  readonly path: string;
  readonly files: OneTimeFiles;
  readonly said: string[];
  /** The last lines that each door was offered. */
  readonly offered: Map<string, readonly ListedLine[]>;
  state(): OneTimeState;
  ports(): number[];
  ids(): number[];
  /** Runs `act`, and resolves when lines have been offered after it. */
  after(act: () => void): Promise<void>;
}

/** Starts the file of the door `ssh`; `more` replaces options. The files stop with the test. */
export async function startFiles(
  t: TestContext,
  path: string,
  lookAhead: number,
  more: Partial<OneTimeFilesOptions>,
): Promise<World> {
  const events = new EventEmitter();
  const said: string[] = [];
  const offered = new Map<string, readonly ListedLine[]>();
  const write =
    (level: string): Log['info'] =>
    (message, fields) => {
      said.push(`${level} ${formatLine(message, fields)}`);
      events.emit('said');
    };
  const files = new OneTimeFiles({
    doors: [{ name: 'ssh', path, lookAhead }],
    log: {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      knockd: (line) => write('info')(line),
    },
    onLines: (door, lines) => {
      offered.set(door, lines);
      // In a later turn of the event loop, after the log lines of the same reading.
      void setImmediate().then(() => events.emit('lines'));
    },
    settleMs: 5,
    ...more,
  });
  t.after(() => files.stop());
  await files.start();
  // The event of the start has been emitted before a test waits for one.
  await setImmediate();
  return {
    path,
    files,
    said,
    offered,
    state: () => files.state('ssh') ?? assert.fail(),
    ports: () => (offered.get('ssh') ?? []).map(({ pairs }) => pairs[0] ?? 0),
    ids: () => (offered.get('ssh') ?? []).map(({ id }) => id),
    after: async (act) => {
      const patience = new AbortController();
      // The timer also keeps this process alive: the file watches do not.
      const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
      const lines = once(events, 'lines', { signal: patience.signal });
      act();
      await lines.finally(() => clearTimeout(timer));
    },
  };
}
