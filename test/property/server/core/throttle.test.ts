import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { networkOf } from '../../../../server/core/contest.ts';
import { Throttle, type ThrottleLimits } from '../../../../server/core/throttle.ts';
import { address } from '../../../support/core/doors.ts';

const sources = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'].map(address);

interface Event {
  readonly kind: 'fail' | 'succeed';
  readonly source: number;
  readonly door: string;
  readonly gapMs: number;
}

/** The end of the lock-out, from all events of one source at one door, newest last. */
function referenceEnd(events: readonly (Event & { atMs: number })[], { failures, timeMs }: ThrottleLimits): number {
  const after = events.slice(events.findLastIndex(({ kind }) => kind === 'succeed') + 1);
  let count = 0;
  let quietFromMs = Number.NEGATIVE_INFINITY;
  let endMs = Number.NEGATIVE_INFINITY;
  for (const { atMs } of after) {
    count = atMs < quietFromMs + timeMs ? count + 1 : 1;
    const beyond = count - failures;
    endMs = failures > 0 && beyond > 0 ? atMs + Math.min(timeMs * 2 ** (beyond - 1), 3_600_000) : atMs;
    quietFromMs = endMs;
  }
  return endMs;
}

test('who is locked out, and until when, agrees with the naive definition over the whole past', () => {
  fc.assert(
    fc.property(
      fc.record({ failures: fc.integer({ min: 0, max: 4 }), timeMs: fc.integer({ min: 1, max: 3_600_000 }) }),
      fc.array(
        fc.record({
          kind: fc.constantFrom('fail' as const, 'fail' as const, 'fail' as const, 'succeed' as const),
          source: fc.integer({ min: 0, max: sources.length - 1 }),
          door: fc.constantFrom('ssh', 'web'),
          gapMs: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 8_000_000 })),
        }),
        { maxLength: 60 },
      ),
      (limits, events) => {
        const throttle = new Throttle(limits);
        const past: (Event & { atMs: number })[] = [];
        let atMs = 0;
        for (const event of events) {
          atMs += event.gapMs;
          const source = sources[event.source];
          assert.ok(source !== undefined);
          const ofSame = past.filter(
            ({ door, source: other }) =>
              door === event.door && networkOf(sources[other] ?? source) === networkOf(source),
          );
          assert.equal(throttle.isLockedOut(event.door, source, atMs), atMs < referenceEnd(ofSame, limits));
          past.push({ ...event, atMs });
          if (event.kind === 'succeed') throttle.succeed(event.door, source);
          else throttle.fail(event.door, source, atMs);
        }
      },
    ),
    { numRuns: process.env['KNOCK_OTP_LONG'] !== undefined ? 50_000 : 500 },
  );
});
