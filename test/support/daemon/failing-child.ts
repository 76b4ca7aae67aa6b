/**
 * A capture child whose stderr is full when it fails: it makes the pipe non-blocking, fills it, says so on stdout, and ends
 * with its reason.
 */
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { failInChild } from '../../../server/capture/child/daemon-pipe.ts';

new Socket({ fd: 2, readable: false, writable: true });
try {
  for (;;) writeSync(2, `${'x'.repeat(1023)}\n`);
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
}
writeSync(1, 'full\n');
failInChild('the device is gone');
