import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Effect } from '../../../../server/core/effects.ts';
import { doorPolicy, enrolment, pairsFor } from '../../../support/core/doors.ts';
import { EngineBench, OTHER, SOURCE } from '../../../support/core/engine-bench.ts';

const laptop = enrolment('laptop');
// HOTP, because only a TOTP admission changes the drift.
const plain = doorPolicy({
  mode: 'hotp',
  shape: { knocks: 3, ports: [1, 2, 3, 4, 5, 6, 7, 8], protocols: 'tcp' },
  maxStrays: 2,
});
const sequences = [0, 1, 2].map((counter) => pairsFor(plain, laptop, counter));

/** A run of knocks of one sequence, or packets to any of the few ports. */
const piece = fc.record({
  pairs: fc.oneof(
    fc.tuple(fc.constantFrom(...sequences), fc.nat({ max: 3 })).map(([pairs, length]) => pairs.slice(0, length)),
    fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }),
  ),
  source: fc.constantFrom(SOURCE, OTHER),
  passMs: fc.oneof(fc.constant(0), fc.nat({ max: 4_000 })),
});

/** Which sequence was spent when, whether it opened or not. */
function uses(effects: readonly Effect[]): readonly unknown[] {
  return effects.flatMap((effect): readonly unknown[] => {
    if (effect.kind === 'ignored' || effect.kind === 'contested') return [];
    const isPenalty = effect.kind === 'refuse' && effect.reason === 'penalty';
    if (effect.kind !== 'admit' && !isPenalty) return [effect];
    return [{ used: effect.spend?.kind === 'factor' ? effect.spend.factor : undefined }];
  });
}

test('penalties decide whether a sequence opens, and change nothing else: what is used, and when, is the same', () => {
  let penal = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 1, max: 20_000 }), (pieces, penaltyMs) => {
      const [without, having] = [plain, { ...plain, penaltyMs }].map((door) => new EngineBench([door], [laptop]));
      assert.ok(without !== undefined && having !== undefined);
      for (const { pairs, source, passMs } of pieces) {
        for (const bench of [without, having]) bench.pass(passMs);
        const after: readonly Effect[] = having.knock(pairs, source);
        assert.deepEqual(uses(after), uses(without.knock(pairs, source)));
        penal += after.filter((effect) => effect.kind === 'refuse' && effect.reason === 'penalty').length;
      }
    }),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? 10_000 : 150 },
  );
  assert.ok(penal > 0, 'no run met a penalty: the property says nothing');
});
