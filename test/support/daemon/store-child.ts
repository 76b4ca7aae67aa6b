/**
 * A process that writes to a state directory, for tests that kill it or break the disk. `spend` writes until it is killed and
 * prints each acknowledged change. `full-disk` needs its own mount namespace. `write-error` limits what it may write. The
 * last two check themselves and end with status 0.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSqliteStore, type SqliteStore } from '../../../server/store/sqlite-store.ts';
import { addressKey } from '../../../shared/address.ts';
import { KnockError } from '../../../shared/errors.ts';
import { sayAtOnce } from '../host/say.ts';

const OWNER = { door: 'ssh', client: 'laptop', keyId: 'k1' };
const SOURCE = addressKey('192.0.2.1') ?? assert.fail();

const [mode, directory = ''] = process.argv.slice(2);
if (mode === 'spend') await spendUntilKilled(directory);
else if (mode === 'full-disk') await fillTheDisk(directory);
else if (mode === 'write-error') await limitWrites(directory);
else assert.fail(`unknown mode ${mode}`);

async function spendUntilKilled(directory: string): Promise<never> {
  const store = openSqliteStore(directory);
  const { factors, clockHighWater } = await store.load();
  let clock = clockHighWater;
  let next = Math.max(-1, ...factors.map(({ spent }) => spent)) + 1;
  for (;;) {
    const owner = { ...OWNER, client: `c${next % 3}` };
    await store.spend(
      owner,
      { spent: next, drift: 0 },
      { ...OWNER, source: SOURCE, openedAt: next, expiresAt: next + 1 },
    );
    say(`spent ${owner.client} ${next}`);
    if (next % 4 === 1) await store.confirmOpen('ssh', SOURCE).then(() => say(`confirmed ${next}`));
    if (next % 4 === 3) await store.closeGrant('ssh', SOURCE).then(() => say(`closed ${next}`));
    clock += 1;
    await store.noteClock(clock);
    say(`clock ${clock}`);
    next += 1;
  }
}

/** Writes straight to the pipe: everything the test reads was acknowledged, whatever happens to this process. */
function say(line: string): void {
  sayAtOnce(1, line);
}

async function fillTheDisk(mountPoint: string): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=0700', 'tmpfs', mountPoint]);
  const store = openSqliteStore(join(mountPoint, 'state'));
  await store.spend(OWNER, { spent: 0, drift: 0 });
  const filler = join(mountPoint, 'filler');
  fill(filler);
  const accepted = await spendUntilRefused(store, 1);
  rmSync(filler);
  await checkUsable(store, accepted);

  remount(mountPoint, 'ro');
  assert.throws(() => openSqliteStore(join(mountPoint, 'state')), isStoreError);
  remount(mountPoint, 'rw');
  const again = openSqliteStore(join(mountPoint, 'state'));
  assert.equal((await again.load()).factors[0]?.spent, accepted + 1);
  await again.close();
}

async function limitWrites(directory: string): Promise<void> {
  process.on('SIGXFSZ', () => undefined);
  const store = openSqliteStore(directory);
  await store.spend(OWNER, { spent: 0, drift: 0 });
  limitFileSize('8192:unlimited');
  const accepted = await spendUntilRefused(store, 1);
  limitFileSize('unlimited:unlimited');
  await checkUsable(store, accepted);
}

/** Returns the last accepted factor. A page or two may still fit on the full disk. */
async function spendUntilRefused(store: SqliteStore, first: number): Promise<number> {
  for (let factor = first; factor < first + 20; factor += 1) {
    try {
      await store.spend(OWNER, { spent: factor, drift: 0 }, { ...OWNER, source: SOURCE, openedAt: 1, expiresAt: 2 });
    } catch (error) {
      assert(isStoreError(error), String(error));
      assert.match((error as KnockError).hint ?? '', /stays shut/);
      assert((error as KnockError).cause !== undefined);
      // The refused change is absent, the accepted one present, and a second try is refused for the same reason.
      assert.equal((await store.load()).factors[0]?.spent, factor - 1);
      await assert.rejects(store.spend(OWNER, { spent: factor, drift: 0 }), isStoreError);
      return factor - 1;
    }
  }
  assert.fail('the store did not notice that it cannot write');
}

async function checkUsable(store: SqliteStore, accepted: number): Promise<void> {
  await assert.rejects(store.spend(OWNER, { spent: accepted, drift: 0 }), { code: 'FACTOR_USED' });
  await store.spend(OWNER, { spent: accepted + 1, drift: 0 });
  assert.equal((await store.load()).factors[0]?.spent, accepted + 1);
  await store.close();
}

function fill(path: string): void {
  for (const size of [65_536, 4096, 1]) {
    try {
      for (let piece = 0; piece < 4096; piece += 1) writeFileSync(path, Buffer.alloc(size), { flag: 'a' });
      assert.fail('the disk is larger than the test thinks');
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    }
  }
}

function remount(mountPoint: string, how: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${how}`, mountPoint]);
}

function limitFileSize(limits: string): void {
  execFileSync('prlimit', ['--pid', `${process.pid}`, `--fsize=${limits}`]);
}

function isStoreError(error: unknown): boolean {
  return error instanceof KnockError && error.code === 'STORE';
}
