/** The store contract for both stores; and SQLite with a failing disk, a second daemon and kill -9. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, test } from 'node:test';
import Database from 'better-sqlite3';
import { MemoryStore } from '../../../server/store/memory-store.ts';
import { openSqliteStore } from '../../../server/store/sqlite-store.ts';
import { supportProgram } from '../../support/host/built.ts';
import { grantFor, OWNER, source, storeContract } from './store.ts';

const CHILD = supportProgram('daemon/store-child');
const root = mkdtempSync(join(tmpdir(), 'knock-otp-store-'));
after(() => rmSync(root, { recursive: true, force: true }));

let made = 0;
function newDirectory(): string {
  made += 1;
  return join(root, `state-${made}`);
}

storeContract('memory', async () => new MemoryStore());
storeContract('SQLite', async () => openSqliteStore(newDirectory()));

describe('the SQLite store', () => {
  test('when it is closed and opened again then everything is there', async () => {
    const directory = newDirectory();
    const store = openSqliteStore(directory);
    await store.spend(OWNER, { spent: 3, drift: 1, lastUse: 5 }, grantFor('2001:db8::1'));
    await store.confirmOpen('ssh', source('2001:db8::1'));
    await store.noteClock(77);
    const before = await store.load();
    await store.close();
    const again = openSqliteStore(directory);
    assert.deepEqual(await again.load(), before);
    assert.equal(before.clockHighWater, 77);
    await assert.rejects(again.spend(OWNER, { spent: 3, drift: 0 }), { code: 'FACTOR_USED' });
    await again.close();
  });

  test('when it is made then nobody else can read its files, whatever the umask', async () => {
    const umask = process.umask(0);
    try {
      const directory = newDirectory();
      const store = openSqliteStore(directory);
      await store.spend(OWNER, { spent: 3, drift: 0 });
      assert.equal(statSync(directory).mode & 0o777, 0o700);
      const files = readdirSync(directory);
      assert(files.includes('state.db') && files.includes('state.db-wal'), files.join());
      for (const file of files) assert.equal(statSync(join(directory, file)).mode & 0o777, 0o600, file);
      await store.close();
    } finally {
      process.umask(umask);
    }
  });

  test('when it is in use then a second opener is refused with the directory in the message', async () => {
    const directory = newDirectory();
    const store = openSqliteStore(directory);
    assert.throws(() => openSqliteStore(directory), refusedNaming(directory, /in use/));
    await store.close();
    await openSqliteStore(directory).close();
  });

  test('when another process uses it then it is refused, and free as soon as that is killed', async () => {
    const directory = newDirectory();
    const child = startChild('spend', directory);
    await once(createInterface({ input: child.stdout }), 'line');
    assert.throws(() => openSqliteStore(directory), refusedNaming(directory, /in use/));
    child.kill('SIGKILL');
    await once(child, 'close');
    await openSqliteStore(directory).close();
  });

  const damages: readonly [string, (file: string) => void][] = [
    ['empty', (file) => truncateSync(file, 0)],
    ['cut short', (file) => truncateSync(file, 5000)],
    ['overwritten at its beginning', (file) => writeFileSync(file, Buffer.alloc(4096, 7), { flag: 'r+' })],
    ['overwritten in its pages', (file) => overwriteFrom(file, 4096)],
    ['another text', (file) => writeFileSync(file, 'hello')],
    ['another database', (file) => replaceBy(file, 'CREATE TABLE factors (x)')],
    ['of a later version', (file) => alter(file, 'PRAGMA user_version = 2')],
    ['writable by others', (file) => chmodSync(file, 0o602)],
  ];
  for (const [what, damage] of damages) {
    test(`when the file is ${what} then it is refused and left as it is`, async () => {
      const directory = newDirectory();
      const store = openSqliteStore(directory);
      for (let spent = 0; spent < 50; spent += 1) {
        await store.spend(OWNER, { spent, drift: 0 }, grantFor(`192.0.2.${spent}`));
      }
      await store.close();
      const file = join(directory, 'state.db');
      damage(file);
      const bytes = readFileSync(file);
      assert.throws(() => openSqliteStore(directory), refusedNaming(file, /./));
      assert.throws(() => openSqliteStore(directory), refusedNaming(file, /./));
      assert.deepEqual(readFileSync(file), bytes);
    });
  }

  test('when only the write-ahead log remains then a new state is refused', async () => {
    const directory = newDirectory();
    await openSqliteStore(directory).close();
    rmSync(join(directory, 'state.db'));
    writeFileSync(join(directory, 'state.db-wal'), 'x');
    assert.throws(() => openSqliteStore(directory), refusedNaming(join(directory, 'state.db'), /write-ahead log/));
    assert(!existsSync(join(directory, 'state.db')));
  });

  test('when making the state was cut off then the next start makes it whole', async () => {
    const directory = newDirectory();
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(directory, 'state.db.new'), 'half a data');
    const store = openSqliteStore(directory);
    assert.deepEqual((await store.load()).factors, []);
    await store.close();
  });

  test('when the directory is writable by others then it is refused', () => {
    const directory = newDirectory();
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    assert.throws(() => openSqliteStore(directory), refusedNaming(directory, /others/));
  });

  test('when the file is a link to another place then it is refused', async () => {
    const directory = newDirectory();
    await openSqliteStore(directory).close();
    renameSync(join(directory, 'state.db'), join(root, 'elsewhere.db'));
    symlinkSync(join(root, 'elsewhere.db'), join(directory, 'state.db'));
    assert.throws(() => openSqliteStore(directory), refusedNaming(directory, /link/));
  });

  test('when the file is moved away while it is open then nothing can be spent', async () => {
    const directory = newDirectory();
    const store = openSqliteStore(directory);
    const file = join(directory, 'state.db');
    renameSync(file, `${file}.away`);
    await assert.rejects(store.spend(OWNER, { spent: 1, drift: 0 }), { code: 'STORE' });
    writeFileSync(file, '');
    await assert.rejects(store.spend(OWNER, { spent: 1, drift: 0 }), { code: 'STORE' });
    renameSync(`${file}.away`, file);
    await store.spend(OWNER, { spent: 1, drift: 0 });
    await store.close();
  });

  test('when the directory cannot be made then STORE names it', () => {
    const file = join(root, 'a-file');
    writeFileSync(file, '');
    assert.throws(() => openSqliteStore(join(file, 'state')), { code: 'STORE' });
  });

  test('when writing fails then it rejects with STORE, and succeeds as soon as writing works again', () => {
    const { status, stderr } = spawnSync(process.execPath, [CHILD, 'write-error', newDirectory()], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });

  test('when the disk is full or read-only then it rejects with STORE, and succeeds when it is not', (t) => {
    const namespace = process.getuid?.() === 0 ? ['--mount'] : ['--user', '--map-root-user', '--mount'];
    if (spawnSync('unshare', [...namespace, 'true']).status !== 0) {
      t.skip('mount namespaces cannot be made here');
      return;
    }
    const mountPoint = newDirectory();
    mkdirSync(mountPoint);
    const { status, stderr } = spawnSync('unshare', [...namespace, process.execPath, CHILD, 'full-disk', mountPoint], {
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
  });

  const rounds = process.env['KNOCK_OTP_LONG'] !== undefined ? 600 : process.env['CI'] === 'true' ? 60 : 25;
  test(`when it is killed at ${rounds} random moments then all that was acknowledged is there`, async () => {
    const directory = newDirectory();
    const highest = new Map<string, number>();
    let clock = 0;
    let acknowledged = 0;
    for (let round = 0; round < rounds; round += 1) {
      const lines = await killedChild(directory);
      const said = lines.map((line) => line.split(' '));
      let grant: string | undefined;
      for (const [what, first = '', second = ''] of said) {
        if (what === 'spent') highest.set(first, Number(second));
        if (what === 'clock') clock = Number(first);
        else grant = what;
      }
      acknowledged += said.length;
      const store = openSqliteStore(directory);
      const state = await store.load();
      await store.close();
      for (const { client, spent: found } of state.factors) {
        // One more than acknowledged: the child was killed after the commit. It may be a client's first factor.
        const spent = highest.get(client) ?? Number(client.slice(1)) - 3;
        assert(found === spent || found === spent + 3, `round ${round}: ${client} spent ${spent}, found ${found}`);
      }
      for (const client of highest.keys()) {
        assert(
          state.factors.some((factor) => factor.client === client),
          `round ${round}: ${client} is lost`,
        );
      }
      for (const { client, spent } of state.factors) highest.set(client, spent);
      assert(state.clockHighWater >= clock && state.clockHighWater <= clock + 1);
      // The next round begins where this one ended, acknowledged or not.
      clock = state.clockHighWater;
      const last = Math.max(...highest.values());
      const [open] = state.grants;
      if (open !== undefined) {
        assert.equal(open.openedAt, last, 'a grant without its spent factor, or of an older one');
        if (grant === 'confirmed' && last % 4 === 1) assert(open.confirmed, `round ${round}: the confirmation is lost`);
      } else assert(grant === 'closed' || last % 4 === 3 || said.length === 0, `round ${round}: the grant is lost`);
    }
    assert(acknowledged > rounds * 3, `only ${acknowledged} changes in ${rounds} rounds: the test showed nothing`);
  });
});

function startChild(mode: string, directory: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const child = spawn(process.execPath, [CHILD, mode, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  assert(child.stdout !== null);
  return child as ChildProcess & { stdout: NodeJS.ReadableStream };
}

/** Kills a spending child up to a millisecond after a random number of acknowledgements. */
async function killedChild(directory: string): Promise<readonly string[]> {
  const child = startChild('spend', directory);
  const closed = once(child, 'close');
  const lines: string[] = [];
  const enough = 1 + Math.floor(Math.random() * 60);
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    if (lines.length !== enough) return;
    const until = performance.now() + Math.random();
    while (performance.now() < until);
    child.kill('SIGKILL');
  });
  await Promise.all([closed, once(reader, 'close')]);
  return lines;
}

function refusedNaming(path: string, message: RegExp) {
  return (error: unknown) => {
    assert(error instanceof Error && 'code' in error);
    assert.equal(error.code, 'STATE_REFUSED', error.message);
    assert(error.message.includes(path), error.message);
    assert.match(error.message, message);
    return true;
  };
}

function overwriteFrom(file: string, offset: number): void {
  const bytes = readFileSync(file);
  writeFileSync(file, Buffer.concat([bytes.subarray(0, offset), Buffer.alloc(bytes.length - offset, 0x5a)]));
}

function replaceBy(file: string, sql: string): void {
  rmSync(file);
  alter(file, sql);
}

function alter(file: string, sql: string): void {
  const database = new Database(file);
  database.exec(sql);
  database.close();
}
