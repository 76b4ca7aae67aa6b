/** knockd's file format: the kind of each line, and the bytes that a strike changes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type FileLine,
  findLine,
  formatSequenceLine,
  isStruckInPlace,
  isUnspent,
  linePairs,
  parseSequencesFile,
  struckBytes,
} from '../../../../shared/formats/sequences-file.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');
const parse = (text: string) => parseSequencesFile(bytes(text));

/** `1 sequence 7000 8000:udp`, one for each line. */
function shown(lines: readonly FileLine[]): string[] {
  return lines.map((line) => {
    const { number, kind } = line;
    const knocks = 'knocks' in line ? line.knocks.map(({ port, protocol }) => ` ${port}/${protocol}`).join('') : '';
    return `${number} ${kind}${knocks}`;
  });
}

describe('a line of the file', () => {
  const cases: readonly [string, string][] = [
    ['7000,8000,9000', 'sequence 7000/tcp 8000/tcp 9000/tcp'],
    [' 7000,8000', 'sequence 7000/tcp 8000/tcp'],
    ['\t 7000:udp , 8000:TCP ,9000\t', 'sequence 7000/udp 8000/tcp 9000/tcp'],
    ['7000 : Udp', 'sequence 7000/udp'],
    ['7000,7000', 'sequence 7000/tcp 7000/tcp'],
    ['07000', 'sequence 7000/tcp'],
    ['65535,1', 'sequence 65535/tcp 1/tcp'],
    ['#7000,8000', 'struck 7000/tcp 8000/tcp'],
    ['  # 7000', 'struck 7000/tcp'],
    ['# used in May: 7000,8000', 'comment'],
    ['# caf\u00e9 \u00ff\u0000', 'comment'],
    ['#', 'comment'],
    ['##7000', 'comment'],
    ['', 'blank'],
    [' \t ', 'blank'],
  ];
  for (const [text, expected] of cases) {
    test(`when it is ${JSON.stringify(text)} then it is ${expected.split(' ')[0]}`, () => {
      assert.deepEqual(shown(parse(`${text}\n`)), [`1 ${expected}`]);
    });
  }

  const knock = (at: number) => `knock ${at} is not a port from 1 to 65535, with :tcp or :udp or neither`;
  const MARK = 'it begins with a byte order mark';
  const LONG = 'it is longer than 4094 bytes';
  const malformed: readonly (readonly [string, string])[] = [
    ['0', knock(1)],
    ['65536', knock(1)],
    ['7000,', knock(2)],
    [',7000', knock(1)],
    ['7000,,8000', knock(2)],
    ['7000,8000,sctp', knock(3)],
    ['7000:sctp', knock(1)],
    ['7000:udp:x', knock(1)],
    ['7000:', knock(1)],
    ['abc', knock(1)],
    ['-5', knock(1)],
    ['+5', knock(1)],
    ['7003x', knock(1)],
    ['x7003', knock(1)],
    ['0x1b58', knock(1)],
    ['7e3', knock(1)],
    ['7000 8000', knock(1)],
    ['7000;8000', knock(1)],
    ['7000 # comment', knock(1)],
    ['7000\u0000', knock(1)],
    ['7000,8000\r9000', knock(2)],
    ['7000\r\r', knock(1)],
    ['\u00ef\u00bb\u00bf7000', MARK],
    ['\u00ef\u00bb\u00bf', MARK],
    ['\u00ef\u00bb7000', knock(1)],
    ['\u00ef\u00ba\u00bf7000', knock(1)],
    ['\u00ee\u00bb\u00bf7000', knock(1)],
    ['\u00a07000', knock(1)],
    [Array.from({ length: 33 }, (_, at) => 1000 + at).join(','), 'it has more than 32 knocks'],
    [`7000,${' '.repeat(4086)}8000`, LONG],
    [`\u00ef\u00bb\u00bf${' '.repeat(4100)}8000`, MARK],
  ];
  for (const [text, reason] of malformed) {
    test(`when it is ${JSON.stringify(text).slice(0, 30)} then it is malformed, and the reason does not quote it`, () => {
      const [line] = parse(text);
      assert(line?.kind === 'malformed');
      assert.equal(line.reason, reason);
    });
  }

  test('when it is as long as knockd reads then it is a sequence, blanks around it aside', () => {
    const most = `7000,${' '.repeat(4085)}8000`;
    assert.deepEqual(shown(parse(` ${most}\t \n`)), ['1 sequence 7000/tcp 8000/tcp']);
    assert.deepEqual(shown(parse(`#${most}\n`)), ['1 struck 7000/tcp 8000/tcp']);
    assert.deepEqual(shown(parse(`# ${most}\n`)), ['1 comment']);
  });

  test('when it has 32 knocks then it is a sequence', () => {
    const [line] = parse(Array.from({ length: 32 }, (_, at) => `${1000 + at}:udp`).join(','));
    assert.equal(line?.kind === 'sequence' && line.knocks.length, 32);
  });

  test('when the generator writes it then it is read as the same knocks, and begins with a blank', () => {
    const knocks = [{ protocol: 'tcp', port: 7000 } as const, { protocol: 'udp', port: 8000 } as const];
    const text = formatSequenceLine(knocks);
    assert.equal(text, ' 7000,8000:udp');
    const [line] = parse(text);
    assert(line?.kind === 'sequence');
    assert.deepEqual(line.knocks, knocks);
    assert.deepEqual(linePairs(line), [7000, 65536 + 8000]);
  });
});

