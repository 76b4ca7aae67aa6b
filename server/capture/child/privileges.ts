/**
 * Drops the capture child's privileges once its device is open, and describes the result: users, groups, capabilities,
 * system calls. Each step runs even if an earlier one failed. The result is read back from the kernel.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { KEPT_RIGHTS } from '../capture.ts';
import type { Libc } from '../libc.ts';
import {
  KEPT_CAPABILITIES,
  KEPT_GROUPS,
  KEPT_NEW_PRIVILEGES,
  KEPT_SYSTEM_CALLS,
  KEPT_USER,
  type Opened,
  USER_FORBIDDEN,
  USER_UNMAPPED,
  USER_WITHOUT_LIBC,
} from '../records.ts';
import { systemCallFilter } from './system-calls.ts';

/** The kernel's overflow ids (`nobody` and its group on Linux), which own nothing. Fixed, so the child looks up no names. */
const NOBODY = 65534;
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;

/** Drops all privileges it can, for good; `kept` has a bit for each it could not. `listens` still allows binding sockets. */
export function dropPrivileges(libc: Libc | undefined, { listens = false } = {}): Pick<Opened, 'uid' | 'kept'> {
  const reason = process.getuid?.() === 0 ? becomeNobody(libc) : 0;
  let kept = 0;
  if (libc?.prctl(PR_SET_NO_NEW_PRIVS, 1) !== 0) kept |= KEPT_NEW_PRIVILEGES;
  // Needed when the user stays the same (not root, or not to be changed): then capabilities stay too.
  libc?.dropCapabilities();
  // `cap` aborts the process when the interface disappears: that must not fill the host's crash reports.
  libc?.prctl(PR_SET_DUMPABLE, 0);
  const uid = process.getuid?.() ?? 0;
  const threads = statusOfThreads();
  const has = (bits: RegExp): boolean => threads.some((status) => bits.test(status));
  if (uid === 0 || has(/^Uid:.*\t0\b/m)) kept |= KEPT_USER | reason;
  if (process.getgid?.() === 0 || has(/^(?:Gid|Groups):(?:.*\s)?0\b/m)) kept |= KEPT_GROUPS;
  if (threads.length === 0 || has(/^CapPrm:.*[1-9a-f]/m)) kept |= KEPT_CAPABILITIES;
  // Last, because the process cannot open files afterwards.
  const filter = systemCallFilter(process.arch, { listens });
  if (libc === undefined || filter === undefined || !libc.filterSystemCalls(filter.seccompNumber, filter.program)) {
    kept |= KEPT_SYSTEM_CALLS;
  }
  return { uid, kept };
}

/** Every thread becomes the user nobody. Returns 0, or the reason bit why the user stayed. */
function becomeNobody(libc: Libc | undefined): number {
  if (libc !== undefined) {
    const { EPERM, EINVAL } = constants.errno;
    const errno = libc.becomeUser(NOBODY, NOBODY);
    return errno === EINVAL ? USER_UNMAPPED : errno === EPERM ? USER_FORBIDDEN : 0;
  }
  attempt(() => process.setgroups?.([]));
  attempt(() => process.setgid?.(NOBODY));
  const code = attempt(() => process.setuid?.(NOBODY));
  if (code === undefined) return 0;
  return code === 'EINVAL' ? USER_UNMAPPED : code === 'EPERM' ? USER_FORBIDDEN : USER_WITHOUT_LIBC;
}

const REASONS: readonly (readonly [number, string])[] = [
  [USER_UNMAPPED, 'nobody is not mapped here'],
  [USER_FORBIDDEN, 'no CAP_SETUID to change it'],
  [USER_WITHOUT_LIBC, 'koffi is missing, and this Node.js cannot change it'],
];

/** The privileges of an `opened` record, as text. */
export function describePrivileges({ uid, kept }: Pick<Opened, 'uid' | 'kept'>): string {
  const has = (bit: number): boolean => (kept & bit) !== 0;
  const why = REASONS.find(([bit]) => has(bit));
  const kepts = [
    has(KEPT_USER) ? `user 0${why === undefined ? '' : ` (${why[1]})`}` : '',
    has(KEPT_GROUPS) ? 'group 0' : '',
    has(KEPT_CAPABILITIES) ? 'capabilities' : '',
    has(KEPT_NEW_PRIVILEGES) ? 'the right to gain privileges' : '',
    has(KEPT_SYSTEM_CALLS) ? 'all system calls' : '',
  ].filter((text) => text !== '');
  return kepts.length === 0
    ? `dropped to user ${uid}, no capabilities, few system calls`
    : `${KEPT_RIGHTS}user ${uid}, kept ${kepts.join(', ')}`;
}

/** /proc/PID/status of each thread, because capset changes only the calling one, and Node has others; [] when unknown. */
function statusOfThreads(): readonly string[] {
  try {
    const tasks = '/proc/self/task';
    return readdirSync(tasks).map((thread) => readFileSync(`${tasks}/${thread}/status`, 'latin1'));
  } catch {
    return [];
  }
}

/** Returns the code of the error. The remaining privileges are read back afterwards. */
function attempt(action: () => void): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown';
  }
}
