/** Runs every target for half a second, and ten seconds in CI. scripts/fuzz runs them for as long as you like. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readCorpus } from './corpus.ts';
import { Loop } from './loop.ts';
import { Chance, Mutator } from './mutate.ts';
import { fuzzTarget, loadTarget } from './session.ts';
import { targetNames } from './target.ts';

const SECONDS = process.env['CI'] === 'true' ? 10 : 0.5;
const seed = Number(process.env['KNOCK_OTP_FUZZ_SEED'] ?? Date.now() % 1_000_000);

after(() => rmSync(new URL('../../dist/fuzz', import.meta.url), { recursive: true, force: true }));

for (const name of targetNames) {
  test(`when ${name} reads anything, then what must hold of it holds`, async (t) => {
    const { outcome, failure } = await fuzzTarget(name, { inputs: Number.POSITIVE_INFINITY, seconds: SECONDS }, seed);
    assert.equal(failure, undefined, failure);
    t.diagnostic(`${outcome.inputs} inputs, ${outcome.reached} of ${outcome.edges} branches, seed ${seed}`);
    assert.ok(outcome.inputs > readCorpus(name).length, 'nothing but the kept inputs ran');
  });
}

const planted = fileURLToPath(new URL('planted-bug.ts', import.meta.url));

test('when a bug lies behind five bytes, then the branches lead to it, and the same seed finds the same', async () => {
  const found = [];
  for (let again = 0; again < 2; again += 1) {
    const { target, counts, edges } = await loadTarget(planted);
    const outcome = await new Loop(target, counts, edges, [], 7).run([], { inputs: 2_000_000, seconds: 60 });
    assert.match(String(outcome.failure?.error), /the planted bug/);
    found.push([outcome.inputs, outcome.failure?.input]);
  }
  assert.deepEqual(found[0], found[1]);
});

test('when an input is changed, then it stays within its limit, and neither original changes', () => {
  const chance = new Chance(3);
  const mutator = new Mutator(chance, [Uint8Array.of(1, 2, 3)], 8);
  const input = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const other = Uint8Array.of(9, 9, 9);
  const seen = new Set<string>();
  for (let turn = 0; turn < 2000; turn += 1) {
    const changed = mutator.mutated(input, other);
    assert.ok(changed.length <= 8);
    seen.add(changed.join());
  }
  assert.deepEqual([...input], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.deepEqual([...other], [9, 9, 9]);
  assert.ok(seen.size > 500, `only ${seen.size} different ones`);
});
