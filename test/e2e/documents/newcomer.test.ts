/** The README's way from the tarball to a session, on two clean Debians. scripts/lab/newcomer.ts has the steps and checks. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithoutNamespaces } from '../../../scripts/lab/namespaces.ts';
import { run } from '../../../scripts/lab/running-process.ts';
import { typedSession } from '../../../scripts/lab/typed-session.ts';
import { hasPatience, needsRoot } from '../../support/host/inside-namespaces.ts';

const repository = fileURLToPath(new URL('../../../', import.meta.url));
const skip = skipWithoutNamespaces() || (hasPatience() ? false : 'it makes a Debian and compiles: npm test -- --long');

test('a newcomer gets from the tarball to a session in five minutes', { skip, timeout: 1_500_000 }, async (t) => {
  if (needsRoot(t)) return;
  const readme = await readFile(join(repository, 'README.md'), 'utf8');
  const { code, stdout, stderr } = await run([join(repository, 'scripts/newcomer')], { timeoutMs: 1_400_000 });
  for (const line of stdout.trimEnd().split('\n')) t.diagnostic(line);
  assert.equal(code, 0, `${stdout}${stderr}`);
  for (const { command } of typedSession(readme, 'newcomer')) assert.ok(stdout.includes(command), command);
  assert.match(stdout, /^a session after [\d.]+ s$/m);
  assert.match(stdout, /from stranger: 22\/tcp filtered\n.*from laptop: 22\/tcp filtered\n$/);
});
