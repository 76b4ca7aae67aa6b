/** Problems of INI text that cannot be read, their lines, and the reading of the lines around them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_INI_CHARACTERS, MAX_INI_LINE_CHARACTERS, parseIni } from '../../../../shared/formats/ini-document.ts';

const CONTROL = 'the file must be plain text';
const ONE_OF_TWO = 'keep one of the two';
const OWN_NAME = 'give each section a name of its own';
const RIGHT_FILE = 'is it the right file?';
const longer = MAX_INI_LINE_CHARACTERS + 1;

interface Flawed {
  readonly text: string;
  readonly line: number;
  readonly says: string;
  readonly hint: string;
  readonly section?: string;
  readonly key?: string;
  /** What is read nevertheless: sections with their entries. */
  readonly reads: Readonly<Record<string, readonly string[]>>;
  readonly why: string;
}

const flawed: readonly Flawed[] = [
  {
    text: 'a = 1\n[s]\n',
    line: 1,
    says: 'a line before any section',
    hint: 'begin with a line such as [options]',
    reads: { s: [] },
    why: 'it belongs to nothing',
  },
  {
    text: '[s]\n[t # x\nb = 2\n[u]\nc = 3',
    line: 2,
    says: 'a section that does not end with ]',
    hint: 'comments need a line of their own',
    reads: { s: [], u: ['c=3'] },
    why: 'the header is open, and what follows is neither of the section before nor a problem of its own',
  },
  {
    text: '[t\nb = 2\n',
    line: 1,
    says: 'a section that does not end with ]',
    hint: 'comments need a line of their own',
    reads: {},
    why: 'the first header is open, which does not leave its lines before any section',
  },
  {
    text: '[s]\na = 1\n[ \t]\nb = 2\n',
    line: 3,
    says: 'a section without a name',
    hint: 'write [options], or the name of a door',
    reads: { s: ['a=1'] },
    why: 'the header is empty',
  },
  {
    text: '[s]\n= 2\nb = 3\n',
    line: 2,
    says: 'a value without a key',
    hint: 'write key = value',
    reads: { s: ['b=3'] },
    why: 'there is nothing to set',
  },
  ...(
    [
      ['a = \0', '0000', 5, 'C programs would stop reading there'],
      ['\u0008a = b', '0008', 1, 'a terminal would go back'],
      ['a = b\u000bc', '000B', 6, 'the first behind the line feed'],
      ['a = b\rc', '000D', 6, 'a terminal would overwrite the line'],
      ['a = \u001b[2J', '001B', 5, 'a terminal would obey'],
      ['a = \u001f', '001F', 5, 'the last before the blank'],
      ['a = \u007f', '007F', 5, 'the one behind all letters'],
    ] as const
  ).map(([text, code, column, why]) => ({
    text: `[s]\n${text}\nb = 3\n`,
    line: 2,
    says: `a control character (U+${code}) in column ${column}`,
    hint: CONTROL,
    reads: { s: ['b=3'] },
    why,
  })),
  {
    text: `[s]\n${'x'.repeat(longer)}\n`,
    line: 2,
    says: `a line of ${longer} characters, more than ${MAX_INI_LINE_CHARACTERS}`,
    hint: 'put a long command into a script',
    reads: { s: [] },
    why: 'its length',
  },
  {
    text: '[s]\na = 1\nA = 2\n',
    line: 3,
    says: 'this key is already at line 2 of the section',
    hint: ONE_OF_TWO,
    section: 's',
    key: 'A',
    reads: { s: ['a=1', 'A=2'] },
    why: 'keys have no case, and none may win in silence',
  },
  {
    text: '[s]\na = 1\n[s]\na = 1\n',
    line: 3,
    says: 'this section is already at line 1',
    hint: OWN_NAME,
    section: 's',
    reads: { s: ['a=1'] },
    why: 'a section stands twice',
  },
];

for (const { text, line, says, hint, section, key, reads, why } of flawed) {
  test(`when a file is ${JSON.stringify(text).slice(0, 40)} then line ${line} is one problem (${why})`, () => {
    const { sections, problems } = parseIni(text);
    const place = { line, ...(section === undefined ? {} : { section }), ...(key === undefined ? {} : { key }) };
    assert.deepEqual(problems, [{ ...place, message: says, hint }]);
    const read = sections.map(({ name, entries }) => [name, entries.map((one) => `${one.rawKey}=${one.value}`)]);
    assert.deepEqual(Object.fromEntries(read), reads);
  });
}

test('when a key of one section stands in another then that is no problem', () => {
  assert.deepEqual(parseIni('[s]\na = 1\n[t]\na = 1\n').problems, []);
});

test('when a line is as long as a line may be then it is read', () => {
  const value = 'x'.repeat(MAX_INI_LINE_CHARACTERS - 4);
  const { sections, problems } = parseIni(`[s]\na = ${value}\n`);
  assert.deepEqual(problems, []);
  assert.equal(sections[0]?.entries[0]?.value, value);
});

test('when a file is as long as a file may be then it is read, and with one character more it is not', () => {
  const most = `[s]\n${'\n'.repeat(MAX_INI_CHARACTERS - 4)}`;
  assert.deepEqual(parseIni(most), { sections: [{ name: 's', line: 1, entries: [] }], problems: [] });
  assert.deepEqual(parseIni(`${most}#`), {
    sections: [],
    problems: [{ message: 'the file has 1048577 characters, more than 1048576', hint: RIGHT_FILE }],
  });
});

test('when a file of 10 MB is read then it is refused with its size, quickly', () => {
  const { sections, problems } = parseIni('[s]\na = 1\n'.repeat(1_000_000));
  assert.deepEqual(sections, []);
  assert.match(problems[0]?.message ?? '', /10000000 characters, more than 1048576/);
});

test('when each line of a large file is wrong then the list of problems stays short', () => {
  const { problems } = parseIni('x\n'.repeat(MAX_INI_CHARACTERS / 2));
  assert.equal(problems.length, 101);
  assert.match(problems.at(-1)?.message ?? '', /not listed/);
});

test('when a hundred lines are wrong then all are listed, and with one more it is said that there are more', () => {
  const hundred = parseIni('x\n'.repeat(100)).problems;
  assert.deepEqual(
    hundred.map(({ line }) => line),
    Array.from({ length: 100 }, (_, at) => at + 1),
  );
  const more = { message: 'further problems of this kind are not listed', hint: RIGHT_FILE };
  assert.deepEqual(parseIni('x\n'.repeat(101)).problems, [...hundred, more]);
});
