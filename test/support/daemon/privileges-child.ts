/** Drops its privileges, with or without the C library, and prints the result. */
import { writeSync } from 'node:fs';
import { dropPrivileges } from '../../../server/capture/child/privileges.ts';
import { loadLibc } from '../../../server/capture/libc.ts';

const libc = process.argv[2] === 'with' ? await loadLibc() : undefined;
// Synchronous, because from here on only open descriptors can be used.
writeSync(1, JSON.stringify(dropPrivileges(libc)));
