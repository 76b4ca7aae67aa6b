/**
 * Drops its privileges, with or without the C library, prints the result, and stays until its stdin ends. With the word
 * `refusing`, Node's own calls fail as they do with a libuv that may use io_uring.
 */
import { readSync, writeSync } from 'node:fs';
import { dropPrivileges } from '../../../server/capture/child/privileges.ts';
import { loadLibc } from '../../../server/capture/libc.ts';

const [library, node] = process.argv.slice(2);
const libc = library === 'with' ? await loadLibc() : undefined;
if (node === 'refusing') {
  const refuse = (): never => {
    throw Object.assign(new Error('setuid() disabled: io_uring may be enabled'), { code: 'ERR_INVALID_STATE' });
  };
  Object.assign(process, { setgroups: refuse, setgid: refuse, setuid: refuse });
}
// Synchronous, because from here on only open descriptors can be used.
writeSync(1, `${JSON.stringify(dropPrivileges(libc))}\n`);
readSync(0, Buffer.alloc(1));
