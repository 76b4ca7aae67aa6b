/** The privileges that the capture child drops, in a separate process, because dropping is irreversible. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describePrivileges } from '../../../../../server/capture/child/privileges.ts';
import {
  KEPT_CAPABILITIES,
  KEPT_GROUPS,
  KEPT_NEW_PRIVILEGES,
  KEPT_SYSTEM_CALLS,
  KEPT_USER,
  USER_FORBIDDEN,
  USER_UNMAPPED,
  USER_WITHOUT_LIBC,
} from '../../../../../server/capture/records.ts';
import { assertNobody } from '../../../../support/daemon/thread-rights.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const program = fileURLToPath(new URL('../../../../support/daemon/privileges-child.ts', import.meta.url));

interface Dropped {
  readonly uid: number;
  readonly kept: number;
}

/** The result of a process that drops its privileges; `look` sees it afterwards, while it still runs. */
async function dropped(words: readonly string[], look: (pid: number) => void = () => {}): Promise<Dropped> {
  const options = ['--v8-pool-size=0', '--import', 'tsx', program, ...words];
  const child = spawn(process.execPath, options, { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  try {
    const line = (await once(child.stdout, 'data')) as [Buffer];
    look(child.pid ?? 0);
    return JSON.parse(line.toString()) as Dropped;
  } finally {
    child.stdin.end();
    await closed;
  }
}

test('when there is no libc then users and groups go all the same, and what stays is told', {
  skip: !isRoot,
}, async () => {
  // Changing the user takes the capabilities too.
  const { uid, kept } = await dropped(['without']);
  assert.equal(uid, NOBODY);
  assert.equal(kept, KEPT_NEW_PRIVILEGES | KEPT_SYSTEM_CALLS);
});

test('when there is a libc then nothing stays that the system lets go of', { skip: !isRoot }, async () => {
  assert.deepEqual(await dropped(['with'], assertNobody), { uid: NOBODY, kept: 0 });
});

test('when Node cannot change the user then the C library does, for every thread', { skip: !isRoot }, async () => {
  assert.deepEqual(await dropped(['with', 'refusing'], assertNobody), { uid: NOBODY, kept: 0 });
});

test('when neither can change the user then that is the reason, and not an unmapped nobody', {
  skip: !isRoot,
}, async () => {
  const result = await dropped(['without', 'refusing']);
  assert.equal(
    describePrivileges(result),
    'runs as user 0, kept user 0 (koffi is missing, and this Node.js cannot change it), group 0, capabilities, ' +
      'the right to gain privileges, all system calls',
  );
});

test('what was kept is said in words, and each thing by itself', () => {
  assert.equal(
    describePrivileges({ uid: NOBODY, kept: 0 }),
    `dropped to user ${NOBODY}, no capabilities, few system calls`,
  );
  const words: readonly (readonly [number, string])[] = [
    [KEPT_USER, 'user 0'],
    [KEPT_GROUPS, 'group 0'],
    [KEPT_CAPABILITIES, 'capabilities'],
    [KEPT_NEW_PRIVILEGES, 'the right to gain privileges'],
    [KEPT_SYSTEM_CALLS, 'all system calls'],
  ];
  for (const [kept, said] of words) assert.equal(describePrivileges({ uid: 0, kept }), `runs as user 0, kept ${said}`);
  const reasons: readonly (readonly [number, string])[] = [
    [USER_UNMAPPED, 'nobody is not mapped here'],
    [USER_FORBIDDEN, 'no CAP_SETUID to change it'],
    [USER_WITHOUT_LIBC, 'koffi is missing, and this Node.js cannot change it'],
  ];
  for (const [bit, reason] of reasons) {
    assert.equal(describePrivileges({ uid: 0, kept: KEPT_USER | bit }), `runs as user 0, kept user 0 (${reason})`);
  }
  const everything = words.reduce((sum, [bit]) => sum | bit, 0);
  assert.equal(
    describePrivileges({ uid: 7, kept: everything }),
    `runs as user 7, kept ${words.map(([, said]) => said).join(', ')}`,
  );
});
