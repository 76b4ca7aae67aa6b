/** Types the commands that CONTRIBUTING.md shows: the fast loop, one test, a release in a copy of the repository. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { mustRun } from '../../../scripts/lab/running-process.ts';
import { documentText, fencedBlocks } from '../../support/documents/documents.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const VERSION = '99.0.1';
const isLong = process.env['KNOCK_OTP_LONG'] !== undefined || process.env['CI'] === 'true';
const whenLong = { skip: isLong ? false : 'runs with --long and in CI', timeout: 300_000 };

/** The lines of the block with this mark, without their comments. */
function linesOf(mark: string): readonly string[] {
  const block = fencedBlocks(documentText('CONTRIBUTING.md')).find((each) => each.mark === mark);
  assert.ok(block !== undefined, mark);
  return block.text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ {2,}#.*$/, ''));
}

async function type(line: string, folder: string): Promise<string> {
  return await mustRun(['bash', '-c', line], { cwd: folder, timeoutMs: 240_000 });
}

test('the fast loop and the test of one file run as CONTRIBUTING.md shows them', whenLong, async () => {
  const lines = linesOf('contributing-check');
  assert.equal(lines.length, 5);
  for (const line of lines) {
    const typed = line.replace('REV', 'HEAD');
    // The working tree may have any changes, so only the line that names files runs the tests of its files.
    const isListed = typed.startsWith('npm') && !typed.includes('shared/') && !typed.includes('--list');
    await type(isListed ? `${typed}${typed.includes(' -- ') ? '' : ' --'} --list` : typed, root);
  }
});

test('the commands of a release work in a copy of the repository', whenLong, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'knock-otp-release-'));
  const copy = join(folder, 'copy');
  try {
    await mustRun(['git', 'clone', '--quiet', '--no-tags', root, copy]);
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    for (const words of ['user.name x', 'user.email x@example.org', 'commit.gpgsign false', 'tag.gpgsign false']) {
      await mustRun(['git', 'config', ...words.split(' ')], { cwd: copy });
    }
    const lines = linesOf('contributing-release').map((line) => line.replaceAll('VERSION', VERSION));
    // The tests run already, and test/contract/service/package.test.ts makes the Debian package.
    for (const line of lines.filter((each) => !/npm (?:test|run package)/.test(each))) await type(line, copy);
    await mustRun(['tar', '-tzf', join(copy, `knock-otp-${VERSION}.tgz`), 'package/dist/knock-otp.cjs']);
    const program = ['node', join(copy, 'dist/knock-otp.cjs'), '--version'];
    assert.match(await mustRun(program), new RegExp(`\\b${VERSION.replaceAll('.', '\\.')}\\b`));
    assert.match(
      await readFile(join(copy, 'docs/INSTALL.md'), 'utf8'),
      new RegExp(`npm install .*/knock-otp-${VERSION}\\.tgz`),
    );
    assert.equal((await mustRun(['git', 'status', '--porcelain'], { cwd: copy })).trim(), '');
    assert.equal((await mustRun(['git', 'describe'], { cwd: copy })).trim(), `v${VERSION}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
