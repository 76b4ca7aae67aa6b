/**
 * One run of the capture child, seen from the daemon: start, records in, the reason of its end. Knows processes and
 * pipes; when to start another is interface-capture's business.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { RecordReader, type RecordSink } from './records.ts';
import { CHILD_PREFIX, RECORDS_FD } from './wire.ts';

export interface ChildEvents extends RecordSink {
  /** Once, when the child has ended or could not be started, unless {@link Child.kill} came first. */
  ended(reason: string): void;
}

export interface Child {
  /** Ends it at once and for good: no event comes any more. Resolves when the process is gone. */
  kill(): Promise<void>;
}

export type ChildLauncher = (device: string, udp: boolean, events: ChildEvents) => Child;

/** What is kept of its stderr: the last line of ours stands at the end. */
const MAX_STDERR = 4096;
/** A child that says more than this is not ours any more; its stderr is shut. */
const MAX_STDERR_READ = 65_536;
const MAX_REASON = 200;

const fromSource = import.meta.url.endsWith('.ts');
const childMain = fileURLToPath(new URL(fromSource ? './child.ts' : './child.js', import.meta.url));
/** Fewer threads than V8's usual four: capabilities are given up thread by thread. */
const NODE_OPTIONS = ['--v8-pool-size=0'];

export const launchChild: ChildLauncher = (device, udp, events) => {
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    process_.kill('SIGKILL');
    events.ended(reason);
  };
  const process_ = spawn(process.execPath, [...NODE_OPTIONS, ...loader(), childMain, device, udp ? 'udp' : 'tcp'], {
    // Nothing of ours goes along: not the environment, not a working directory that could not be unmounted then.
    env: {},
    ...(fromSource ? {} : { cwd: '/' }),
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
  });
  const gone = new Promise<void>((resolve) => {
    process_.once('close', () => resolve());
    process_.once('error', () => resolve());
  });
  const said = collectStderr(process_.stderr);
  process_.once('error', (error) => end(`cannot start the capture process: ${error.message}`.slice(0, MAX_REASON)));
  // Not `exit`: what it wrote before its end is read first.
  process_.once('close', (code, signal) => end(reasonOf(code, signal, said())));
  process_.stdin?.on('error', () => {});
  readRecords(process_, events, () => over, end);
  return {
    kill() {
      over = true;
      process_.kill('SIGKILL');
      return gone;
    },
  };
};

/** Under tsx the child needs the same loader; compiled code needs none. Debugger and test options are not for it. */
function loader(): readonly string[] {
  return fromSource ? ['--import', 'tsx'] : [];
}

function readRecords(
  child: ChildProcess,
  events: RecordSink,
  over: () => boolean,
  end: (reason: string) => void,
): void {
  const reader = new RecordReader({
    packet: (...record) => over() || events.packet(...record),
    heartbeat: (heartbeat) => over() || events.heartbeat(heartbeat),
    opened: (opened) => over() || events.opened(opened),
  });
  const pipe = child.stdio[RECORDS_FD] as Readable | null | undefined;
  pipe?.on('error', () => {});
  pipe?.on('data', (chunk: Buffer) => {
    if (over()) return;
    if (!reader.push(chunk)) {
      end('the capture process sent what is not a record');
      return;
    }
    // One chunk a turn: under a flood libuv would hand us thirty before any timer of the daemon ran.
    pipe.pause();
    setImmediate(() => pipe.resume());
  });
}

function collectStderr(stream: Readable | null): () => string {
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
