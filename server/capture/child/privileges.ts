/**
 * Drops the capture child's privileges once its device is open, and describes the result: users, groups, capabilities,
 * system calls. Each step runs even if an earlier one failed. The result is read back from the kernel.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Libc } from '../libc.ts';
import {
  KEPT_CAPABILITIES,
  KEPT_GROUPS,
  KEPT_NEW_PRIVILEGES,
  KEPT_SYSTEM_CALLS,
  KEPT_USER,
  type Opened,
} from '../records.ts';
import { systemCallFilter } from './system-calls.ts';

/** The kernel's overflow ids (`nobody` and its group on Linux), which own nothing. Fixed, so the child looks up no names. */
const NOBODY = 65534;
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;

/** Drops all privileges it can, for good; `kept` has a bit for each it could not. `listens` still allows binding sockets. */
export function dropPrivileges(libc: Libc | undefined, { listens = false } = {}): Pick<Opened, 'uid' | 'kept'> {
  if (process.getuid?.() === 0) {
    attempt(() => process.setgroups?.([]));
    attempt(() => process.setgid?.(NOBODY));
    attempt(() => process.setuid?.(NOBODY));
  }
  let kept = 0;
  if (libc?.prctl(PR_SET_NO_NEW_PRIVS, 1) !== 0) kept |= KEPT_NEW_PRIVILEGES;
  // Needed when the user stays the same (not root, or nobody is not mapped here): then capabilities stay too.
  libc?.dropCapabilities();
  // `cap` aborts the process when the interface disappears: that must not fill the host's crash reports.
  libc?.prctl(PR_SET_DUMPABLE, 0);
  const uid = process.getuid?.() ?? 0;
  if (uid === 0) kept |= KEPT_USER;
  if (process.getgid?.() === 0 || process.getgroups?.().includes(0) === true) kept |= KEPT_GROUPS;
  if (!everyThreadWithoutCapabilities()) kept |= KEPT_CAPABILITIES;
  // Last, because the process cannot open files afterwards.
  const filter = systemCallFilter(process.arch, { listens });
  if (libc === undefined || filter === undefined || !libc.filterSystemCalls(filter.seccompNumber, filter.program)) {
    kept |= KEPT_SYSTEM_CALLS;
  }
  return { uid, kept };
}

/** The privileges of an `opened` record, as text. */
export function describePrivileges({ uid, kept }: Pick<Opened, 'uid' | 'kept'>): string {
  const has = (bit: number): boolean => (kept & bit) !== 0;
  const kepts = [
    has(KEPT_USER) ? 'user 0 (nobody is not mapped here)' : '',
    has(KEPT_GROUPS) ? 'group 0' : '',
    has(KEPT_CAPABILITIES) ? 'capabilities' : '',
    has(KEPT_NEW_PRIVILEGES) ? 'the right to gain privileges' : '',
    has(KEPT_SYSTEM_CALLS) ? 'all system calls' : '',
  ].filter((text) => text !== '');
  return kepts.length === 0
    ? `dropped to user ${uid}, no capabilities, few system calls`
    : `runs as user ${uid}, kept ${kepts.join(', ')}`;
}

/** capset changes only the calling thread, and V8 has others. */
function everyThreadWithoutCapabilities(): boolean {
  try {
    return readdirSync('/proc/self/task').every((thread) =>
      /^CapPrm:\s*0+$/m.test(readFileSync(`/proc/self/task/${thread}/status`, 'latin1')),
    );
  } catch {
    return false;
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch {
    // Refused; the remaining privileges are read back afterwards.
  }
}
