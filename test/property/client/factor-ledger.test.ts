import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { factorLedger } from '../../../client/factors/factor-ledger.ts';
import { ledgerName } from '../../../client/profiles/ledger-name.ts';
import { KnockError } from '../../../shared/errors.ts';
import { inHome, testProfile } from '../../support/client/client-deps.ts';
import { supportProgram } from '../../support/host/built.ts';

const CHILD = supportProgram('client/reserving-client');
const owner = { platform: process.platform, uid: process.getuid?.() };

function reserving(folder: string, count: number, ...more: string[]): Promise<{ factors: number[]; signal: unknown }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CHILD, folder, `${count}`, ...more], (error, stdout) => {
      resolve({ factors: stdout.split('\n').filter(Boolean).map(Number), signal: error?.signal });
    });
  });
}

test('when four processes reserve at the same time then no factor is given twice', async () => {
  await inHome(async (home) => {
    const all = await Promise.all([1, 2, 3, 4].map(() => reserving(join(home, 'spent'), 40)));
    const factors = all.flatMap((each) => each.factors);
    assert.equal(factors.length, 160);
    assert.equal(new Set(factors).size, 160);
    for (const each of all)
      assert.deepEqual(
        each.factors,
        [...each.factors].sort((a, b) => a - b),
      );
  });
});

test('when a process is killed right after a reservation then the next one gets a higher factor', async () => {
  await inHome(async (home) => {
    const folder = join(home, 'spent');
    const killed = await reserving(folder, 3, 'crash');
    assert.equal(killed.signal, 'SIGKILL');
    assert.deepEqual(killed.factors, [0, 1]);
    assert.deepEqual((await reserving(folder, 1)).factors, [3]);
  });
});

test('whatever is asked for in whatever order within one process, reservations only rise', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(30), { minLength: 1, maxLength: 40 }), async (asked) => {
      await inHome(async (home) => {
        const ledger = factorLedger(join(home, 'spent'), owner);
        let highest = -1;
        for (const factor of asked) {
          assert.equal(await ledger.reserve(factor), factor > highest);
          highest = Math.max(highest, factor);
          assert.equal(await ledger.last(), highest);
        }
      });
    }),
    { numRuns: 25 },
  );
});

test('when many factors were reserved then only a few names are kept', async () => {
  await inHome(async (home) => {
    const ledger = factorLedger(join(home, 'spent'), owner);
    for (let factor = 0; factor < 50; factor += 1) await ledger.reserve(factor);
    assert.equal((await readdir(ledger.folder)).length, 8);
    assert.equal(await ledger.last(), 49);
  });
});

test('when a cleaned-up factor is asked for again then it is refused', async () => {
  await inHome(async (home) => {
    const ledger = factorLedger(join(home, 'spent'), owner);
    for (let factor = 0; factor < 20; factor += 1) await ledger.reserve(factor);
    assert.equal(await ledger.reserve(2), false);
  });
});

test('when the folder of used factors can be written by others then nothing is reserved', async () => {
  await inHome(async (home) => {
    const ledger = factorLedger(join(home, 'spent'), owner);
    await ledger.reserve(1);
    await chmod(ledger.folder, 0o777);
    await assert.rejects(ledger.reserve(2), (error) => error instanceof KnockError && error.code === 'INSECURE_FILE');
  });
});

test('when the folder cannot be made then the error is STORE and nothing is reserved', async () => {
  const ledger = factorLedger('/dev/null/spent', owner);
  await assert.rejects(ledger.reserve(2), (error) => error instanceof KnockError && error.code === 'STORE');
});

test('when the same secret is added under another name or host then it finds the same used factors', () => {
  const name = ledgerName(testProfile());
  assert.equal(ledgerName(testProfile({ host: '198.51.100.9' })), name);
  assert.notEqual(ledgerName(testProfile({ door: 'web' })), name);
  assert.notEqual(ledgerName(testProfile({ step: 60 })), name);
});
