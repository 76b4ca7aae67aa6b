/** The grammar of INI files: what is kept exactly, and what can be written. Errors are in ini-problems. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIni, parseIni } from '../../../../shared/formats/ini-document.ts';

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
  { value: '#not a comment', why: 'comments are only at line start' },
  { value: '__proto__', why: 'a value is never a name' },
  { value: 'a\uFEFFb', why: 'a byte order mark is one at the beginning of a file only' },
  { value: 'a\tb', why: 'a tab is a blank' },
  { value: 'a\u0080b~', why: 'what surrounds control characters is none' },
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

const unwritten = {
  name: 'KnockError',
  code: 'CONFIG_INVALID',
  message: 'a name, key or value cannot be written to a file of sections',
  hint: 'no line breaks, control characters or blanks at an end, and no name twice',
};
const unwritable: readonly { name: string; key: string; value: string; why: string }[] = [
  { name: 's', key: 'k', value: 'a\nb = c', why: 'a line break would make a second key' },
  { name: 's', key: 'k', value: ' a', why: 'the blank would be trimmed' },
  { name: 's', key: 'k\t', value: 'a', why: 'the tab of the key would be trimmed' },
  { name: 's ', key: 'k', value: 'a', why: 'the blank of the name would be trimmed' },
  { name: 's', key: 'k=', value: 'a', why: 'the key would end at =' },
  { name: 's', key: '#k', value: 'a', why: 'the key would be a comment' },
  { name: 's]\n[t', key: 'k', value: 'a', why: 'the name would open another section' },
  { name: '', key: 'k', value: 'a', why: 'there is no such section' },
  { name: 's', key: 'k', value: 'a\u0007', why: 'a bell is not plain text' },
  { name: 's', key: '', value: 'a', why: 'a value needs a key' },
];

for (const { name, key, value, why } of unwritable) {
  test(`when ${JSON.stringify([name, key, value])} is to be written then it is refused without quoting it (${why})`, () => {
    assert.throws(() => formatIni([{ name, entries: [{ key, value }] }]), unwritten);
  });
}

test('when a comment would become a line of its own then nothing is written', () => {
  assert.throws(() => formatIni([], ['fine\n[door]']), unwritten);
});

test('when a section or a key stands twice then nothing is written', () => {
  const door = { name: 'door', entries: [{ key: 'k', value: 'a' }] };
  assert.throws(() => formatIni([door, door]), unwritten);
  assert.throws(() => formatIni([{ name: 'door', entries: [...door.entries, { key: 'K', value: 'a' }] }]), unwritten);
});

test('when sections are written then blank lines part them from each other and from the comment', () => {
  const ssh = { key: 'start_command', value: 'echo a = b' };
  const sections = [
    { name: 'options', entries: [{ key: 'UseSyslog' }, { key: 'logfile', value: '' }] },
    { name: 'ssh', entries: [ssh] },
    { name: 'empty', entries: [] },
  ];
  const body = '[options]\nUseSyslog\nlogfile =\n\n[ssh]\nstart_command = echo a = b\n\n[empty]\n';
  assert.equal(formatIni(sections), body);
  assert.equal(formatIni(sections, ['made by hand', '']), `# made by hand\n# \n\n${body}`);
  assert.equal(formatIni([], []), '');
});
