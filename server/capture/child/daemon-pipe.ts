/** A capture child's way to its daemon: the descriptor that records go down, and the end of the process with it. */
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { CHILD_PREFIX, RECORDS_FD } from '../child-protocol.ts';

/** As PipeWrite asks: what the pipe takes at once. */
export function writeToDaemon(bytes: Buffer, from: number, to: number): number {
  try {
    return writeSync(RECORDS_FD, bytes, from, to - from);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    // EPIPE: the daemon is gone, and nobody will close what we might still be told of.
    process.exit(0);
  }
}

/** Ends the process when the daemon does: nothing is ever written to us on the records' pipe, and stdin stays open. */
export function leaveWithDaemon(): void {
  const leave = (): never => process.exit(0);
  // Wrapping the descriptor makes it non-blocking, which writeToDaemon relies on.
  const pipe = new Socket({ fd: RECORDS_FD, readable: true, writable: true });
  for (const stream of [pipe, process.stdin]) stream.on('end', leave).on('close', leave).on('error', leave).resume();
}

/** The last word: the daemon's log has it as the reason. */
export function failInChild(message: string): never {
  writeSync(2, `${CHILD_PREFIX}${message}\n`);
  process.exit(1);
}
