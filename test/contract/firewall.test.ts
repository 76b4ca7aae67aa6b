/**
 * Runs the firewall contract, and what only nftables does, in a network namespace of its own: firewall-inside.ts is started
 * there, because a process cannot move all of its threads. Here only whether it could be, and what came out.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const INSIDE = fileURLToPath(new URL('./firewall-inside.ts', import.meta.url));

test('the firewall contract holds for nftables through libnftables and nft, and for commands', (t) => {
  const namespace = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  const possible = spawnSync('unshare', [...namespace, 'nft', 'list', 'ruleset'], { encoding: 'utf8' });
  if (possible.status !== 0) {
    t.skip(`no network namespace with nftables here: ${possible.stderr || possible.error?.message}`);
    return;
  }
  // Without this variable the tests inside report to us in the runner's own format instead of in text.
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    [...namespace, '--kill-child', '--fork', process.execPath, '--import', 'tsx', INSIDE],
    { encoding: 'utf8', env: environment, timeout: 300_000, maxBuffer: 64 * 1024 * 1024 },
  );
  const failures = stdout
    .split('\n')
    .filter((line) => /^\s*(not ok|error:|expected:|actual:|location:| {2}at )/.test(line));
  assert.equal(status, 0, [...failures, stderr, stdout.slice(-2000)].join('\n'));
  const passed = Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0);
  assert(passed > 40, `only ${passed} tests ran inside\n${stdout.slice(-2000)}`);
  for (const skipped of stdout.split('\n').filter((line) => line.includes('# SKIP'))) t.diagnostic(skipped.trim());
});
