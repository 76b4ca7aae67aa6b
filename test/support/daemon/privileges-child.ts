/** Gives up its privileges with or without the C library, and says what became of them. */
import { writeSync } from 'node:fs';
import { dropPrivileges } from '../../../server/capture/child/privileges.ts';
import { loadLibc } from '../../../server/capture/libc.ts';

const libc = process.argv[2] === 'with' ? await loadLibc() : undefined;
// Synchronous: nothing but what is open already can be used from here on.
writeSync(1, JSON.stringify(dropPrivileges(libc)));
