/** A copy of /etc, and of other folders that programs write to, which only this process and its children see. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The mount namespace of the machine, which must not change; runInside passes it on. */
export const OUTER_MOUNTS = 'KNOCK_OTP_OUTER_MOUNTS';

/** Call the returned function at the end. `scratch`: directories that begin empty. */
export function privateEtc(...scratch: readonly string[]): () => void {
  const outer = process.env[OUTER_MOUNTS];
  assert(
    outer !== undefined && readlinkSync('/proc/self/ns/mnt') !== outer,
    'this mount namespace is not a private one',
  );
  const copy = mkdtempSync(join(tmpdir(), 'knock-otp-etc-'));
  // Leaves out files that a user namespace may not read.
  spawnSync('cp', ['-r', '--preserve=mode,links', '/etc/.', copy]);
  execFileSync('mount', ['--bind', copy, '/etc']);
  assert.match(readFileSync('/proc/self/mounts', 'utf8'), / \/etc /);
  for (const directory of scratch) execFileSync('mount', ['-t', 'tmpfs', 'none', directory]);
  return () => {
    execFileSync('umount', ['/etc']);
    rmSync(copy, { recursive: true, force: true });
  };
}
