/** Files of one-time sequences: any bytes, and the effect of striking lines. */
import assert from 'node:assert/strict';
import {
  findLine,
  isUnspent,
  MAX_LINE_KNOCKS,
  parseSequencesFile,
  type SequenceLine,
  struckBytes,
} from '../../../shared/formats/sequences-file.ts';
import type { Target } from '../target.ts';

function run(input: Uint8Array): void {
  const lines = parseSequencesFile(input);
  let end = 0;
  for (const [at, line] of lines.entries()) {
    assert.equal(line.number, at + 1);
    assert.equal(line.offset, end, 'lines leave no byte between them');
    assert.ok(line.length >= 0 && line.offset + line.length <= input.length);
    const newline = input.indexOf(0x0a, line.offset);
    end = newline < 0 ? input.length : newline + 1;
    if (line.kind !== 'sequence' && line.kind !== 'struck') continue;
    assert.ok(line.knocks.length >= 1 && line.knocks.length <= MAX_LINE_KNOCKS);
    for (const { port } of line.knocks) assert.ok(Number.isInteger(port) && port >= 1 && port <= 0xffff);
    assert.equal(findLine(lines, line), line);
  }
  assert.equal(end, input.length, 'every byte belongs to a line');
  const unspent = lines.filter(isUnspent);
  checkStrike(input, unspent.slice(0, 1));
  checkStrike(input, unspent);
}

/** The lines are struck, and no other line has changed. */
function checkStrike(input: Uint8Array, lines: readonly SequenceLine[]): void {
  const after = struckBytes(input, lines);
  assert.ok(after.length >= input.length && after.length <= input.length + lines.length);
  const struck = new Set(lines.map(({ number }) => number));
  const before = parseSequencesFile(input);
  const read = parseSequencesFile(after);
  assert.equal(read.length, before.length);
  for (const [at, line] of read.entries()) {
    const was = before[at];
    assert.equal(line.kind, struck.has(line.number) ? 'struck' : was?.kind);
    if ('key' in line && was !== undefined && 'key' in was) assert.equal(line.key, was.key);
  }
}

const texts = [
  ' 7000,8000:udp,9000:tcp\n#7001,8001\n# a comment\n\n 1,2,3\r\n',
  '7000, 8000 : UDP ,9000\n\t1:tcp,2\n7000,8000:udp,9000\n\xef\xbb\xbf1,2\n0,70000,x\n',
  ` ${Array.from({ length: 33 }, (_, at) => at + 1).join(',')}\n`,
];

export const target: Target = { seeds: texts.map((text) => Buffer.from(text, 'latin1')), maxLength: 1024, run };
