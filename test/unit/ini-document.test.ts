import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnockError } from '../../shared/errors.ts';
import { formatIni, MAX_INI_CHARACTERS, MAX_INI_LINE_CHARACTERS, parseIni } from '../../shared/ini-document.ts';

/** The only section's entries as `rawKey` to value. */
function entriesOf(text: string): [string, string | undefined][] {
  const { sections, problems } = parseIni(text);
  assert.deepEqual(problems, []);
  assert.equal(sections.length, 1);
  return (sections[0]?.entries ?? []).map(({ rawKey, value }) => [rawKey, value]);
}

const verbatim: readonly { value: string; why: string }[] = [
  { value: '/sbin/iptables -A INPUT -s %IP% ; logger open', why: 'ini cuts at ;' },
  { value: 'sh -c "echo x # y"', why: 'ini cuts at #' },
  { value: '"quoted"', why: 'ini strips quotes' },
  { value: "'quoted'", why: 'ini strips single quotes' },
  { value: '"half', why: 'ini tries JSON on quotes' },
  { value: 'a = b == c', why: 'only the first = splits' },
  { value: '[x] y [z]', why: 'brackets in a value are no section' },
  { value: 'true', why: 'ini makes it a boolean' },
  { value: 'false', why: 'ini makes it a boolean' },
  { value: 'null', why: 'ini makes it null' },
  { value: 'back\\slash \\; \\#', why: 'ini unescapes' },
  { value: 'a\u2028b\u2029c', why: 'ini drops lines with a line separator' },
  { value: '\u00a0x\u00a0', why: 'only ASCII blanks are trimmed, as knockd does' },
  { value: '#not a comment', why: 'comments stand at line start only' },
  { value: '__proto__', why: 'a value is never a name' },
];

for (const { value, why } of verbatim) {
  test(`when a value is ${JSON.stringify(value)} then it is kept to the letter (${why})`, () => {
    assert.deepEqual(entriesOf(`[door]\ncommand = ${value}\n`), [['command', value]]);
  });
}

test('when a key has no = then it has no value, and with = and nothing behind it the value is empty', () => {
  assert.deepEqual(entriesOf('[options]\nUseSyslog\nlogfile =\n'), [
    ['UseSyslog', undefined],
    ['logfile', ''],
  ]);
});

test('when keys are named like properties of objects then they are plain keys', () => {
  assert.deepEqual(entriesOf('[__proto__]\n__proto__ = a\nconstructor = b\nlist[] = c\ntoString\n'), [
    ['__proto__', 'a'],
    ['constructor', 'b'],
    ['list[]', 'c'],
    ['toString', undefined],
  ]);
  assert.equal(Object.getOwnPropertyNames(Object.prototype).includes('a'), false);
});

test('when sections have dots then they do not nest', () => {
  const { sections } = parseIni('[a]\nx = 1\n[a.b]\ny = 2\n[a\\.c]\nz = 3\n');
  assert.deepEqual(
    sections.map(({ name }) => name),
    ['a', 'a.b', 'a\\.c'],
  );
});

test('when a file has CRLF, a byte order mark, indents and comments then lines still count from 1', () => {
  const { sections, problems } = parseIni('\uFEFF# top\r\n\r\n  [ ssh ]\r\n\t# in\r\n\tKnocks =\t6 \r\n; c = d\r\n');
  assert.deepEqual(problems, []);
  assert.deepEqual(sections, [
    {
      name: 'ssh',
      line: 3,
      entries: [
        { key: 'knocks', rawKey: 'Knocks', value: '6', line: 5 },
        { key: '; c', rawKey: '; c', value: 'd', line: 6 },
      ],
    },
  ]);
});

const flawed: readonly { text: string; line: number; message: RegExp; why: string }[] = [
  { text: 'a = 1\n[s]\n', line: 1, message: /before any section/, why: 'it belongs to nothing' },
  { text: '[s]\n[t # x\nb = 2\n', line: 2, message: /does not end with \]/, why: 'the header is open' },
  { text: '[s]\n[ ]\nb = 2\n', line: 2, message: /without a name/, why: 'the header is empty' },
  { text: '[s]\n= 2\n', line: 2, message: /without a key/, why: 'there is nothing to set' },
  { text: '[s]\na = \0\n', line: 2, message: /U\+0000.* column 5/, why: 'C programs would stop reading there' },
  { text: '[s]\na = b\rc\n', line: 2, message: /U\+000D/, why: 'a terminal would overwrite the line' },
  { text: '[s]\na = \u001b[2J\n', line: 2, message: /U\+001B/, why: 'a terminal would obey' },
  {
    text: `[s]\na = ${'x'.repeat(MAX_INI_LINE_CHARACTERS)}\n`,
    line: 2,
    message: /characters, more than/,
    why: 'length',
  },
  { text: '[s]\na = 1\nA = 2\n', line: 3, message: /line 2 /, why: 'keys have no case, and none may win in silence' },
  { text: '[s]\na = 1\n[s]\n', line: 3, message: /line 1 /, why: 'a section stands twice' },
];

for (const { text, line, message, why } of flawed) {
  test(`when a file is ${JSON.stringify(text).slice(0, 40)} then line ${line} is one problem (${why})`, () => {
    const { problems } = parseIni(text);
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.line, line);
    assert.match(problems[0]?.message ?? '', message);
  });
}

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

const unwritable: readonly { name: string; key: string; value: string; why: string }[] = [
  { name: 's', key: 'k', value: 'a\nb = c', why: 'a line break would make a second key' },
  { name: 's', key: 'k', value: ' a', why: 'the blank would be trimmed' },
  { name: 's', key: 'k=', value: 'a', why: 'the key would end at =' },
  { name: 's', key: '#k', value: 'a', why: 'the key would be a comment' },
  { name: 's]\n[t', key: 'k', value: 'a', why: 'the name would open another section' },
  { name: '', key: 'k', value: 'a', why: 'there is no such section' },
];

for (const { name, key, value, why } of unwritable) {
  test(`when ${JSON.stringify([name, key, value])} is to be written then it is refused without quoting it (${why})`, () => {
    assert.throws(
      () => formatIni([{ name, entries: [{ key, value }] }]),
      (error) => error instanceof KnockError && error.code === 'CONFIG_INVALID' && !error.message.includes('= c'),
    );
  });
}

test('when a comment would become a line of its own then nothing is written', () => {
  assert.throws(() => formatIni([], ['fine\n[door]']), KnockError);
});
