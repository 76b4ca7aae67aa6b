/**
 * The client on a failing disk: strace makes each system call fail that makes a used factor or a struck line durable,
 * one after the other. No knock may be sent before all of them have succeeded. Knocks go to loopback, without a
 * listener.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mustRun, run } from '../../../scripts/lab/running-process.ts';
import { parsePortRanges } from '../../../shared/allowed-ports.ts';
import { formatProfileUri } from '../../../shared/formats/profile-uri.ts';
import { Secret } from '../../../shared/secret.ts';
import { skipWithoutStrace } from '../../support/faults/strace.ts';
import { hasPatience } from '../../support/host/inside-namespaces.ts';

const client = fileURLToPath(new URL('../../../dist/client/main.js', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'knock-otp-client-'));
after(() => rmSync(home, { recursive: true, force: true }));
const env = {
  HOME: home,
  XDG_CONFIG_HOME: join(home, 'config'),
  XDG_STATE_HOME: join(home, 'state'),
  NODE_EXTRA_CA_CERTS: '',
  // V8 writes its coverage at the end, by calls that look like ours.
  NODE_V8_COVERAGE: '',
  // strace counts the calls of each thread.
  UV_THREADPOOL_SIZE: '1',
};
const options = { skip: skipWithoutStrace(), timeout: 240_000 };
const lines = join(home, 'lines');
const SYNCING = 'fsync,fdatasync,pwrite64';

interface Seen {
  readonly code: number;
  readonly stderr: string;
  readonly injected: boolean;
  /** Knocks that were sent; then successful calls that made data durable: those before the first knock, and all. */
  readonly knocks: number;
  readonly durableBefore: number;
  readonly durable: number;
}

async function underStrace(args: readonly string[], ...words: string[]): Promise<Seen> {
  const log = join(home, 'strace');
  const argv = ['strace', '-f', '-o', log, '-e', `trace=connect,openat,${SYNCING}`, ...words];
  const { code, stderr } = await run([...argv, process.execPath, client, ...args], { env });
  const rows = readFileSync(log, 'latin1').split('\n');
  const isKnock = (row: string) =>
    /connect\(.*sin_port=htons\(\d{2,}\), sin_addr=inet_addr\("127\.0\.0\.1"\)/.test(row);
  const isDurable = (row: string) => /(fsync|fdatasync)(\(| resumed).*= 0$/.test(row);
  const first = rows.findIndex(isKnock);
  return {
    code,
    stderr,
    injected: rows.some((row) => row.includes('(INJECTED)')),
    knocks: rows.filter(isKnock).length,
    durableBefore: rows.slice(0, first < 0 ? 0 : first).filter(isDurable).length,
    durable: rows.filter(isDurable).length,
  };
}

async function walk(args: readonly string[], calls: readonly string[]): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const call of calls) {
    for (const errno of hasPatience() ? ['EIO', 'ENOSPC', 'EROFS'] : ['EIO']) {
      for (let nth = 1; nth < 20; nth += 1) {
        const seen = await underStrace(args, '-e', `inject=${call}:error=${errno}:when=${nth}`);
        if (!seen.injected) break;
        assert.equal(seen.knocks, 0, `${call} ${nth} failed with ${errno}, and ${seen.knocks} knocks left`);
        assert.equal(seen.code, 1, seen.stderr);
        assert.match(seen.stderr, /knock-otp: error: /);
        failed.push(`${call} ${nth}`);
      }
    }
  }
  return failed;
}

test('when a factor cannot be made durable then no knock of it leaves, and it is never used', options, async (t) => {
  const uri = formatProfileUri({
    server: 'bastion',
    door: 'gate',
    client: 'laptop',
    mode: 'hotp',
    secret: Secret.fromBase32('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'),
    host: '127.0.0.1',
    knocks: 6,
    range: parsePortRanges('1024-65535'),
    exclude: [],
    protocols: 'tcp',
    order: 'any',
    step: 30,
    window: 1,
    counter: 0,
    seqTimeout: 10,
    services: [],
  });
  await mustRun([process.execPath, client, 'add', '-', '--as', 'bastion'], { env, input: `${uri}\n` });
  const args = ['bastion', '--no-verify'];
  const plain = await underStrace(args);
  assert.equal(plain.code, 0, plain.stderr);
  assert(plain.knocks >= 6, `${plain.knocks} knocks`);
  assert(plain.durableBefore >= 2, 'a file and its folder');
  assert.equal(plain.durableBefore, plain.durable, 'something was made durable after a knock had left');
  const failed = await walk(args, ['fsync']);
  t.diagnostic(failed.join(', '));
  assert(failed.includes('fsync 1') && failed.includes('fsync 2'), failed.join());

  // The file of the factor cannot be made: a full disk.
  const folders = readdirSync(home, { recursive: true, encoding: 'utf8' });
  const used = folders.filter((path) => /\/\d+$/.test(path));
  const last = Math.max(...used.map((path) => Number(path.split('/').at(-1))));
  const next = join(home, used[0]?.replace(/\d+$/, `${last + 1}`) ?? assert.fail('no ledger'));
  const full = await underStrace(args, '-P', next, '-e', 'inject=openat:error=ENOSPC:when=1');
  assert.equal(full.injected, true);
  assert.equal(full.knocks, 0);
  assert.match(full.stderr, /cannot save that a factor is used.*ENOSPC/);
});

test('when a line of a list cannot be struck then no knock of it leaves', options, async (t) => {
  const line = (at: number) => ` ${[1, 2, 3, 4, 5].map((step) => 20_000 + 100 * at + step).join(',')}\n`;
  writeFileSync(lines, Array.from({ length: 60 }, (_, at) => line(at)).join(''), { mode: 0o600 });
  const args = ['127.0.0.1', '--one-time', lines, '--no-verify'];
  const plain = await underStrace(args);
  assert.equal(plain.code, 0, plain.stderr);
  assert(plain.knocks >= 5 && plain.durableBefore >= 1);
  const failed = await walk(args, ['pwrite64', 'fdatasync']);
  t.diagnostic(failed.join(', '));
  assert(failed.includes('fdatasync 1') && failed.includes('pwrite64 1'), failed.join());
});
