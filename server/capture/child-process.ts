/**
 * One run of the capture child, seen from the daemon: start, records in, the reason of its end. Knows processes and
 * pipes; when to start another is interface-capture's business.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { type ChildProgram, childProgram, isFromSource } from '../process/child-programs.ts';
import type { CaptureScope } from './capture.ts';
import { CHILD_PREFIX, RECORDS_FD } from './child-protocol.ts';
import { RecordReader, type RecordSink } from './records.ts';

export interface ChildEvents extends RecordSink {
  /** Once, when the child has ended or could not be started, unless {@link Child.kill} came first. */
  ended(reason: string): void;
}

export interface Child {
  /** Ends it at once and for good: no event comes any more. Resolves when the process is gone. */
  kill(): Promise<void>;
}

export type ChildLauncher = (device: string, scope: CaptureScope, events: ChildEvents) => Child;

/** One that takes orders, on its stdin. */
export interface OrderedChild extends Child {
  order(line: string): void;
}

/** What is kept of its stderr: the last line of ours stands at the end. */
const MAX_STDERR = 4096;
/** A child that says more than this is not ours any more; its stderr is shut. */
const MAX_STDERR_READ = 65_536;
const MAX_REASON = 200;

/** Fewer threads than V8's usual four: capabilities are given up thread by thread. */
const NODE_OPTIONS = ['--v8-pool-size=0'];

export const launchChild: ChildLauncher = (device, { udp, tcp }, events) =>
  launchProgram('capture', [device, udp ? 'udp' : 'tcp', tcp], events);

export function launchProgram(program: ChildProgram, words: readonly string[], events: ChildEvents): OrderedChild {
  const argv = [...NODE_OPTIONS, ...childProgram(program), ...words];
  try {
    return new RunningChild(startProcess(argv), events);
  } catch (error) {
    // Most failures to start come as events; a few (no memory) are thrown.
    queueMicrotask(() => events.ended(cannotStart(error as Error)));
    return { kill: () => Promise.resolve(), order: () => {} };
  }
}

function startProcess(argv: readonly string[]): ChildProcess {
  return spawn(process.execPath, argv, {
    // Nothing of ours goes along: not the environment, not a working directory that could not be unmounted then.
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
    const said = collectStderr(child.stderr);
    this.#gone = new Promise((resolve) => {
      // Not `exit`: what it wrote before its end is read first.
      child.once('close', (code, signal) => {
        this.#end(reasonOf(code, signal, said()));
        resolve();
      });
      // Comes when it cannot be started, and again when it cannot be killed: a daemon that is root without CAP_KILL may
      // not signal nobody's process. That one leaves by itself, its pipes being shut.
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

  /** Undefined when the process could not be started for want of descriptors: then Node has not even made `stdio`. */
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
        this.#end('the capture process sent what is not a record');
        return;
      }
      // One chunk a turn: under a flood libuv would hand us thirty before any timer of the daemon ran.
      pipe.pause();
      setImmediate(() => pipe.resume());
    });
  }
}

function cannotStart(error: Error): string {
  return `cannot start the capture process: ${error.message}`.slice(0, MAX_REASON);
}

/** Under tsx the child needs the same loader; compiled code needs none. Debugger and test options are not for it. */
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
  // cap's assertion: the text of it would say nothing to anyone.
  if (signal === 'SIGABRT') return 'the interface went down or was deleted';
  return signal === null
    ? `the capture process ended with exit code ${code}`
    : `the capture process was ended by ${signal}`;
}
