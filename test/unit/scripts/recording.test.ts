/** The recording of the demo: its lines, their times, how they are drawn, and that the picture shows what the demo says today. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Picture, renderRecording } from '../../../scripts/recording/svg.ts';
import { plain, spansOf, wrapped } from '../../../scripts/recording/terminal-rows.ts';
import { LineCollector, type Pace, paced } from '../../../scripts/recording/timed-lines.ts';
import { demoPicture, linesOfPicture, storyInSource, storyLines } from '../../support/documents/demo-story.ts';

const PICTURE: Picture = { title: 'a title', description: 'words', command: 'go', columns: 20, height: 3, hold: 1000 };
const PACE: Pace = { stretch: 2, perLetter: 10, longest: 500 };

test('pieces of output become lines with the time of their end', () => {
  const collector = new LineCollector();
  collector.add('on', 1);
  collector.add('e\r\ntwo\n\nthr', 5);
  collector.add('ee', 9);
  assert.deepEqual(collector.finish(), [
    { at: 5, text: 'one' },
    { at: 5, text: 'two' },
    { at: 5, text: '' },
    { at: 9, text: 'three' },
  ]);
});

test('pauses are scaled, long enough to read the line before, and never long', () => {
  const lines = [
    { at: 10, text: '12345' },
    { at: 10, text: '' },
    { at: 110, text: '' },
    { at: 9110, text: 'end' },
  ];
  assert.deepEqual(
    paced(lines, PACE).map(({ at }) => at),
    [20, 70, 270, 770],
  );
});

test('paced lines stay in order and keep their texts', () => {
  const output = fc.array(fc.record({ gap: fc.nat(5000), text: fc.string() }));
  fc.assert(
    fc.property(output, (parts) => {
      let at = 0;
      const lines = parts.map(({ gap, text }) => {
        at += gap;
        return { at, text };
      });
      const shown = paced(lines, PACE);
      assert.deepEqual(
        shown.map(({ text }) => text),
        lines.map(({ text }) => text),
      );
      for (const [index, line] of shown.entries()) assert.ok(line.at >= (shown[index - 1]?.at ?? 0));
    }),
  );
});

test('colours are read, and other escape sequences are left out', () => {
  assert.deepEqual(spansOf('\x1b[1mbold\x1b[22m \x1b[32mgreen\x1b[39m\x1b[2K\x1b[2;91mdim\x1b[0m.\x07'), [
    { bold: true, dim: false, text: 'bold' },
    { bold: false, dim: false, text: ' ' },
    { bold: false, dim: false, colour: 2, text: 'green' },
    { bold: false, dim: true, colour: 1, text: 'dim' },
    { bold: false, dim: false, text: '.' },
  ]);
  assert.equal(plain('ab\tc\t\x1b[1m1\t2'), `ab${' '.repeat(6)}c${' '.repeat(7)}1${' '.repeat(7)}2`);
});

test('rows break after a space or an ampersand, and line up under the text', () => {
  const rows = (line: string, columns: number) =>
    wrapped(spansOf(line), columns).map(({ indent, spans }) => [indent, spans.map(({ text }) => text).join('')]);
  assert.deepEqual(rows('  one two three', 10), [
    [0, '  one two '],
    [2, 'three'],
  ]);
  assert.deepEqual(rows('a=1&bcd=2&e', 9), [
    [0, 'a=1&bcd=2'],
    [0, '&e'],
  ]);
  assert.deepEqual(rows('a=1&b=22&c=333', 9), [
    [0, 'a=1&b=22&'],
    [0, 'c=333'],
  ]);
  assert.deepEqual(rows('', 9), [[0, '']]);
});

test('no row is too wide and no character is lost', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), fc.integer({ min: 4, max: 40 }), (line, columns) => {
      const rows = wrapped(spansOf(line), columns);
      assert.equal(rows.flatMap(({ spans }) => spans.map(({ text }) => text)).join(''), plain(line));
      for (const { indent, spans } of rows) {
        assert.ok(indent + [...spans.map(({ text }) => text).join('')].length <= columns);
      }
    }),
  );
});

test('no line is lost in the picture, whatever it says, and the same recording gives the same picture', () => {
  const line = fc.record({
    at: fc.nat(5000),
    text: fc.string({ unit: fc.constantFrom(...'ab <>&"\'\x1b[1m\t\x07é✓') }),
  });
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const ordered = lines.toSorted((a, b) => a.at - b.at);
      const svg = renderRecording(ordered, PICTURE);
      assert.deepEqual(linesOfPicture(svg), ['$ go', ...ordered.map(({ text }) => plain(text))]);
      assert.equal(renderRecording(structuredClone(ordered), PICTURE), svg);
    }),
  );
});

test('what stands in the picture is escaped', () => {
  const svg = renderRecording([{ at: 1, text: '<a href="x">&amp;\x00' }], {
    ...PICTURE,
    columns: 40,
    title: 'a < b',
    description: '"c" & d',
    command: '<e>',
  });
  assert.ok(svg.includes('>&lt;a href=&quot;x&quot;&gt;&amp;amp;</text>'));
  assert.ok(svg.includes('>a &lt; b</title>') && svg.includes('>&quot;c&quot; &amp; d</desc>'));
  assert.ok(svg.includes('>$ &lt;e&gt;</text>') && !svg.includes('\x00'));
});

test('lines appear at their share of the whole, and the picture scrolls when it is full', () => {
  const lines = [1000, 1000, 2000, 3000].map((at) => ({ at, text: `at ${at}` }));
  const svg = renderRecording(lines, PICTURE);
  assert.match(svg, /animation:s 4000ms step-end infinite/);
  assert.match(svg, /@keyframes k0\{0%\{opacity:0\}25%\{opacity:1\}\}/);
  assert.match(svg, /@keyframes k2\{0%\{opacity:0\}75%\{opacity:1\}\}/);
  assert.equal(svg.match(/class="k0"/g)?.length, 2);
  // Three rows are visible: the command and two lines fill them.
  assert.match(
    svg,
    /@keyframes s\{0%\{transform:translateY\(0px\)\}25%\{transform:translateY\(0px\)\}50%\{transform:translateY\(-21px\)\}75%\{transform:translateY\(-42px\)\}\}/,
  );
});

test('without motion the picture stands at its last frame', () => {
  const svg = renderRecording(
    [1, 2, 3, 4].map((at) => ({ at, text: 'x' })),
    PICTURE,
  );
  const [, style = ''] = /<style>(.*)<\/style>/s.exec(svg) ?? [];
  assert.match(style, /\.s\{transform:translateY\(-42px\)\}/);
  const still = style
    .replace(/@media\(prefers-reduced-motion:no-preference\)\{.*\}$/m, '')
    .replace(/@keyframes.*/g, '');
  assert.doesNotMatch(still, /animation|opacity/);
});

test("docs/pictures/demo.svg tells the demo's story, step by step (if not: scripts/record-demo)", () => {
  const told = storyInSource();
  assert.equal(told.filter((line) => /^\d/.test(line)).length, 6, told.join('\n'));
  assert.deepEqual(storyLines(linesOfPicture(demoPicture())), told);
});

test('docs/pictures/demo.svg is whole, small, and shows no secret', () => {
  const svg = demoPicture();
  const lines = linesOfPicture(svg);
  assert.equal(lines[0], '$ npm run demo');
  assert.equal(lines.at(-1), 'That is knock-otp.');
  assert.ok(lines.some((line) => /knock-otpd: warn: refused: (replay|contested) door=ssh/.test(line)));
  assert.ok(lines.some((line) => line.includes('secret=...')));
  assert.doesNotMatch(svg, /secret=[A-Z2-7]/);
  assert.ok(Buffer.byteLength(svg) <= 60_000);
});