describe('a file', () => {
  test('when it has every kind of line then numbers and offsets are those of an editor', () => {
    const lines = parse('# head\r\n 7000\r\n\r\nbad\n8000');
    assert.deepEqual(
      lines.map(({ number, offset, length, kind }) => [number, offset, length, kind]),
      [
        [1, 0, 6, 'comment'],
        [2, 8, 5, 'sequence'],
        [3, 15, 0, 'blank'],
        [4, 17, 3, 'malformed'],
        [5, 21, 4, 'sequence'],
      ],
    );
  });

  test('when a line is only the end of one then it is blank, with CR and without', () => {
    const places = parse('\n\r\n\r').map(({ kind, offset, length }) => [kind, offset, length]);
    assert.deepEqual(places, [
      ['blank', 0, 0],
      ['blank', 1, 0],
      ['blank', 3, 0],
    ]);
  });

  test('when it is empty then it has no lines', () => {
    assert.deepEqual(parse(''), []);
  });

  test('when a sequence stands in several lines then they are told apart, struck or not, however they are written', () => {
    const lines = parse('#7000,8000\n 7000:tcp, 8000\n7000\n7000,8000:udp\n7000,8000\n');
    assert.deepEqual(
      lines.map((line) => ('repeats' in line ? line.repeats : -1)),
      [0, 1, 0, 0, 2],
    );
  });

  test('when sequences have the same digits then they are told apart by where a knock ends', () => {
    const lines = parse('1,11\n11,1\n111\n1:udp\n65537\n');
    assert.deepEqual(
      lines.map((line) => ('repeats' in line ? line.repeats : line.kind)),
      [0, 0, 0, 0, 'malformed'],
    );
    assert.equal(new Set(lines.map((line) => ('key' in line ? line.key : ''))).size, 5);
  });

  test('when lines come and go above a line then it is found again', () => {
    const [, , line] = parse('7000\n7000,8000\n 9000\n');
    assert(line?.kind === 'sequence');
    assert.equal(findLine(parse('# new\n1\n2\n9000'), line)?.number, 4);
    assert.equal(findLine(parse('7000\n#9000\n'), line)?.kind, 'struck');
    assert.equal(findLine(parse('7000\n9001\n9000:udp\n'), line), undefined);
  });

  test('when the second of two equal lines is meant then it is the second that is found, and the last that is left', () => {
    const second = parse('7000\n7000\n')[1];
    assert(second?.kind === 'sequence');
    assert.equal(findLine(parse('\n7000\n8000\n7000\n7000\n'), second)?.number, 4);
    assert.equal(findLine(parse('7000\n'), second)?.number, 1);
  });

  test('when other lines are looked at then none is taken for the one that is meant', () => {
    const [, line] = parse('7000\n8000,9000\n');
    assert(line?.kind === 'sequence');
    assert.equal(findLine(parse('# 8000,9000 and\n\n8000,9000,\n8000\n9000,8000\n'), line), undefined);
    assert.equal(findLine(parse('8000, 9000:TCP\n8000,9000\n'), line)?.number, 1);
  });
});

