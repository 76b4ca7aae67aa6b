/** Lines of helper programs that are out at once, before a signal or a crash ends the program. */
import { writeSync } from 'node:fs';

const clock = new Int32Array(new SharedArrayBuffer(4));

/** Writes the line synchronously and whole. A pipe may be non-blocking since Node 22; when it is full, this waits. */
export function sayAtOnce(descriptor: 1 | 2, line: string): void {
  const bytes = Buffer.from(`${line}\n`);
  for (let written = 0; written < bytes.length; ) {
    try {
      written += writeSync(descriptor, bytes, written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(clock, 0, 0, 1);
    }
  }
}
