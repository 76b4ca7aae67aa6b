/** Sends the same packets to Debian's knockd and to knock-otpd with the same knockd.conf, and compares all openings. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { sourceAddress } from '../support/core/packet-script.ts';
import { BesideKnockd, type Side, skipWithoutPrograms } from '../support/host/beside-knockd.ts';
import { DOOR_KEY_SCRIPTS } from './door-key-scripts.ts';
import { type DifferenceName, INTENDED_DIFFERENCES } from './intended-differences.ts';
import { ONE_TIME_SCRIPTS } from './one-time-scripts.ts';
import { SEQUENCE_SCRIPTS } from './sequence-scripts.ts';

const options = { skip: skipWithoutPrograms('tcpreplay'), timeout: 300_000 };
const SCRIPT_GROUPS = [...SEQUENCE_SCRIPTS, ...DOOR_KEY_SCRIPTS];
const LETTERS = ['A', 'B', 'C', 'A6', 'B6'];
/** Scripts that share one knock-otpd, each with its own sources: as many as the numbers below the barrier's source. */
const SHARE = 9;

/** The commands' output with the letters of the script's sources, without that of other sources. */
function byLetter(said: readonly string[], number: number): readonly string[] {
  return said.flatMap((line) => {
    const [door = '', address] = line.split(' ');
    const letter = LETTERS.find((candidate) => sourceAddress(candidate, number) === address);
    return letter === undefined ? [] : [`${door} ${letter}`];
  });
}

async function openings(side: Side, number: number, from: number): Promise<readonly string[]> {
  return byLetter((await side.said()).slice(from), number);
}

// Concurrent, because each test has its own namespaces, and this file runs last: serially, one core would be idle for a minute.
describe('a host that sends', { concurrency: 3 }, () => {
  for (const group of SCRIPT_GROUPS) {
    test(group.title, options, async (t) => {
      await using both = await BesideKnockd.create();
      await both.configure(group.doors);
      for (const [at, script] of group.scripts.entries()) {
        const number = at % SHARE;
        await t.test(`when a host sends ${script.title} then both do as the list says`, async () => {
          // A new knockd for each script, because its memory of one source changes its behaviour for the next.
          await both.knockd.stop();
          await both.knockd.start(both.config);
          if (number === 0) {
            if (at > 0) await both.ours.stop();
            await both.ours.start(both.config);
          }
          const before = new Map<Side, number>();
          for (const side of both.sides) before.set(side, (await side.said()).length);
          await both.send(script.send, number);
          assert.deepEqual(await both.barrier(), []);
          const [theirs = [], own = []] = await Promise.all(
            both.sides.map((side) => openings(side, number, before.get(side) ?? 0)),
          );
          assert.deepEqual({ knockd: theirs, ours: own }, { knockd: script.opens, ours: script.ours ?? script.opens });
        });
      }
    });
  }

  for (const script of ONE_TIME_SCRIPTS) {
    test(`one-time sequences: when ${script.title} then both do as the list says`, options, async () => {
      await using both = await BesideKnockd.create();
      await both.configure(script.doors);
      await both.put('lines', script.lines);
      for (const side of both.sides) await side.start(both.config);
      await both.send(script.send);
      const ended = await both.barrier();
      const seen = await Promise.all(
        both.sides.map(async (side) => ({
          opens: await openings(side, 0, 0),
          lines: await readFile(`${side.dir}/lines`, 'utf8'),
          ended: ended.includes(side),
        })),
      );
      const expected = { opens: script.opens, lines: script.struck, ended: false };
      assert.deepEqual(
        { knockd: seen[0], ours: seen[1] },
        { knockd: { ...expected, ...script.knockd }, ours: { ...expected, ...script.ours } },
      );
    });
  }
});

test('when ours does something else than knockd then the list of differences says why, and so does the document', async () => {
  const differing = [...SCRIPT_GROUPS.flatMap(({ scripts }) => scripts), ...ONE_TIME_SCRIPTS];
  const named = new Set<DifferenceName>();
  for (const { title, because, ...rest } of differing) {
    assert.equal(because !== undefined, 'ours' in rest || 'knockd' in rest, title);
    if (because !== undefined) named.add(because);
  }
  assert.deepEqual([...named].sort(), Object.keys(INTENDED_DIFFERENCES).sort(), 'every difference has a script');
  const document = await readFile(new URL('../../docs/MIGRATING-FROM-KNOCKD.md', import.meta.url), 'utf8');
  const rows = document.split('\n').filter((line) => line.startsWith('|'));
  for (const { phrase } of Object.values(INTENDED_DIFFERENCES)) {
    assert.ok(
      rows.some((row) => row.includes(phrase)),
      `no row of the document has: ${phrase}`,
    );
  }
});
