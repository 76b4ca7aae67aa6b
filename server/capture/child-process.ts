/**
 * One run of a capture child, on the daemon's side: starts the process, reads its records and reports the reason of its
 * end. `interface-capture.ts` decides when to start the next one.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type ChildProgram, childProgram, isFromSource } from '../process/child-programs.ts';
import type { CaptureScope } from './capture.ts';
import { CHILD_PREFIX, RECORDS_FD } from './child-protocol.ts';
import { RecordReader, type RecordSink } from './records.ts';

export interface ChildEvents extends RecordSink {
  /** Called once when the child ended or could not be started, but not after {@link Child.kill}. */
  ended(reason: string): void;
}

export interface Child {
  /** Ends the child at once; no event follows. Resolves when the process is gone. */
  kill(): Promise<void>;
}

export type ChildLauncher = (device: string, scope: CaptureScope, events: ChildEvents) => Child;

/** A child that reads orders from its stdin. */
export interface OrderedChild extends Child {
  order(line: string): void;
}

/** Bytes kept of the child's stderr: the end, because the reason is in the last line with CHILD_PREFIX. */
const MAX_STDERR = 4096;
/** A child that writes more than this to stderr may be compromised: the daemon closes its stderr. */
const MAX_STDERR_READ = 65_536;
const MAX_REASON = 200;

/** No V8 worker threads (usually four), because capabilities are dropped thread by thread. */
const NODE_OPTIONS = ['--v8-pool-size=0'];

export const launchChild: ChildLauncher = (device, { udp, tcp }, events) =>
  launchProgram('capture', [device, udp ? 'udp' : 'tcp', tcp], events);

export function launchProgram(program: ChildProgram, words: readonly string[], events: ChildEvents): OrderedChild {
  const argv = [...NODE_OPTIONS, ...childProgram(program), ...words];
  try {
    return new RunningChild(startProcess(argv), events);
  } catch (error) {
    // spawn reports most failures as events but throws a few (no memory).
    queueMicrotask(() => events.ended(cannotStart(error as Error)));
    return { kill: () => Promise.resolve(), order: () => {} };
  }
}

function startProcess(argv: readonly string[]): ChildProcess {
  return spawn(process.execPath, argv, {
    // The child gets no environment, and no working directory that would keep a file system mounted.
    env: {},
    ...(isFromSource ? {} : { cwd: '/' }),
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
}

class RunningChild implements OrderedChild {
  readonly #process: ChildProcess;
  readonly #events: ChildEvents;
  readonly #gone: Promise<void>;
  #over = false;

  constructor(child: ChildProcess, events: ChildEvents) {
    this.#process = child;
    this.#events = events;
    const stderr = collectStderr(child.stderr);
    this.#gone = new Promise((resolve) => {
      // `close`, not `exit`: the daemon reads all output of the child first.
      child.once('close', (code, signal) => {
        this.#end(reasonOf(code, signal, stderr()));
        resolve();
      });
      // Emitted when the child cannot be started, and when it cannot be killed: root without CAP_KILL may not signal a
      // process of user nobody. Such a child ends by itself, because its pipes are closed.
      child.on('error', (error) => {
        this.#end(cannotStart(error));
        resolve();
      });
    });
    child.stdin?.on('error', () => {});
    this.#readRecords();
  }

  order(line: string): void {
    if (!this.#over) this.#process.stdin?.write(`${line}\n`);
  }

  kill(): Promise<void> {
    this.#over = true;
    this.#close();
    return this.#gone;
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#close();
    this.#events.ended(reason);
  }

  #close(): void {
    this.#process.kill('SIGKILL');
    this.#process.stdin?.destroy();
    this.#recordsPipe()?.destroy();
  }

  /** Undefined when the process could not start for lack of descriptors: then Node has no `stdio` array. */
  #recordsPipe(): Readable | null | undefined {
    const stdio: readonly unknown[] | undefined = this.#process.stdio;
    return stdio?.[RECORDS_FD] as Readable | null | undefined;
  }

  #readRecords(): void {
    const reader = new RecordReader({
      packet: (...record) => this.#over || this.#events.packet(...record),
      heartbeat: (heartbeat) => this.#over || this.#events.heartbeat(heartbeat),
      opened: (opened) => this.#over || this.#events.opened(opened),
      lost: (lost) => this.#over || this.#events.lost(lost),
      bound: (bound) => this.#over || this.#events.bound(bound),
    });
    const pipe = this.#recordsPipe();
    pipe?.on('error', () => {});
    pipe?.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      if (!reader.push(chunk)) {
        this.#end('the capture process sent an invalid record');
        return;
      }
      // One chunk per turn of the event loop: under a flood libuv would deliver thirty before any timer ran.
      pipe.pause();
      setImmediate(() => pipe.resume());
    });
  }
}

function cannotStart(error: Error): string {
  return `cannot start the capture process: ${error.message}`.slice(0, MAX_REASON);
}

function collectStderr(stream: Readable | null | undefined): () => string {
  let text = '';
  let read = 0;
  stream?.on('error', () => {});
  stream?.on('data', (chunk: Buffer) => {
    text = (text + chunk.toString('latin1')).slice(-MAX_STDERR);
    read += chunk.length;
    if (read > MAX_STDERR_READ) stream.destroy();
  });
  return () => text;
}

function reasonOf(code: number | null, signal: NodeJS.Signals | null, stderr: string): string {
  const line = stderr
    .split('\n')
    .findLast((candidate) => candidate.startsWith(CHILD_PREFIX))
    ?.slice(CHILD_PREFIX.length);
  if (line !== undefined) return line.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_REASON);
  // An assertion of `cap`, whose text would not help an administrator.
  if (signal === 'SIGABRT') return 'the interface went down or was deleted';
  return signal === null
    ? `the capture process ended with exit code ${code}`
    : `the capture process was ended by ${signal}`;
}
