/** Runs the whole bench in a small size. It takes two minutes, so it runs only in CI. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../../../scripts/lab/running-process.ts';
import { inHome } from '../../support/client/client-deps.ts';

const main = fileURLToPath(new URL('../../../scripts/bench/main.ts', import.meta.url));
const skip = process.env['CI'] === 'true' ? false : 'two minutes: CI=true';

test('npm run bench -- --quick measures every section and writes a report', { skip, timeout: 900_000 }, async () => {
  await inHome(async (folder) => {
    const words = [process.execPath, '--import', 'tsx', main, '--quick', '--out', folder];
    const { code, stderr } = await run(words, { timeoutMs: 800_000 });
    assert.equal(code, 0, stderr);
    const { sections } = JSON.parse(await readFile(join(folder, 'benchmarks.json'), 'utf8')) as { sections: object };
    assert.deepEqual(Object.keys(sections).sort(), ['client', 'flat', 'flood', 'lossy', 'opening', 'rest', 'rotation']);
    const report = await readFile(join(folder, 'BENCHMARKS.md'), 'utf8');
    assert.ok(!/NaN|undefined/.test(report), report);
    assert.match(await readFile(join(folder, 'benchmarks.svg'), 'utf8'), /^<svg/);
  });
});
