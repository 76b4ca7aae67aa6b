/** A look at a port: how long it may take, and that it counts only time in which the process runs. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { lookAtPort, portLookMs } from '../../../../client/knock/port-look.ts';
import { inHome, testDeps, testWorld } from '../../../support/client/client-deps.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const ADDRESS = { address: '192.0.2.1', family: 4 } as const;

const rows: readonly (readonly [why: string, rttMs: number, agoMs: number, expected: number])[] = [
  ['a near host', 1, 60_000, 40],
  ['a host whose round trips fill the least', 7, 60_000, 41],
  ['a far one', 100, 60_000, 320],
  ['one beyond a satellite', 700, 60_000, 500],
  ['a grant that lasts most likely', 1, 2999, 500],
  ['one that may be over', 1, 3000, 40],
  ['the same moment', 1, 0, 500],
  ['a clock that was set back', 1, -1, 40],
];

test('when somebody came in a moment ago then the look is long, else it is some round trips', () => {
  for (const [why, rttMs, agoMs, expected] of rows) {
    const last = { address: ADDRESS.address, port: 22, rttMs, atMs: NOW_MS - agoMs };
    assert.equal(portLookMs(last, NOW_MS), expected, why);
  }
  assert.equal(portLookMs(undefined, NOW_MS), 40);
});

/** How many turns of the event loop a look takes, each of `turnMs`, and its result. */
async function looked(turnMs: number, answersAfterTurns: number): Promise<{ turns: number; isOpen: boolean }> {
  let turns = 0;
  let nowMs = 0;
  return await inHome(async (home) => {
    const { deps } = testDeps(testWorld(), home);
    let answer: (() => void) | undefined;
    const socket = await lookAtPort(ADDRESS, 22, 40, {
      clock: {
        ...deps.clock,
        monotonicMs: () => nowMs,
        sleep: async () => {
          turns += 1;
          nowMs += turnMs;
          if (turns >= answersAfterTurns) answer?.();
          await new Promise(setImmediate);
        },
      },
      network: {
        ...deps.network,
        probe: (_address, _port, _seen, signal) =>
          new Promise((resolve) => {
            answer = () => resolve(new Socket());
            signal.addEventListener('abort', () => resolve(undefined), { once: true });
          }),
      },
    });
    return { turns, isOpen: socket !== undefined };
  });
}

test('when the process hardly runs then a look lasts as many turns, and not as many milliseconds', async () => {
  assert.deepEqual(await looked(5, 99), { turns: 8, isOpen: false });
  assert.deepEqual(await looked(200, 99), { turns: 5, isOpen: false });
  assert.deepEqual(await looked(200, 3), { turns: 3, isOpen: true }, 'the answer is read in the third turn');
});

test('when the process is stopped for seconds then the look is over, and what came meanwhile is read', async () => {
  assert.deepEqual(await looked(3000, 99), { turns: 2, isOpen: false });
  assert.deepEqual(await looked(3000, 2), { turns: 2, isOpen: true });
});
