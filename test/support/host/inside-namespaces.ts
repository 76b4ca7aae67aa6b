/** Runs a test file inside private namespaces, because a process cannot move all of its threads into others. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { OUTER_MOUNTS } from './private-etc.ts';

export interface InsideOptions {
  /** How many tests must pass, so that a file that ran nothing is not a success. */
  readonly atLeast: number;
  /** Whether the file needs a mount namespace too. */
  readonly mounts?: boolean;
  readonly timeoutMs?: number;
}

/** Skips without namespaces, fails with the failures inside, and passes on the skipped tests. */
export function runInside(t: TestContext, file: string, { atLeast, mounts, timeoutMs = 300_000 }: InsideOptions): void {
  const own = [
    ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
    '--net',
    ...(mounts ? ['--mount'] : []),
  ];
  const possible = spawnSync('unshare', [...own, 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
  if (possible.status !== 0) {
    t.skip(`no network namespace with nftables here: ${possible.stderr || possible.error?.message}`);
    return;
  }
  // Without this variable the tests inside report in the runner's own format instead of in text.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const env = { ...environment, [OUTER_MOUNTS]: readlinkSync('/proc/self/ns/mnt') };
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [...own, '--kill-child', '--fork', process.execPath, '--import', 'tsx', file],
    { encoding: 'utf8', env, timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024 },
  );
  const failures = stdout
    .split('\n')
    .filter((line) => /^\s*(not ok|error:|expected:|actual:|location:| {2}at )/.test(line));
  assert.equal(status, 0, [...failures, stderr, stdout.slice(-2000)].join('\n'));
  const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0);
  assert(passed >= atLeast, `only ${passed} tests ran inside\n${stdout.slice(-2000)}`);
  const skipped = stdout.split('\n').filter((line) => line.includes('# SKIP'));
  for (const line of skipped) t.diagnostic(line.trim());
  if (process.env['CI'] === 'true') assert.deepEqual(skipped, [], 'nothing may be skipped in CI: scripts/setup --test');
}

/** Whether long tests run: in CI and with --long. */
export function hasPatience(): boolean {
  return process.env['CI'] === 'true' || process.env['KNOCK_OTP_LONG'] !== undefined;
}

/** Skips a backend whose programs take minutes for the whole contract. */
export function needsPatience(t: TestContext): boolean {
  if (hasPatience()) return false;
  t.skip('its programs take minutes to answer all of it: npm test -- --long');
  return true;
}

/**
 * Buses and ufw change to other users and check the owners of files. A user namespace of one user has no other users.
 */
export function needsRoot(t: TestContext): boolean {
  const isRoot =
    process.getuid?.() === 0 && /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));
  if (isRoot || process.env['CI'] === 'true') return false;
  t.skip('only root can give such programs an /etc of their own');
  return true;
}
