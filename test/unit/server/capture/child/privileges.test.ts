/** The privileges that the capture child drops, in a separate process, because dropping is irreversible. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describePrivileges } from '../../../../../server/capture/child/privileges.ts';
import {
  KEPT_CAPABILITIES,
  KEPT_GROUPS,
  KEPT_NEW_PRIVILEGES,
  KEPT_SYSTEM_CALLS,
  KEPT_USER,
} from '../../../../../server/capture/records.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

function droppedBy(libc: 'with' | 'without'): { readonly uid: number; readonly kept: number } {
  const program = fileURLToPath(new URL('../../../../support/daemon/privileges-child.ts', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', program, libc], { encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as { uid: number; kept: number };
}

test('when there is no libc then users and groups go all the same, and what stays is told', { skip: !isRoot }, () => {
  // Changing the user takes the capabilities too.
  const { uid, kept } = droppedBy('without');
  assert.equal(uid, NOBODY);
  assert.equal(kept, KEPT_NEW_PRIVILEGES | KEPT_SYSTEM_CALLS);
});

test('when there is a libc then nothing stays that the system lets go of', { skip: !isRoot }, () => {
  const { uid, kept } = droppedBy('with');
  assert.equal(uid, NOBODY);
  assert.equal(kept, 0);
});

test('what was kept is said in words, and each thing by itself', () => {
  assert.equal(
    describePrivileges({ uid: NOBODY, kept: 0 }),
    `dropped to user ${NOBODY}, no capabilities, few system calls`,
  );
  const words: readonly (readonly [number, string])[] = [
    [KEPT_USER, 'user 0 (nobody is not mapped here)'],
    [KEPT_GROUPS, 'group 0'],
    [KEPT_CAPABILITIES, 'capabilities'],
    [KEPT_NEW_PRIVILEGES, 'the right to gain privileges'],
    [KEPT_SYSTEM_CALLS, 'all system calls'],
  ];
  for (const [kept, said] of words) assert.equal(describePrivileges({ uid: 0, kept }), `runs as user 0, kept ${said}`);
  const everything = words.reduce((sum, [bit]) => sum | bit, 0);
  assert.equal(
    describePrivileges({ uid: 7, kept: everything }),
    `runs as user 7, kept ${words.map(([, said]) => said).join(', ')}`,
  );
});
