/** A capture child's connection to its daemon: writes records, ends with the daemon, and reports the reason of a failure. */
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { CHILD_PREFIX, RECORDS_FD } from '../child-protocol.ts';

/** A PipeWrite: writes what the pipe takes at once, and returns how many bytes. */
export function writeToDaemon(bytes: Buffer, from: number, to: number): number {
  try {
    return writeSync(RECORDS_FD, bytes, from, to - from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    // EPIPE: the daemon is gone.
    process.exit(0);
  }
}

/** Ends this process with the daemon, which keeps stdin and the records' pipe open as long as it runs. */
export function leaveWithDaemon(): void {
  const leave = (): never => process.exit(0);
  // Wrapping the descriptor makes it non-blocking, which writeToDaemon relies on.
  const pipe = new Socket({ fd: RECORDS_FD, readable: true, writable: true });
  for (const stream of [pipe, process.stdin]) stream.on('end', leave).on('close', leave).on('error', leave).resume();
}

/** Ends this process; the daemon logs `message` as the reason. */
export function failInChild(message: string): never {
  writeReason(Buffer.from(`${CHILD_PREFIX}${message}\n`));
  process.exit(1);
}

/**
 * Writes all of it to stderr, without returning to the event loop. The pipe may be non-blocking (Node 22 and later make it
 * so when they load `node:util`), and full of a library's output: then it waits until the daemon has read, a second at most.
 */
function writeReason(bytes: Buffer): void {
  const clock = new Int32Array(new SharedArrayBuffer(4));
  let written = 0;
  for (let tries = 0; written < bytes.length && tries < 100; tries += 1) {
    try {
      written += writeSync(2, bytes, written);
    } catch (error) {
      // EPIPE: the daemon is gone, or no longer reads stderr.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      Atomics.wait(clock, 0, 0, 10);
    }
  }
}
