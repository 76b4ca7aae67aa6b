import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIni, type IniDocument, parseIni } from '../../../shared/formats/ini-document.ts';

/** Pieces that have meaning to `ini`, to knockd's grammar or to JavaScript, mixed with any other text. */
const piece = fc.oneof(
  fc.constantFrom('[', ']', '=', ';', '#', '"', "'", '\\', ' ', '\t', '\n', '\r\n', '\r', '\0', '.', '[]', '\u2028'),
  fc.constantFrom('a', 'b', 'A', 'true', 'null', '__proto__', 'constructor', '[ssh]\n', 'key = value\n', '\uFEFF'),
  fc.string({ maxLength: 6, unit: 'binary' }),
);
const anyText = fc.array(piece, { maxLength: 60 }).map((parts) => parts.join(''));

const wellFormed = fc
  .string({ maxLength: 30, unit: fc.oneof(piece, fc.constantFrom('x', '7')) })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: removes what the grammar refuses
  .filter((text) => !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(text) && !/^[ \t]|[ \t]$/.test(text));
const name = wellFormed.filter((text) => text !== '');
const key = wellFormed.filter((text) => text !== '' && !text.includes('=') && !/^[#[]/.test(text));
const section = fc.record({
  name,
  entries: fc.uniqueArray(fc.record({ key, value: fc.option(wellFormed, { nil: undefined }) }), {
    selector: (entry) => entry.key.toLowerCase(),
    maxLength: 6,
  }),
});
const document = fc.uniqueArray(section, { selector: ({ name: unique }) => unique, maxLength: 6 });

/** The grammar again, as plainly as it can be written, for texts without problems. */
function naive(text: string): [string, [string, string | undefined][]][] {
  const result: [string, [string, string | undefined][]][] = [];
  for (const raw of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const line = raw.replace(/^[ \t\r]+/, '').replace(/[ \t\r]+$/, '');
    if (line === '' || line[0] === '#') continue;
    const header = /^\[[ \t\r]*(.*?)[ \t\r]*\]$/s.exec(line);
    const pair = /^([^=]*?)[ \t\r]*=[ \t\r]*(.*)$/s.exec(line);
    if (header) result.push([header[1] ?? '', []]);
    else result.at(-1)?.[1].push(pair ? [pair[1] ?? '', pair[2]] : [line, undefined]);
  }
  return result;
}

function plain({ sections }: IniDocument): [string, [string, string | undefined][]][] {
  return sections.map(({ name: title, entries }) => [
    title,
    entries.map(({ rawKey, value }) => [rawKey, value] as [string, string | undefined]),
  ]);
}

test('when any text is read then nothing is thrown, lines are real, and messages quote nothing', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const { sections, problems } = parseIni(text);
      const lines = text.split('\n').length;
      for (const { line, message } of problems) {
        assert.ok(line !== undefined && line >= 1 && line <= lines);
        assert.match(message, /^[a-z0-9 ()+=\]U,A-F]+$/);
      }
      for (const { line, entries } of sections) {
        for (const entry of entries) assert.ok(entry.line > line && entry.line <= lines);
      }
    }),
    { numRuns: 2000 },
  );
});

test('when a text has no problems then a naive line parser reads the same', () => {
  let compared = 0;
  fc.assert(
    fc.property(anyText, (text) => {
      const read = parseIni(text);
      if (read.problems.length > 0) return;
      compared += 1;
      assert.deepEqual(plain(read), naive(text));
    }),
    { numRuns: 3000 },
  );
  assert.ok(compared > 100, `only ${compared} texts were without problems`);
});

test('when sections are written then they read back the same and to their lines', () => {
  fc.assert(
    fc.property(document, fc.array(name, { maxLength: 2 }), (sections, comment) => {
      const text = formatIni(sections, comment);
      const read = parseIni(text);
      assert.deepEqual(read.problems, []);
      assert.deepEqual(
        plain(read),
        sections.map((part) => [part.name, part.entries.map((entry) => [entry.key, entry.value])]),
      );
      const lines = text.split('\n');
      for (const { entries } of read.sections) {
        for (const { line, rawKey } of entries) assert.ok(lines[line - 1]?.startsWith(rawKey));
      }
      assert.deepEqual(plain(read), naive(text));
    }),
    { numRuns: 1000 },
  );
});

test('when a value is written among others then it comes back to the letter', () => {
  fc.assert(
    fc.property(wellFormed, (value) => {
      const text = formatIni([{ name: 'door', entries: [{ key: 'command', value }] }]);
      assert.equal(parseIni(text).sections[0]?.entries[0]?.value, value);
    }),
  );
});
