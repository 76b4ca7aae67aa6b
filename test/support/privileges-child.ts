/** Gives up its privileges with or without the C library, and says what became of them. */
import { writeSync } from 'node:fs';
import { loadLibc } from '../../server/capture/libc.ts';
import { dropPrivileges } from '../../server/capture/privileges.ts';

const libc = process.argv[2] === 'with' ? await loadLibc() : undefined;
// Synchronous: nothing but what is open already can be used from here on.
writeSync(1, JSON.stringify(dropPrivileges(libc)));