describe('a strike', () => {
  test('changes one byte where a blank or a tab is at the beginning, and puts one in otherwise', () => {
    const text = ' 1\n\t2\n3\n';
    const inPlace = parse(text)
      .filter(isUnspent)
      .map((line) => isStruckInPlace(bytes(text), line));
    assert.deepEqual(inPlace, [true, true, false]);
    assert.deepEqual(struckBytes(bytes(text), []), new Uint8Array(bytes(text)));
  });

  // Each file, with an arrow after the used line; and the file afterwards.
  const cases: readonly [string, string, string, string][] = [
    ['a blank gives way to the #', ' 7000,8000\n', ' 7000,8000', '#7000,8000\n'],
    ['a tab gives way to the #', '\t7000,8000\n', '\t7000,8000', '#7000,8000\n'],
    ['no digit is destroyed', '7000,8000\n', '7000,8000', '#7000,8000\n'],
    ['no newline at the end', '1\n7000,8000', '7000,8000', '1\n#7000,8000'],
    ['CRLF stays', ' 1\r\n 7000\r\n 2\r\n', ' 7000', ' 1\r\n#7000\r\n 2\r\n'],
    ['CRLF stays where a # is put in', '1\r\n7000\r\n2\r\n', '7000', '1\r\n#7000\r\n2\r\n'],
    ['a malformed line before it', '7000,abc\n7000,8000\n', '7000,8000', '7000,abc\n#7000,8000\n'],
    ['a malformed line after it', '7000,8000\n7000,abc\n', '7000,8000', '#7000,8000\n7000,abc\n'],
    ['the same first half', ' 7000,8000,1\n 7000,8000,2\n', ' 7000,8000,2', ' 7000,8000,1\n#7000,8000,2\n'],
    ['the same but for the protocol', ' 7000\n 7000:udp\n', ' 7000:udp', ' 7000\n#7000:udp\n'],
    ['a longer line before it', ' 7000,8000\n 7000\n', ' 7000', ' 7000,8000\n#7000\n'],
    ['struck lines and comments around it', '#1\n# x\n 2\n#3\n', ' 2', '#1\n# x\n#2\n#3\n'],
    ['two blanks', '  7000\n', '  7000', '# 7000\n'],
    ['bytes of no encoding', '#\u00ff\u00fe\n 7000\n\u0080\n', ' 7000', '#\u00ff\u00fe\n#7000\n\u0080\n'],
  ];
  for (const [name, text, used, expected] of cases) {
    test(`when there is ${name} then exactly the used line is struck`, () => {
      const lines = parse(text);
      const line = lines.filter(isUnspent).find(({ offset, length }) => text.slice(offset, offset + length) === used);
      assert(line !== undefined);
      const after = struckBytes(bytes(text), [line]);
      assert.equal(Buffer.from(after).toString('latin1'), expected);
      assert.equal(findLine(parseSequencesFile(after), line)?.kind, 'struck');
    });
  }

  test('when two lines are equal then the one that is meant is struck', () => {
    const text = ' 7000\n 7000\n';
    const [first, second] = parse(text).filter(isUnspent);
    assert(first !== undefined && second !== undefined);
    assert.equal(Buffer.from(struckBytes(bytes(text), [second])).toString(), ' 7000\n#7000\n');
    assert.equal(Buffer.from(struckBytes(bytes(text), [first])).toString(), '#7000\n 7000\n');
  });

  test('when several lines are struck in any order then each is', () => {
    const text = '1\n 2\r\n3\n 4';
    const [one, two, three, four] = parse(text).filter(isUnspent);
    assert(one && two && three && four);
    assert.equal(Buffer.from(struckBytes(bytes(text), [four, one, three])).toString(), '#1\n 2\r\n#3\n#4');
  });
});
