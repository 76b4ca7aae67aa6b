/** What is wrong in a file is said again when another file took its place, though the numbers of the lines are the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../../../server/log/log.ts';
import { DoorLines, NO_NOTES } from '../../../../server/one-time/door-lines.ts';
import { LineReports } from '../../../../server/one-time/line-reports.ts';
import { parseSequencesFile } from '../../../../shared/formats/sequences-file.ts';

/** Reads one text after the other as the file of a door; how many warnings each reading caused. `use`: a line is used first. */
function warnings(texts: readonly string[], use = false): readonly number[] {
  const said: string[] = [];
  const log = { warn: (message: string, fields: unknown) => said.push(`${message} ${JSON.stringify(fields)}`) };
  const reports = new LineReports(log as unknown as Log);
  const lines = new DoorLines(1);
  let before = NO_NOTES;
  const counts = texts.map((text, at) => {
    const earlier = said.length;
    const { notes } = lines.update(parseSequencesFile(new TextEncoder().encode(text)));
    reports.notes({ name: 'd', path: '/list' }, notes, before);
    before = notes;
    const [first] = lines.present;
    const begun = use && at === 0 && first !== undefined ? lines.begin(first.id) : undefined;
    if (begun !== undefined) lines.finish(begun);
    return said.length - earlier;
  });
  assert.doesNotMatch(said.join('\n'), /700\d/);
  return counts;
}

test('when a file with a repeated line is replaced by another one then that is said again', () => {
  assert.deepEqual(warnings([' 7001\n 7001\n 7003\n', ' 7005\n 7005\n 7007\n']), [1, 1]);
  assert.deepEqual(warnings([' 7001\n 7001\n 7003\n', ' 7003\n 7003\n 7001\n']), [1, 1]);
});

test('when a file with a line that is no sequence is replaced by another one then that is said again', () => {
  assert.deepEqual(warnings([' 7001x\n 7003\n', ' 7002x\n 7003\n']), [1, 1]);
});

test('when the same lines are read again, struck or with more below, then nothing is said again', () => {
  const first = ' 7001\n 7001\n 7003x\n';
  assert.deepEqual(warnings([first, first, `#${first.slice(1)}`, `${first} 7009\n`]), [2, 0, 0, 0]);
});

test('when another used line stands unstruck then that is said', () => {
  assert.deepEqual(warnings([' 7001\n', ' 7001\n', ' 7001\n'], true), [0, 1, 0]);
});
